"""Histogram gradient boosting: the usual winner on tables of some size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._answering import sklearn
from evalkit.baselines._tabular import TabularLearner, check_task
from evalkit.core.options import build

EXTRA = "tabular"

VERSION = 1


@dataclass(frozen=True)
class Boosting(TabularLearner):
    """scikit-learn's HistGradientBoosting with `rounds` trees (1 to 10,000) and `learning_rate` (above 0, at most 1).

    `task` is auto, classification or regression. Missing numbers are handled by the trees. Needs scikit-learn.
    """

    rounds: int = 100
    learning_rate: float = 0.1
    task: str = "auto"
    kind: ClassVar[str] = "boosting"
    version: ClassVar[int] = VERSION
    columns_with_gaps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_task(self.task)
        if not 1 <= self.rounds <= 10_000 or not 0 < self.learning_rate <= 1:
            message = (
                f"rounds={self.rounds!r} must be 1 to 10,000, learning_rate={self.learning_rate!r} above 0, at most 1"
            )
            raise ValueError(message)
        sklearn("ensemble")

    def classifier(self, seed: int) -> Any:
        """Boosting of the log loss."""
        return sklearn("ensemble").HistGradientBoostingClassifier(**self._options(seed))

    def regressor(self, seed: int) -> Any:
        """Boosting of the squared error."""
        return sklearn("ensemble").HistGradientBoostingRegressor(**self._options(seed))

    def _options(self, seed: int) -> dict[str, Any]:
        # Early stopping would hold back rows at random once a table passes 10,000: two kinds of model under one name.
        return {
            "max_iter": self.rounds,
            "learning_rate": self.learning_rate,
            "early_stopping": False,
            "random_state": seed,
        }


def make(**options: Any) -> Boosting:
    """Options: `rounds`, `learning_rate`, `task`."""
    return build(Boosting, options)
