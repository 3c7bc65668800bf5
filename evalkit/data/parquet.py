"""Records from Parquet files, read by DuckDB and streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.core.errors import Problem
from evalkit.core.options import build
from evalkit.data._duck import connection, quoted, rows
from evalkit.data._files import expand, fingerprint, folder_of
from evalkit.data._records import Record


@dataclass(frozen=True, slots=True)
class Parquet:
    """Parquet at `path` (a file or a glob pattern); the line of a record is its row."""

    path: str
    root: str | Path = "."

    def records(self) -> Iterator[Record | Problem]:
        """Stream the rows, file by file; dates are ISO text, bytes are media."""
        for file in expand(self.root, self.path):
            real = file.path.resolve()
            with connection(None, real.parent) as opened:
                query = f"select * from read_parquet({quoted(_literal(real))})"  # noqa: S608 - the path is quoted
                yield from rows(opened, query, file.shown)

    def fingerprint(self) -> str:
        """SHA-256 of the files' content."""
        return fingerprint(expand(self.root, self.path))

    def describe(self) -> Mapping[str, Any]:
        """Source and path."""
        return {"source": "parquet", "path": self.path}

    @property
    def folder(self) -> Path:
        """Where relative media paths start: the folder of the file."""
        return folder_of(self.root, self.path)


def _literal(path: Path) -> str:
    """The path with glob characters escaped, so that DuckDB reads this one file."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(path))


def make(**options: Any) -> Parquet:
    """Options: `path`, `root`."""
    return build(Parquet, options)
