"""Average precision of probabilities, the area under the precision-recall curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalkit.core.fold import Fold, Whole
from evalkit.core.options import build
from evalkit.core.types import Metric, Score
from evalkit.scorers import _folds
from evalkit.scorers._probability import Forecast, ProbabilityScorer, by_rank

_METRICS = (
    Metric(
        "average_precision",
        kind="rank",
        bounds=(0.0, 1.0),
        fold=Fold(across=Whole(_folds.average_precision)),
        on_error="undefined",
    ),
)


@dataclass(frozen=True, slots=True)
class AveragePrecision(ProbabilityScorer):
    """Sum of precision times gained recall over all thresholds (PR-AUC without interpolation), 0..1.

    Equals scikit-learn's `average_precision_score`: samples of equal probability are one threshold. Chance is the share
    of positives, not 0.5. A number or {"probability": p} is for the class `positive` (without it: targets 0/1 or
    false/true); {"probabilities": {label: p}} gives the macro average of each class against the rest, or with
    `positive` that class.
    """

    positive: str | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`average_precision`, of the whole set."""
        return _METRICS

    def judge(self, forecast: Forecast) -> Score:
        """Columns for the fold."""
        return by_rank(forecast)


def make(**options: Any) -> AveragePrecision:
    """Build from options; raises ValueError naming the known ones."""
    return build(AveragePrecision, options)
