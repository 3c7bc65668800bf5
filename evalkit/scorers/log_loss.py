"""Log loss of probabilities."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Score
from evalkit.scorers._probability import Forecast, ProbabilityScorer, by_truth, metric

_METRICS = metric("log_loss", bounds=(0.0, None), on_error="undefined", unit="nats")


@dataclass(frozen=True, slots=True)
class LogLoss(ProbabilityScorer):
    """Mean of -ln(probability of the true label), clipped at 2.2e-16 as scikit-learn does; >= 0, lower is better.

    A bare number is the probability of the class `positive` (without it: targets 0/1 or false/true). Probabilities by
    label are divided by their sum, which must be within 0.02 of 1; a label that is not listed has probability 0.
    """

    positive: str | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`log_loss`, a mean in nats."""
        return _METRICS

    def judge(self, forecast: Forecast) -> Score:
        """The loss of one sample."""
        return by_truth(forecast, loss)


def loss(forecast: Forecast) -> float:
    """-ln(p) with p clipped to [eps, 1 - eps], eps = 2.2e-16."""
    eps = sys.float_info.epsilon
    return -math.log(min(max(forecast.chances.get(forecast.truth, 0.0), eps), 1 - eps))


def make(**options: Any) -> LogLoss:
    """Build from options; raises ValueError naming the known ones."""
    return build(LogLoss, options)
