"""A random forest: little to tune, hard to embarrass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._answering import sklearn
from evalkit.baselines._tabular import TabularLearner, check_task
from evalkit.core.options import build

EXTRA = "tabular"

VERSION = 1


@dataclass(frozen=True)
class Forest(TabularLearner):
    """Breiman's random forest of `trees` trees (1 to 10,000), each leaf with at least `leaf` rows (>= 1).

    `task` is auto, classification or regression. Missing numbers become the column's median. Needs scikit-learn.
    """

    trees: int = 100
    leaf: int = 1
    task: str = "auto"
    kind: ClassVar[str] = "forest"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        check_task(self.task)
        if not 1 <= self.trees <= 10_000 or self.leaf < 1:
            raise ValueError(f"trees={self.trees!r} must be 1 to 10,000 and leaf={self.leaf!r} at least 1")
        sklearn("ensemble")

    def classifier(self, seed: int) -> Any:
        """A forest that votes by class shares."""
        return sklearn("ensemble").RandomForestClassifier(**self._options(seed))

    def regressor(self, seed: int) -> Any:
        """A forest that averages."""
        return sklearn("ensemble").RandomForestRegressor(**self._options(seed))

    def _options(self, seed: int) -> dict[str, Any]:
        return {"n_estimators": self.trees, "min_samples_leaf": self.leaf, "random_state": seed, "n_jobs": 1}


def make(**options: Any) -> Forest:
    """Options: `trees`, `leaf`, `task`."""
    return build(Forest, options)
