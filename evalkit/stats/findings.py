"""What a method finds about a benefit: bounds, p-values and errors; and the closed forms that find it from clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evalkit.stats.intervals import FLAT, Clusters, influence_se
from evalkit.stats.quantiles import normal_probability, normal_quantile, t_probability, t_quantile
from evalkit.stats.randomise import flip_bounds, flip_p_values

Floats = npt.NDArray[np.float64]
Bounds = tuple[float | None, float | None]

LEVEL = 0.95
FEW_GROUPS = 10
GRADIENT_ERROR = 1e-8
NOTHING: Bounds = (None, None)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a benefit b: is b < `null`, with one-sided errors of `alpha`; |b| <= `limit` where known."""

    null: float = 0.0
    alpha: float = 0.05
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found about a benefit: `two` = its two-sided 95 % interval, `one` = one-sided bounds at `alpha` each.

    `p_value` is two-sided for "no benefit, no loss", `p_fail` one-sided for "the benefit is at least null".
    """

    method: str
    two: Bounds = NOTHING
    one: Bounds = NOTHING
    p_value: float | None = None
    p_fail: float | None = None
    se: float | None = None
    df: float | None = None
    se_unpaired: float | None = None
    correlation: float | None = None
    resamples: int = 0


def by_clusters(clusters: Clusters, asked: Asked) -> Finding:
    """The mean benefit of samples in clusters: robust t, below ten clusters exact sign flips; nothing for G < 2."""
    if clusters.groups < 2:
        return Finding("none (one cluster)")
    if clusters.flat:
        return flat(clusters.mean, clusters.groups, asked)
    se, df, method = clusters.robust()
    found = by_t(clusters.mean, se, df, asked, method=method)
    if clusters.groups >= FEW_GROUPS:
        return found
    found = replace(found, method=f"exact sign-flip (G={clusters.groups})")
    return _flipped(found, clusters.residuals + clusters.mean * clusters.sizes, clusters.sizes, asked)


def by_influence(benefit: float, sides: tuple[Floats, Floats], asked: Asked) -> Finding:
    """A smooth statistic by each cluster's influence on the two sides, [G] each, the second to be taken from the first.

    Below ten clusters sign flips of pseudo-values. Influences that differ by less than the gradient's own error do not.
    """
    moved = sides[0] - sides[1]
    groups = moved.size
    if groups < 2:
        return Finding("none (one cluster)")
    largest = max(float(np.abs(side).max()) for side in sides)
    if np.abs(moved).max() <= max(FLAT * max(1.0, abs(benefit)), GRADIENT_ERROR * largest):
        return flat(benefit, groups, asked)
    found = by_t(benefit, influence_se(moved), groups - 1.0, asked, method="linearised")
    if groups >= FEW_GROUPS:
        return found
    found = replace(found, method=f"sign-flip of pseudo-values (G={groups})")
    return _flipped(found, benefit + groups * moved, np.ones(groups), asked)


def by_t(benefit: float, se: float, df: float, asked: Asked, *, method: str) -> Finding:
    """Benefit +- t(df) se, and the tests that these bounds invert; se > 0."""
    wide, side = t_quantile(0.5 + LEVEL / 2, df) * se, t_quantile(1 - asked.alpha, df) * se
    return Finding(
        method,
        two=(benefit - wide, benefit + wide),
        one=(benefit - side, benefit + side),
        p_value=min(1.0, 2 * t_probability(-abs(benefit) / se, df)),
        p_fail=t_probability((benefit - asked.null) / se, df),
        se=se,
        df=df,
    )


def by_normal(benefit: float, se: float, asked: Asked, *, method: str) -> Finding:
    """Benefit +- z se, and the tests that these bounds invert; se > 0."""
    wide, side = normal_quantile(0.5 + LEVEL / 2) * se, normal_quantile(1 - asked.alpha) * se
    return Finding(
        method,
        two=(benefit - wide, benefit + wide),
        one=(benefit - side, benefit + side),
        p_value=min(1.0, 2 * float(normal_probability(-abs(benefit) / se))),
        p_fail=float(normal_probability((benefit - asked.null) / se)),
        se=se,
    )


def flat(benefit: float, groups: int, asked: Asked) -> Finding:
    """Every cluster says the same, so that nothing but their number bounds the benefit.

    At error a the share of clusters that say something else is at most u = 1 - a^(1/G) (Clopper and Pearson 1934, no
    failure in G), and those lie within the metric's range: the bounds are benefit -+ u (limit +- benefit). Without a
    known range an unseen cluster is taken to lie at most at the opposite benefit; no difference at all then gives
    [0, 0].
    """
    down = asked.limit + benefit if asked.limit is not None else 2 * abs(benefit)
    up = asked.limit - benefit if asked.limit is not None else 2 * abs(benefit)

    def at(error: float) -> tuple[float, float]:
        unseen = 1 - error ** (1 / groups)
        return benefit - unseen * down, benefit + unseen * up

    return Finding(
        "no variation",
        two=at((1 - LEVEL) / 2),
        one=at(asked.alpha),
        p_value=min(1.0, 2 * _beyond(abs(benefit), down if benefit > 0 else up, groups)),
        p_fail=_beyond(asked.null - benefit, up, groups),
    )


def _beyond(distance: float, room: float, groups: int) -> float:
    """The largest error at which a flat benefit's bound still reaches over `distance`."""
    if distance <= 0:
        return 1.0
    return float((1 - min(1.0, distance / room)) ** groups) if room > 0 else 0.0


def _flipped(found: Finding, sums: Floats, sizes: Floats, asked: Asked) -> Finding:
    """Sign flips in place of t: nothing may be claimed by a limit theorem of so few clusters.

    Where flips cannot reach 2.5 % the shown interval stays the t interval, never inside the one-sided bounds.
    """
    one, two = flip_bounds(sums, sizes, asked.alpha), flip_bounds(sums, sizes, (1 - LEVEL) / 2)
    if two[0] is None or two[1] is None:
        two = _cover(found.two, one)
    p_value, p_fail = flip_p_values(sums, sizes, asked.null)
    return replace(found, two=two, one=one, p_value=p_value, p_fail=p_fail, df=None)


def _cover(shown: Bounds, one: Bounds) -> Bounds:
    low, high = (value for value in shown if value is not None)
    return (low if one[0] is None else min(low, one[0])), (high if one[1] is None else max(high, one[1]))
