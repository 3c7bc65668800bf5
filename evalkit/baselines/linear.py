"""Logistic or ridge regression on scaled columns: the line that anything cleverer has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._answering import sklearn
from evalkit.baselines._tabular import TabularLearner, check_task
from evalkit.core.options import build

EXTRA = "tabular"

VERSION = 1


@dataclass(frozen=True)
class Linear(TabularLearner):
    """L2-penalised logistic regression, or ridge regression, on columns scaled to mean 0 and variance 1.

    `c` > 0 is the inverse strength of the penalty (ridge: alpha = 1 / c); `task` is auto, classification or regression.
    Missing numbers become the column's median. Needs scikit-learn.
    """

    c: float = 1.0
    task: str = "auto"
    kind: ClassVar[str] = "linear"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        check_task(self.task)
        if not self.c > 0:
            raise ValueError(f"c={self.c!r} must be above 0")
        sklearn("linear_model")

    def classifier(self, seed: int) -> Any:
        """Scaling and logistic regression."""
        return _scaled(sklearn("linear_model").LogisticRegression(C=self.c, max_iter=5000, random_state=seed))

    def regressor(self, seed: int) -> Any:
        """Scaling and ridge regression."""
        return _scaled(sklearn("linear_model").Ridge(alpha=1 / self.c, random_state=seed))


def _scaled(model: Any) -> Any:
    return sklearn("pipeline").make_pipeline(sklearn("preprocessing").StandardScaler(), model)


def make(**options: Any) -> Linear:
    """Options: `c`, `task`."""
    return build(Linear, options)
