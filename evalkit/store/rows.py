"""Rows by column name, checked against the store's own catalogue before they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.core.errors import did_you_mean
from evalkit.store import bulk
from evalkit.store.database import transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = Mapping[str, Any]


def column_types(connection: DuckDBPyConnection, table: str) -> dict[str, str]:
    """Column name -> DuckDB type of a table, in their order."""
    return {name: kind for name, kind, *_ in connection.execute(f'describe "{table}"').fetchall()}


def insert_rows(
    connection: DuckDBPyConnection, table: str, rows: Iterable[Row], *, key: Sequence[str], replace: bool = False
) -> int:
    """Insert rows (column name -> value) whose `key` is new; with `replace`, equal keys are written anew.

    JSON columns take JSON values, time columns ISO texts. Returns how many rows went in. Raises ValueError for a
    column that the table does not have.
    """
    types = column_types(connection, table)
    written = 0
    with transaction(connection):
        for batch in bulk.batches(rows):
            columns = _columns(table, batch, types)
            if replace:
                # The last of equal keys is the newest.
                columns = bulk.first_of_each({name: values[::-1] for name, values in columns.items()}, key)
                _delete(connection, table, columns, key)
            written += bulk.insert(connection, table, columns, key)
    return written


def _columns(table: str, rows: Sequence[Row], types: Mapping[str, str]) -> bulk.Columns:
    used = {name for row in rows for name in row}
    unknown = sorted(used - set(types))
    if unknown:
        hint = did_you_mean(unknown[0], types) or f"known: {', '.join(types)}"
        raise ValueError(f"table {table} has no column {unknown[0]!r}; {hint}")
    return {name: [_value(row.get(name), json=types[name] == "JSON") for row in rows] for name in types if name in used}


def _value(value: Any, *, json: bool) -> Any:
    return bulk.json_text(value) if json else bulk.text(value)


def _delete(connection: DuckDBPyConnection, table: str, columns: bulk.Columns, key: Sequence[str]) -> None:
    same = " and ".join(f'"{table}"."{name}" = b."{name}"' for name in key)
    with bulk.lent(connection, "batch", {name: columns[name] for name in key}):
        connection.execute(f'delete from "{table}" using batch b where {same}')  # noqa: S608 - names from the schema
