"""What app, reports and people ask of the store; the SQL stands in `queries/`, one file per question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt

from evalkit.core.errors import UsageError
from evalkit.store import bulk
from evalkit.store.database import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

QUERIES = Path(__file__).parent / "queries"
Floats = npt.NDArray[np.float64]
_parts = msgspec.json.Decoder(dict[str, float | None]).decode


@dataclass(frozen=True, slots=True)
class Table:
    """A result: column names and rows. Times are ISO texts in UTC, JSON columns are JSON text."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> Iterator[dict[str, Any]]:
        """The rows as mappings from column name to value."""
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))


@dataclass(frozen=True, slots=True)
class Observed:
    """All planned cells of one entry on one metric, as arrays of equal length in scheduled order.

    `status` is scored, unscorable or errored, or, where there is no score, unscored (answered), errored or missing.
    In `value`, `worst`, `parts`, `worst_parts` and `seconds` NaN stands for "none"; parts hold one array per part.
    """

    position: npt.NDArray[np.int64]
    sample_id: Sequence[str]
    cluster: Sequence[str]
    tags: Sequence[Sequence[str]]
    repeat: npt.NDArray[np.int64]
    split: Sequence[str | None]
    status: npt.NDArray[Any]
    value: Floats
    parts: Mapping[str, Floats]
    worst: Floats
    worst_parts: Mapping[str, Floats]
    answer: Sequence[str | None]
    cached: npt.NDArray[np.bool_]
    seconds: Floats


@cache
def text_of(name: str) -> str:
    """The SQL of a named query."""
    return (QUERIES / f"{name}.sql").read_text("utf-8")


def query(connection: DuckDBPyConnection, sql: str, params: Mapping[str, Any] | None = None) -> Table:
    """Run SQL with named parameters (`$name`); a statement without a result gives an empty table."""
    # Prepared statements refuse parameters that they do not use.
    found = connection.sql(sql, params=dict(params)) if params else connection.sql(sql)
    return Table((), []) if found is None else _fetched(found)


def named(connection: DuckDBPyConnection, name: str, **params: Any) -> Table:
    """Run the query `queries/<name>.sql`."""
    return query(connection, text_of(name), params)


def read_sql(store: Store, sql: str, *, limit: int | None = None) -> Table:
    """A person's own SQL: read-only, without access to files, extensions or settings; at most `limit` rows.

    Raises UsageError with DuckDB's own words for SQL that does not work, StoreError when the store cannot be opened.
    """
    with store.open(read_only=True) as connection:
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        try:
            found = connection.sql(sql)
            if found is None:
                raise UsageError("there is no statement to run; write SQL such as: select * from leaderboard")
            return _fetched(found if limit is None else found.limit(limit))
        except duckdb.Error as error:
            raise UsageError(f"the SQL does not work: {error}") from error


def known_calls(connection: DuckDBPyConnection, keys: Sequence[str], generation: int = 0) -> dict[str, str]:
    """Call key -> call id, for the keys whose answer may be reused (no error, same generation)."""
    with bulk.lent(connection, "wanted", {"call_key": keys}):
        return dict(connection.execute(text_of("known_calls"), {"generation": generation}).fetchall())


def known_responses(connection: DuckDBPyConnection, keys: Sequence[str], generation: int = 0) -> Table:
    """The reusable answers of these keys with all response columns; ask in batches, since all outputs are in memory."""
    with bulk.lent(connection, "wanted", {"call_key": keys}):
        return named(connection, "known_responses", generation=generation)


def responses(connection: DuckDBPyConnection, call_ids: Sequence[str]) -> Table:
    """These calls with all response columns; ask in batches, since all outputs are in memory."""
    with bulk.lent(connection, "wanted", {"call_id": call_ids}):
        return query(connection, text_of("responses"))


def known_scores(
    connection: DuckDBPyConnection, call_ids: Sequence[str], sample_hashes: Sequence[str], scorer_sig: str
) -> npt.NDArray[np.bool_]:
    """For each (call, sample) pair, whether it has a score with this signature."""
    known = np.zeros(len(call_ids), dtype=np.bool_)
    with bulk.lent(
        connection, "wanted", {"call_id": call_ids, "sample_hash": sample_hashes, "place": range(len(call_ids))}
    ):
        rows = connection.execute(text_of("known_scores"), {"scorer_sig": scorer_sig}).fetchall()
    known[[row[0] for row in rows]] = True
    return known


def observations(connection: DuckDBPyConnection, entry_id: str, scorer_sig: str, metric: str) -> Observed:
    """All planned cells of an entry with their score on one metric, as arrays."""
    params = {"entry_id": entry_id, "scorer_sig": scorer_sig, "metric": metric}
    rows = connection.execute(text_of("observations"), params).fetchall()
    columns = list(zip(*rows, strict=True)) if rows else [()] * 14
    position, sample, cluster, tags, repeat, split, status, value, parts, worst, worst_parts, answer, cached, s = (
        columns
    )
    return Observed(
        position=np.array(position, dtype=np.int64),
        sample_id=sample,
        cluster=cluster,
        tags=tags,
        repeat=np.array(repeat, dtype=np.int64),
        split=split,
        status=np.array(status, dtype=np.str_),
        value=_floats(value),
        parts=_by_part(parts),
        worst=_floats(worst),
        worst_parts=_by_part(worst_parts),
        answer=answer,
        cached=np.array(cached, dtype=np.bool_),
        seconds=_floats(s),
    )


def entry_counts(connection: DuckDBPyConnection, entry_ids: Sequence[str]) -> Table:
    """Per entry: planned, answered, errored, missing, cached."""
    return named(connection, "entry_counts", entry_ids=list(entry_ids))


def metric_counts(connection: DuckDBPyConnection, entry_id: str) -> Table:
    """Per scorer and metric of an entry: scored, unscorable, errored."""
    return named(connection, "metric_counts", entry_id=entry_id)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a long list."""

    limit: int = 20
    offset: int = 0


def failures(
    connection: DuckDBPyConnection,
    entry_id: str,
    *,
    scorer_sig: str,
    metric: str,
    passing: tuple[float | None, bool] = (None, True),
    page: Page = Page(),
) -> Table:
    """Samples of an entry that failed on a metric, worst first, with input, request, output and reasons.

    `passing` = (the value that is good enough, whether higher is better); without a value every sample is listed.
    """
    params = {"entry_id": entry_id, "scorer_sig": scorer_sig, "metric": metric}
    good, higher = passing
    return named(connection, "failures", **params, passing=good, higher=higher, limit=page.limit, offset=page.offset)


def evidence(connection: DuckDBPyConnection, entry_id: str, sample_ids: Sequence[str]) -> Table:
    """Some samples of an entry in scheduled order, first repeat only, with input, request, output and cost."""
    return named(connection, "evidence", entry_id=entry_id, sample_ids=list(sample_ids))


def step_outputs(connection: DuckDBPyConnection, keys: Sequence[str]) -> dict[str, Any]:
    """Call key -> output (JSON text) of calls made inside cells."""
    rows = connection.execute(
        "select call_key, max_by(output::varchar, (error_kind is null, started, call_id)) from call"
        " where ordinal > 0 and list_contains(?, call_key) group by call_key",
        [list(keys)],
    ).fetchall()
    return dict(rows)


def sample_record(
    connection: DuckDBPyConnection, sample_id: str, *, run_id: str | None = None, suite: str | None = None
) -> Table:
    """One sample across all candidates; `scores` is a list of mappings."""
    return named(connection, "sample_record", sample_id=sample_id, run_id=run_id, suite=suite)


def leaderboard(connection: DuckDBPyConnection, suite: str | None = None) -> Table:
    """The newest complete entries with their results, of one suite or of all."""
    return named(connection, "leaderboard", suite=suite)


def runs(connection: DuckDBPyConnection) -> Table:
    """All runs, newest first, with entries, cells, calls, errors and money."""
    return query(connection, text_of("runs"))


def cost_by_stage(connection: DuckDBPyConnection, run_id: str | None = None) -> Table:
    """What was spent by suite, candidate and stage."""
    return named(connection, "cost_by_stage", run_id=run_id)


def usage_totals(connection: DuckDBPyConnection, run_id: str | None = None) -> Table:
    """Unit counts by suite, candidate, model and unit."""
    return named(connection, "usage_totals", run_id=run_id)


def _fetched(found: Any) -> Table:
    columns = tuple(found.columns)
    # Times with a zone would need pytz to become Python objects.
    zoned = ["TIME ZONE" in str(kind) for kind in found.types]
    if any(zoned):
        # Duplicate column names are legal in a result, so columns are named by place.
        found = found.project(", ".join(_iso(n) if z else f"#{n}" for n, z in enumerate(zoned, 1)))
    return Table(columns, found.fetchall())


def _iso(place: int) -> str:
    return f"replace(replace(cast(#{place} as varchar), ' ', 'T'), '+00', 'Z')"


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array(values, dtype=np.float64)


def _by_part(texts: Sequence[str | None]) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for row, text in enumerate(texts):
        for name, value in _parts(text).items() if text else ():
            if name not in found:
                found[name] = np.full(len(texts), np.nan)
            if value is not None:
                found[name][row] = value
    return found
