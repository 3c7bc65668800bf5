"""What app writes: runs, suites, data, results, prices; writing the same thing twice changes nothing.

Rows are mappings from column name to value, as `docs/store.md` lists the columns. All writers take an open connection;
several of them inside one `transaction(connection)` are all or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import duckdb

from evalkit.store import bulk
from evalkit.store.rows import Row, insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_RESULT_KEY = ("entry_id", "scorer_sig", "metric", "slice")
_SAMPLE_KEY = ("data_hash", "sample_id", "sample_hash")


def put_run(connection: DuckDBPyConnection, run: Row) -> None:
    """Begin a run: run_id, identity, started (ISO), status, command, versions, git_commit, git_branch, git_dirty."""
    insert_rows(connection, "run", [run], key=("run_id",))


def put_data_set(connection: DuckDBPyConnection, data_set: Row, samples: Iterable[Row]) -> bool:
    """Keep a data set with its samples, unless its data_hash is known; then `samples` is not touched.

    `samples` has sample_id, sample_hash, cluster, tags, input, target, meta; it is committed in batches, so that memory
    holds one of them, and its data set comes last: samples without one are nobody's. A sample that stands twice with
    the same id and content is kept once. Returns whether it was new.
    """
    data_hash = data_set["data_hash"]
    if bulk.first_row(connection, "select 1 from data_set where data_hash = ?", [data_hash]):
        return False
    try:
        for batch in bulk.batches({**sample, "data_hash": data_hash} for sample in samples):
            insert_rows(connection, "sample", batch, key=_SAMPLE_KEY)
        insert_rows(connection, "data_set", [data_set], key=("data_hash",))
    except BaseException:
        # In a transaction that failed even this is refused; then all of it goes anyway.
        with suppress(duckdb.Error):
            connection.execute("delete from sample where data_hash = ?", [data_hash])
        raise
    return True


def put_prompts(connection: DuckDBPyConnection, prompts: Iterable[Row]) -> int:
    """Keep prompt texts: prompt_hash, name, role, body. Returns how many were new."""
    return insert_rows(connection, "prompt", prompts, key=("prompt_hash",))


def put_suite(connection: DuckDBPyConnection, suite: Row) -> None:
    """Keep a suite: suite_hash, data_hash, task_hash, name, family, spec (JSON), file.

    What its hash leaves out (gates, description) is as it was written last.
    """
    insert_rows(connection, "suite", [suite], key=("suite_hash", "data_hash"), replace=True)


def put_entry(connection: DuckDBPyConnection, entry: Row) -> None:
    """Keep an entry of a run: the columns of `entry`; `candidate_spec` is a JSON value."""
    insert_rows(connection, "entry", [entry], key=("entry_id",))


def update_entry_status(
    connection: DuckDBPyConnection, entry_id: str, status: str, *, reason: str | None = None, planned: int | None = None
) -> None:
    """Say how an entry stands and why; `planned` None leaves the number of cells as it is."""
    connection.execute(
        "update entry set status = ?, reason = ?, planned = coalesce(?, planned) where entry_id = ?",
        [status, bulk.text(reason), planned, entry_id],
    )


def put_signatures(connection: DuckDBPyConnection, signatures: Iterable[Row]) -> int:
    """Keep what a scorer_sig stands for: scorer_sig, spec, version, libraries (JSON), extraction."""
    return insert_rows(connection, "signature", signatures, key=("scorer_sig",))


def put_entry_scorers(connection: DuckDBPyConnection, entry_scorers: Iterable[Row]) -> int:
    """Say which scorers judge an entry: entry_id, scorer_sig, spec, place (0 = the suite's first)."""
    return insert_rows(connection, "entry_scorer", entry_scorers, key=("entry_id", "scorer_sig"))


def put_results(connection: DuckDBPyConnection, results: Iterable[Row]) -> int:
    """Keep folded results; one that is there for the same entry, scorer, metric and slice is replaced."""
    return insert_rows(connection, "result", results, key=_RESULT_KEY, replace=True)


def put_prices(connection: DuckDBPyConnection, prices: Iterable[Row]) -> int:
    """Keep rows of the price table; a row with the same price_id is replaced."""
    return insert_rows(connection, "price", prices, key=("price_id",), replace=True)


def put_costs(connection: DuckDBPyConnection, costs: Iterable[tuple[str, float | None, str]]) -> int:
    """Keep what calls cost: (call_id, usd, dated). An earlier price of the same call is replaced; None is unknown."""
    rows: Iterable[Mapping[str, Any]] = ({"call_id": c, "usd": usd, "dated": dated} for c, usd, dated in costs)
    return insert_rows(connection, "cost", rows, key=("call_id",), replace=True)
