"""Ranks as intervals: which rank each candidate may have, with all of them right at once; and many data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Majority
from evalkit.core.types import Metric
from evalkit.stats import fold
from evalkit.stats.fold import Additive, Observations, Statistic
from evalkit.stats.multiplicity import holm
from evalkit.stats.quantiles import f_tail, normal_probability, t_probability, t_quantile
from evalkit.stats.resample import MOST_UNDEFINED, Weights, affordable, bootstrap

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

DUST = 1e-12


def rank_intervals(
    metric: Metric, entries: Sequence[Observations], *, seed: int, resamples: int = 2000, level: float = 0.95
) -> tuple[tuple[int, int], ...]:
    """Rank confidence sets, one (best, worst) rank per entry: with probability `level` all of them hold at once.

    Mogstad, Romano, Shaikh and Wilhelm (2024): all K(K-1) one-sided paired comparisons (`better`); an entry's ranks
    run from 1 + how many are significantly better to K - how many are significantly worse. Ranks follow the metric's
    direction. Identical entries share their ranks. Entries must have the same samples in the same clusters and no
    missing scores. Raises ValueError where they do not.
    """
    return ranks(better(metric, entries, seed=seed, resamples=resamples, level=level))


def ranks(beats: Flags) -> tuple[tuple[int, int], ...]:
    """Rank intervals of `beats[i, j]` = "i is significantly better than j"."""
    worst = beats.shape[0] - beats.sum(axis=1)
    return tuple(zip((1 + beats.sum(axis=0)).tolist(), worst.tolist(), strict=True))


def better(
    metric: Metric, entries: Sequence[Observations], *, seed: int, resamples: int = 2000, level: float = 0.95
) -> Flags:
    """`[i, j]` = entry i is better than entry j, with at most 1 - level for any false claim among all pairs.

    The studentised max bootstrap over clusters with step-down (Romano and Wolf 2005). One weight matrix serves all
    entries, so that every difference is paired and every fold works. The bootstrap's critical value is carried to
    Student's t with (clusters in which the two differ) - 1 degrees of freedom, since a few discordant clusters are
    less than the normal distribution believes. A difference without any variation is claimed when a sign test on
    those clusters would, Bonferroni-adjusted. Nothing is claimed when more than 1 % of the resamples are undefined.
    """
    _checked(entries)
    count = len(entries)
    nothing = np.zeros((count, count), dtype=np.bool_)
    if count < 2 or entries[0].groups < 2:
        return nothing
    centre, draws = _draws(metric, entries, seed=seed, resamples=resamples)
    if not np.isfinite(centre).all():
        place = int(np.flatnonzero(~np.isfinite(centre))[0])
        raise ValueError(f"entry {place}: {metric.name} is not defined on its scores, so it has no rank")
    whole = np.isfinite(draws).all(axis=0)
    if (~whole).sum() > MOST_UNDEFINED * whole.size:
        return nothing
    apart = np.zeros((count, count), dtype=np.int64)
    for i, j in combinations(range(count), 2):
        apart[i, j] = apart[j, i] = _informative(metric, entries[i], entries[j])
    return _step_down(centre, draws[:, whole], apart, level)


def _checked(entries: Sequence[Observations]) -> None:
    if not entries:
        raise ValueError("no entries to rank")
    first = fold.cluster_of_sample(entries[0])
    for place, entry in enumerate(entries):
        if entry.missing:
            raise ValueError(f"entry {place}: {entry.missing} scores are missing; put in their declared worst first")
        own = fold.cluster_of_sample(entry)
        if own.shape != first.shape or (own != first).any():
            raise ValueError(f"entry {place} has other samples or clusters than entry 0; ranks need the same ones")


def _draws(metric: Metric, entries: Sequence[Observations], *, seed: int, resamples: int) -> tuple[Floats, Floats]:
    """The oriented statistic of each entry `[K]` and under each resample `[K, B]`."""
    sign = 1.0 if metric.higher_is_better else -1.0
    statistics = [fold.statistic(metric.fold, entry) for entry in entries]
    one = np.ones((1, statistics[0].groups))
    centre = np.array([float(statistic.evaluate(one)[0]) for statistic in statistics])
    rows, counts = _collapsed(statistics)
    weights = Weights(counts, affordable(resamples, counts.size), seed)
    return sign * centre, sign * np.stack(bootstrap(rows, weights))


def _collapsed(statistics: Sequence[Statistic]) -> tuple[list[Statistic], Counts]:
    """Clusters that are equal in every sum of every entry as one row with a count; the weights stay shared."""
    additive = [one for one in statistics if isinstance(one, Additive)]
    if len(additive) < len(statistics):
        return list(statistics), np.ones(statistics[0].groups, dtype=np.int64)
    joint, first, counts = np.unique(
        np.hstack([one.sums for one in additive]), axis=0, return_index=True, return_counts=True
    )
    # In the order of the clusters, so that the order of the entries changes no weight.
    order = np.argsort(first)
    joint, counts = joint[order], counts[order]
    ends = np.cumsum([one.sums.shape[1] for one in additive])[:-1]
    pieces = np.split(joint, ends, axis=1)
    return [Additive(piece, one.combine) for piece, one in zip(pieces, additive, strict=True)], counts.astype(np.int64)


def _informative(metric: Metric, a: Observations, b: Observations) -> int:
    """How many clusters differ between two entries: the others say nothing about which is better."""
    if a.sample.shape != b.sample.shape or (a.sample != b.sample).any() or set(a.parts) != set(b.parts):
        return a.groups
    differs = _unequal(a.value, b.value)
    for name, column in a.parts.items():
        differs |= _unequal(column, b.parts[name])
    if isinstance(metric.fold.within, Majority) and a.answers and b.answers:
        differs |= np.array([one != other for one, other in zip(a.answers, b.answers, strict=True)])
    return int(np.unique(a.cluster[differs]).size)


def _unequal(a: Floats, b: Floats) -> Flags:
    return np.asarray((a != b) & ~(np.isnan(a) & np.isnan(b)), dtype=np.bool_)


def _step_down(centre: Floats, draws: Floats, apart: Counts, level: float) -> Flags:
    """Claims over rounds: after each, the critical value is that of the pairs still open."""
    count = centre.size
    gap = centre[:, None] - centre[None, :]
    spread = np.stack([(row - draws).std(axis=1, ddof=1) for row in draws])
    still = spread <= DUST * np.maximum(1.0, np.abs(centre[:, None]) + np.abs(centre[None, :]))
    pairs = count * (count - 1)
    beats: Flags = still & (gap > DUST) & (pairs * 0.5**apart <= 1 - level)
    open_: Flags = ~still
    scaled = gap / np.where(still, 1.0, spread)
    while open_.any():
        critical = float(np.quantile(_maxima(draws, gap, spread, open_), level, method="higher"))
        limit = _to_t(critical, apart)
        found = open_ & (scaled > limit)
        if not found.any():
            break
        beats |= found
        open_ &= ~found
    return beats


def _maxima(draws: Floats, gap: Floats, spread: Floats, open_: Flags) -> Floats:
    """The largest studentised deviation among the open pairs, per resample `[B]`; one row of pairs at a time."""
    top = np.full(draws.shape[1], -np.inf)
    for i in np.flatnonzero(open_.any(axis=1)):
        mine = open_[i]
        deviation = (draws[i] - draws[mine] - gap[i, mine, None]) / spread[i, mine, None]
        top = np.maximum(top, deviation.max(axis=0))
    return top


def _to_t(critical: float, apart: Counts) -> Floats:
    tail = float(normal_probability(-critical))
    limits = {int(n): -t_quantile(tail, max(1, int(n) - 1)) for n in np.unique(apart)}
    return np.array([[limits[int(n)] for n in row] for row in apart])


def holm_ranks(
    estimates: Sequence[float], covariance: Floats, *, df: float = np.inf, level: float = 0.95
) -> tuple[tuple[int, int], ...]:
    """Rank intervals from estimates (higher is better) and their covariance `[K, K]`: Holm over all one-sided tests.

    For ratings that come with a covariance rather than with scores (`pairwise`). `df` of the t distribution; a
    difference of variance 0 claims nothing.
    """
    values = np.asarray(estimates, dtype=np.float64)
    gap = values[:, None] - values[None, :]
    variance = np.diag(covariance)[:, None] + np.diag(covariance)[None, :] - 2 * covariance
    known = variance > DUST * (np.diag(covariance)[:, None] + np.diag(covariance)[None, :])
    z = np.divide(gap, np.sqrt(np.maximum(variance, 0.0)), out=np.zeros_like(gap), where=known)
    off = ~np.eye(values.size, dtype=np.bool_)
    p = [float(normal_probability(-v)) if np.isinf(df) else t_probability(-v, df) for v in z[off].tolist()]
    beats = np.zeros_like(off)
    beats[off] = np.array(holm(p)) <= 1 - level
    return ranks(beats & (gap > 0))


@dataclass(frozen=True, slots=True)
class Friedman:
    """K candidates on D data sets: mean ranks (1 = best), and whether they differ at all.

    `statistic` is Friedman's chi-square with ties, `p_value` from Iman and Davenport's F (1980), which is the better
    approximation. Two candidates differ where their mean ranks lie at least `critical` apart (Nemenyi 1963).
    """

    mean_ranks: tuple[float, ...]
    statistic: float
    p_value: float
    critical: float


def friedman(table: Floats, *, level: float = 0.95) -> Friedman:
    """Friedman's test and Nemenyi's critical difference of `table[D, K]`, higher is better (Demsar 2006).

    Raises ValueError below two data sets or two candidates, or for a value that is missing.
    """
    from scipy.stats import rankdata, studentized_range

    sets, count = _table(table)
    placed = np.asarray(rankdata(-table, axis=1), dtype=np.float64)
    means = placed.mean(axis=0)
    within = float(((placed - (count + 1) / 2) ** 2).sum()) / (sets * (count - 1))
    between = sets * float(((means - (count + 1) / 2) ** 2).sum())
    statistic = between / within if within > 0 else 0.0
    room = sets * (count - 1) - statistic
    if room <= 0:
        p = 0.0
    elif sets < 2 or within == 0:
        p = 1.0
    else:
        p = f_tail((sets - 1) * statistic / room, count - 1, (count - 1) * (sets - 1))
    quantile = float(studentized_range.ppf(level, count, np.inf)) / np.sqrt(2)
    critical = float(quantile * np.sqrt(count * (count + 1) / (6 * sets)))
    return Friedman(tuple(means.tolist()), statistic, p, critical)


def wins(table: Floats) -> Floats:
    """`[i, j]` = share of the data sets on which candidate i is better than j, ties as half; diagonal 0.5."""
    _table(table)
    signs = np.sign(table[:, :, None] - table[:, None, :])
    return np.asarray((1 + signs).mean(axis=0) / 2, dtype=np.float64)


def wilcoxon_holm(table: Floats) -> Floats:
    """`[i, j]` = two-sided p of Wilcoxon's signed-rank test between candidates over data sets, Holm-adjusted.

    The diagonal, and pairs that are equal on every data set, have p = 1.
    """
    from scipy.stats import wilcoxon

    _, count = _table(table)
    upper = np.triu_indices(count, 1)
    raw = [
        float(wilcoxon(table[:, i], table[:, j]).pvalue) if (table[:, i] != table[:, j]).any() else 1.0
        for i, j in zip(*upper, strict=True)
    ]
    out = np.ones((count, count))
    out[upper] = holm(raw)
    out.T[upper] = out[upper]
    return out


def _table(table: Floats) -> tuple[int, int]:
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(f"a table of shape {table.shape}: at least two data sets (rows) and two candidates (columns)")
    if not np.isfinite(table).all():
        raise ValueError("a value is missing: rank only candidates that ran on every data set")
    return int(table.shape[0]), int(table.shape[1])
