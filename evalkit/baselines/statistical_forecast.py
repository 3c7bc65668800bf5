"""Classical forecasters, fitted to each series anew by statsforecast: exponential smoothing, Theta, ARIMA."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from evalkit.baselines._answering import Named
from evalkit.baselines._series import LEVELS, Forecaster, History, normal
from evalkit.core.errors import MissingComponent
from evalkit.core.options import build

EXTRA = "timeseries"
NAMES = ("ets", "theta", "arima")
VERSION = 1
_MODELS = {"ets": "AutoETS", "theta": "AutoTheta", "arima": "AutoARIMA"}
_LONGEST_SEASON = 24
_SHORTEST = 6


@dataclass(frozen=True)
class StatisticalForecast(Named, Forecaster):
    """Automatic exponential smoothing (`ets`), Theta (`theta`) or ARIMA (`arima`), by `name`, with its own intervals.

    A season above 24 steps, or one that the history does not hold twice, is taken out first by the mean of each place
    in it, and put back afterwards; a history of fewer than six steps, or one that never
    changes, is repeated. Quantiles that cross are put in order (Chernozhukov et al. 2010).
    """

    method: str
    version: ClassVar[int] = VERSION

    @property
    def kind(self) -> str:  # type: ignore[override]
        """The method's name."""
        return self.method

    def forecast(self, history: History) -> dict[str, Any]:
        """Fit the history and forecast. Raises ValueError with the library's words when nothing can be fitted."""
        import numpy as np

        values = np.array(history.values)
        if len(values) < _SHORTEST or float(np.ptp(values)) == 0.0:
            return normal([float(values[-1])] * history.horizon, [0.0] * history.horizon)
        season, place = history.season, None
        if season > _LONGEST_SEASON or len(values) < 2 * season:
            if len(values) >= 2 * season:
                place = _places(values, season)
                values = values - np.resize(np.roll(place, len(values) % season), len(values))
            season = 1
        found = self._fitted(values, season, history.horizon)
        if place is not None:
            found = {name: column + np.resize(place, history.horizon) for name, column in found.items()}
        return _answer(found)

    def _fitted(self, values: Any, season: int, horizon: int) -> dict[str, Any]:
        model = getattr(_models(), _MODELS[self.method])(season_length=season)
        levels = sorted({round(abs(1 - 2 * level) * 100) for level in LEVELS} - {0})
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found: dict[str, Any] = model.forecast(y=values.astype("float64"), h=horizon, level=levels)
        except Exception as error:
            raise ValueError(f"{self.method} cannot fit this series: {error}") from error
        return found


def _places(values: Any, season: int) -> Any:
    """The mean of each place of the season, about 0, beginning with the first step after the history."""
    import numpy as np

    step = np.arange(len(values))
    slope, base = np.polyfit(step, values, 1)
    rest = values - (slope * step + base)
    means = np.array([rest[(step - len(values)) % season == place].mean() for place in range(season)])
    return means - means.mean()


def _answer(found: dict[str, Any]) -> dict[str, Any]:
    columns = []
    for level in LEVELS:
        width = round(abs(1 - 2 * level) * 100)
        columns.append(found["mean" if width == 0 else f"{'lo' if level < 0.5 else 'hi'}-{width}"])
    steps = [sorted(round(float(value), 9) for value in step) for step in zip(*columns, strict=True)]
    quantiles = {f"{level:g}": [step[place] for step in steps] for place, level in enumerate(LEVELS)}
    return {"mean": [round(float(value), 9) for value in found["mean"]], "quantiles": quantiles}


def _models() -> Any:
    try:
        return import_module("statsforecast.models")
    except ImportError as error:
        raise MissingComponent("forecasting needs statsforecast: pip install 'evalkit[timeseries]'") from error


def make(name: str, **options: Any) -> StatisticalForecast:
    """No options; the name is the method."""
    _models()
    return build(StatisticalForecast, {**options, "method": name})
