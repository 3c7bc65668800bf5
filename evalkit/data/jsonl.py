"""Records from JSON Lines files: one object per line, read by bytes, one line in memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from evalkit.core.errors import Problem
from evalkit.core.options import build
from evalkit.data._files import DataFile, expand, fingerprint, folder_of
from evalkit.data._json import read_object
from evalkit.data._records import Record

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Jsonl:
    """JSON Lines at `path` (a file or a glob pattern); a longer line than `max_line_bytes` is a problem, not read."""

    path: str
    root: str | Path = "."
    max_line_bytes: int = 64 << 20

    def records(self) -> Iterator[Record | Problem]:
        """Stream the lines; blank lines are skipped."""
        for file in expand(self.root, self.path):
            with file.open() as handle:
                yield from self._read(file, handle)

    def _read(self, file: DataFile, handle: BinaryIO) -> Iterator[Record | Problem]:
        number = 0
        while line := handle.readline(self.max_line_bytes + 1):
            number += 1
            if number == 1:
                if line.startswith(_UTF16):
                    yield Problem("the file is UTF-16", file.shown, 1, "save it as UTF-8")
                    return
                line = line.removeprefix(codecs.BOM_UTF8)
            if len(line) > self.max_line_bytes and not line.endswith(b"\n"):
                yield self._too_long(file.shown, number)
                _skip(handle)
            elif content := line.strip():
                yield _record(content, file.shown, number)

    def _too_long(self, shown: str, number: int) -> Problem:
        limit = f"longer than {self.max_line_bytes:,} bytes"
        return Problem(f"the line is {limit} and was not read", shown, number, "raise max_line_bytes to read it")

    def fingerprint(self) -> str:
        """SHA-256 of the files' content."""
        return fingerprint(expand(self.root, self.path))

    def describe(self) -> Mapping[str, Any]:
        """Source and path."""
        return {"source": "jsonl", "path": self.path, "max_line_bytes": self.max_line_bytes}

    @property
    def folder(self) -> Path:
        """Where relative media paths start: the folder of the file."""
        return folder_of(self.root, self.path)


def _record(content: bytes, shown: str, number: int) -> Record | Problem:
    try:
        return Record(read_object(content), shown, number)
    except ValueError as error:
        hint = "the file is a JSON array; write one object per line" if number == 1 and content[:1] == b"[" else None
        return Problem(str(error), shown, number, hint)


def _skip(handle: BinaryIO) -> None:
    while (rest := handle.readline(1 << 20)) and not rest.endswith(b"\n"):
        continue


def make(**options: Any) -> Jsonl:
    """Options: `path`, `root` (where a relative path starts), `max_line_bytes` (default 64 MiB)."""
    return build(Jsonl, options)
