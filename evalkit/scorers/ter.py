"""Translation edit rate of the corpus, by sacrebleu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric
from evalkit.scorers import _sacrebleu

EXTRA = "text"

_METRICS = (
    Metric(
        "ter",
        kind="ratio",
        higher_is_better=False,
        bounds=(0.0, None),
        fold=Fold(across=Sums(_sacrebleu.ter, ("s0", "s1"))),
        on_error=100.0,
        primary=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Ter(_sacrebleu.TranslationScorer):
    """Corpus translation edit rate (edits and shifts by words), 0 is best, equal to sacrebleu's (Snover et al. 2006).

    `normalized` splits punctuation off, `no_punct` drops it, `asian_support` treats Asian characters as words,
    `case_sensitive` keeps case. An answer that failed counts as an empty one.
    """

    normalized: bool = False
    no_punct: bool = False
    asian_support: bool = False
    case_sensitive: bool = False

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`ter`, edits by reference words."""
        return _METRICS

    def engine(self) -> Any:
        """sacrebleu's TER."""
        names = ("normalized", "no_punct", "asian_support", "case_sensitive")
        return _sacrebleu.engine("TER", tuple((name, getattr(self, name)) for name in names))


def make(**options: Any) -> Ter:
    """Build from options; raises ValueError naming the known ones."""
    return build(Ter, options)
