"""What app, reports and people ask of the store; the SQL stands in `queries/`, one file per question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from evalkit.core.errors import UsageError
from evalkit.store.database import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

QUERIES = Path(__file__).parent / "queries"


@dataclass(frozen=True, slots=True)
class Table:
    """A result: column names and rows. Times are ISO texts in UTC, JSON columns are JSON text."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> Iterator[dict[str, Any]]:
        """The rows as mappings from column name to value."""
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))


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


def entry_counts(connection: DuckDBPyConnection, entry_ids: Sequence[str]) -> Table:
    """Per entry: planned, answered, errored, missing, cached."""
    return named(connection, "entry_counts", entry_ids=list(entry_ids))


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a long list; `positions` are the cells to look at, where somebody knows them."""

    limit: int = 20
    offset: int = 0
    positions: Sequence[int] | None = None


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
    among = None if page.positions is None else list(page.positions)
    params = {"entry_id": entry_id, "scorer_sig": scorer_sig, "metric": metric, "positions": among}
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


def runs(connection: DuckDBPyConnection) -> Table:
    """All runs, newest first, with entries, cells, calls, errors and money."""
    return query(connection, text_of("runs"))


def cost_by_stage(connection: DuckDBPyConnection, run_id: str | None = None) -> Table:
    """What was spent by suite, candidate and stage."""
    return named(connection, "cost_by_stage", run_id=run_id)


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
