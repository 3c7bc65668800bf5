"""The snapshot's files: samples one per line, their ids, and a binary index; written aside, then renamed into place.

`samples.jsonl` has a sample per line with its content hash, `ids.txt` an id per line, `index.bin` a row of `ROW` per
sample (little-endian), `media.jsonl` the media files as they were, `meta.json` the rest.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import struct
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import fields
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from evalkit.core.errors import Problem, StoreError
from evalkit.core.keys import canonical_json
from evalkit.core.types import Sample
from evalkit.data._media import Seen

SCHEMA = 1
_CHUNK = 4096
ROW = np.dtype(
    [
        ("offset", "<u8"),
        ("length", "<u4"),
        ("file", "<u4"),
        ("line", "<u4"),
        *((name, "<u8") for name in ("key", "group", "label", "high", "low")),
    ]
)
_PACK = struct.Struct("<QIIIQQQQQ").pack
_encode = msgspec.json.Encoder().encode
_PARTS = tuple(part.name for part in fields(Sample))
Index = npt.NDArray[np.void]


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `Problem` as it stands in `meta.json`."""

    message: str
    file: str | None = None
    line: int | None = None
    hint: str | None = None

    @classmethod
    def of(cls, problem: Problem) -> Told:
        """The stored form of a problem."""
        return cls(problem.message, problem.file, problem.line, problem.hint)

    def problem(self) -> Problem:
        """The problem again."""
        return Problem(self.message, self.file, self.line, self.hint)


class Meta(msgspec.Struct, frozen=True):
    """What a snapshot knows about itself; `read` counts records, `filtered` those that the filter left out."""

    schema: int
    key: str
    count: int
    data_hash: str
    sizes: tuple[int, int, int, int]
    files: tuple[str, ...]
    problems: tuple[Told, ...]
    warnings: tuple[Told, ...]
    duplicate_ids: int
    duplicate_contents: int
    read: int
    filtered: int
    source: dict[str, object]


class Written(msgspec.Struct, frozen=True):
    """A line of `samples.jsonl`; `input`, `target` and `meta` are the JSON that stands there."""

    id: str
    sample_hash: str
    group: str | None
    tags: list[str]
    input: msgspec.Raw
    target: msgspec.Raw
    meta: msgspec.Raw


def hash64(kind: str, text: str) -> int:
    """An unsigned 64-bit hash of a text, apart by kind."""
    return int.from_bytes(hashlib.blake2b(f"{kind}\x1f{text}".encode(), digest_size=8).digest(), "little")


class Writer:
    """Builds a snapshot aside and publishes it as `folder`; what is not published leaves nothing behind.

    Every method raises StoreError when the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.aside = folder.parent / f".{folder.name}-{uuid.uuid4().hex[:12]}"
        self.count = 0
        self._files: dict[str, int] = {}
        self._offset = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.aside.mkdir(parents=True)
            names = ("samples.jsonl", "ids.txt", "index.bin", "media.jsonl")
            self._handles = [self._open.enter_context((self.aside / name).open("wb")) for name in names]
        except OSError as error:
            self.__exit__()
            raise self._refused(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a full disk refuses the last flush too; what was not published is not needed
            self._open.close()
        shutil.rmtree(self.aside, ignore_errors=True)

    def _refused(self, error: OSError) -> StoreError:
        advice = "look at the folder"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            advice = "the disk is full; free space and run the same command again"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            advice = "the folder cannot be written; check its permissions or choose another store folder"
        return StoreError(f"cannot write the snapshot {self.folder}: {error.strerror or error}; {advice}")

    def add(self, sample: Sample, content: str, file: str, line: int) -> None:
        """Append one sample with its content hash (32 hex digits) and the place it stands at."""
        data = _encode({name: getattr(sample, name) for name in _PARTS} | {"sample_hash": content}) + b"\n"
        cluster = ("sample", sample.id) if sample.group is None else ("group", sample.group)
        label = hash64("label", canonical_json(sample.target).decode("utf-8"))
        place = self._files.setdefault(file, len(self._files)), line
        hashes = hash64("id", sample.id), hash64(*cluster), label, int(content[:16], 16), int(content[16:], 16)
        samples, ids, index, _ = self._handles
        try:
            samples.write(data)
            ids.write(sample.id.encode("utf-8") + b"\n")
            index.write(_PACK(self._offset, len(data), *place, *hashes))
        except OSError as error:
            raise self._refused(error) from error
        self._offset += len(data)
        self.count += 1

    def add_media(self, seen: Sequence[Seen]) -> None:
        """Append media files."""
        try:
            for one in seen:
                self._handles[3].write(_encode(one) + b"\n")
        except OSError as error:
            raise self._refused(error) from error

    def flush(self) -> None:
        """Bring everything written so far to the disk."""
        try:
            for handle in self._handles:
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise self._refused(error) from error

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that samples stand in, by number."""
        return tuple(self._files)

    def publish(self, meta: Meta) -> None:
        """Rename into place. Where another process was first its snapshot stands; an older or damaged one is replaced.

        Raises StoreError when the disk refuses.
        """
        try:
            self.flush()
            (self.aside / "meta.json").write_bytes(_encode(meta))
            if self._stands(meta):
                return
            if self.folder.exists():
                self.folder.rename(self.aside / "replaced")
            self.aside.rename(self.folder)
            shutil.rmtree(self.folder / "replaced", ignore_errors=True)
        except OSError as error:
            if not self._stands(meta):
                raise self._refused(error) from error

    def _stands(self, meta: Meta) -> bool:
        known = read_meta(self.folder, meta.key)
        return known is not None and not known.problems and known.data_hash == meta.data_hash


def sizes(folder: Path) -> tuple[int, int, int, int]:
    """Bytes of samples, ids, index and media list. Raises OSError where one is missing."""
    names = ("samples.jsonl", "ids.txt", "index.bin", "media.jsonl")
    first, second, third, fourth = ((folder / name).stat().st_size for name in names)
    return first, second, third, fourth


def read_meta(folder: Path, key: str) -> Meta | None:
    """What a snapshot says about itself; None when there is none, or it is cut short or of another schema."""
    try:
        meta = msgspec.json.decode((folder / "meta.json").read_bytes(), type=Meta)
        whole = meta.schema == SCHEMA and meta.key == key and meta.sizes == sizes(folder)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return meta if whole else None


def duplicates(index: Index, columns: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs (earlier, later) of rows that agree in all columns; every later row once, with the first of its kind."""
    order = np.lexsort(tuple(index[name] for name in columns))
    equal = np.ones(max(len(order) - 1, 0), dtype=bool)
    for name in columns:
        values = index[name][order]
        equal &= values[1:] == values[:-1]
    starts = np.flatnonzero(np.concatenate(([True], ~equal))) if len(order) else np.zeros(0, dtype=np.int64)
    for place in np.flatnonzero(equal):
        start = starts[np.searchsorted(starts, place, side="right") - 1]
        yield int(order[start]), int(order[place + 1])


def content_hashes(index: Index) -> Iterator[str]:
    """The content hash of every row, 32 hex digits."""
    for start in range(0, len(index), _CHUNK):
        rows = index[start : start + _CHUNK]
        for high, low in zip(rows["high"].tolist(), rows["low"].tolist(), strict=True):
            yield f"{high:016x}{low:016x}"
