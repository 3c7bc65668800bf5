"""A difference without pairs: one entry against a floor, and two entries on samples of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Mean
from evalkit.core.types import Metric
from evalkit.stats import fold
from evalkit.stats.binary import square_and_add
from evalkit.stats.drawn import expanded
from evalkit.stats.findings import LEVEL, Asked, Finding, by_t, flat
from evalkit.stats.fold import Observations
from evalkit.stats.intervals import FLAT, Clusters, Interval
from evalkit.stats.resample import MOST_UNDEFINED, Weights, affordable, bootstrap
from evalkit.stats.summary import STILL, Levels, closed, levels

Floats = npt.NDArray[np.float64]

STEPS = 50
LEAST = 1e-15


def against_floor(
    metric: Metric, seen: Observations, floor: float, about: Asked, *, seed: int, resamples: int
) -> Finding:
    """The metric less a floor, as a benefit: the single entry's bounds, shifted, and the tests that they invert."""
    sign = 1.0 if metric.higher_is_better else -1.0
    at = levels(metric, seen, seed=seed, resamples=resamples)
    centre = fold.value(metric, seen)
    assert centre is not None
    if seen.groups > 1 and at(LEVEL).method == STILL:
        return flat(sign * (centre - floor), seen.groups, replace(about, limit=None))

    def shifted(level: float) -> Interval:
        found = at(level)
        if found.low is None or found.high is None:
            return found
        low, high = sorted((sign * (found.low - floor), sign * (found.high - floor)))
        return replace(found, low=low, high=high)

    return _inverted(shifted, about)


def _inverted(at: Levels, about: Asked) -> Finding:
    """What the intervals of a benefit say at every level: a p is the smallest error whose bound excludes the value."""
    shown, side = at(LEVEL), at(1 - 2 * about.alpha)
    if shown.low is None:
        return Finding(shown.method, resamples=shown.resamples)
    least = 1 / (1 + shown.resamples) if shown.resamples else LEAST
    below = _below(at, 0.0, least)
    return Finding(
        shown.method,
        two=(shown.low, shown.high),
        one=(side.low, side.high),
        p_value=min(1.0, 2 * min(below, 1 - below)),
        p_fail=_below(at, about.null, least),
        se=shown.se or None,
        df=shown.df,
        resamples=shown.resamples,
    )


def _below(at: Levels, value: float, least: float) -> float:
    """The one-sided p of "the benefit is at least `value`"."""

    def beside(error: float) -> tuple[float, float]:
        found = at(1 - 2 * error)
        # No bound at this error: nothing is excluded.
        return (-math.inf if found.low is None else found.low), (math.inf if found.high is None else found.high)

    low, high = beside(0.5)
    if high < value:
        return _smallest(lambda error: beside(error)[1] < value, least)
    return 1 - _smallest(lambda error: beside(error)[0] > value, least) if low > value else 0.5


def _smallest(holds: Callable[[float], bool], least: float) -> float:
    """The smallest error in [least, 1/2] at which something holds that holds at 1/2, by bisection of its logarithm."""
    if holds(least):
        return least
    low, high = math.log(least), math.log(0.5)
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(math.exp(middle)) else (middle, high)
    return math.exp(high)


def between(
    metric: Metric, candidate: Observations, baseline: Observations, about: Asked, *, seed: int, resamples: int
) -> Finding:
    """The benefit of independent samples.

    Means: Welch's t on cluster-robust errors. Proportions, ratios and areas under the curve: square and add of both
    sides' intervals (Newcombe 1998 where they are Wilson's). All others: both sides resampled on their own.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    if isinstance(metric.fold.across, Mean) and metric.kind != "mean01":
        found = _welch(metric, candidate, baseline, about)
        if found is not None:
            return found
    one, other = closed(metric, candidate), closed(metric, baseline)
    if one is not None and other is not None and one(LEVEL).low is not None and other(LEVEL).low is not None:
        values = fold.value(metric, candidate), fold.value(metric, baseline)
        return _inverted(_added(values, (one, other), sign), about)
    return _resampled(metric, candidate, baseline, about, seed=seed, resamples=resamples)


def _added(values: tuple[float | None, float | None], sides: tuple[Levels, Levels], sign: float) -> Levels:
    def at(level: float) -> Interval:
        ours, theirs = sides[0](level), sides[1](level)
        one, other = _known(values[0], ours), _known(values[1], theirs)
        if one is None or other is None:
            return Interval(None, None, f"square and add ({ours.method})")
        low, high = sorted(sign * bound for bound in square_and_add(one, other))
        se = None if ours.se is None or theirs.se is None else math.hypot(ours.se, theirs.se)
        return Interval(low, high, f"square and add ({ours.method})", se)

    return at


def _known(value: float | None, found: Interval) -> tuple[float, float, float] | None:
    if value is None or found.low is None or found.high is None:
        return None
    return value, found.low, found.high


def _welch(metric: Metric, candidate: Observations, baseline: Observations, about: Asked) -> Finding | None:
    """Welch's t with cluster-robust errors; None where a bounded metric does not vary on a side, or for G < 2."""
    one, other = (
        Clusters.of(fold.within(metric.fold, side), fold.cluster_of_sample(side)) for side in (candidate, baseline)
    )
    groups = min(one.groups, other.groups)
    still = one.flat, other.flat
    if groups < 2 or (any(still) and about.limit is not None):
        return None
    benefit = (one.mean - other.mean) * (1.0 if metric.higher_is_better else -1.0)
    if all(still):
        return flat(benefit, groups, about)
    (first, first_df, _), (second, second_df, _) = one.robust(), other.robust()
    df = (first**2 + second**2) ** 2 / (first**4 / first_df + second**4 / second_df)
    return by_t(benefit, math.hypot(first, second), df, about, method="welch")


def _resampled(
    metric: Metric, candidate: Observations, baseline: Observations, about: Asked, *, seed: int, resamples: int
) -> Finding:
    """Each side under weights of its own; the p-values count resamples beyond the value."""
    sides = [fold.statistic(metric.fold, side) for side in (candidate, baseline)]
    groups = min(side.groups for side in sides)
    if groups < 2:
        return Finding("none (one cluster)")
    used = min(affordable(resamples, side.groups) for side in sides)
    streams = np.random.SeedSequence(seed).generate_state(2)
    ours, theirs = (
        bootstrap([side], Weights(np.ones(side.groups, dtype=np.int64), used, int(stream)))[0]
        for side, stream in zip(sides, streams, strict=True)
    )
    sign = 1.0 if metric.higher_is_better else -1.0
    ones = [float(side.evaluate(np.ones((1, side.groups)))[0]) for side in sides]
    benefit = sign * (ones[0] - ones[1])
    draws = sign * (ours - theirs)
    draws = draws[np.isfinite(draws)]
    lost = used - draws.size
    note = f"B={used}" + (f", {lost} undefined" if lost else "")
    if lost > MOST_UNDEFINED * used or draws.size < 2:
        return Finding(f"bootstrap, unpaired ({note})", resamples=used)
    if np.ptp(draws) <= FLAT * max(1.0, abs(benefit)):
        return flat(benefit, groups, about)
    at_least, at_most = _share(draws >= 0), _share(draws <= 0)
    return Finding(
        f"bootstrap, unpaired ({note})",
        two=expanded(draws, (1 - LEVEL) / 2, groups),
        one=expanded(draws, about.alpha, groups),
        p_value=min(1.0, 2 * min(at_least, at_most)) if benefit else 1.0,
        p_fail=_share(draws >= about.null),
        se=float(draws.std(ddof=1)),
        resamples=used,
    )


def _share(extreme: npt.NDArray[np.bool_]) -> float:
    return float((1 + extreme.sum()) / (1 + extreme.size))
