"""Who stands where: the entries of each suite that may stand side by side, with results, cost and latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# One data set and one version of the suite per leaderboard: those of the suite's newest entry.
_ENTRIES = """
with last as (
  select suite, suite_hash, data_hash from entries where status in ('complete', 'incomplete')
  qualify row_number() over (partition by suite order by started desc, entry_id desc) = 1
)
select e.entry_id, e.run_id, e.suite, e.family, e.candidate, e.fingerprint, e.status, e.reason, e.planned, e.repeats,
       e.data_hash, e.suite_hash, e.prompt_hashes, e.generation, e.seed,
       coalesce(cast(s.spec ->> '$.limits.max_error_rate' as double), 0.02) as max_error_rate
from entries e join last l on l.suite = e.suite and l.suite_hash = e.suite_hash and l.data_hash = e.data_hash
left join suite s on s.suite_hash = e.suite_hash and s.data_hash = e.data_hash
where e.status in ('complete', 'incomplete', 'skipped')
  and ($run is null or e.run_id = $run)
qualify row_number() over (
  partition by e.suite, e.candidate order by e.status = 'complete' desc, e.started desc, e.entry_id desc) = 1
order by e.suite, e.candidate
"""

# Two narrow joins rather than one: a join holds all that it reads. `steps` counts answers that were made of others.
_ASKED = """
select a.entry_id, quantile_cont(k.seconds, 0.5) filter (where not a.cached and k.error_kind is null) as p50_s,
       quantile_cont(k.seconds, 0.95) filter (where not a.cached and k.error_kind is null) as p95_s,
       count(*) filter (where k.error_kind is null) as answered,
       count(*) filter (where k.error_kind is not null) as errored,
       count(*) filter (where a.cached) as cached, count(k.trace) as steps
from answer a join call k using (call_id) where list_contains($entries, a.entry_id) group by a.entry_id
"""
_SPENT = """
select a.entry_id, case when count(*) = count(u.usd) then sum(u.usd) end as usd
from answer a left join cost u using (call_id) where list_contains($entries, a.entry_id) group by a.entry_id
"""
_SPENT_IN_STEPS = """
select entry_id, case when count(*) = count(usd) then sum(usd) end as usd
from cell_cost where list_contains($entries, entry_id) group by entry_id
"""

_RESULTS = """
select r.entry_id, r.metric, r.slice, r.value, r.low, r.high, r.value_dropped, r.method, r.n, r.groups, r.planned,
       r.answered, r.errored, r.unscorable, r.scored, r.cached, r.is_primary, r.higher_is_better, r.unit, r.signature,
       r.scorer_sig, es.place, r.low_bound, r.high_bound, r.se
from result r join entry_scorer es using (entry_id, scorer_sig)
where list_contains($entries, r.entry_id) order by r.entry_id, es.place, r.metric, r.slice
"""


@dataclass
class Standing:
    """One entry of a leaderboard: its columns of `entry`, results by (metric, slice), money and latency.

    `rank` = best and worst rank that it may have among its suite's entries, None = not ranked; `shrunken` = its main
    value pulled towards the others' by empirical Bayes, None = too few entries for that.
    """

    entry: dict[str, Any]
    results: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    usd: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    answered: int = 0
    errored: int = 0
    cached: int = 0
    rank: tuple[int, int] | None = None
    shrunken: float | None = None

    @property
    def candidate(self) -> str:
        """The candidate's name."""
        return str(self.entry["candidate"])

    @property
    def complete(self) -> bool:
        """Whether it may be sorted among the others."""
        return bool(self.entry["status"] == "complete")

    @property
    def primary(self) -> dict[str, Any] | None:
        """The result that sorts the leaderboard."""
        return next((r for (_, part), r in self.results.items() if r["is_primary"] and not part), None)

    @property
    def cached_share(self) -> float | None:
        """Share of cells answered from the store, 0 to 1."""
        asked = self.answered + self.errored
        return self.cached / asked if asked else None


def standings(
    connection: DuckDBPyConnection, run_id: str | None = None, *, spent: bool = True
) -> dict[str, list[Standing]]:
    """Suite -> its entries: complete ones by the primary metric, best first, then incomplete, then skipped ones.

    Without `spent`, money, latency and counts are not read.
    """
    found = [Standing(row) for row in _rows(connection, _ENTRIES, run=run_id)]
    by_id = {standing.entry["entry_id"]: standing for standing in found}
    if spent:
        _say_what_was_asked(connection, by_id)
    for row in _rows(connection, _RESULTS, entries=list(by_id)):
        by_id[row["entry_id"]].results[(row["metric"], row["slice"])] = row
    suites: dict[str, list[Standing]] = {}
    for standing in found:
        suites.setdefault(str(standing.entry["suite"]), []).append(standing)
    return {name: sorted(members, key=_place) for name, members in sorted(suites.items())}


def _say_what_was_asked(connection: DuckDBPyConnection, by_id: dict[str, Standing]) -> None:
    made_of_others: dict[bool, list[str]] = {False: [], True: []}
    for row in _rows(connection, _ASKED, entries=list(by_id)):
        entry_id = row.pop("entry_id")
        made_of_others[row.pop("steps") > 0].append(entry_id)
        for name, value in row.items():
            setattr(by_id[entry_id], name, value)
    for sql, entries in ((_SPENT, made_of_others[False]), (_SPENT_IN_STEPS, made_of_others[True])):
        for row in _rows(connection, sql, entries=entries) if entries else ():
            by_id[row["entry_id"]].usd = row["usd"]


def _place(standing: Standing) -> tuple[int, float, str]:
    status = {"complete": 0, "incomplete": 1}.get(standing.entry["status"], 2)
    best = standing.primary
    if best is None or best["value"] is None:
        return status, float("inf"), standing.candidate
    return status, -best["value"] if best["higher_is_better"] else best["value"], standing.candidate


def _rows(connection: DuckDBPyConnection, sql: str, **params: Any) -> list[dict[str, Any]]:
    found = connection.execute(sql, params)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


COLUMNS = (
    "suite", "family", "candidate", "status", "metric", "slice", "value", "low", "high", "value_dropped", "method", "n",
    "groups", "planned", "answered", "errored", "unscorable", "scored", "cached", "usd", "p50_s", "p95_s", "signature",
    "run_id", "entry_id", "reason", "unit", "is_primary", "rank_low", "rank_high",
)  # fmt: skip


def flat(suites: dict[str, list[Standing]], *, slices: bool = False) -> list[dict[str, Any]]:
    """One row per entry x metric (x slice) with the columns of `COLUMNS`; a skipped entry has one without a value.

    `rank_low` and `rank_high` stand in the row of the main metric over all samples.
    """
    rows: list[dict[str, Any]] = []
    for members in suites.values():
        for standing in members:
            shared = {**standing.entry, "usd": standing.usd, "p50_s": standing.p50_s, "p95_s": standing.p95_s}
            kept: Sequence[dict[str, Any]] = [r for r in standing.results.values() if slices or not r["slice"]]
            rows += [
                {name: {**shared, **result, **_ranked(standing, result)}.get(name) for name in COLUMNS}
                for result in kept or [{}]
            ]
    return rows


def _ranked(standing: Standing, result: Mapping[str, Any]) -> dict[str, int]:
    if standing.rank is None or not result.get("is_primary") or result["slice"]:
        return {}
    return {"rank_low": standing.rank[0], "rank_high": standing.rank[1]}
