"""One metric of one entry as an estimate: picks the method by the metric's kind, the clusters and the repeats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Majority, Mean, Sums
from evalkit.core.types import Estimate, Metric
from evalkit.stats import fold, resample
from evalkit.stats.fold import Additive, Observations, Row
from evalkit.stats.intervals import (
    Clusters,
    Interval,
    clopper_pearson,
    cluster_mean,
    cluster_wilson,
    linearised,
    mean_t,
    wilson,
)

Floats = npt.NDArray[np.float64]

FEW = 100
SKEWED = 1.0
NEAR_END = 10.0


def estimate(metric: Metric, seen: Observations, *, seed: int, resamples: int = 2000, level: float = 0.95) -> Estimate:
    """The metric with its interval, by the table of methods below.

    mean of 0/1, one cluster per sample: Wilson. Other means: t, or BCa when n < 100 and skewed. Means with clusters:
    cluster-robust t (CR2 when few or uneven), clustered Wilson near 0 and 1. Ratios of sums: linearised. Other sums,
    ranks: BCa or percentile bootstrap over clusters; quantiles: percentile. `n` counts samples, `groups` clusters.
    `value` is None when nothing is there, when a row has no score, or where the metric is undefined; `low` and `high`
    are None when fewer than two clusters or no variation leave nothing to judge by, never a zero-width interval.
    Raises ValueError for a fold that cannot be taken (k repeats needed).
    """
    samples, groups = seen.samples, seen.groups
    if not samples:
        return Estimate(None, None, None, 0, 0, "none (no observations)")
    if seen.missing:
        told = f"none ({seen.missing} of {seen.sample.size} scores undefined)"
        return Estimate(None, None, None, samples, groups, told)
    centre = fold.value(metric, seen)
    if centre is None:
        return Estimate(None, None, None, samples, groups, "none (not defined on these data)")
    found = _interval(metric, seen, seed=seed, resamples=resamples, level=level)
    found = _honest(found, centre, metric)
    return Estimate(centre, found.low, found.high, samples, groups, found.method, found.se)


def _interval(metric: Metric, seen: Observations, *, seed: int, resamples: int, level: float) -> Interval:
    across = metric.fold.across
    if isinstance(across, Mean):
        return _mean(metric, seen, seed=seed, resamples=resamples, level=level)
    one = fold.statistic(metric.fold, seen)
    if isinstance(across, Sums) and metric.kind == "ratio" and isinstance(one, Additive):
        found = linearised(one, level)
        if found.low is not None:
            return found if found.se else _still(metric, seen, level=level)
    found = resample.interval(one, seed=seed, resamples=resamples, level=level, accelerate=metric.kind != "quantile")
    return _still(metric, seen, level=level) if found.se == 0 else found


def _mean(metric: Metric, seen: Observations, *, seed: int, resamples: int, level: float) -> Interval:
    values = fold.within(metric.fold, seen)
    clusters = Clusters.of(values, fold.cluster_of_sample(seen))
    single = clusters.groups == values.size
    if single and metric.kind == "mean01" and np.isin(values, (0.0, 1.0)).all() and values.size > 1:
        low, high = wilson(float(values.sum()), values.size, level)
        return Interval(low, high, "wilson", float(values.std() / np.sqrt(values.size)))
    if metric.kind == "mean01" and _near_end(clusters):
        return cluster_wilson(clusters, level)
    found = mean_t(values, level) if single else cluster_mean(clusters, level)
    if found.se is None:
        return found
    if _flat(clusters):
        return _still(metric, seen, level=level)
    if single and values.size < FEW and abs(skewness(values)) > SKEWED:
        one = fold.statistic(metric.fold, seen)
        return resample.interval(one, seed=seed, resamples=resamples, level=level)
    return found


def _near_end(clusters: Clusters) -> bool:
    """Whether fewer than ten effective successes or failures make a symmetric interval unfit for a proportion."""
    p = clusters.mean
    if clusters.groups < 2 or not 0 < p < 1:
        return True
    variance = clusters.variance()
    effective = min(clusters.n, p * (1 - p) / variance) if variance > 0 else clusters.n
    return variance == 0 or min(p, 1 - p) * effective < NEAR_END


def _flat(clusters: Clusters) -> bool:
    """Whether all clusters agree up to rounding, so that an estimated variance says nothing."""
    return bool(np.abs(clusters.residuals).max() <= 1e-12 * max(1.0, abs(clusters.mean)) * clusters.sizes.max())


def skewness(values: Floats) -> float:
    """The moment coefficient of skewness; 0 when there is no spread."""
    apart = values - values.mean()
    spread = float(np.sqrt((apart**2).mean()))
    return float((apart**3).mean()) / spread**3 if spread > 0 else 0.0


def _still(metric: Metric, seen: Observations, *, level: float) -> Interval:
    """No variation seen: for a doubly bounded metric the widest that G clusters allow, else no bounds.

    A variable in [0, 1] with mean p varies no more than a 0/1 variable with that mean, so the score interval of G
    clusters covers; at the ends Clopper-Pearson.
    """
    low, high = metric.bounds
    centre = fold.value(metric, seen)
    if low is None or high is None or centre is None or high <= low:
        return Interval(None, None, "none (no variation)")
    p = min(1.0, max(0.0, (centre - low) / (high - low)))
    ends = clopper_pearson if p in (0.0, 1.0) else wilson
    below, above = ends(p * seen.groups, seen.groups, level)
    return Interval(low + below * (high - low), low + above * (high - low), "bounded (no variation)", 0.0)


def _honest(found: Interval, centre: float, metric: Metric) -> Interval:
    """Bounds kept inside the metric's range and around the value; both or none."""
    if found.low is None or found.high is None or not np.isfinite([found.low, found.high]).all():
        return Interval(None, None, found.method, None)
    floor, ceiling = metric.bounds
    low = found.low if floor is None else max(found.low, floor)
    high = found.high if ceiling is None else min(found.high, ceiling)
    return replace(found, low=min(low, centre), high=max(high, centre))


def headline_and_dropped(
    metric: Metric, rows: Iterable[Row], *, seed: int, resamples: int = 2000
) -> tuple[Estimate, float | None]:
    """The estimate with every row without a score at its declared worst, and the value with those rows left out.

    A row whose worst is undefined makes the headline None, never a silently smaller sample. For pass@k the second
    value leaves out samples with fewer than k scored repeats.
    """
    listed = sorted(rows, key=lambda row: (row.sample, row.repeat))
    seen = fold.observations(row if row.scored else _at_worst(row) for row in listed)
    scored = np.array([row.scored for row in listed], dtype=np.bool_)
    return headline(metric, seen, scored, seed=seed, resamples=resamples)


def headline(
    metric: Metric, seen: Observations, scored: npt.NDArray[np.bool_], *, seed: int, resamples: int = 2000
) -> tuple[Estimate, float | None]:
    """As `headline_and_dropped`, on columns: `seen` has the worst put in, `scored` marks the rows that had a score."""
    found = estimate(metric, seen, seed=seed, resamples=resamples)
    if scored.all():
        return found, found.value
    return found, fold.value(metric, _enough(metric, seen.keep(scored)))


def _at_worst(row: Row) -> Row:
    return replace(row, value=row.worst, parts=row.worst_parts)


def _enough(metric: Metric, seen: Observations) -> Observations:
    how = metric.fold.within
    if isinstance(how, Mean | Majority) or not seen.sample.size:
        return seen
    return seen.keep(np.bincount(seen.sample)[seen.sample] >= how.k)
