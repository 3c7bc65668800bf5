"""The last season again: the forecast that every other one must beat."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._answering import Named
from evalkit.baselines._series import Forecaster, History, normal
from evalkit.core.options import build

VERSION = 1


@dataclass(frozen=True)
class SeasonalNaive(Named, Forecaster):
    """Repeats the last season; a history no longer than it, or `seasonal=False`, repeats the last value.

    Quantiles are normal around it, with the spread of the in-sample errors times sqrt(k + 1), k = whole seasons ahead
    (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, section 5.5).
    """

    seasonal: bool = True
    kind: ClassVar[str] = "seasonal_naive"
    version: ClassVar[int] = VERSION

    def forecast(self, history: History) -> dict[str, Any]:
        """The last season over and over."""
        values = history.values
        season = history.season if self.seasonal and len(values) > history.season else 1
        errors = [b - a for a, b in zip(values[:-season], values[season:], strict=True)] if len(values) > season else []
        spread = math.sqrt(sum(error * error for error in errors) / len(errors)) if errors else 0.0
        ahead = range(history.horizon)
        points = [values[len(values) - season + step % season] for step in ahead]
        return normal(points, [spread * math.sqrt(step // season + 1) for step in ahead])


def make(**options: Any) -> SeasonalNaive:
    """Options: `seasonal`."""
    return build(SeasonalNaive, options)
