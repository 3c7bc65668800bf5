"""Forecasts as numbers: the point forecast and its quantiles out of an answer, and the scale of a history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.core.types import Response, Sample
from evalkit.scorers._answers import answer_json

Floats = npt.NDArray[np.float64]
_LARGEST = 1e150
_POINTS = ("mean", "forecast", "median", "point")


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast of h steps: points [h] and quantiles, level in (0, 1) -> [h]."""

    points: Floats
    quantiles: Mapping[float, Floats]


def asked(sample: Sample) -> tuple[Floats, Floats, int]:
    """The true future [h], the history [n] and the season of a sample.

    Raises ValueError for a target or `input.series` that is no list of finite numbers, or a season below 1.
    """
    season = sample.input.get("season", 1)
    if not isinstance(season, int) or isinstance(season, bool) or season < 1:
        raise ValueError(f"input.season must be a whole number of at least 1, not {season!r:.40}")
    return _numbers(sample.target, "the target"), _numbers(sample.input.get("series"), "input.series"), season


def answered(response: Response, steps: int) -> Forecast | str:
    """The forecast of an answer, or why it is none: a list of numbers, or an object with points and `quantiles`.

    Points stand under mean, forecast, median or point; without them the 0.5 quantile is taken. Every list must have
    `steps` finite numbers.
    """
    value, reason = answer_json(response)
    if reason is not None:
        return reason
    try:
        if not isinstance(value, Mapping):
            return Forecast(_numbers(value, "the answer", steps), {})
        quantiles = _quantiles(value.get("quantiles"), steps)
        name = next((name for name in _POINTS if name in value), None)
        points = quantiles.get(0.5) if name is None else _numbers(value[name], f"the answer's {name}", steps)
    except ValueError as error:
        return str(error)
    if points is None:
        return f"the answer has no forecast: none of {', '.join(_POINTS)}, and no quantile 0.5"
    return Forecast(points, quantiles)


def scale(history: Floats, season: int, *, squared: bool = False) -> tuple[float, str | None]:
    """What an error is measured by: the mean in-sample error of the seasonal naive forecast, absolute or squared.

    A history no longer than the season is measured by lag 1, and one step has no scale at all: 0, with the reason.
    """
    note = None
    if len(history) <= season:
        note = f"{len(history)} steps of history are not more than the season of {season}: measured by lag 1"
        season = 1
    if len(history) <= season:
        return 0.0, "a history of one step has no scale"
    steps = history[season:] - history[:-season]
    found = float(np.mean(steps * steps if squared else np.abs(steps)))
    return (found, note) if found > 0 else (0.0, "the history repeats itself exactly: there is no scale")


def _quantiles(value: Any, steps: int) -> dict[float, Floats]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError('quantiles must be an object such as {"0.1": [...], "0.9": [...]}')  # noqa: TRY004 - the answer's fault
    found: dict[float, Floats] = {}
    for name, numbers in value.items():
        try:
            level = float(name)
        except ValueError:
            raise ValueError(f"{name!r:.40} is no quantile level") from None
        if not 0 < level < 1:
            raise ValueError(f"a quantile level lies between 0 and 1, not at {level:g}")
        found[round(level, 6)] = _numbers(numbers, f"quantile {level:g}", steps)
    return found


def _numbers(value: Any, what: str, steps: int | None = None) -> Floats:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError(f"{what} must be a list of numbers")
    if steps is not None and len(value) != steps:
        raise ValueError(f"{what} has {len(value)} steps, {steps} were asked for")
    for place, number in enumerate(value):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            raise ValueError(f"{what}: step {place + 1} is {number!r:.40}, not a finite number")
        if abs(number) > _LARGEST:
            raise ValueError(f"{what}: step {place + 1} is too large to be squared")
    return np.array(value, dtype=np.float64)
