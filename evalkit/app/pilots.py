"""What earlier runs say about the spread of a metric: paired differences, repeats, clusters; else the worst case."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from evalkit.app.entries import Row
from evalkit.app.gated_suite import GatedSuite
from evalkit.app.guardrails import Emitted
from evalkit.app.pairing import Drawn, Matching, alone, draw, has_slice, match, part
from evalkit.app.scored_anew import rescorer
from evalkit.app.sides import StoredSide
from evalkit.app.workspace import Workspace
from evalkit.core.errors import InvalidRun
from evalkit.core.fold import Mean
from evalkit.core.types import Metric
from evalkit.stats.fold import Observations
from evalkit.stats.paired import Pair, Question, compare
from evalkit.stats.power import worst_case_sd
from evalkit.stats.summary import estimate
from evalkit.stats.variance import Epochs, decompose
from evalkit.store import reader
from evalkit.store.sizing import PerAnswer, per_answer

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PAIRED = "paired differences of two entries"
ALONE = "one entry, the other taken as independent (worst case)"
SINGLE = "one entry, against a fixed floor"
NOTHING = "no earlier run: the worst case of p = 0.5"
UNKNOWN = "no earlier run, and the metric has no worst case"
RESAMPLES = 2_000
LEAST = 10


@dataclass(frozen=True, slots=True)
class Spread:
    """The standard deviation per sample behind a decision, as a pilot of `repeats` repeats has it; None = unknown.

    The standard error of n samples is `sd`/sqrt(n); clusters are in it, `design_effect` = V_cluster/V_iid. `between` is
    the variance between samples and `within` that between the repeats of a sample, summed over both sides; None where
    samples were asked once. `share` = part of the samples that the slice has; `value` the pilot's own.
    """

    sd: float | None
    source: str
    design_effect: float = 1.0
    between: float | None = None
    within: float | None = None
    repeats: int = 1
    value: float | None = None
    share: float = 1.0
    pilot: str = ""
    notes: tuple[str, ...] = ()

    def at(self, repeats: int) -> float | None:
        """The standard deviation with this many repeats on each side; None where that is not known."""
        if repeats == self.repeats or self.sd is None:
            return self.sd
        if self.between is None or self.within is None:
            # Asked once, nothing tells the noise of answers from the spread of samples: more repeats change nothing.
            return self.sd
        return math.sqrt(self.design_effect * (max(0.0, self.between) + self.within / repeats))


@dataclass
class Pilot:
    """The earlier entries of a suite that its spread is read from: a candidate's, and another one beside it.

    Without a `connection` there is no store yet, so nothing is known.
    """

    connection: DuckDBPyConnection | None
    workspace: Workspace
    suite: GatedSuite
    candidate: str | None = None
    _sides: dict[str, StoredSide] = field(default_factory=dict)

    def entries(self) -> tuple[Row | None, tuple[Row, ...]]:
        """The candidate's newest complete entry, and whom to compare it with.

        Without a candidate it is the first that the suite names. Compared are earlier entries of the same candidate,
        then the newest ones of others, in the suite's order.
        """
        if self.connection is None:
            return None, ()
        found = [Row(**row) for row in reader.named(self.connection, "named_entries", suite=self.suite.name).dicts()]
        order = {name: place for place, name in enumerate(self.suite.file.model.candidates)}
        complete = sorted((row for row in found if row.complete), key=lambda row: order.get(row.candidate, len(order)))
        mine = [row for row in complete if self.candidate in (None, row.candidate)]
        if not mine:
            return None, ()
        first = mine[0]
        same = [row for row in mine[1:] if row.candidate == first.candidate and row.fingerprint != first.fingerprint]
        others: dict[str, Row] = {}
        for row in complete:
            if row.candidate != first.candidate:
                others.setdefault(row.candidate, row)
        return first, (*same, *others.values())

    def costs(self) -> PerAnswer:
        """What an answer takes, from the candidate's newest entry."""
        first, _ = self.entries()
        if first is None or self.connection is None:
            return PerAnswer()
        return per_answer(self.connection, first.entry_id)

    def spread(self, one: Emitted, where: str, *, fixed: bool) -> Spread:
        """The spread of a metric on a slice (empty = all); `fixed` = the decision is against a floor."""
        first, others = self.entries()
        if first is None:
            return _unknown(one.metric)
        side = self._side(first)
        try:
            if not fixed:
                for found in self._paired(one, where, side, others):
                    return replace(found, pilot=first.candidate)
            return replace(self._single(one, where, side, fixed=fixed), pilot=first.candidate)
        except (InvalidRun, ValueError) as error:
            return replace(_unknown(one.metric), notes=(str(error),))

    def _side(self, row: Row) -> StoredSide:
        assert self.connection is not None
        if row.entry_id not in self._sides:
            label = f"{row.run_id}:{row.candidate}"
            self._sides[row.entry_id] = StoredSide(
                self.connection, row.entry_id, label, rescorer(self.workspace), self.suite.fields
            )
        return self._sides[row.entry_id]

    def _paired(self, one: Emitted, where: str, side: StoredSide, others: Sequence[Row]) -> Iterator[Spread]:
        """The spread of paired differences with the first other entry that tells something."""
        for row in others:
            other = self._side(row)
            matching = match(side.cells, other.cells)
            if len(matching.sample_ids) < LEAST or (where and not has_slice(matching, where)):
                continue
            try:
                drawn = _drawn(one, (side, other), matching, where)
            except InvalidRun:
                continue
            if drawn.headline is None or drawn.identical:
                continue
            found = self._of_pair(one.metric, drawn.headline)
            if found.sd:
                yield replace(found, share=drawn.headline.candidate.samples / len(matching.sample_ids))

    def _of_pair(self, metric: Metric, pair: Pair) -> Spread:
        seed = self.suite.seed
        found = compare(Question(metric, pair), seed=seed, resamples=RESAMPLES)
        if found.mde is None:
            return Spread(None, PAIRED)
        plain = Pair(_unclustered(pair.candidate), _unclustered(pair.baseline))
        iid = compare(Question(metric, plain), seed=seed, resamples=RESAMPLES).mde if found.groups < found.n else None
        effect = (found.mde / iid) ** 2 if iid else 1.0
        sd = _sd_of_mde(found.mde, found.n)
        between, within, repeats = _split(metric, pair, sd**2 / effect)
        return Spread(sd, PAIRED, effect, between, within, repeats, value=found.baseline)

    def _single(self, one: Emitted, where: str, side: StoredSide, *, fixed: bool) -> Spread:
        matching = alone(side.cells)
        drawn = _drawn(one, (side, side), matching, where)
        if drawn.headline is None:
            return _unknown(one.metric)
        seen = drawn.headline.candidate
        own = estimate(one.metric, seen, seed=self.suite.seed)
        share = seen.samples / len(matching.sample_ids)
        if own.value is not None and not fixed and _is_rate(one.metric, seen):
            sd: float | None = worst_case_sd(own.value) or None
        else:
            sd = own.se * math.sqrt(own.n) * (1.0 if fixed else math.sqrt(2)) if own.se else None
        if sd is None:
            return replace(_unknown(one.metric), value=own.value, share=share)
        return Spread(sd, SINGLE if fixed else ALONE, value=own.value, share=share)


def _drawn(one: Emitted, sides: tuple[StoredSide, StoredSide], matching: Matching, where: str) -> Drawn:
    mine, theirs = (
        part(one.metric, one.of(side), side.cells, rows, matching, sparse=one.sparse)
        for side, rows in zip(sides, (matching.candidate, matching.baseline), strict=True)
    )
    return draw(one.metric, (mine, theirs), matching, where)


def _sd_of_mde(found: float, n: int) -> float:
    """The standard deviation per sample that a smallest effect at 80 % rests on."""
    from evalkit.stats.power import mde

    return found / mde(1.0) * math.sqrt(n)


def _unclustered(seen: Observations) -> Observations:
    return replace(seen, cluster=seen.sample)


def _is_rate(metric: Metric, seen: Observations) -> bool:
    single = seen.sample.size == seen.samples == seen.groups
    return single and metric.kind == "mean01" and bool(np.isin(seen.value, (0.0, 1.0)).all())


def _split(metric: Metric, pair: Pair, variance: float) -> tuple[float | None, float | None, int]:
    """Variance of differences between samples and between repeats, and the pilot's repeats."""
    sides = (pair.candidate, pair.baseline)
    repeats = min(int(np.bincount(side.sample).min()) for side in sides)
    if not isinstance(metric.fold.across, Mean) or not isinstance(metric.fold.within, Mean) or repeats < 2:
        return None, None, repeats
    parts: list[Epochs | None] = [decompose(side) for side in sides]
    noise = [part for part in parts if part is not None]
    if len(noise) < len(parts):
        return None, None, repeats
    within = sum(part.sigma2 for part in noise)
    return max(0.0, variance - sum(part.sigma2 / part.repeats for part in noise)), within, repeats


def _unknown(metric: Metric) -> Spread:
    if metric.bounds == (0.0, 1.0) and isinstance(metric.fold.across, Mean):
        return Spread(worst_case_sd(0.5), NOTHING)
    return Spread(None, UNKNOWN)
