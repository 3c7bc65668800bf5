"""Findings by resampling: a paired cluster bootstrap for the bounds, approximate randomisation for the p-values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evalkit.stats.findings import LEVEL, Asked, Bounds, Finding, flat
from evalkit.stats.intervals import FLAT
from evalkit.stats.quantiles import normal_probability, t_quantile
from evalkit.stats.randomise import Sides, Swaps, randomisation_p_values, randomised
from evalkit.stats.resample import MOST_UNDEFINED, Weights, bootstrap

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drawing:
    """One pair to resample: `sign` 1 where more is better, else -1; `benefit` = sign x (candidate - baseline)."""

    sides: Sides
    sign: float
    benefit: float
    asked: Asked


def by_draws(pairs: Sequence[Drawing], *, seed: int, resamples: int) -> list[Finding]:
    """Every pair under one matrix of weights and one of swaps; all have the same number of clusters G.

    Bounds: the percentile interval of candidate - baseline, both under the same weights, expanded for few clusters
    (Hesterberg 2015). p: whole clusters of sufficient statistics change sides; `p_fail` at another null than 0 is the
    share of resamples at or above it. Nothing for G < 2.
    """
    groups = pairs[0].sides.groups
    if groups < 2:
        return [Finding("none (one cluster)") for _ in pairs]
    weights = Weights(np.ones(groups, dtype=np.int64), resamples, seed)
    drawn = bootstrap([side for one in pairs for side in (one.sides.candidate, one.sides.baseline)], weights)
    swaps = Swaps(groups, resamples, seed)
    moved = randomised([one.sides for one in pairs], swaps)
    found = []
    for place, one in enumerate(pairs):
        tested = randomisation_p_values(moved[place], one.sign, swaps)
        found.append(_finding(one, drawn[2 * place], drawn[2 * place + 1], tested))
    return found


def _finding(one: Drawing, ours: Floats, theirs: Floats, tested: tuple[float, float]) -> Finding:
    benefits = one.sign * (ours - theirs)
    kept = np.isfinite(benefits)
    draws, lost = benefits[kept], int((~kept).sum())
    note = f"B={benefits.size}" + (f", {lost} undefined" if lost else "")
    empty = Finding(f"bootstrap, randomisation ({note})", p_value=tested[0], resamples=benefits.size)
    if lost > MOST_UNDEFINED * benefits.size or draws.size < 2:
        return replace(empty, p_fail=tested[1] if one.asked.null == 0 else None)
    groups = one.sides.groups
    if np.ptp(draws) <= FLAT * max(1.0, abs(one.benefit)):
        return flat(one.benefit, groups, one.asked)
    p_fail = tested[1] if one.asked.null == 0 else (1 + float((draws >= one.asked.null).sum())) / (1 + draws.size)
    se_unpaired, correlation = _apart(ours[kept], theirs[kept])
    return replace(
        empty,
        two=expanded(draws, (1 - LEVEL) / 2, groups),
        one=expanded(draws, one.asked.alpha, groups),
        p_fail=p_fail,
        se=float(draws.std(ddof=1)),
        se_unpaired=se_unpaired,
        correlation=correlation,
    )


def _apart(ours: Floats, theirs: Floats) -> tuple[float, float | None]:
    """The standard error without pairing, and the correlation of the two sides."""
    one, other = float(ours.var(ddof=1)), float(theirs.var(ddof=1))
    spread = math.sqrt(one * other)
    shared = float(np.cov(ours, theirs)[0, 1]) / spread if spread > 0 else None
    return math.sqrt(one + other), None if shared is None else min(1.0, max(-1.0, shared))


def expanded(draws: Floats, error: float, groups: int) -> Bounds:
    """Percentile bounds, each with one-sided `error`, expanded as t(G-1) with G/(G-1) is wider than normal."""
    tail = float(normal_probability(t_quantile(error, groups - 1) * math.sqrt(groups / (groups - 1))))
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)
