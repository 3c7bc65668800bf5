"""Many rows at once: joined against what is there, so that writing twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
import msgspec
import numpy as np

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH_ROWS = 5_000
Columns = Mapping[str, Sequence[Any]]
T = TypeVar("T")


def insert(connection: DuckDBPyConnection, table: str, columns: Columns, key: Sequence[str], **expressions: str) -> int:
    """Insert the rows whose `key` is not in the table yet; the first of equal keys wins. Returns how many went in.

    All columns have the same length; texts are valid UTF-8, JSON columns are JSON text. `expressions` computes a column
    from the batch, which is called `b`.
    """
    unique = first_of_each(columns, key)
    # What all rows share goes over once: most columns of a call are the same for thousands of them.
    needed = {*key, *expressions}
    shared = {name: values[0] for name, values in unique.items() if name not in needed and _all_equal(values)}
    with lent(connection, "batch", {name: values for name, values in unique.items() if name not in shared}):
        values = ", ".join("?" if name in shared else expressions.get(name, f'b."{name}"') for name in unique)
        names = ", ".join(f'"{name}"' for name in unique)
        same = " and ".join(f't."{name}" = b."{name}"' for name in key)
        rows = connection.execute(
            f'insert into "{table}" ({names}) select {values} from batch b '  # noqa: S608 - names from the schema
            f'where not exists (select 1 from "{table}" t where {same})',
            [shared[name] for name in unique if name in shared],
        ).fetchall()
    return int(rows[0][0])


def _all_equal(values: Sequence[Any]) -> bool:
    """Whether all are one scalar; lists are left alone, as an empty one has no type of its own."""
    if not values or not isinstance(values[0], (str, int, float, type(None))):
        return False
    return values.count(values[0]) == len(values)


@contextmanager
def lent(connection: DuckDBPyConnection, name: str, columns: Columns) -> Iterator[None]:
    """The columns as a table called `name`, for the statements of the block."""
    made = arrays(columns)
    connection.register(name, made)
    try:
        yield
    finally:
        # Until its transaction ends DuckDB holds what it was lent, all batches of it: so it holds no values any more.
        for column in made.values():
            column.fill(None)
        # In a transaction that failed even this is refused; the reason of the failure is the one to tell.
        with suppress(duckdb.Error):
            connection.unregister(name)


def first_row(connection: DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row of a query, None when there is none.

    Everything is fetched: a result that is not read to its end blocks the connection.
    """
    rows = connection.execute(sql, list(parameters)).fetchall()
    return rows[0] if rows else None


def arrays(columns: Columns) -> dict[str, Any]:
    """The columns as numpy object arrays, which DuckDB reads in place."""
    made = {}
    for name, values in columns.items():
        # np.array would turn a column of equally long lists into a matrix.
        made[name] = np.empty(len(values), dtype=object)
        made[name][:] = values
    return made


def first_of_each(columns: Columns, key: Sequence[str]) -> Columns:
    """The columns without the rows whose key an earlier row has."""
    keys = list(zip(*(columns[name] for name in key), strict=True))
    if len(set(keys)) == len(keys):
        return columns
    first: dict[tuple[Any, ...], int] = {}
    for index, one in enumerate(keys):
        first.setdefault(one, index)
    kept = list(first.values())
    return {name: [values[i] for i in kept] for name, values in columns.items()}


def batches(rows: Iterable[T], size: int = BATCH_ROWS) -> Iterator[list[T]]:
    """Lists of at most `size` rows."""
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch


def text(value: Any) -> Any:
    """A string without lone surrogates (U+FFFD instead), since the store is UTF-8; anything else as it is."""
    if isinstance(value, str) and not value.isascii():
        # Through UTF-16, where two halves of a character find each other again.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, (list, tuple)):
        return [text(item) for item in value]
    return value


def json_text(value: Any) -> str | None:
    """A JSON value as text; None stays None, NaN and infinities become null, lone surrogates become U+FFFD."""
    if value is None:
        return None
    try:
        return _encoder.encode(value).decode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(_plain_json(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def _plain_json(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {text(str(name)): _plain_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_json(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)
