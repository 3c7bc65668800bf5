"""Pictures and recordings of a report: copied beside its pages when a page shows them, by their content's hash."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.core.media import refuse_bomb

FOLDER = "media"
LARGEST = 20_000_000
MOST_OF_A_VALUE = 12
_PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}
_SOUNDS = {
    "audio/flac": "flac", "audio/x-flac": "flac", "audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
}  # fmt: skip
_HASH = re.compile(r"\A[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Shown:
    """One file that a page shows: `kind` is image, audio or none (only named); `path` is from the root of the site."""

    kind: str
    label: str
    path: str = ""
    width: int = 0
    height: int = 0


@dataclass
class MediaFolder:
    """Finds references in values and writes what they name; `read` gives a file's bytes, None when they are gone."""

    out: Path
    read: Callable[[str], bytes | None]
    _known: dict[tuple[str, str], Shown] = field(default_factory=dict)

    def of(self, value: Any) -> list[Shown]:
        """What a value refers to, in order: at most a dozen files."""
        return [
            self._shown(ref, media_type)
            for _, (ref, media_type) in zip(range(MOST_OF_A_VALUE), references(value), strict=False)
        ]

    def _shown(self, ref: str, media_type: str) -> Shown:
        key = (ref, media_type)
        if key not in self._known:
            self._known[key] = self._write(ref, media_type)
        return self._known[key]

    def _write(self, ref: str, media_type: str) -> Shown:
        label = f"{media_type or 'file'} {ref[:8]}"
        data = self.read(ref)
        if data is None:
            return Shown("none", f"{label} (not kept)")
        media_type = media_type or _sniffed(data)
        ending = _PICTURES.get(media_type) or _SOUNDS.get(media_type)
        if ending is None or len(data) > LARGEST:
            return Shown("none", f"{label}, {len(data):,} bytes (not shown)")
        width = height = 0
        if media_type in _PICTURES:
            try:
                found = refuse_bomb(data)
            except ValueError as error:
                return Shown("none", f"{label}: {error}")
            width, height = found.width, found.height
        path = f"{FOLDER}/{ref}.{ending}"
        (self.out / FOLDER).mkdir(exist_ok=True)
        (self.out / path).write_bytes(data)
        return Shown("image" if width else "audio", label, path, width, height)


def _sniffed(data: bytes) -> str:
    try:
        return refuse_bomb(data).media_type
    except ValueError:
        return ""


def references(value: Any) -> Iterator[tuple[str, str]]:
    """Every blob reference inside a JSON value: (hash, media type), in reading order."""
    if isinstance(value, Mapping):
        ref = value.get("$blob")
        if isinstance(ref, str) and _HASH.match(ref):
            yield ref, str(value.get("type", ""))
            return
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from references(inner)
