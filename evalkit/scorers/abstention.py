"""Whether a system says that there is no answer where there is none, and only there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answered import PHRASES, said, wanted
from evalkit.scorers._base import OneAnswer, listed, trouble, unscorable

_KEYS = ("tp", "fp", "fn", "tn")
_METRICS = (
    Metric("abstention_f1", kind="ratio", bounds=(0.0, 1.0), fold=Fold(across=Sums(_folds.f1, _KEYS)), primary=True),
    Metric("abstention_precision", kind="ratio", bounds=(0.0, 1.0), fold=Fold(across=Sums(_folds.precision, _KEYS))),
    Metric("abstention_recall", kind="ratio", bounds=(0.0, 1.0), fold=Fold(across=Sums(_folds.recall, _KEYS))),
)


@dataclass(frozen=True, slots=True)
class Abstention(OneAnswer):
    """Abstaining as a class of its own: a hit where the target's answer is null and the system states that it is.

    An abstention where there is an answer is a false one, an answer where there is none a missed one. `phrases` are
    read as an abstention, beside null. What cannot be read states nothing: it is not scorable and counts as wrong.
    """

    phrases: tuple[str, ...] = PHRASES

    def __post_init__(self) -> None:
        listed(self, "phrases")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`abstention_f1`, `abstention_precision` and `abstention_recall`, of sums over all questions."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """One of: rightly abstained, wrongly abstained, wrongly answered, rightly answered."""
        absent = not wanted(sample).answers
        found = said(response, self.phrases)
        if isinstance(found, str):
            return unscorable(_METRICS, found)
        abstained = found.answer is None
        right = abstained == absent
        part = {(True, True): "tp", (True, False): "fp", (False, True): "fn", (False, False): "tn"}[abstained, absent]
        reason = (
            None if right else "abstained, and there is an answer" if abstained else "answered where nothing answers"
        )
        said_as = "abstained" if abstained else "answered"
        score = Score(float(right), {**dict.fromkeys(_KEYS, 0.0), part: 1.0}, said_as, reason)
        return {metric.name: score for metric in _METRICS}

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """Wrong either way: missed where there is no answer, a false abstention where there is one."""
        absent = self.problem(sample) is None and not wanted(sample).answers
        parts = {"tp": 0.0, "fp": float(not absent), "fn": float(absent), "tn": 0.0}
        return {metric.name: Score(0.0, parts) for metric in _METRICS}

    def problem(self, sample: Sample) -> str | None:
        """A target without `answer`."""
        return trouble(wanted, sample)


def make(**options: Any) -> Abstention:
    """Build from options; raises ValueError naming the known ones."""
    return build(Abstention, options)
