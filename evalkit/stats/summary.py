"""One metric of one entry as an estimate: picks the method by the metric's kind, the clusters and the repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Majority, Mean, Sums
from evalkit.core.types import Estimate, Metric
from evalkit.stats import auc, fold, ratios, resample
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

Levels = Callable[[float], Interval]

LEVEL = 0.95
STILL = "none (no variation)"
FEW = 100
SKEWED = 1.0
NEAR_END = 10.0


def estimate(metric: Metric, seen: Observations, *, seed: int, resamples: int = 2000, level: float = 0.95) -> Estimate:
    """The metric with its interval, by the table of methods below.

    mean of 0/1, one cluster per sample: Wilson. Other means: t, or BCa when n < 100 and skewed. Means with clusters:
    cluster-robust t (CR2 when few or uneven), clustered Wilson near 0 and 1. Ratios of sums: linearised, or Fieller
    where the denominator is noisy. Area under the ROC curve, independent samples: DeLong. Other sums, ranks: BCa or
    percentile bootstrap over clusters; quantiles: percentile. `n` counts samples, `groups` clusters.
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
    found = levels(metric, seen, seed=seed, resamples=resamples)(level)
    return Estimate(centre, found.low, found.high, samples, groups, found.method, found.se)


def levels(metric: Metric, seen: Observations, *, seed: int, resamples: int) -> Levels:
    """The metric's interval as a function of its level, honest about its range; for observations that have a value."""
    centre = fold.value(metric, seen)
    assert centre is not None
    raw = _levels(metric, seen, seed=seed, resamples=resamples)
    return lambda level: _honest(raw(level), centre, metric)


def _levels(metric: Metric, seen: Observations, *, seed: int, resamples: int) -> Levels:
    known = closed(metric, seen)
    if known is not None:
        return known
    one = fold.statistic(metric.fold, seen)
    drawn = resample.levels(one, seed=seed, resamples=resamples, accelerate=metric.kind != "quantile")
    return partial(_still, metric, seen, groups=seen.groups) if drawn(LEVEL).se == 0 else drawn


def closed(metric: Metric, seen: Observations) -> Levels | None:
    """The interval of a metric that needs no resampling, not yet cut to its range; None where only resampling serves.

    For observations that have a value.
    """
    across = metric.fold.across
    if isinstance(across, Mean):
        return _mean(metric, seen)
    placed = _placed(metric, seen)
    if placed is not None:
        if auc.delong_se(placed.of, placed.positive) == 0:
            return partial(_still, metric, seen, groups=placed.least)
        return partial(auc.interval, placed)
    if not isinstance(across, Sums) or metric.kind != "ratio":
        return None
    one = fold.statistic(metric.fold, seen)
    found = _ratio(one) if isinstance(one, Additive) else None
    if found is None or found(LEVEL).se:
        return found
    return partial(_still, metric, seen, groups=seen.groups)


def _placed(metric: Metric, seen: Observations) -> auc.Placements | None:
    """Placements for DeLong's interval, where the metric is an area under the curve of independent samples."""
    given = auc.classes(metric.fold, seen) if metric.kind == "rank" and seen.groups == seen.samples else None
    return auc.placements(*given) if given is not None else None


def _ratio(one: Additive) -> Levels | None:
    """Linearised, or Fieller's interval where the denominator's coefficient of variation is above 10 %."""
    plain = partial(linearised, one)
    if plain(LEVEL).low is None:
        return None
    parts = ratios.parts_of(one)
    if parts is None or parts.noise <= ratios.NOISY:
        return plain
    exact = partial(ratios.fieller, parts)
    # An unbounded set says only that the denominator may be 0; the bootstrap then shows what the data can.
    return exact if exact(LEVEL).low is not None else None


def _mean(metric: Metric, seen: Observations) -> Levels | None:
    values = fold.within(metric.fold, seen)
    clusters = Clusters.of(values, fold.cluster_of_sample(seen))
    single = clusters.groups == values.size
    if single and metric.kind == "mean01" and np.isin(values, (0.0, 1.0)).all() and values.size > 1:
        return partial(_wilson, values)
    if metric.kind == "mean01" and _near_end(clusters):
        return partial(cluster_wilson, clusters)
    if clusters.groups > 1 and clusters.flat:
        return partial(_still, metric, seen, groups=clusters.groups)
    if single and 1 < values.size < FEW and abs(skewness(values)) > SKEWED:
        return None
    return partial(mean_t, values) if single else partial(cluster_mean, clusters)


def _wilson(values: Floats, level: float) -> Interval:
    low, high = wilson(float(values.sum()), values.size, level)
    return Interval(low, high, "wilson", float(values.std() / np.sqrt(values.size)))


def _near_end(clusters: Clusters) -> bool:
    """Whether fewer than ten effective successes or failures make a symmetric interval unfit for a proportion."""
    p = clusters.mean
    if clusters.groups < 2 or not 0 < p < 1:
        return True
    variance = clusters.variance()
    effective = min(clusters.n, p * (1 - p) / variance) if variance > 0 else clusters.n
    return variance == 0 or min(p, 1 - p) * effective < NEAR_END


def skewness(values: Floats) -> float:
    """The moment coefficient of skewness; 0 when there is no spread."""
    apart = values - values.mean()
    spread = float(np.sqrt((apart**2).mean()))
    return float((apart**3).mean()) / spread**3 if spread > 0 else 0.0


def _still(metric: Metric, seen: Observations, level: float, *, groups: int) -> Interval:
    """No variation seen: for a doubly bounded metric the widest that G clusters allow, else no bounds.

    A variable in [0, 1] with mean p varies no more than a 0/1 variable with that mean, so the score interval of G
    clusters covers; at the ends Clopper-Pearson. `groups` of an area under the curve is its smaller class.
    """
    low, high = metric.bounds
    centre = fold.value(metric, seen)
    if low is None or high is None or centre is None or high <= low:
        return Interval(None, None, STILL)
    p = min(1.0, max(0.0, (centre - low) / (high - low)))
    ends = clopper_pearson if p in (0.0, 1.0) else wilson
    below, above = ends(p * groups, groups, level)
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
