"""Randomisation: exact sign flips of a few clusters, and approximate randomisation that swaps whole clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.fold import Additive, Full, Statistic
from evalkit.stats.resample import on_grid

Floats = npt.NDArray[np.float64]

TOLERANCE = 1e-12
CHUNK_ROWS = 125
CHUNK_ELEMENTS = 2_000_000
STREAM = 1


def _subsets(groups: int) -> Floats:
    """Every subset of G clusters as a row of 0 and 1, the empty one first; shape [2^G, G]."""
    numbers = np.arange(1 << groups, dtype=np.int64)
    return ((numbers[:, None] >> np.arange(groups)) & 1).astype(np.float64)


def flip_p_values(sums: Floats, sizes: Floats, null: float) -> tuple[float, float]:
    """Exact p of sign flips of G cluster sums: two-sided for "mean 0", one-sided for "the mean is at least null".

    Each cluster's `sums - null * sizes` is symmetric about 0 under the hypothesis. The two-sided p is at least 2/2^G.
    """
    flips = 1 - 2 * _subsets(sums.size)

    def totals(values: Floats) -> tuple[Floats, float, float]:
        return flips @ values, float(values.sum()), TOLERANCE * max(1.0, float(np.abs(values).sum()))

    drawn, seen, slack = totals(sums)
    two = float((np.abs(drawn) >= abs(seen) - slack).mean())
    drawn, seen, slack = totals(sums - null * sizes)
    return two, float((drawn <= seen + slack).mean())


def flip_bounds(sums: Floats, sizes: Floats, error: float) -> tuple[float | None, float | None]:
    """The one-sided bounds that invert the sign-flip test: quantiles of the means of all subsets (Hartigan 1969).

    None where 2^-G is more than the error: so few clusters cannot bound anything at it.
    """
    rank = int(np.floor(error * (1 << sums.size) + 1e-9))
    if rank < 1:
        return None, None
    chosen = _subsets(sums.size)[1:]
    means = np.sort((chosen @ sums) / (chosen @ sizes))
    return float(means[rank - 1]), float(means[-rank])


@dataclass(frozen=True, slots=True)
class Swaps:
    """Which of G clusters change sides in each of B draws, made chunk by chunk as rows of 0 and 1.

    All 2^G of them, the one that swaps nothing included, where they are no more than B: then `exact`. A chunk depends
    on (seed, chunk index) alone.
    """

    groups: int
    resamples: int
    seed: int

    @property
    def exact(self) -> bool:
        """Whether every assignment is made once."""
        return self.groups < 63 and (1 << self.groups) <= self.resamples

    @property
    def draws(self) -> int:
        """How many rows there are."""
        return (1 << self.groups) if self.exact else self.resamples

    def chunk(self, index: int, rows: int) -> Floats:
        """Random chunk `index`, shape [rows, G]."""
        source = np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(STREAM, index))))
        width = -(-self.groups // 8)
        drawn = np.frombuffer(source.bytes(rows * width), dtype=np.uint8).reshape(rows, width)
        return np.unpackbits(drawn, axis=1, count=self.groups).astype(np.float64)

    def __iter__(self) -> Iterator[Floats]:
        if self.exact:
            yield _subsets(self.groups)
            return
        step = max(1, min(CHUNK_ROWS, CHUNK_ELEMENTS // max(1, self.groups)))
        for index in range(-(-self.resamples // step)):
            yield self.chunk(index, min(step, self.resamples - index * step))

    def p_value(self, extreme: npt.NDArray[np.bool_]) -> float:
        """The share of draws at least as extreme; what was seen counts as one of them (Phipson and Smyth 2010)."""
        if self.exact:
            return float(extreme.mean())
        return float((1 + extreme.sum()) / (1 + extreme.size))


@dataclass(frozen=True, slots=True)
class Sides:
    """One statistic of two entries over the same clusters; columns agree, so that rows can change sides."""

    candidate: Statistic
    baseline: Statistic

    @property
    def groups(self) -> int:
        """How many clusters there are."""
        return self.candidate.groups

    @property
    def swapped(self) -> _Swapped:
        """The difference as a function of who is on which side."""
        if isinstance(self.candidate, Additive) and isinstance(self.baseline, Additive):
            both = np.concatenate([self.candidate.sums, self.baseline.sums])
            ours, theirs = np.split(on_grid(both, np.ones(len(both), dtype=np.int64)), 2)
            return _Totals(Additive(ours, self.candidate.combine), Additive(theirs, self.candidate.combine))
        return _rows(self.candidate, self.baseline)


@dataclass(frozen=True, slots=True)
class _Totals:
    """Sums move between the sides: a product of swaps and differences of sums."""

    candidate: Additive
    baseline: Additive

    @property
    def moves(self) -> Floats:
        """What a swap of each cluster adds to the candidate's sums and takes from the baseline's, [G, P]."""
        return self.baseline.sums - self.candidate.sums

    @property
    def nothing(self) -> Floats:
        """No move at all."""
        return np.zeros((1, self.candidate.sums.shape[1]))

    def differences(self, moved: Floats) -> Floats:
        """Candidate - baseline for given moves of sums [B, P]."""
        ours = self.candidate.at(self.candidate.sums.sum(axis=0) + moved)
        return ours - self.candidate.at(self.baseline.sums.sum(axis=0) - moved)


@dataclass(frozen=True, slots=True)
class _Rows:
    """All rows of both sides in one statistic of 2G clusters, of which each side weighs one half."""

    both: Full

    @property
    def nothing(self) -> Floats:
        """No swap at all."""
        return np.zeros((1, self.both.groups // 2))

    def differences(self, swaps: Floats) -> Floats:
        """Candidate - baseline under each row of swaps[B, G]."""
        stay = 1.0 - swaps
        ours = self.both.evaluate(np.concatenate([stay, swaps], axis=1))
        return ours - self.both.evaluate(np.concatenate([swaps, stay], axis=1))


_Swapped = _Totals | _Rows


def _rows(candidate: Statistic, baseline: Statistic) -> _Rows:
    if not isinstance(candidate, Full) or not isinstance(baseline, Full):
        raise ValueError("the two sides are folded in different ways")  # noqa: TRY004 - the pair is wrong, not a type
    columns = {name: np.concatenate([candidate.columns[name], baseline.columns[name]]) for name in candidate.columns}
    cluster = np.concatenate([candidate.cluster, baseline.cluster + candidate.groups])
    base = np.concatenate([candidate.base, baseline.base])
    # Statistics of whole columns sort them again for every slice of draws: in order already, that is nearly free.
    order = np.argsort(columns["value"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    return _Rows(Full(columns, cluster[order], base[order], 2 * candidate.groups, candidate.fn))


@dataclass(frozen=True, slots=True)
class Moved:
    """The difference as it was `seen`, and as `drawn` with clusters on other sides, shape [B]; NaN = not defined."""

    seen: float
    drawn: Floats


def randomised(pairs: Sequence[Sides], swaps: Swaps) -> list[Moved]:
    """The difference of every pair under the same swaps of clusters."""
    movers = [pair.swapped for pair in pairs]
    added = [mover for mover in movers if isinstance(mover, _Totals)]
    moves = np.concatenate([np.zeros((swaps.groups, 0)), *(mover.moves for mover in added)], axis=1)
    totals: list[Floats] = []
    whole: list[list[Floats]] = [[] for _ in movers]
    for chunk in swaps:
        totals.append(chunk @ moves)
        for place, mover in zip(whole, movers, strict=True):
            if isinstance(mover, _Rows):
                place.append(mover.differences(chunk))
    ends = np.cumsum([mover.moves.shape[1] for mover in added])[:-1]
    shares = iter(np.split(np.concatenate(totals), ends, axis=1))
    found = []
    for mover, place in zip(movers, whole, strict=True):
        drawn = mover.differences(next(shares)) if isinstance(mover, _Totals) else np.concatenate(place)
        found.append(Moved(float(mover.differences(mover.nothing)[0]), drawn))
    return found


def randomisation_p_values(moved: Moved, sign: float, swaps: Swaps) -> tuple[float, float]:
    """p of "the sides are exchangeable": two-sided, and one-sided against a smaller benefit, sign x difference.

    Draws within 1e-12 of what was seen count as equal to it, and undefined ones as extreme.
    """
    slack = TOLERANCE * max(1.0, abs(moved.seen))
    lost = np.isnan(moved.drawn)
    two = swaps.p_value(lost | (np.abs(moved.drawn) >= abs(moved.seen) - slack))
    return two, swaps.p_value(lost | (sign * moved.drawn <= sign * moved.seen + slack))
