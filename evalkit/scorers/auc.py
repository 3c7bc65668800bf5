"""Area under the ROC curve of probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalkit.core.fold import Fold, Whole
from evalkit.core.options import build
from evalkit.core.types import Metric, Score
from evalkit.scorers._folds import roc_auc
from evalkit.scorers._probability import Forecast, ProbabilityScorer, by_rank

_METRICS = (
    Metric("auc", kind="rank", bounds=(0.0, 1.0), fold=Fold(across=Whole(roc_auc)), on_error="undefined", primary=True),
)


@dataclass(frozen=True, slots=True)
class Auc(ProbabilityScorer):
    """Area under the ROC curve of all samples, ties counted half (Mann and Whitney 1947), 0..1.

    A number or {"probability": p} is for the class `positive` (without it: targets 0/1 or false/true);
    {"probabilities": {label: p}} gives the macro average of each class against the rest, or with `positive` that class.
    """

    positive: str | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`auc`, of the whole set."""
        return _METRICS

    def judge(self, forecast: Forecast) -> Score:
        """Columns for the fold: `value` and `positive`, or `s:<label>` and `t:<label>`."""
        return by_rank(forecast)


def make(**options: Any) -> Auc:
    """Build from options; raises ValueError naming the known ones."""
    return build(Auc, options)
