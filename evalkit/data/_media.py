"""Media of a sample: files inside the data's folder become content-addressed references."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from pathlib import Path
from typing import Any

import msgspec

from evalkit.core.keys import digest_bytes
from evalkit.core.types import Blobs, Sample
from evalkit.data._files import inside, media_type
from evalkit.data._lookup import FieldError
from evalkit.data._records import Media

MEDIA_FIELDS = ("image", "audio", "file")
_PARTS = ("image", "audio")
_REMEMBERED = 4096


class Seen(msgspec.Struct, frozen=True):
    """A media file as it was when the snapshot was built; `modified` in nanoseconds; no path for bytes in a record."""

    path: str
    size: int
    modified: int
    sha256: str
    media_type: str

    def same(self, root: Path) -> bool:
        """Whether the file still holds these bytes: by size and time, else by content."""
        if not self.path:
            return True
        try:
            path = inside(root, self.path)
            found = path.stat()
            if found.st_size != self.size:
                return False
            return found.st_mtime_ns == self.modified or digest_bytes(path.read_bytes()) == self.sha256
        except (OSError, ValueError):
            return False

    def keep(self, root: Path, blobs: Blobs) -> bool:
        """Make sure that the bytes are among the blobs; False when they must be read from the source again."""
        try:
            blobs.get({"$blob": self.sha256, "type": self.media_type})
        except KeyError:
            return (
                bool(self.path) and blobs.put((root / self.path).read_bytes(), self.media_type)["$blob"] == self.sha256
            )
        return True


@dataclass(slots=True)
class Attach:
    """Replaces media in samples by blob references; `seen` collects the files since it was last taken."""

    root: Path
    fields: Sequence[str]
    blobs: Blobs | None
    seen: list[Seen]
    known: dict[str, Mapping[str, str]]

    @classmethod
    def at(cls, root: Path, fields: Sequence[str], blobs: Blobs | None) -> Attach:
        """For files inside `root`; `fields` are the input fields whose text is a path."""
        return cls(root.resolve(), tuple(fields), blobs, [], {})

    def sample(self, sample: Sample) -> Sample:
        """The sample with references for media. Raises FieldError for a path that leaves the folder or is no file."""
        given = {name: self._field(name, value) for name, value in sample.input.items()}
        target = self._walk(sample.target)
        if target is sample.target and all(map(is_, given.values(), sample.input.values())):
            return sample
        return replace(sample, input=given, target=target)

    def _field(self, name: str, value: Any) -> Any:
        if name in self.fields:
            if isinstance(value, str):
                return self._file(value)
            if isinstance(value, list):
                return [self._file(item) if isinstance(item, str) else self._walk(item) for item in value]
        return self._walk(value)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return [self._walk(item) for item in value]
        return self._media(value) if isinstance(value, Media) else value

    def _object(self, value: dict[str, Any]) -> Any:
        if set(value) == {"$file"}:
            return self._file(value["$file"])
        kind = value.get("type")
        if kind in _PARTS and isinstance(value.get(kind), str):
            return {**value, kind: self._file(value[kind])}
        return {name: self._walk(item) for name, item in value.items()}

    def _media(self, media: Media) -> Mapping[str, str]:
        if media.path is not None:
            return self._file(media.path)
        data = media.data or b""
        ref = self._put(data, media.media_type or media_type(None, data))
        self.seen.append(Seen("", len(data), 0, ref["$blob"], ref["type"]))
        return ref

    def _file(self, path: Any) -> Mapping[str, str]:
        if path in self.known:
            return self.known[path]
        if "://" in str(path)[:16] or str(path).startswith("data:"):
            raise FieldError(f"{path!r:.60} is a URL; media must be files in {self.root.name}", "nothing is fetched")
        try:
            real = inside(self.root, str(path))
            found, data = real.stat(), real.read_bytes()
        except (ValueError, OSError) as error:
            raise FieldError(str(error)) from None
        ref = self._put(data, media_type(str(path), data))
        self.seen.append(Seen(str(path), found.st_size, found.st_mtime_ns, ref["$blob"], ref["type"]))
        if len(self.known) >= _REMEMBERED:
            self.known.clear()
        self.known[str(path)] = ref
        return ref

    def _put(self, data: bytes, kind: str) -> Mapping[str, str]:
        if self.blobs is not None:
            return self.blobs.put(data, kind)
        return {"$blob": digest_bytes(data), "type": kind}

    def taken(self) -> list[Seen]:
        """The files seen since the last call."""
        found, self.seen = self.seen, []
        return found


def unchanged(file: Path, root: Path, blobs: Blobs | None) -> bool:
    """Whether every media file of a snapshot is as it was, and among the blobs."""
    root = Path(os.path.realpath(root))
    return all(seen.same(root) and (blobs is None or seen.keep(root, blobs)) for seen in _read(file))


def _read(file: Path) -> Iterator[Seen]:
    decoder = msgspec.json.Decoder(Seen)
    with file.open("rb") as handle:
        for line in handle:
            yield decoder.decode(line)
