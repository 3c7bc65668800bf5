"""Forecasts of a time series: scaled and relative errors of the points, loss and coverage of the quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._base import OneAnswer, choose, trouble, unscorable
from evalkit.scorers._forecasts import Floats, Forecast, answered, asked, scale

NAMES = ("mase", "rmsse", "smape", "wql", "coverage")
LEVELS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
_COUNTED = Fold(across=Sums(partial(_folds.ratio, numerator="sum", denominator="n"), ("sum", "n")))
_WEIGHTED = Fold(across=Sums(partial(_folds.ratio, numerator="loss", denominator="size"), ("loss", "size")))


@dataclass(frozen=True, slots=True)
class ForecastScore(OneAnswer):
    """One metric of forecasts, by `name`.

    `mase` and `rmsse` divide the error by that of the in-sample seasonal naive forecast (Hyndman and Koehler 2006; M5);
    a history no longer than the season is measured by lag 1, and a sample without a scale is left out, which its reason
    says. `smape` is the mean of 2|y - f| / (|y| + |f|), 0..2, where 0/0 counts as 0. `wql` is 2 x pinball loss over
    |y|, both summed over all steps and samples, the mean over the levels 0.1 to 0.9. `coverage` is the share of true
    values inside the central interval of `level`. No worst value exists for unbounded errors.
    """

    name: str
    level: float = 0.8

    def __post_init__(self) -> None:
        choose("name", self.name, NAMES)
        if not 0 < self.level < 1:
            raise ValueError(f"level={self.level!r} must lie between 0 and 1")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metric of that name."""
        if self.name == "coverage":
            return (Metric("coverage", "ratio", bounds=(0.0, 1.0), fold=_COUNTED, on_error=0.0),)
        if self.name == "smape":
            return (Metric("smape", "mean", higher_is_better=False, bounds=(0.0, 2.0), on_error=2.0),)
        fold = _WEIGHTED if self.name == "wql" else _COUNTED
        known = {"kind": "ratio", "higher_is_better": False, "bounds": (0.0, None), "on_error": "undefined"}
        return (Metric(self.name, fold=fold, primary=self.name == "mase", **known),)  # type: ignore[arg-type]

    def worst(self, sample: Sample) -> Mapping[str, Score]:  # noqa: ARG002 - the same for all samples
        """Covers nothing, or sMAPE 2; no worst value exists for the others."""
        if self.name == "coverage":
            return {"coverage": Score(0.0, {"sum": 0.0, "n": 1.0})}
        return {self.name: Score(2.0 if self.name == "smape" else None)}

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """The score of one forecast."""
        truth, history, season = asked(sample)
        said = answered(response, len(truth))
        if isinstance(said, str):
            return unscorable(self.metrics, said)
        if self.name in ("mase", "rmsse"):
            return {self.name: self._scaled(truth, said.points, history, season)}
        if self.name == "smape":
            size = np.abs(truth) + np.abs(said.points)
            parts = np.divide(2 * np.abs(truth - said.points), size, out=np.zeros_like(size), where=size > 0)
            return {"smape": Score(float(parts.mean()), answer=_shown(said.points))}
        return {self.name: self._covered(truth, said) if self.name == "coverage" else _quantile_loss(truth, said)}

    def _scaled(self, truth: Floats, points: Floats, history: Floats, season: int) -> Score:
        squared = self.name == "rmsse"
        by, note = scale(history, season, squared=squared)
        if not by:
            return Score(0.0, {"sum": 0.0, "n": 0.0}, _shown(points), f"left out: {note}")
        errors = truth - points
        value = float(np.sqrt(np.mean(errors**2) / by)) if squared else float(np.mean(np.abs(errors)) / by)
        return Score(value, {"sum": value, "n": 1.0}, _shown(points), note)

    def _covered(self, truth: Floats, said: Forecast) -> Score:
        low, high = round((1 - self.level) / 2, 6), round((1 + self.level) / 2, 6)
        if low not in said.quantiles or high not in said.quantiles:
            return Score(None, reason=f"the answer has no quantiles {low:g} and {high:g}")
        inside = (truth >= said.quantiles[low]) & (truth <= said.quantiles[high])
        return Score(float(inside.mean()), {"sum": float(inside.sum()), "n": float(len(truth))}, _shown(said.points))

    def problem(self, sample: Sample) -> str | None:
        """A target or history that is no list of numbers."""
        return trouble(asked, sample)


def _quantile_loss(truth: Floats, said: Forecast) -> Score:
    missing = [level for level in LEVELS if level not in said.quantiles]
    if missing:
        return Score(None, reason=f"the answer has no quantile {missing[0]:g}; 0.1, 0.2 ... 0.9 are needed")
    losses = [_pinball(truth, said.quantiles[level], level) for level in LEVELS]
    loss, size = float(2 * np.mean(losses)), float(np.abs(truth).sum())
    value = loss / size if size else loss
    reason = None if size else "the true values are all 0: the loss itself is shown, and counts in the sums"
    return Score(value, {"loss": loss, "size": size}, _shown(said.points), reason)


def _pinball(truth: Floats, forecast: Floats, level: float) -> float:
    over = truth - forecast
    return float(np.maximum(level * over, (level - 1) * over).sum())


def _shown(points: Floats) -> str:
    first = ", ".join(f"{point:.4g}" for point in points[:6])
    return f"{first}, ..." if len(points) > 6 else first


def make(**options: Any) -> ForecastScore:
    """Build from options; raises ValueError naming the known ones."""
    return build(ForecastScore, options)
