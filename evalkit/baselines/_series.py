"""What forecasters share: reading a sample's history, and a forecast with quantiles as an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from evalkit.baselines._answering import respond
from evalkit.core.types import Context, Response, Sample

LEVELS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class History:
    """What lies before the origin: values [n] in time order, the steps that are asked for, the season."""

    values: tuple[float, ...]
    horizon: int
    season: int


def history_of(sample: Sample) -> History:
    """The history of a sample. Raises ValueError naming the sample and what is wrong."""
    values, horizon, season = (sample.input.get(name) for name in ("series", "horizon", "season"))
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise ValueError(f"sample {sample.id!r} has no list of numbers in input field 'series'")
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) or not math.isfinite(v) for v in values):
        raise ValueError(f"sample {sample.id!r}: its series holds something that is no finite number")
    if not isinstance(horizon, int) or isinstance(horizon, bool) or horizon < 1:
        raise ValueError(f"sample {sample.id!r}: horizon must be a whole number above 0, not {horizon!r:.40}")
    if season is not None and (not isinstance(season, int) or isinstance(season, bool) or season < 1):
        raise ValueError(f"sample {sample.id!r}: season must be a whole number above 0, not {season!r:.40}")
    return History(tuple(map(float, values)), horizon, season or 1)


def answer(sample: Sample, forecast: Callable[[History], dict[str, Any]]) -> Response:
    """The forecast of a sample as an answer; what cannot be forecast is a failed answer."""

    def compute() -> dict[str, Any]:
        return forecast(history_of(sample))

    return respond(" " * len(sample.input.get("series") or ()), compute)


def normal(points: Sequence[float], spreads: Sequence[float]) -> dict[str, Any]:
    """Points and normal quantiles: {"mean": [h], "quantiles": {"0.1": [h], ...}}; `spreads` are standard deviations."""
    unit = NormalDist()
    quantiles = {
        f"{level:g}": [round(p + unit.inv_cdf(level) * s, _DIGITS) for p, s in zip(points, spreads, strict=True)]
        for level in LEVELS
    }
    return {"mean": [round(point, _DIGITS) for point in points], "quantiles": quantiles}


class Forecaster:
    """Base of what forecasts from a sample's own history."""

    def forecast(self, history: History) -> dict[str, Any]:
        """Points and quantiles."""
        raise NotImplementedError

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """Forecast the steps after the sample's history."""
        return answer(sample, self.forecast)
