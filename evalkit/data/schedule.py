"""The scheduled order of samples: by hash of seed and id, never by position, so that growth moves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.core.keys import order_hash

Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Indices of the chosen samples in scheduled order, and how they were chosen; `whole` when none was left out."""

    indices: Indices
    seed: int
    whole: bool

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return map(int, self.indices)


def order_hashes(seed: int, ids: Iterable[str], count: int) -> Hashes:
    """`core.keys.order_hash` of every id; shape [count], unsigned 64-bit."""
    return np.fromiter((order_hash(seed, ident) for ident in ids), dtype=np.uint64, count=count)


def first(hashes: Hashes, limit: int | None) -> Indices:
    """The positions of the `limit` smallest hashes, in hash order; all for None."""
    return np.argsort(hashes, kind="stable")[:limit].astype(np.int64)


def proportional(hashes: Hashes, strata: Hashes, limit: int) -> Indices:
    """The positions of `limit` samples, in hash order, taken from every stratum in proportion to its size.

    Seats by Sainte-Lague: the r-th sample (from 0, in hash order) of a stratum of n asks with (r + 1/2) / n, the
    smallest win. So each stratum's share is a prefix of its hash order, and a larger limit only adds samples.
    """
    order = first(hashes, None)
    _, codes, sizes = np.unique(strata[order], return_inverse=True, return_counts=True)
    asks = (_ranks(codes) + 0.5) / sizes[codes]
    chosen = np.argsort(asks, kind="stable")[:limit]
    return order[np.sort(chosen)]


def _ranks(codes: npt.NDArray[np.intp]) -> Indices:
    """For each element, how many equal ones stand before it."""
    grouped = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[grouped], codes[grouped], side="left")
    ranks = np.empty(len(codes), dtype=np.int64)
    ranks[grouped] = np.arange(len(codes)) - starts
    return ranks
