"""Systems against their parts: the random mix at equal cost, the oracle and regret, the hull and the area under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.fold import Additive
from evalkit.stats.intervals import Interval
from evalkit.stats.resample import Weights, affordable, interval, percentile

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What a candidate came to on each of n items: `quality` (higher is better) and `cost` (any unit, at least 0)."""

    quality: Floats
    cost: Floats

    @property
    def point(self) -> tuple[float, float]:
        """Mean cost and mean quality."""
        return float(self.cost.mean()), float(self.quality.mean())


@dataclass(frozen=True, slots=True)
class Gain:
    """A system against the random mix that costs as much: `value` = its quality less the mix's.

    `share` of the mix goes to the best part, 0..1; `mix` is the mix's quality; `bounds` the interval of `value`.
    """

    value: float
    mix: float
    share: float
    bounds: Interval

    @property
    def verdict(self) -> str:
        """better or worse where the interval leaves 0 out, else no better; undecided without an interval."""
        if self.bounds.low is None or self.bounds.high is None:
            return "undecided"
        return "better" if self.bounds.low > 0 else "worse" if self.bounds.high < 0 else "no better"


def cheapest_and_best(parts: Sequence[Outcomes]) -> tuple[int, int]:
    """The places of the part that costs least (of equals the better) and of the best (of equals the cheaper)."""
    points = [part.point for part in parts]
    cheapest = min(range(len(points)), key=lambda place: (points[place][0], -points[place][1]))
    best = max(range(len(points)), key=lambda place: (points[place][1], -points[place][0]))
    return cheapest, best


def gain(
    system: Outcomes, mixed: tuple[Outcomes, Outcomes], cluster: Codes, *, seed: int, resamples: int = 2000
) -> Gain:
    """The gain of a system over the random mix of `mixed` = (cheapest, best) at the system's own cost.

    The mix asks the best part with a share s and the cheapest with 1 - s, so that it costs what the system costs:
    s = (c - c_cheap) / (c_best - c_cheap), kept in 0..1; its quality is q_cheap + s max(0, q_best - q_cheap), since
    nobody pays for less. The interval is a paired bootstrap over clusters: all three share each resample.
    """
    cheap, best = mixed
    columns = (system.quality, system.cost, cheap.quality, cheap.cost, best.quality, best.cost)
    table = np.column_stack([*columns, np.ones_like(system.quality)])
    sums = np.zeros((int(cluster.max()) + 1, table.shape[1]))
    np.add.at(sums, cluster, table)
    statistic = Additive(sums, _gains)
    whole = sums.sum(axis=0)[None, :]
    share, mix = _mix(whole)
    return Gain(
        float(_gains(whole)[0]), float(mix[0]), float(share[0]), interval(statistic, seed=seed, resamples=resamples)
    )


def _mix(totals: Floats) -> tuple[Floats, Floats]:
    """Share of the best part and quality of the mix, for totals [B, 7]."""
    means = totals[:, :6] / totals[:, 6:]
    _, cost, low, cheap, high, dear = means.T
    with np.errstate(all="ignore"):
        share = np.where(dear > cheap, np.clip((cost - cheap) / (dear - cheap), 0.0, 1.0), 1.0)
    return share, low + share * np.maximum(0.0, high - low)


def _gains(totals: Floats) -> Floats:
    return totals[:, 0] / totals[:, 6] - _mix(totals)[1]


@dataclass(frozen=True, slots=True)
class Oracle:
    """The router that knows all outcomes: mean `quality`, mean `cost`, and `regret` = its quality less the system's.

    Optimistic: it takes the luckiest of noisy outcomes, which no router can. It bounds, it is no aim.
    """

    quality: float
    cost: float
    regret: tuple[float, ...]


def oracle(parts: Sequence[Outcomes], systems: Sequence[Outcomes] = ()) -> Oracle:
    """Per item the best part, the cheapest among equals; and the regret of each system."""
    quality = np.column_stack([part.quality for part in parts])
    cost = np.column_stack([part.cost for part in parts])
    best = quality.max(axis=1)
    dearest = np.where(quality == best[:, None], cost, np.inf).min(axis=1)
    value = float(best.mean())
    regret = tuple(value - float(system.quality.mean()) for system in systems)
    return Oracle(value, float(dearest.mean()), regret)


def hull(cost: Floats, quality: Floats) -> tuple[Floats, Floats]:
    """Vertices of the least non-decreasing concave curve on or above all points: what free mixing can reach.

    Ordered by cost; the curve is flat to the left of the first and to the right of the last.
    """
    order = np.lexsort((-quality, cost))
    kept: list[tuple[float, float]] = []
    for x, y in zip(cost[order].tolist(), quality[order].tolist(), strict=True):
        if kept and y <= kept[-1][1]:
            continue
        while len(kept) > 1 and _under(kept[-2], kept[-1], (x, y)):
            kept.pop()
        kept.append((x, y))
    xs, ys = np.array(kept).T
    return xs, ys


def _under(left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]) -> bool:
    """Whether `middle` lies on or under the line from `left` to `right`."""
    rise = (middle[1] - left[1]) * (right[0] - left[0])
    return rise <= (right[1] - left[1]) * (middle[0] - left[0])


def aiq(cost: Floats, quality: Floats, low: float, high: float) -> float:
    """Average improvement in quality: the mean height of the hull over costs from `low` to `high` (RouterBench, 2024).

    Raises ValueError when `high` is below `low`; where they are equal, it is the height there.
    """
    if high < low:
        raise ValueError(f"the range of costs ends at {high} before it begins at {low}")
    xs, ys = hull(cost, quality)
    if high == low:
        return float(np.interp(low, xs, ys))
    inside = xs[(xs > low) & (xs < high)]
    grid = np.concatenate(([low], inside, [high]))
    height = np.interp(grid, xs, ys)
    return float(((height[1:] + height[:-1]) / 2 * np.diff(grid)).sum() / (high - low))


@dataclass(frozen=True, slots=True)
class Area:
    """Area under the hull of the parts alone (`without`) and together with systems (`with_systems`).

    `bounds` = the interval of their difference; `low`..`high` = the common range of costs.
    """

    without: float
    with_systems: float
    low: float
    high: float
    bounds: Interval


def areas(
    parts: Sequence[Outcomes], systems: Sequence[Outcomes], cluster: Codes, *, seed: int, resamples: int = 1000
) -> Area:
    """What systems add to the hull of their parts, over the range of all candidates' mean costs.

    The interval is a paired percentile bootstrap over clusters in which both hulls are made anew.
    """
    everybody = [*parts, *systems]
    table = np.column_stack([*(one.cost for one in everybody), *(one.quality for one in everybody),
                             np.ones_like(everybody[0].cost)])  # fmt: skip
    sums = np.zeros((int(cluster.max()) + 1, table.shape[1]))
    np.add.at(sums, cluster, table)
    means = sums.sum(axis=0) / sums[:, -1].sum()
    costs = means[: len(everybody)]
    low, high = float(costs.min()), float(costs.max())
    without, together = _both(means, len(parts), len(everybody), (low, high))
    if sums.shape[0] < 2:
        return Area(without, together, low, high, Interval(None, None, "bootstrap"))
    used = affordable(resamples, sums.shape[0])
    draws = []
    for chunk in Weights(np.ones(sums.shape[0], dtype=np.int64), used, seed):
        totals = chunk @ sums
        for row in totals / totals[:, -1:]:
            before, after = _both(row, len(parts), len(everybody), (low, high))
            draws.append(after - before)
    bounds = percentile(np.array(draws), 0.95)
    return Area(without, together, low, high, Interval(*bounds, f"bootstrap-percentile (B={used})"))


def _both(means: Floats, parts: int, everybody: int, span: tuple[float, float]) -> tuple[float, float]:
    cost, quality = means[:everybody], means[everybody : 2 * everybody]
    return aiq(cost[:parts], quality[:parts], *span), aiq(cost, quality, *span)
