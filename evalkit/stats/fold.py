"""Evaluates a `core.fold.Fold` on arrays: `within` the repeats of a sample, then `across` samples, for any weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Fold, Majority, Mean, PassAt, Sums, Whole
from evalkit.core.types import Metric

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

PASS_TOLERANCE = 1e-9
WHOLE_ELEMENTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One score of one answer, as the store has it.

    `value` None = not scored; then `worst` and `worst_parts` say what it counts as (None, {} = undefined).
    `cluster` None = the sample itself. `answer` is what was extracted (for a majority vote).
    """

    sample: str
    cluster: str | None = None
    repeat: int = 0
    value: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    worst: float | None = None
    worst_parts: Mapping[str, float] = field(default_factory=dict)
    answer: str | None = None

    @property
    def scored(self) -> bool:
        """Whether the scorer gave a value or parts."""
        return self.value is not None or bool(self.parts)


@dataclass(frozen=True, slots=True)
class Observations:
    """Scores of one entry on one metric, one array element per row.

    `sample` and `cluster` are codes 0..n-1 and 0..G-1; `value` is NaN where there is none; `parts` holds one array per
    part, NaN where a row lacks it; `answers` is empty or as long as the rows.
    """

    sample: Codes
    repeat: Codes
    cluster: Codes
    value: Floats
    parts: Mapping[str, Floats] = field(default_factory=dict)
    answers: Sequence[str | None] = ()

    @property
    def samples(self) -> int:
        """How many different samples there are."""
        return int(self.sample.max()) + 1 if self.sample.size else 0

    @property
    def groups(self) -> int:
        """How many different clusters there are."""
        return int(self.cluster.max()) + 1 if self.cluster.size else 0

    @property
    def missing(self) -> int:
        """How many rows have neither a value nor a part."""
        absent = np.isnan(self.value)
        for column in self.parts.values():
            absent = absent & np.isnan(column)
        return int(absent.sum())

    def keep(self, mask: npt.NDArray[np.bool_]) -> Observations:
        """Only the rows where `mask` holds, with samples and clusters coded anew."""
        return Observations(
            sample=_codes(self.sample[mask]),
            repeat=self.repeat[mask],
            cluster=_codes(self.cluster[mask]),
            value=self.value[mask],
            parts={name: column[mask] for name, column in self.parts.items()},
            answers=tuple(a for a, kept in zip(self.answers, mask, strict=True) if kept) if self.answers else (),
        )


def observations(rows: Iterable[Row]) -> Observations:
    """Gather rows as they are: a row without a value gives NaN, never a number.

    Rows are put in the order of (sample, repeat), so that the order in which they came changes no digit.
    Raises ValueError for NaN or infinite values and for a (sample, repeat) that comes twice.
    """
    listed = sorted(rows, key=lambda row: (row.sample, row.repeat))
    for before, after in pairwise(listed):
        if (before.sample, before.repeat) == (after.sample, after.repeat):
            raise ValueError(f"sample {after.sample!r}, repeat {after.repeat}: two scores; a cell has one")
    names = sorted({name for row in listed for name in row.parts})
    return Observations(
        sample=_label_codes([row.sample for row in listed]),
        repeat=np.array([row.repeat for row in listed], dtype=np.int64),
        cluster=_label_codes(
            [("group", row.cluster) if row.cluster is not None else ("own", row.sample) for row in listed]
        ),
        value=np.array([_number(row, row.value) for row in listed], dtype=np.float64),
        parts={n: np.array([_number(row, row.parts.get(n)) for row in listed], dtype=np.float64) for n in names},
        answers=tuple(row.answer for row in listed),
    )


def _number(row: Row, value: float | None) -> float:
    if value is None:
        return np.nan
    if not np.isfinite(value):
        raise ValueError(f"sample {row.sample!r}, repeat {row.repeat}: {value} is not a score; None says 'no value'")
    return float(value)


def _codes(values: Codes) -> Codes:
    return np.unique(values, return_inverse=True)[1].astype(np.int64).reshape(-1)


def _label_codes(labels: Sequence[Any]) -> Codes:
    places: dict[Any, int] = {}
    return np.array([places.setdefault(label, len(places)) for label in labels], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Additive:
    """A statistic of sums: `sums[G, P]` by cluster, and `combine(totals[B, P]) -> [B]`."""

    sums: Floats
    combine: Callable[[Floats], Floats]

    @property
    def groups(self) -> int:
        """How many clusters the weights run over."""
        return int(self.sums.shape[0])

    def evaluate(self, weights: Floats) -> Floats:
        """The statistic for each row of `weights[B, G]`; NaN where it is not defined."""
        return self.at(np.asarray(weights, dtype=np.float64) @ self.sums)

    def at(self, totals: Floats) -> Floats:
        """The statistic of given totals `[B, P]`."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self.combine(totals), dtype=np.float64), totals.shape[:1]).copy()


@dataclass(frozen=True, slots=True)
class Full:
    """A statistic of all rows at once: `columns` of length m, the cluster and the base weight of each row."""

    columns: Mapping[str, Floats]
    cluster: Codes
    base: Floats
    groups: int
    fn: Callable[[Mapping[str, Floats], Floats], Floats]

    def evaluate(self, weights: Floats) -> Floats:
        """The statistic for each row of `weights[B, G]`; works in slices, so that memory does not grow with B."""
        step = max(1, WHOLE_ELEMENTS // max(1, self.cluster.size))
        out = np.empty(weights.shape[0])
        with np.errstate(all="ignore"):
            for start in range(0, weights.shape[0], step):
                spread = np.asarray(weights[start : start + step], dtype=np.float64)[:, self.cluster] * self.base
                out[start : start + step] = self.fn(self.columns, spread)
        return out


Statistic = Additive | Full


def statistic(fold: Fold, seen: Observations, *, by_sample: bool = False) -> Statistic:
    """The fold as a function of weights over clusters (or over samples).

    Repeats: `Mean` averages values and parts within a sample, so that each sample counts once; under `Whole` the rows
    stay apart and weigh 1/repeats each (a quantile of averages is not the quantile). Raises ValueError where fewer
    repeats than k exist, where a fold of parts meets a fold of passes, or where there is nothing.
    """
    if not seen.sample.size:
        raise ValueError("no observations")
    across = fold.across
    if isinstance(across, Whole) and isinstance(fold.within, Mean):
        cluster = seen.sample if by_sample else seen.cluster
        base = 1.0 / np.bincount(seen.sample)[seen.sample]
        groups = seen.samples if by_sample else seen.groups
        return Full({"value": seen.value, **seen.parts}, cluster, base, groups, across.fn)
    cluster = np.arange(seen.samples, dtype=np.int64) if by_sample else cluster_of_sample(seen)
    groups = seen.samples if by_sample else seen.groups
    if isinstance(across, Sums):
        return _sums(across, fold, seen, cluster=cluster, groups=groups)
    folded = within(fold, seen)
    if isinstance(across, Whole):
        return Full({"value": folded}, cluster, np.ones(folded.size), groups, across.fn)
    totals = np.stack([_by(cluster, folded, groups), _by(cluster, np.ones(folded.size), groups)], axis=1)
    return Additive(totals, lambda t: t[:, 0] / t[:, 1])


def _sums(across: Sums, fold: Fold, seen: Observations, *, cluster: Codes, groups: int) -> Additive:
    if not isinstance(fold.within, Mean):
        name = type(fold.within).__name__
        raise ValueError(  # noqa: TRY004 - the metric's declaration is wrong, not the type of an argument
            f"{name} folds values, Sums folds parts; a metric of sums takes the mean of its repeats"
        )
    names = list(seen.parts)
    extra = [key for key in across.keys if key not in seen.parts]
    repeats = np.bincount(seen.sample)
    columns = [
        _by(cluster, _by(seen.sample, np.nan_to_num(seen.parts[n]), seen.samples) / repeats, groups) for n in names
    ]
    columns += [np.zeros(groups) for _ in extra]
    order = [*names, *extra]
    sums = np.stack(columns, axis=1) if columns else np.zeros((groups, 0))
    return Additive(sums, lambda t: across.fn({name: t[:, i] for i, name in enumerate(order)}))


def _by(codes: Codes, values: Floats, size: int) -> Floats:
    return np.bincount(codes, weights=values, minlength=size).astype(np.float64)


def cluster_of_sample(seen: Observations) -> Codes:
    """The cluster code of each sample; raises ValueError when the repeats of a sample disagree about it."""
    cluster = np.zeros(seen.samples, dtype=np.int64)
    cluster[seen.sample] = seen.cluster
    if (cluster[seen.sample] != seen.cluster).any():
        raise ValueError("the repeats of a sample are in different clusters; a sample nests in one cluster")
    return cluster


def within(fold: Fold, seen: Observations) -> Floats:
    """One value per sample, in the order of the codes; NaN where a repeat of the sample has no value."""
    count = np.bincount(seen.sample, minlength=seen.samples)
    how = fold.within
    if isinstance(how, Mean):
        return _by(seen.sample, seen.value, seen.samples) / count
    if isinstance(how, Majority):
        return _majority(seen)
    if (count < how.k).any():
        few = int(count.min())
        raise ValueError(f"k={how.k} needs at least {how.k} repeats of every sample; one has {few} (raise `repeats`)")
    passes = _by(seen.sample, (seen.value >= 1 - PASS_TOLERANCE).astype(np.float64), seen.samples)
    folded = pass_at(count, passes, how.k) if isinstance(how, PassAt) else pass_all(count, passes, how.k)
    folded[np.isnan(_by(seen.sample, seen.value, seen.samples))] = np.nan
    return folded


def pass_at(n: npt.ArrayLike, passes: npt.ArrayLike, k: int) -> Floats:
    """1 - C(n-c, k)/C(n, k) elementwise, as a product so that nothing overflows (Chen et al. 2021)."""
    runs, won = np.asarray(n, dtype=np.float64), np.asarray(passes, dtype=np.float64)
    return 1.0 - _chosen(runs - won, runs, k)


def pass_all(n: npt.ArrayLike, passes: npt.ArrayLike, k: int) -> Floats:
    """C(c, k)/C(n, k) elementwise: the chance that k of the n runs, drawn without replacement, all pass (tau-bench)."""
    return _chosen(np.asarray(passes, dtype=np.float64), np.asarray(n, dtype=np.float64), k)


def _chosen(part: Floats, whole: Floats, k: int) -> Floats:
    share = np.ones(np.broadcast(part, whole).shape)
    for taken in range(k):
        share = share * np.maximum(part - taken, 0.0) / (whole - taken)
    return share


def _majority(seen: Observations) -> Floats:
    votes: list[dict[str | None, list[float]]] = [{} for _ in range(seen.samples)]
    answers = seen.answers or [None] * seen.sample.size
    for sample, answer, value in zip(seen.sample.tolist(), answers, seen.value.tolist(), strict=True):
        votes[sample].setdefault(answer, []).append(value)
    return np.array([_vote(ballot) for ballot in votes])


def _vote(ballot: dict[str | None, list[float]]) -> float:
    """The right share of the most frequent answers; an answer that could not be extracted wins only when alone."""
    if any(np.isnan(value) for values in ballot.values() for value in values):
        return np.nan
    real = {answer: values for answer, values in ballot.items() if answer is not None} or ballot
    most = max(map(len, real.values()))
    return float(np.mean([np.mean(values) for values in real.values() if len(values) == most]))


def value(metric: Metric, seen: Observations) -> float | None:
    """The metric of the observations; None where it is not defined (nothing there, a row without a score, 0/0)."""
    if not seen.sample.size or seen.missing:
        return None
    fold = statistic(metric.fold, seen)
    number = float(fold.evaluate(np.ones((1, fold.groups)))[0])
    return number if np.isfinite(number) else None


def resampled(metric: Metric, seen: Observations, weights: Floats) -> Floats:
    """The metric for each row of `weights[B, n]`, one weight per sample in the order of the codes; shape [B]."""
    return statistic(metric.fold, seen, by_sample=True).evaluate(weights)
