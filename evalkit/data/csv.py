"""Records from CSV files with a header line; the standard library's reader, for its exact line numbers."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from evalkit.core.errors import ConfigError, Problem, did_you_mean
from evalkit.core.options import build
from evalkit.data._files import DataFile, expand, fingerprint, folder_of
from evalkit.data._json import bad_utf8
from evalkit.data._records import Record

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
_BOOLS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def _number(cell: str) -> int | float:
    return float(cell) if any(sign in cell for sign in ".eE") else int(cell)


def _auto(cell: str) -> Any:
    return _number(cell) if _NUMBER.match(cell) else cell


def _bool(cell: str) -> bool:
    return _BOOLS[cell.lower()]


_READERS: Mapping[str, Callable[[str], Any]] = {
    "int": int, "float": float, "bool": _bool, "json": msgspec.json.decode, "auto": _auto,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Csv:
    """CSV at `path` (a file or a glob pattern) with a header; the delimiter is a tab in .tsv files, else a comma.

    Cells are text. `types` names columns that are not (`int`, `float`, `bool`, `json`, `auto`), or is `auto` for all:
    what reads as a JSON number is one. An empty cell of a typed column is null.
    """

    path: str
    root: str | Path = "."
    delimiter: str | None = None
    quote: str = '"'
    types: str | Mapping[str, str] = field(default_factory=dict)
    max_field_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        if isinstance(self.types, str):
            wrong = [self.types] if self.types != "auto" else []
        else:
            wrong = sorted(kind for kind in self.types.values() if kind not in _READERS and kind != "text")
        if wrong:
            known = ", ".join(_READERS)
            raise ValueError(f"types: {wrong[0]!r} is not known; write auto, or column: type with text, {known}")
        if len(self.delimiter or ",") != 1 or len(self.quote) != 1:
            raise ValueError("delimiter and quote are one character each")

    def records(self) -> Iterator[Record | Problem]:
        """Stream the rows; a row of another length than the header is a problem."""
        # The reader's limit is one number for the whole process; it is only ever raised here.
        csv.field_size_limit(max(csv.field_size_limit(), self.max_field_bytes))
        for file in expand(self.root, self.path):
            with file.open() as handle:
                yield from self._read(file, handle)

    def _read(self, file: DataFile, handle: BinaryIO) -> Iterator[Record | Problem]:
        lines = _Lines(handle)
        reader = csv.reader(lines, delimiter=self._delimiter(file), quotechar=self.quote, strict=True)
        header: list[str] | None = None
        for row in _rows(reader, lines, file.shown):
            if isinstance(row, Problem):
                yield row
                if header is None:
                    return
            elif header is None:
                header = [name.strip() for name in row.cells]
                yield from self._check(header, file.shown, row.line)
            else:
                yield self._record(header, row, file.shown)

    def _delimiter(self, file: DataFile) -> str:
        return self.delimiter or ("	" if file.path.suffix.lower() == ".tsv" else ",")

    def _check(self, header: list[str], shown: str, line: int) -> Iterator[Problem]:
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice or "" in header:
            what = f"column {twice[0]!r} stands twice" if twice and twice[0] else "a column has no name"
            raise ConfigError([Problem(f"{what} in the header", shown, line, "give every column its own name")])
        if not isinstance(self.types, str):
            for name in sorted(set(self.types) - set(header)):
                hint = did_you_mean(name, header) or f"columns: {', '.join(header)}"
                yield Problem(f"types names column {name!r}, which the header does not have", shown, line, hint)

    def _record(self, header: list[str], row: _Row, shown: str) -> Record | Problem:
        line = row.line
        if len(row.cells) != len(header):
            hint = "is a delimiter or a quote missing?"
            return Problem(f"the row has {len(row.cells)} fields, the header has {len(header)}", shown, line, hint)
        fields: dict[str, Any] = dict(zip(header, row.cells, strict=True))
        for name, kind in self._typed(header):
            cell = fields[name].strip()
            try:
                fields[name] = _READERS[kind](cell) if cell else None
            except (ValueError, KeyError, msgspec.DecodeError):
                return Problem(f"column {name!r}: {cell[:60]!r} is not {kind}", shown, line)
        return Record(fields, shown, line)

    def _typed(self, header: list[str]) -> list[tuple[str, str]]:
        if isinstance(self.types, str):
            return [(name, self.types) for name in header]
        return [(name, kind) for name, kind in self.types.items() if kind != "text" and name in header]

    def fingerprint(self) -> str:
        """SHA-256 of the files' content."""
        return fingerprint(expand(self.root, self.path))

    def describe(self) -> Mapping[str, Any]:
        """Source, path and how cells are read."""
        types = self.types if isinstance(self.types, str) else dict(self.types)
        read = {"delimiter": self.delimiter, "quote": self.quote, "types": types}
        return {"source": "csv", "path": self.path, **read, "max_field_bytes": self.max_field_bytes}

    @property
    def folder(self) -> Path:
        """Where relative media paths start: the folder of the file."""
        return folder_of(self.root, self.path)


@dataclass(frozen=True, slots=True)
class _Row:
    cells: list[str]
    line: int


def _rows(reader: Iterator[list[str]], lines: _Lines, shown: str) -> Iterator[_Row | Problem]:
    while True:
        start = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            lines.bad.clear()
            yield Problem(f"malformed CSV: {error}", shown, start)
            continue
        if lines.utf16:
            yield Problem("the file is UTF-16", shown, 1, "save it as UTF-8")
            return
        if cells is None:
            return
        if lines.bad:
            number, reason = lines.bad[0]
            lines.bad.clear()
            yield Problem(reason, shown, number)
        elif cells:
            yield _Row(cells, start)


class _Lines:
    """Decoded lines of a file; a line that is not UTF-8 is remembered in `bad` and passed on with replacements."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.number = 0
        self.utf16 = False
        self.bad: list[tuple[int, str]] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._handle.readline()
        if not line:
            raise StopIteration
        self.number += 1
        if self.number == 1:
            self.utf16 = line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            self.bad.append((self.number, bad_utf8(line)))
            return line.decode("utf-8", "replace")


def make(**options: Any) -> Csv:
    """Options: `path`, `root`, `delimiter`, `quote`, `types`, `max_field_bytes` (default 64 MiB)."""
    return build(Csv, options)
