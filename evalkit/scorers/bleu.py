"""BLEU of the corpus, by sacrebleu."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric
from evalkit.scorers import _sacrebleu
from evalkit.scorers._base import choose

EXTRA = "text"
TOKENIZERS = ("13a", "intl", "char", "zh", "none")
SMOOTHING = ("exp", "floor", "add-k", "none")
_KEYS = tuple(f"s{place}" for place in range(10))


@lru_cache(maxsize=8)
def _metrics(smooth: str) -> tuple[Metric, ...]:
    fold = Fold(across=Sums(partial(_sacrebleu.bleu, smooth=smooth), _KEYS))
    return (Metric("bleu", kind="corpus", bounds=(0.0, 100.0), fold=fold, primary=True),)


@dataclass(frozen=True, slots=True)
class Bleu(_sacrebleu.TranslationScorer):
    """Corpus BLEU against one or several references, 0 to 100, equal to sacrebleu's (Post 2018).

    `tokenize` is 13a, intl, char, zh or none; `smooth` is exp, floor, add-k or none; `lowercase` ignores case. The
    value of one answer alone leaves out the n-gram orders that it is too short for.
    """

    tokenize: str = "13a"
    smooth: str = "exp"
    lowercase: bool = False

    def __post_init__(self) -> None:
        choose("tokenize", self.tokenize, TOKENIZERS)
        choose("smooth", self.smooth, SMOOTHING)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`bleu`, from ten sums over the corpus."""
        return _metrics(self.smooth)

    def engine(self) -> Any:
        """sacrebleu's BLEU."""
        options = (("tokenize", self.tokenize), ("smooth_method", self.smooth), ("lowercase", self.lowercase))
        return _sacrebleu.engine("BLEU", (*options, ("force", True)))

    def sentence(self, statistics: Sequence[float]) -> float:
        """BLEU of one answer with its effective order; 0 where both texts are empty."""
        if not any(statistics):
            return 0.0
        return float(_sacrebleu.bleu(_sacrebleu.columns(statistics), smooth=self.smooth, effective=True)[0])


def make(**options: Any) -> Bleu:
    """Build from options; raises ValueError naming the known ones."""
    return build(Bleu, options)
