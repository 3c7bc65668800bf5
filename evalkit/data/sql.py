"""Records from one SQL query over a DuckDB database, or over files in the data set's folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from evalkit.core.errors import ConfigError, Problem
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.data._duck import VIEW, connection, failed, rows, view
from evalkit.data._files import inside
from evalkit.data._records import Record

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHOWN = "dataset.query"


@dataclass(frozen=True, slots=True)
class Sql:
    """The rows of `query`, one SELECT, over `database` (a DuckDB file, opened read-only) or none.

    `path` is the folder that holds the data: `file('name')` in the query is a file there, as in
    `from read_csv(file('tickets.csv'))`, and so is `database`; nothing outside is read.
    """

    query: str
    database: str | None = None
    path: str = "."
    root: str | Path = "."

    def records(self) -> Iterator[Record | Problem]:
        """Stream the rows in the order that the query gives them."""
        with self._open() as opened:
            yield from rows(opened, self._checked(opened), _SHOWN)

    def fingerprint(self) -> str:
        """The query's answer, hashed inside DuckDB whatever its order: what a query reads is not known beforehand."""
        total = "select count(*), bit_xor(md5_number(q::varchar)), sum(hash(q)::hugeint)"
        with self._open() as opened:
            view(opened, self._checked(opened), _SHOWN)
            try:
                found = opened.execute(f"{total} from {VIEW} q").fetchone()
            except duckdb.Error as error:
                raise failed(error, _SHOWN) from error
        return digest([self.query, [str(part) for part in found or ()]])

    def describe(self) -> Mapping[str, Any]:
        """Source, query, folder and database."""
        return {"source": "sql", "query": self.query, "path": self.path, "database": self.database}

    @property
    def folder(self) -> Path:
        """Where relative media paths, and the files of the query, start."""
        return Path(self.root, self.path)

    def _open(self) -> AbstractContextManager[DuckDBPyConnection]:
        folder = self.folder.resolve()
        if not folder.is_dir():
            raise ConfigError([Problem(f"there is no folder {self.folder}")])
        try:
            database = inside(folder, self.database) if self.database else None
        except ValueError as error:
            raise ConfigError([Problem(f"database: {error}")]) from None
        return connection(database, folder)

    def _checked(self, opened: DuckDBPyConnection) -> str:
        try:
            statements = opened.extract_statements(self.query)
        except duckdb.Error as error:
            raise failed(error, _SHOWN) from error
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise ConfigError([Problem("the query must be one SELECT", _SHOWN)])
        return self.query


def make(**options: Any) -> Sql:
    """Options: `query`, `path` (the data's folder), `database`, `root`."""
    return build(Sql, options)
