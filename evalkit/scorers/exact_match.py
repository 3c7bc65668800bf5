"""Exact match: the normalised answer equals one of the normalised targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, choose, trouble
from evalkit.scorers._normalise import NORMALISERS
from evalkit.scorers._targets import texts

_METRICS = (Metric("exact_match", kind="mean01", bounds=(0.0, 1.0), primary=True),)


@dataclass(frozen=True, slots=True)
class ExactMatch(TextScorer):
    """1 when the answer equals a target after normalising both, else 0; several targets: any of them.

    `normaliser` = none, strip, whitespace, casefold, alnum or squad. The target is text, a number or a list of them.
    """

    normaliser: str = "strip"

    def __post_init__(self) -> None:
        choose("normaliser", self.normaliser, NORMALISERS)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`exact_match`, a rate."""
        return _METRICS

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """Compare with each target."""
        normalise = NORMALISERS[self.normaliser]
        answer = normalise(text)
        hit = any(answer == normalise(gold) for gold in texts(sample))
        return {"exact_match": Score(1.0 if hit else 0.0, answer=shown(answer))}

    def problem(self, sample: Sample) -> str | None:
        """A target that is neither text nor a number."""
        return trouble(texts, sample)


def make(**options: Any) -> ExactMatch:
    """Build from options; raises ValueError naming the known ones."""
    return build(ExactMatch, options)
