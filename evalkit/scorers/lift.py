"""Lift and cumulative gain: how many of the positives stand at the top of the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from evalkit.core.fold import Fold, Whole
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._base import unscorable
from evalkit.scorers._probability import Forecast, ProbabilityScorer, binary_truth, by_rank


@lru_cache(maxsize=128)
def _metrics(k: int) -> tuple[Metric, ...]:
    return tuple(
        Metric(
            f"{name}@{k}",
            kind="rank",
            bounds=(0.0, 100 / k if name == "lift" else 1.0),
            fold=Fold(across=Whole(partial(_folds.gain, share=k / 100, over_chance=name == "lift"))),
            on_error="undefined",
        )
        for name in ("lift", "gain")
    )


@dataclass(frozen=True, slots=True)
class Lift(ProbabilityScorer):
    """Positives among the `k` percent of samples with the highest probability, over what chance would put there.

    `lift` = share of positives among them / share of positives in all (1 = chance, at most 100 / k); `gain` = share of
    all positives that are among them, 0..1. A sample on the boundary counts in proportion, and samples of equal
    probability come in every order equally often. The probability is that of the class `positive` (without it: targets
    0/1 or false/true).
    """

    k: int | None = None
    positive: str | None = None

    def __post_init__(self) -> None:
        if type(self.k) is not int or not 1 <= self.k <= 99:
            told = "lift needs its percentage, as in lift@10" if self.k is None else f"k={self.k!r} is no percentage"
            raise ValueError(f"{told}: a whole number from 1 to 99")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`lift@k` and `gain@k`, of the whole set."""
        assert self.k is not None
        return _metrics(self.k)

    def judge(self, forecast: Forecast) -> Score:
        """Columns for the fold: `value` and `positive`."""
        return by_rank(forecast)

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Read the probability of the positive class; probabilities of labels need `positive` to say which."""
        found = ProbabilityScorer.mark(self, sample, response)
        score = found[self.metrics[0].name]
        if score.value is not None and "positive" not in score.parts:
            return unscorable(self.metrics, "probabilities of several labels: positive= says which one is looked for")
        return found

    def problem(self, sample: Sample) -> str | None:
        """A target that is no label, or without `positive` neither 0/1 nor false/true."""
        found = ProbabilityScorer.problem(self, sample)
        return found or (binary_truth(sample) if self.positive is None else None)


def make(**options: Any) -> Lift:
    """Build from options; raises ValueError naming the known ones and for a missing or impossible percentage."""
    return build(Lift, options)
