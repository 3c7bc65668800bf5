"""Probabilities as answers: a number, {"probability": p} or {"probabilities": {label: p}}, read against the target."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers._answers import answer_json
from evalkit.scorers._base import OneAnswer, trouble, unscorable
from evalkit.scorers._labelled import SUM_TOLERANCE, standard
from evalkit.scorers._targets import kind, label

_TRUTHS = {"1": "1", "true": "1", "0": "0", "false": "0"}


class Forecast(NamedTuple):
    """Probabilities by label (summing to 1), the true label, and whether the answer was one binary probability."""

    chances: Mapping[str, float]
    truth: str
    binary: bool


class ProbabilityScorer(OneAnswer):
    """Base of scorers of probabilities; a subclass has the option `positive` and judges a forecast."""

    __slots__ = ()
    positive: str | None

    def judge(self, forecast: Forecast) -> Score:
        """The score of a forecast."""
        raise NotImplementedError

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Read the probabilities and judge them; anything else is not scorable."""
        truth = _truth(sample)
        value, reason = answer_json(response)
        if reason is None:
            forecast = read(standard(value), truth, self.positive)
            if isinstance(forecast, Forecast):
                score = self.judge(forecast)
                return {one.name: score for one in self.metrics}
            reason = forecast
        return unscorable(self.metrics, reason)

    def problem(self, sample: Sample) -> str | None:
        """A target that is no label."""
        return trouble(_truth, sample)


def _truth(sample: Sample) -> str:
    return label(sample.target)


def read(value: Any, truth: str, positive: str | None) -> Forecast | str:
    """A forecast, or why the answer is none. Raises ValueError for a target that fits no binary answer.

    A number is the probability of `positive`; without it the target must be 0/1 or false/true.
    """
    if isinstance(value, Mapping) and "probabilities" in value:
        return _several(value["probabilities"], truth, positive)
    if isinstance(value, Mapping):
        if "probability" not in value:
            return "the answer has neither probability nor probabilities"
        value = value["probability"]
    p = _chance(value)
    return p if isinstance(p, str) else _binary(p, truth, positive)


def _binary(p: float, truth: str, positive: str | None) -> Forecast:
    if positive is not None:
        return Forecast({"0": 1.0 - p, "1": p}, "1" if truth == label(positive) else "0", binary=True)
    if truth.lower() not in _TRUTHS:
        raise ValueError(_which(truth))
    return Forecast({"0": 1.0 - p, "1": p}, _TRUTHS[truth.lower()], binary=True)


def binary_truth(sample: Sample) -> str | None:
    """What is wrong with a target that must be 0/1 or false/true, or None."""
    truth = _truth(sample)
    return None if truth.lower() in _TRUTHS else _which(truth)


def _which(truth: str) -> str:
    return f"the target {truth!r} is neither 0/1 nor false/true; say which class the number is for: positive="


def _several(given: Any, truth: str, positive: str | None) -> Forecast | str:
    if not isinstance(given, Mapping) or len(given) < 2:
        return "probabilities is not an object with at least two labels"
    chances: dict[str, float] = {}
    for name, value in given.items():
        p = _chance(value)
        if isinstance(p, str):
            return f"{str(name)[:40]}: {p}"
        chances[str(name).strip()] = p
    total = math.fsum(chances.values())
    if abs(total - 1) > SUM_TOLERANCE:
        return f"the probabilities sum to {total:g}, not 1"
    chances = {name: p / total for name, p in chances.items()}
    if positive is None:
        return Forecast(chances, truth, binary=False)
    if label(positive) not in chances:
        return f"the probabilities have no {positive}"
    return _binary(chances[label(positive)], truth, positive)


def _chance(value: Any) -> float | str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"the probability is {kind(value)}, not a number"
    return float(value) if 0 <= value <= 1 else f"the probability {value} is not in 0..1"


def by_truth(forecast: Forecast, loss: Callable[[Forecast], float]) -> Score:
    """A score whose shown answer is the probability of the true label."""
    return Score(loss(forecast), answer=f"{forecast.chances.get(forecast.truth, 0.0):.6g}")


def by_rank(forecast: Forecast) -> Score:
    """Columns for a fold over ranks: `value` and `positive`, or `s:<label>` and `t:<label>` for several labels."""
    chances, truth = forecast.chances, forecast.truth
    if forecast.binary:
        return Score(chances["1"], {"positive": float(truth == "1")}, answer=f"{chances['1']:.6g}")
    parts = {f"s:{name}": p for name, p in chances.items()}
    own = chances.get(truth, 0.0)
    return Score(own, {**parts, f"t:{truth}": 1.0}, answer=f"{own:.6g}")


def metric(name: str, **more: Any) -> tuple[Metric, ...]:
    """The one metric of a loss."""
    return (Metric(name, higher_is_better=False, primary=True, **more),)
