"""Divisions of a data set into what is learnt from and what is tested on: by hash, so the same for every candidate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.core.errors import UsageError
from evalkit.core.keys import digest
from evalkit.core.types import Given, Sample, Split
from evalkit.data.schedule import Hashes, Indices, first, order_hashes, proportional
from evalkit.data.snapshot import Snapshot

Codes = npt.NDArray[np.int64]


def kfold(
    snapshot: Snapshot, k: int, seed: int, *, stratify: str | None = "target", grouped: bool = True
) -> list[Split]:
    """k folds, each the test set once; sizes differ by at most one sample where samples have no groups.

    `stratify` (see `Snapshot.strata`; None for a numeric target) spreads every stratum evenly. `grouped` keeps the
    samples of a group in one fold. Raises UsageError when k is below 2 or above the number of groups.
    """
    ids, hashes = _ids(snapshot, seed)
    strata = _codes(snapshot.strata(stratify) if stratify else np.zeros(len(ids), dtype=np.uint64))
    groups = _codes(snapshot.groups()) if grouped else np.arange(len(ids))
    units = len(np.unique(groups))
    if not 2 <= k <= units:
        raise UsageError(f"k must be between 2 and the {units} groups of the data set, this is {k}")
    alone = units == len(ids)
    folds = _dealt(hashes, strata, k) if alone else _balanced(_members(groups, hashes), strata, k)
    return [_split(ids, folds == fold) for fold in range(k)]


def holdout(
    snapshot: Snapshot, fraction: float, seed: int, *, stratify: str | None = "target", grouped: bool = True
) -> list[Split]:
    """One split with `fraction` (0 to 1) of the samples as test set, in proportion per stratum; groups stay together.

    Raises UsageError when either side would be empty.
    """
    ids, hashes = _ids(snapshot, seed)
    strata = snapshot.strata(stratify) if stratify else np.zeros(len(ids), dtype=np.uint64)
    groups = _codes(snapshot.groups()) if grouped else np.arange(len(ids))
    wanted = round(fraction * len(ids))
    test = np.zeros(len(ids), dtype=bool)
    if len(np.unique(groups)) == len(ids):
        test[proportional(hashes, strata, max(wanted, 0))] = True
    else:
        for members in _held(_members(groups, hashes), _codes(strata), fraction):
            test[members] = True
    return [_split(ids, test, f"holdout of {fraction}")]


def given_split(snapshot: Snapshot, field: str, *, train: str = "train", test: str = "test") -> list[Split]:
    """The split that the data itself names at `field` (see `Snapshot.values`); other values are left out.

    Raises UsageError when no sample says `train` or none says `test`.
    """
    ids = list(snapshot.ids())
    sides = np.array([{train: 1, test: 2}.get(str(value), 0) for value in snapshot.values(field)], dtype=np.int64)
    if not (np.any(sides == 1) and np.any(sides == 2)):
        raise UsageError(f"{field}: no sample says {train if not np.any(sides == 1) else test!r}")
    return [_split(ids, sides == 2, train=sides == 1)]


def time_split(snapshot: Snapshot, field: str, test_fraction: float) -> list[Split]:
    """The last `test_fraction` of the samples by the time at `field` (number, or ISO date text) as test set.

    Equal times stay together, on the test side, so all training is strictly before all testing. Groups may stand on
    both sides. Raises UsageError for a sample without a time and when either side would be empty.
    """
    ids = list(snapshot.ids())
    times = np.array([_time(ident, field, value) for ident, value in zip(ids, snapshot.values(field), strict=True)])
    wanted = round(test_fraction * len(ids))
    if not 0 < wanted < len(ids):
        raise UsageError(f"a test fraction of {test_fraction} leaves one side of {len(ids)} samples empty")
    border = np.sort(times)[len(ids) - wanted]
    return [_split(ids, times >= border, f"time split at {field}")]


def given(snapshot: Snapshot, split: Split) -> Given:
    """What a candidate may learn from in a split; the id is the content hash of the training samples."""
    indices = tuple(snapshot.index_of(split.train_ids))
    return Given(snapshot.hash_at(indices), Subset(snapshot, indices))


@dataclass(frozen=True, slots=True)
class Subset:
    """Some samples of a snapshot, re-iterable and read when asked for, in the order of their sorted ids."""

    snapshot: Snapshot
    indices: tuple[int, ...]

    def __iter__(self) -> Iterator[Sample]:
        return self.snapshot.samples(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


def _ids(snapshot: Snapshot, seed: int) -> tuple[list[str], Hashes]:
    ids = list(snapshot.ids())
    return ids, order_hashes(seed, ids, len(ids))


def _codes(hashes: Hashes) -> Codes:
    return np.unique(hashes, return_inverse=True)[1].astype(np.int64)


def _dealt(hashes: Hashes, strata: Codes, k: int) -> Codes:
    """Deal the samples out like cards, stratum after stratum, each in hash order."""
    order = np.lexsort((hashes, strata))
    folds = np.empty(len(hashes), dtype=np.int64)
    folds[order] = np.arange(len(hashes)) % k
    return folds


def _members(groups: Codes, hashes: Hashes) -> list[Indices]:
    """The samples of every group; groups in the order of their smallest hash."""
    order = first(hashes, None)
    grouped = order[np.argsort(groups[order], kind="stable")]
    parts = np.split(grouped, np.flatnonzero(np.diff(groups[grouped])) + 1)
    return sorted(parts, key=lambda part: int(hashes[part[0]]))


def _balanced(members: list[Indices], strata: Codes, k: int) -> Codes:
    """Give every group, the largest first, to the fold that has the least of what the group is made of."""
    sizes = np.bincount(strata).astype(float)
    loads = np.zeros((k, len(sizes)))
    totals = np.zeros(k)
    folds = np.empty(len(strata), dtype=np.int64)
    for part in sorted(members, key=len, reverse=True):
        labels, counts = np.unique(strata[part], return_counts=True)
        shares = (loads[:, labels] * counts / sizes[labels]).sum(axis=1)
        fold = int(np.lexsort((totals, shares))[0])
        folds[part] = fold
        loads[fold, labels] += counts
        totals[fold] += len(part)
    return folds


def _held(members: list[Indices], strata: Codes, fraction: float) -> Iterable[Indices]:
    """Whole groups, in hash order, while each brings the test set of its main stratum nearer to its size."""
    mains = [int(np.bincount(strata[part]).argmax()) for part in members]
    sizes: dict[int, int] = {}
    for part, main in zip(members, mains, strict=True):
        sizes[main] = sizes.get(main, 0) + len(part)
    held: dict[int, int] = {}
    for part, main in zip(members, mains, strict=True):
        missing = fraction * sizes[main] - held.get(main, 0)
        if 2 * missing >= len(part) and missing > 0:
            held[main] = held.get(main, 0) + len(part)
            yield part


def _time(ident: str, field: str, value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise UsageError(f"sample {ident!r}: {field} is {value!r:.40}, not a number or an ISO date") from None
    # A time without a zone is read as UTC, so that the machine's own zone decides nothing.
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _split(ids: list[str], test: npt.NDArray[np.bool_], what: str = "", *, train: Any = None) -> Split:
    rest = ~test if train is None else train
    tested = tuple(sorted(ids[place] for place in np.flatnonzero(test)))
    learnt = tuple(sorted(ids[place] for place in np.flatnonzero(rest)))
    if not tested or not learnt:
        raise UsageError(f"{what} leaves one side of {len(ids)} samples empty")
    return Split(digest([learnt, tested]), learnt, tested)
