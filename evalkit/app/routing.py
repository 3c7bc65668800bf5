"""What systems gain over their parts in a suite, and what each of their stages took; from stored answers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from evalkit.app.leaderboard import Standing
from evalkit.app.workspace import Workspace
from evalkit.report.model import Cell, GainRow, Routing, StageRow
from evalkit.stats.routing import Gain, Outcomes, areas, cheapest_and_best, gain, oracle

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SEED = 0
_decode = msgspec.json.decode

_SYSTEMS = (
    "select entry_id from entry where list_contains($entries, entry_id) and (candidate_spec ->> '$.kind') = 'system'"
)

_ANSWERS = """
select s.entry_id, s.sample_id, s.cluster, s.headline_value, k.model, k.usage, k.seconds, k.error_kind,
       k.meta -> '$.stages' as stages
from scores s join call k using (call_id)
where s.entry_id = $entry and s.metric = $metric and s.scorer_sig = $sig
order by s.sample_id, s.repeat
"""

_STAGES = """
select k.meta -> '$.stages' as stages from answer a join call k using (call_id)
where a.entry_id = $entry and (k.meta -> '$.stages') is not null order by a.position
"""

Stage = tuple[str, str | None, Mapping[str, float], float | None, bool, str | None]


@dataclass
class _Sums:
    """Of one sample of one entry: quality, US dollars (None = unknown), seconds and how many answers."""

    cluster: str
    quality: float = 0.0
    usd: float | None = 0.0
    seconds: float = 0.0
    answers: int = 0


@dataclass
class _StageSums:
    calls: int = 0
    known: int = 0
    failed: int = 0
    usd: float = 0.0
    unpriced: int = 0
    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Composed:
    """The systems of a suite among its newest complete entries."""

    connection: DuckDBPyConnection
    workspace: Workspace
    members: Sequence[Standing]

    @cached_property
    def _systems(self) -> list[Standing]:
        complete = [standing for standing in self.members if standing.complete]
        ids = [standing.entry["entry_id"] for standing in complete]
        found = {row[0] for row in self.connection.execute(_SYSTEMS, {"entries": ids}).fetchall()}
        return [standing for standing in complete if standing.entry["entry_id"] in found]

    def stages(self) -> tuple[StageRow, ...]:
        """Calls, cost and latency of every stage of every system."""
        rows: list[StageRow] = []
        for standing in self._systems:
            sums: dict[str, _StageSums] = {}
            entry = {"entry": standing.entry["entry_id"]}
            for (text,) in self.connection.execute(_STAGES, entry).fetchall():
                for stage in _decode(text):
                    self._add(sums.setdefault(stage[0], _StageSums()), tuple(stage))
            rows += [
                StageRow(
                    standing.candidate,
                    name,
                    one.calls,
                    one.known,
                    one.failed,
                    one.usd,
                    one.unpriced,
                    float(np.median(one.seconds)) if one.seconds else None,
                )
                for name, one in sorted(sums.items())
            ]
        return tuple(rows)

    def _add(self, sums: _StageSums, stage: Any) -> None:
        _, _, _, seconds, known, error = stage
        usd = self._price(stage)
        sums.calls += 1
        sums.known += bool(known)
        sums.failed += error is not None
        sums.usd += usd or 0.0
        sums.unpriced += usd is None
        if seconds is not None:
            sums.seconds.append(seconds)

    def _price(self, stage: Stage) -> float | None:
        _, model, usage, _, _, error = stage
        return 0.0 if error is not None and not usage else self.workspace.money(model, usage)

    def routing(self) -> Routing | None:
        """Every system against the random mix of the cheapest and the best part; None without both kinds of entries.

        Parts are the suite's entries that are no systems. A metric where less is better is not judged here.
        """
        parts = [one for one in self.members if one.complete and one not in self._systems and one.primary is not None]
        systems = [one for one in self._systems if one.primary is not None]
        if not parts or not systems or not parts[0].primary or not parts[0].primary["higher_is_better"]:
            return None
        sums = {one.candidate: self._sums(one) for one in (*parts, *systems)}
        shared = sorted(set.intersection(*(set(found) for found in sums.values())))
        if not shared:
            return None
        first = sums[parts[0].candidate]
        codes: dict[str, int] = {}
        cluster = np.array([codes.setdefault(first[name].cluster, len(codes)) for name in shared], dtype=np.int64)
        return _judged(_Table(sums, shared, cluster), [p.candidate for p in parts], [s.candidate for s in systems])

    def _sums(self, standing: Standing) -> dict[str, _Sums]:
        main = standing.primary
        assert main is not None
        which = {"entry": standing.entry["entry_id"], "metric": main["metric"], "sig": main["scorer_sig"]}
        found: dict[str, _Sums] = {}
        for row in self.connection.execute(_ANSWERS, which).fetchall():
            _, sample, cluster, value, model, usage, seconds, error, stages = row
            if value is None:
                continue
            one = found.setdefault(sample, _Sums(cluster))
            made: list[Any] = _decode(stages) if stages else []
            if not made:
                made = [["", model, _decode(usage) if usage else {}, seconds, False, error]]
            prices = [self._price(stage) for stage in made]
            usd = None if None in prices else sum(price for price in prices if price is not None)
            one.quality += value
            one.usd = None if usd is None or one.usd is None else one.usd + usd
            one.seconds += sum(stage[3] or 0.0 for stage in made)
            one.answers += 1
        return found


@dataclass(frozen=True)
class _Table:
    """Sums by candidate and sample, for the samples that all have; clusters as codes."""

    sums: Mapping[str, Mapping[str, _Sums]]
    shared: Sequence[str]
    cluster: Any

    def priced(self, name: str) -> bool:
        """Whether all that a candidate used has a price."""
        return all(self.sums[name][sample].usd is not None for sample in self.shared)

    def outcomes(self, name: str, unit: str) -> Outcomes:
        """Quality and cost of a candidate on every sample."""
        found = [self.sums[name][sample] for sample in self.shared]
        cost = [(one.usd or 0.0) if unit == "USD" else one.seconds for one in found]
        counts = np.array([one.answers for one in found], dtype=np.float64)
        return Outcomes(np.array([one.quality for one in found]) / counts, np.array(cost) / counts)


def _judged(table: _Table, parts: Sequence[str], systems: Sequence[str]) -> Routing:
    paid = all(table.priced(name) for name in parts)
    unit: Any = "USD" if paid and any(table.outcomes(name, "USD").cost.any() for name in parts) else "s"
    pool = [table.outcomes(name, unit) for name in parts]
    cheapest, best = cheapest_and_best(pool)
    known = [name for name in systems if unit == "s" or table.priced(name)]
    made = {name: table.outcomes(name, unit) for name in known}
    seer = oracle(pool, [table.outcomes(name, unit) for name in systems])
    rows = []
    for name, regret in zip(systems, seer.regret, strict=True):
        found = gain(made[name], (pool[cheapest], pool[best]), table.cluster, seed=SEED) if name in made else None
        rows.append(_row(name, table.outcomes(name, unit), found, regret))
    rows.sort(key=lambda row: (row.gain is None, -(row.gain.value or 0.0) if row.gain else 0.0, row.candidate))
    whole = areas(pool, list(made.values()), table.cluster, seed=SEED) if made else None
    area = None
    if whole is not None:
        added = whole.with_systems - whole.without
        area = Cell(added, whole.bounds.low, whole.bounds.high, method=whole.bounds.method)
    return Routing(
        unit, parts[cheapest], parts[best], tuple(rows), seer.quality, seer.cost, area,
        None if whole is None else whole.without,
    )  # fmt: skip


def _row(name: str, own: Outcomes, found: Gain | None, regret: float) -> GainRow:
    cost, quality = own.point
    if found is None:
        return GainRow(name, quality, None, regret=regret)
    bounds = found.bounds
    value = Cell(found.value, bounds.low, bounds.high, method=bounds.method, n=len(own.quality))
    return GainRow(name, quality, cost, found.mix, found.share, value, found.verdict, regret)
