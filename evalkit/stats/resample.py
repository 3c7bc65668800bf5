"""The cluster bootstrap: one weight matrix, made in chunks from a seed, shared by every statistic it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.fold import Additive, Full, Statistic
from evalkit.stats.intervals import Interval
from evalkit.stats.quantiles import normal_probability, normal_quantile

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

SMALL_GROUPS = 50
CHUNK_ROWS = 125
CHUNK_ELEMENTS = 2_000_000
DRAWS = 40_000_000
LEAST_RESAMPLES = 400
JACKKNIFE_ELEMENTS = 4_000_000
MOST_UNDEFINED = 0.01
HEADROOM = 4


def _poisson_table() -> npt.NDArray[np.uint8]:
    """The Poisson(1) quantile of each 16-bit number: a draw is one lookup."""
    probability, total, k = np.exp(-1.0), np.exp(-1.0), 0
    cumulative = []
    while total < 1 - 2.0**-17:
        cumulative.append(total)
        k += 1
        probability /= k
        total += probability
    return np.searchsorted(cumulative, (np.arange(65536) + 0.5) / 65536).astype(np.uint8)


_POISSON = _poisson_table()


@dataclass(frozen=True, slots=True)
class Weights:
    """How often each of G rows is drawn in each of B resamples, made chunk by chunk.

    `counts[G]` says how many clusters each row stands for (equal clusters are collapsed). Multinomial where the rows or
    the clusters are fewer than 50, Poisson otherwise. A chunk depends on (seed, chunk index) alone: neither the number
    of workers nor their order changes a byte.
    """

    counts: Counts
    resamples: int
    seed: int

    @property
    def step(self) -> int:
        """Rows of one chunk; bounded so that a chunk of many clusters stays small."""
        return max(1, min(CHUNK_ROWS, CHUNK_ELEMENTS // max(1, self.counts.size)))

    @property
    def chunks(self) -> int:
        """How many chunks the matrix has."""
        return -(-self.resamples // self.step)

    def chunk(self, index: int) -> Floats:
        """Chunk `index` of the matrix, shape [rows, G]; no row is all zero."""
        rows = min(self.step, self.resamples - index * self.step)
        source = np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(index,))))
        groups = int(self.counts.sum())
        if min(groups, self.counts.size) < SMALL_GROUPS:
            return source.multinomial(groups, self.counts / groups, size=rows).astype(np.float64)
        if (self.counts == 1).all():
            return _POISSON[source.integers(0, 65536, size=(rows, groups), dtype=np.uint16)].astype(np.float64)
        return source.poisson(self.counts, size=(rows, self.counts.size)).astype(np.float64)

    def __iter__(self) -> Iterator[Floats]:
        return (self.chunk(index) for index in range(self.chunks))


def bootstrap(statistics: Sequence[Statistic], weights: Weights) -> list[Floats]:
    """Every statistic under the same resamples, shape [B] each; so differences between them are paired.

    Sums are put on a grid first (`on_grid`), so that a statistic's draws do not depend on what is drawn beside it.
    """
    stacked = Stacked.of([one for one in statistics if isinstance(one, Additive)], weights.counts)
    totals: list[Floats] = []
    whole: list[list[Floats]] = [[] for _ in statistics]
    for chunk in weights:
        if stacked is not None:
            totals.append(chunk @ stacked.sums)
        for place, one in zip(whole, statistics, strict=True):
            if isinstance(one, Full):
                place.append(one.evaluate(chunk))
    added = iter(stacked.at(np.concatenate(totals)) if stacked is not None else [])
    return [
        next(added) if isinstance(one, Additive) else np.concatenate(place)
        for one, place in zip(statistics, whole, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Stacked:
    """Several statistics of sums over the same clusters, side by side: one product gives the totals of all."""

    parts: tuple[Additive, ...]
    sums: Floats

    @classmethod
    def of(cls, parts: Sequence[Additive], counts: Counts) -> Stacked | None:
        """Their sums on a grid; None where there is none."""
        if not parts:
            return None
        return cls(tuple(parts), on_grid(np.concatenate([one.sums for one in parts], axis=1), counts))

    def at(self, totals: Floats) -> list[Floats]:
        """Each statistic of its own columns of `totals[B, P]`."""
        ends = np.cumsum([one.sums.shape[1] for one in self.parts])[:-1]
        return [one.at(mine) for one, mine in zip(self.parts, np.split(totals, ends, axis=1), strict=True)]


def on_grid(sums: Floats, counts: Counts) -> Floats:
    """Sums rounded to multiples of a power of two so coarse that adding them is exact, in any order and grouping.

    Whole numbers stay as they are; others keep 49 bits of the column's absolute total. So neither the number of threads
    nor what stands beside a column changes a byte of a product with small whole weights.
    """
    totals = np.asarray(counts, dtype=np.float64) @ np.abs(sums)
    with np.errstate(all="ignore"):
        step = np.exp2(np.ceil(np.log2(totals)) + HEADROOM - 53)
        rounded: Floats = np.round(sums / step) * step
    return np.where(np.isfinite(step) & (step > 0), rounded, sums)


def collapse(one: Statistic) -> tuple[Statistic, Counts]:
    """Put clusters that are equal in every sum into one row with a count; the bootstrap's law stays the same."""
    if isinstance(one, Full):
        return one, np.ones(one.groups, dtype=np.int64)
    rows, counts = np.unique(one.sums, axis=0, return_counts=True)
    return Additive(rows, one.combine), counts.astype(np.int64)


def affordable(resamples: int, groups: int) -> int:
    """How many resamples to draw: as asked, fewer (at least 400) when clusters times resamples pass 40 million."""
    return max(min(resamples, LEAST_RESAMPLES), min(resamples, DRAWS // max(1, groups)))


def percentile(draws: Floats, level: float) -> tuple[float, float]:
    """The plain percentile interval."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bca(
    draws: Floats, centre: float, jackknife: Floats, level: float, counts: Counts | None = None
) -> tuple[float, float]:
    """The bias-corrected and accelerated interval (Efron 1987).

    `jackknife[m]` holds the statistic without one cluster of each row, `counts[m]` how many clusters each row stands
    for. Falls back to the percentile interval when all draws lie on one side of the centre.
    """
    below = float(((draws < centre).sum() + (draws <= centre).sum()) / (2 * draws.size))
    if not 0 < below < 1:
        return percentile(draws, level)
    many = np.ones(jackknife.size) if counts is None else counts
    apart = np.average(jackknife, weights=many) - jackknife
    spread = float((many * apart**2).sum()) ** 1.5
    acceleration = float((many * apart**3).sum()) / (6 * spread) if spread > 0 else 0.0
    bias = normal_quantile(below)
    shifted = bias + np.array([-1.0, 1.0]) * normal_quantile(0.5 + level / 2)
    tails = normal_probability(bias + shifted / (1 - acceleration * shifted))
    low, high = np.quantile(draws, np.clip(tails, 0.0, 1.0))
    return float(low), float(high)


def jackknife(one: Statistic) -> Floats | None:
    """The statistic with one cluster of each row left out; None where that would cost too much."""
    if isinstance(one, Additive):
        return one.at(one.sums.sum(axis=0) - one.sums)
    if one.groups * one.cluster.size > JACKKNIFE_ELEMENTS:
        return None
    return one.evaluate(1.0 - np.eye(one.groups))


def _jackknife(one: Statistic, counts: Counts) -> Floats | None:
    if isinstance(one, Additive):
        return one.at((counts @ one.sums) - one.sums)
    return jackknife(one)


def interval(one: Statistic, *, seed: int, resamples: int, level: float = 0.95, accelerate: bool = True) -> Interval:
    """A bootstrap interval over clusters at one level; see `levels`."""
    return levels(one, seed=seed, resamples=resamples, accelerate=accelerate)(level)


def levels(one: Statistic, *, seed: int, resamples: int, accelerate: bool = True) -> Callable[[float], Interval]:
    """Bootstrap intervals over clusters at any level, from the same draws.

    BCa where the jackknife is cheap and `accelerate`, else percentile. No bounds for fewer than two clusters, or where
    more than 1 % of the resamples leave the statistic undefined; a smaller share is left out and told in the method's
    name. `resamples` >= 1.
    """
    if one.groups < 2:
        return lambda _: Interval(None, None, "bootstrap")
    rows, counts = collapse(one)
    used = affordable(resamples, counts.size)
    draws = bootstrap([rows], Weights(counts, used, seed))[0]
    defined = draws[np.isfinite(draws)]
    undefined = used - defined.size
    note = f"B={used}" + (f", {undefined} undefined" if undefined else "")
    if undefined > MOST_UNDEFINED * used or defined.size < 2:
        return lambda _: Interval(None, None, f"bootstrap ({note})", resamples=used)
    se = float(defined.std(ddof=1))
    out = _jackknife(rows, counts) if accelerate else None
    if out is None or not np.isfinite(out).all():
        return lambda level: Interval(*percentile(defined, level), f"bootstrap-percentile ({note})", se, None, used)
    centre = float(rows.evaluate(counts[None, :].astype(np.float64))[0])
    return lambda level: Interval(*bca(defined, centre, out, level, counts), f"bootstrap-bca ({note})", se, None, used)
