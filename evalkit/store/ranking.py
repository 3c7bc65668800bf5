"""Stored ranks of the entries of a leaderboard, and the scorers that they were ranked by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from evalkit.core.errors import StoreError
from evalkit.store.bulk import first_row
from evalkit.store.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def ranks(connection: DuckDBPyConnection, set_id: str) -> dict[str, tuple[int, int, float | None]]:
    """Entry -> best rank, worst rank, shrunken value of a set; empty where it was not ranked."""
    rows = connection.execute("select entry_id, best, worst, shrunken from ranking where set_id = ?", [set_id])
    return {entry: (best, worst, shrunken) for entry, best, worst, shrunken in rows.fetchall()}


def put_ranks(connection: DuckDBPyConnection, rows: Iterable[Mapping[str, Any]]) -> int:
    """Keep the ranks of a set; those that are there are replaced."""
    return insert_rows(connection, "ranking", rows, key=("set_id", "entry_id"), replace=True)


def scorer_spec(connection: DuckDBPyConnection, entry_id: str, sig: str) -> str:
    """The spec of the scorer that an entry was scored with. Raises StoreError when it was not."""
    row = first_row(connection, "select spec from entry_scorer where entry_id = ? and scorer_sig = ?", [entry_id, sig])
    if row is None:
        raise StoreError(f"entry {entry_id} was not scored under the signature {sig}")
    return str(row[0])
