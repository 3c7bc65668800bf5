"""Records from a folder of files: an index file that names them, or a glob pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from evalkit.core.errors import ConfigError, Problem, did_you_mean
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.data._files import inside, media_type
from evalkit.data._records import Media, Record, Source
from evalkit.data.csv import Csv
from evalkit.data.jsonl import Jsonl


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of the folder `path`, one record each.

    With `index` (a CSV or JSON Lines file in the folder) every row is a record and `column` holds the file's path;
    without, every file that `glob` matches is one, with columns id, file, name and folder. `field` is the input field
    for the file; by default image, audio or file, after the file's ending. Hidden files are left out.
    """

    path: str
    root: str | Path = "."
    index: str | None = None
    glob: str = "**/*"
    column: str = "file"
    field: str | None = None

    def __post_init__(self) -> None:
        if PurePosixPath(self.glob).is_absolute() or ".." in PurePosixPath(self.glob).parts:
            raise ValueError(f"glob {self.glob!r} must stay inside the folder")
        if self.index is not None and Path(self.index).suffix.lower() not in _INDEXES:
            raise ValueError(f"index {self.index!r} must end in {' or '.join(_INDEXES)}")

    @property
    def folder(self) -> Path:
        """Where the files' paths start, and what they may not leave."""
        return Path(self.root, self.path)

    def records(self) -> Iterator[Record | Problem]:
        """Stream the records; the input holds the file as a media reference."""
        if self.index is None:
            yield from self._matched()
            return
        for found in self._indexed().records():
            yield found if isinstance(found, Problem) else self._with_file(found)

    def _with_file(self, record: Record) -> Record | Problem:
        path = record.fields.get(self.column)
        if not isinstance(path, str) or not path:
            known = f"columns: {', '.join(map(str, record.fields))}"
            hint = None if self.column in record.fields else did_you_mean(self.column, record.fields) or known
            return Problem(f"there is no path in column {self.column!r}", record.file, record.line, hint)
        try:
            inside(self.folder.resolve(), path)
        except ValueError as error:
            return Problem(str(error), record.file, record.line)
        own = record.fields.get("input")
        media = self._media(path)
        given = {**(own if isinstance(own, dict) else {}), **media}
        return replace(record, fields={**record.fields, **media, "input": given})

    def _matched(self) -> Iterator[Record]:
        for name in self._names():
            path = PurePosixPath(name)
            named = {"id": name, "file": name, "name": path.stem, "folder": path.parent.name}
            yield Record({**named, "input": self._media(name)}, str(self.folder / name), 0)

    def _media(self, path: str) -> dict[str, Media]:
        kind = media_type(path)
        general = kind.split("/")[0]
        name = self.field or (general if general in ("image", "audio") else "file")
        return {name: Media(path=path, media_type=kind)}

    def _names(self) -> list[str]:
        folder = self._existing()
        found = (entry.relative_to(folder) for entry in folder.glob(self.glob) if entry.is_symlink() or entry.is_file())
        return sorted(name.as_posix() for name in found if not any(part.startswith(".") for part in name.parts))

    def _existing(self) -> Path:
        if not self.folder.is_dir():
            raise ConfigError([Problem(f"there is no folder {self.folder}")])
        return self.folder

    def _indexed(self) -> Source:
        index = str(self.index)
        try:
            inside(self._existing().resolve(), index)
        except ValueError as error:
            raise ConfigError([Problem(f"index: {error}", str(self.folder))]) from None
        return _INDEXES[Path(index).suffix.lower()](index, self.folder)

    def fingerprint(self) -> str:
        """The index's bytes, or the names that match; a snapshot checks the files' own bytes again."""
        return digest(self._names()) if self.index is None else self._indexed().fingerprint()

    def describe(self) -> Mapping[str, Any]:
        """Source, folder, and how files are found."""
        found = {"glob": self.glob} if self.index is None else {"index": self.index, "column": self.column}
        return {"source": "folder", "path": self.path, **found, "field": self.field, "fields": {"input": "input"}}


_INDEXES: Mapping[str, Callable[[str, Path], Source]] = {".csv": Csv, ".jsonl": Jsonl}


def make(**options: Any) -> Folder:
    """Options: `path`, `root`, `index` and `column`, or `glob`; `field`."""
    return build(Folder, options)
