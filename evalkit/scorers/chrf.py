"""chrF and chrF++ of the corpus, by sacrebleu."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric
from evalkit.scorers import _sacrebleu

EXTRA = "text"


@lru_cache(maxsize=32)
def _metrics(orders: int, beta: int) -> tuple[Metric, ...]:
    keys = tuple(f"s{place}" for place in range(3 * orders))
    fold = Fold(across=Sums(partial(_sacrebleu.chrf, orders=orders, beta=beta), keys))
    return (Metric("chrf", kind="corpus", bounds=(0.0, 100.0), fold=fold, primary=True),)


@dataclass(frozen=True, slots=True)
class Chrf(_sacrebleu.TranslationScorer):
    """Corpus chrF against one or several references, 0 to 100, equal to sacrebleu's (Popovic 2015).

    `char_order` = longest character n-gram, `word_order` = longest word n-gram (2 is chrF++), `beta` = weight of
    recall, `lowercase` ignores case, `whitespace` counts spaces.
    """

    char_order: int = 6
    word_order: int = 0
    beta: int = 2
    lowercase: bool = False
    whitespace: bool = False

    def __post_init__(self) -> None:
        for option, low, high in (("char_order", 1, 10), ("word_order", 0, 6), ("beta", 1, 10)):
            value = getattr(self, option)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ValueError(f"{option}={value!r} must be a whole number from {low} to {high}")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`chrf`, from three sums per n-gram order."""
        return _metrics(self.char_order + self.word_order, self.beta)

    def engine(self) -> Any:
        """sacrebleu's CHRF."""
        names = ("char_order", "word_order", "beta", "lowercase", "whitespace")
        return _sacrebleu.engine("CHRF", tuple((name, getattr(self, name)) for name in names))


def make(**options: Any) -> Chrf:
    """Build from options; raises ValueError naming the known ones."""
    return build(Chrf, options)
