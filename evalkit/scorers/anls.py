"""Average normalised Levenshtein similarity: short answers read from pictures, forgiving of single wrong characters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.errors import MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, trouble
from evalkit.scorers._normalise import whitespace
from evalkit.scorers._targets import texts

EXTRA = "ocr"

_METRICS = (Metric("anls", bounds=(0.0, 1.0), primary=True),)


@dataclass(frozen=True, slots=True)
class Anls(TextScorer):
    """ANLS of DocVQA: the best over the targets of 1 - NL, and 0 where NL reaches the threshold (Biten et al. 2019).

    NL = edit distance / length of the longer text, both taken of the *normalised* texts (lower case, white space
    collapsed), so that padding neither helps nor harms. `threshold` = the NL from which an answer counts as another
    answer, 0.5 as in the paper; an NL of exactly that scores 0. `ignore_case` = lower-case both sides. Two empty texts
    are equal. Distances are rapidfuzz's.
    """

    threshold: float = 0.5
    ignore_case: bool = True
    libraries: ClassVar[tuple[str, ...]] = ("rapidfuzz",)

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold} must be above 0 and at most 1")
        distance()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`anls`, a mean over the samples; an answer that cannot be read counts as 0."""
        return _METRICS

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """The best of all targets."""
        answer = self._plain(text)
        far = min(distance()(self._plain(gold), answer) for gold in texts(sample))
        value = 1.0 - far if far < self.threshold else 0.0
        reason = f"{far:.0%} of the characters differ" if far else None
        return {"anls": Score(value, answer=shown(answer), reason=reason)}

    def problem(self, sample: Sample) -> str | None:
        """A target that is neither text nor a list of texts."""
        return trouble(texts, sample)

    def _plain(self, text: str) -> str:
        return whitespace(text.lower() if self.ignore_case else text)


def distance() -> Callable[[str, str], float]:
    """rapidfuzz's normalised edit distance of two texts, 0..1. Raises MissingComponent without rapidfuzz."""
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError as error:
        raise MissingComponent("anls needs rapidfuzz: pip install 'evalkit[ocr]'") from error
    return Levenshtein.normalized_distance


def make(**options: Any) -> Anls:
    """Build from options; raises ValueError naming the known ones, MissingComponent without rapidfuzz."""
    return build(Anls, options)
