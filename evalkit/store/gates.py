"""Verdicts as they were given, so that the same question is known again and its attempts are counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.store import reader
from evalkit.store.bulk import first_row
from evalkit.store.database import transaction
from evalkit.store.rows import Row, insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def put_gate(connection: DuckDBPyConnection, gate: Row, comparisons: Iterable[Row]) -> bool:
    """Keep a verdict with its numbers (the columns of `gate` and `comparison`); returns whether it was new."""
    with transaction(connection):
        new = insert_rows(connection, "gate", [gate], key=("gate_id",))
        if new:
            insert_rows(connection, "comparison", comparisons, key=("gate_id", "place", "basis"))
    return bool(new)


def attempt_of(connection: DuckDBPyConnection, question: str, answers: str) -> int | None:
    """Which attempt at a question these answers were judged as; None when they were not."""
    row = first_row(connection, "select min(attempt) from gate where question = ? and answers = ?", [question, answers])
    return None if row is None or row[0] is None else int(row[0])


def attempts(connection: DuckDBPyConnection, question: str) -> int:
    """The highest attempt at a question so far, 0 before the first; what could not be judged was no attempt."""
    row = first_row(
        connection,
        "select coalesce(max(attempt), 0) from gate where question = ? and outcome <> 'invalid'",
        [question],
    )
    return int(row[0]) if row else 0


def judged(connection: DuckDBPyConnection, entry_id: str) -> list[dict[str, Any]]:
    """The verdicts on an entry, newest first: gate_id, outcome, policy, baseline, judged."""
    sql = (
        "select gate_id, outcome, policy, baseline, judged from gate where candidate_entry = $entry"
        " order by judged desc, gate_id"
    )
    return list(reader.query(connection, sql, {"entry": entry_id}).dicts())


def call_ids(connection: DuckDBPyConnection, entry_id: str) -> Sequence[str]:
    """The calls that answer an entry, in the order of its cells: what its verdict stands on."""
    rows = connection.execute("select call_id from answer where entry_id = ? order by position", [entry_id]).fetchall()
    return [str(row[0]) for row in rows]
