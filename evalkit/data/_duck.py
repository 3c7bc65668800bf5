"""Streaming rows out of DuckDB as JSON records, with the outside world shut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from evalkit.core.errors import ConfigError, Problem
from evalkit.data._files import media_type
from evalkit.data._json import read_object
from evalkit.data._records import Media, Record

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FETCH = 1000
VIEW = "evalkit_rows"


def quoted(text: str) -> str:
    """A text as SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def connection(database: Path | None, folder: Path) -> Iterator[DuckDBPyConnection]:
    """A connection that reads files inside `folder` only; `file('name')` in SQL is the path of a file there.

    One thread keeps the rows in their order; extensions are neither fetched nor loaded. Raises ConfigError when the
    database cannot be opened.
    """
    settings: dict[str, Any] = {
        "threads": 1,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        opened = duckdb.connect(str(database or ":memory:"), read_only=database is not None, config=settings)
    except duckdb.Error as error:
        hint = "another process may hold it open; close that one first"
        raise ConfigError([Problem(f"cannot be opened: {_first_line(error)}", str(database), hint=hint)]) from error
    with closing(opened):
        opened.execute("set TimeZone='UTC'")
        opened.execute(f"create temp macro file(name) as {quoted(f'{folder}/')} || name")
        opened.execute(f"set allowed_directories=[{quoted(str(folder))}]")
        opened.execute("set enable_external_access=false")
        opened.execute("set lock_configuration=true")
        yield opened


def rows(opened: DuckDBPyConnection, query: str, shown: str) -> Iterator[Record | Problem]:
    """The rows of one SELECT as records, streamed; bytes become `Media`, the rest JSON values; the line is the row.

    Raises ConfigError when the query cannot run.
    """
    with _named(shown):
        view(opened, query, shown)
        columns = opened.execute(f"describe {VIEW}").fetchall()
        blobs = [name for name, kind, *_ in columns if kind == "BLOB"]
        kept = ", ".join(f"{quoted(name)}: {_column(name)}" for name, *_ in columns if name not in blobs)
        outer = ", ".join([f"to_json({{{kept}}})::varchar" if kept else "'{}'", *map(_column, blobs)])
        result = opened.execute(f"select {outer} from {VIEW}")  # noqa: S608 - names are quoted
    number = 0
    while batch := _fetch(result, shown):
        for text, *data in batch:
            number += 1
            yield _record(text, dict(zip(blobs, data, strict=True)), shown, number)


def _fetch(result: DuckDBPyConnection, shown: str) -> list[Any]:
    with _named(shown):
        batch: list[Any] = result.fetchmany(_FETCH)
        return batch


def view(opened: DuckDBPyConnection, query: str, shown: str) -> None:
    """Give one SELECT the name `VIEW`, so that no text of it meets ours. Raises ConfigError when it cannot run."""
    with _named(shown):
        opened.execute(f"create or replace temp view {VIEW} as {query}")


@contextmanager
def _named(shown: str) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise failed(error, shown) from error


def failed(error: duckdb.Error, shown: str) -> ConfigError:
    """DuckDB's refusal as an error that names the file or query."""
    hint = "write file('name') for a file in the data set's folder; others cannot be read"
    closed = "disabled by config" in str(error)
    return ConfigError([Problem(_first_line(error), shown, hint=hint if closed else None)])


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().split("\n")[0]


def _column(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _record(text: str, blobs: dict[str, bytes | None], shown: str, number: int) -> Record | Problem:
    try:
        fields = read_object(text.encode("utf-8"))
    except ValueError as error:
        return Problem(f"row {number}: {error}", shown)
    for name, data in blobs.items():
        fields[name] = None if data is None else Media(data=data, media_type=media_type(None, data))
    return Record(fields, shown, number)
