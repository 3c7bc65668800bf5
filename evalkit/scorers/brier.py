"""Brier score of probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Score
from evalkit.scorers._probability import Forecast, ProbabilityScorer, by_truth, metric

_METRICS = metric("brier", bounds=(0.0, 1.0), on_error=1.0)


@dataclass(frozen=True, slots=True)
class Brier(ProbabilityScorer):
    """Mean of half the squared distance between probabilities and truth (Brier 1950), 0..1, lower is better.

    Half, so that two classes give the usual (p - y)^2 and any number of classes stays in 0..1; scikit-learn's
    `brier_score_loss(scale_by_half=True)`. A bare number is the probability of the class `positive` (without it:
    targets 0/1 or false/true).
    """

    positive: str | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`brier`, a mean."""
        return _METRICS

    def judge(self, forecast: Forecast) -> Score:
        """The loss of one sample."""
        return by_truth(forecast, loss)


def loss(forecast: Forecast) -> float:
    """Half of sum over labels (p - y)^2."""
    chances = {forecast.truth: 0.0, **forecast.chances}
    return sum((p - (name == forecast.truth)) ** 2 for name, p in chances.items()) / 2


def make(**options: Any) -> Brier:
    """Build from options; raises ValueError naming the known ones."""
    return build(Brier, options)
