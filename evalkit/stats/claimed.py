"""Somebody else's number against one's own data: is it excluded, is it shown to be as good as right, or neither."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.core.types import Estimate, Metric
from evalkit.stats.fold import Observations
from evalkit.stats.intervals import wilson
from evalkit.stats.power import mde
from evalkit.stats.quantiles import normal_probability, normal_quantile, t_probability, t_quantile
from evalkit.stats.summary import estimate

TAIL = 0.975
POWER = 0.8
_WITH_T = ("t", "cluster-t", "cluster-cr2", "cluster-wilson", "linearised")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed value with its own uncertainty: a standard error, or the number of samples it stands on, or neither.

    `tolerance` > 0 is what still counts as the value, in the metric's own unit.
    """

    value: float
    tolerance: float
    se: float | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Departure:
    """Own data against a claimed value; `delta` = own - claimed, with its 95 % interval.

    `p_against` is two-sided for "the true value is the claimed one"; `p_for` for "it is off by the tolerance or more"
    (two one-sided tests). `mde` = the smallest departure found in 80 % of cases at 5 %, `needed` = samples that would
    show equality within the tolerance in 80 % of cases when it holds; None where the claim's own uncertainty forbids.
    """

    own: Estimate
    claimed_se: float
    delta: float
    low: float
    high: float
    p_against: float
    p_for: float
    mde: float
    needed: int | None


def value_claim(metric: Metric, seen: Observations, claimed: Claimed, *, seed: int) -> Departure | str:
    """Test a claimed value; a text says why that cannot be done.

    The interval of the own value is that of `estimate`; the claim's own uncertainty enters by the square-and-add rule
    (Zou and Donner 2008), which keeps intervals that are not symmetric. p-values come from the same half-widths, by
    Student's t where the interval is one, else by the normal distribution.
    """
    own = estimate(metric, seen, seed=seed)
    if own.value is None:
        return f"{metric.name} has no value on these data: {own.method}"
    if own.low is None or own.high is None:
        return f"{metric.name} has no interval on these data: {own.method}"
    df = own.groups - 1 if own.method in _WITH_T else None
    reach = _quantile(TAIL, df)
    below, above = (own.value - own.low) / reach, (own.high - own.value) / reach
    other = _claimed_se(metric, claimed, max(below, above), own.n)
    down, up = math.hypot(below, other), math.hypot(above, other)
    delta = own.value - claimed.value
    against = 2 * _tail(delta, down, df) if delta >= 0 else 2 * _tail(-delta, up, df)
    short = _tail(delta + claimed.tolerance, down, df)
    beyond = _tail(claimed.tolerance - delta, up, df)
    return Departure(
        own=own,
        claimed_se=other,
        delta=delta,
        low=delta - reach * down,
        high=delta + reach * up,
        p_against=min(1.0, against),
        p_for=max(short, beyond),
        mde=mde(max(down, up), power=POWER, two_sided=True),
        needed=_needed((below + above) / 2, other, claimed.tolerance, own.n),
    )


def _claimed_se(metric: Metric, claimed: Claimed, own_se: float, own_n: int) -> float:
    if claimed.se is not None:
        return claimed.se
    if claimed.n is None:
        return 0.0
    if metric.bounds == (0.0, 1.0) and 0 <= claimed.value <= 1:
        low, high = wilson(claimed.value * claimed.n, claimed.n)
        return (high - low) / 2 / normal_quantile(TAIL)
    # Samples of the same kind as ours: the spread per sample is taken to be the same.
    return own_se * math.sqrt(own_n / claimed.n)


def _needed(own_se: float, claimed_se: float, tolerance: float, n: int) -> int | None:
    allowed = tolerance / (normal_quantile(0.95) + normal_quantile(0.5 + POWER / 2))
    if allowed <= claimed_se:
        return None
    return max(2, math.ceil(n * own_se**2 / (allowed**2 - claimed_se**2)))


def _quantile(p: float, df: int | None) -> float:
    return normal_quantile(p) if df is None else t_quantile(p, df)


def _tail(distance: float, se: float, df: int | None) -> float:
    """The chance of lying further above than this."""
    if se <= 0:
        return 0.0 if distance > 0 else 1.0 if distance < 0 else 0.5
    score = -distance / se
    return float(normal_probability(score)) if df is None else t_probability(score, df)
