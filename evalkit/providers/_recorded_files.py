"""Files that a recording names: found inside its folder, hashed before a run, stored when they are answered."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.core.types import Blobs
from evalkit.providers._files import kept

NAMED = b'"$file"'
_TYPES = {".flac": "audio/flac", ".wav": "audio/wav", ".csv": "text/csv", ".npz": "application/x-npz"}


def names(value: Any) -> Iterator[str]:
    """Every {"$file": path} inside a JSON value."""
    if isinstance(value, Mapping):
        if set(value) == {"$file"} and isinstance(value["$file"], str):
            yield value["$file"]
            return
        for inner in value.values():
            yield from names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names(inner)


def inside(folder: Path, name: str) -> Path:
    """The file of a name. Raises ValueError for one that leaves the folder, by links too, or is not there."""
    base = folder.resolve()
    found = (base / name).resolve()
    if not found.is_relative_to(base):
        raise ValueError(f"{name!r:.80} leaves the recording's folder")
    if not found.is_file():
        raise ValueError(f"there is no file {name!r:.80} beside the recording")
    return found


def content(folder: Path, name: str) -> str:
    """SHA-256 of a named file. Raises ValueError as `inside` does, or when it cannot be read."""
    try:
        with inside(folder, name).open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"{name!r:.80} cannot be read: {error.strerror}") from None


def attached(value: Any, folder: Path, blobs: Blobs) -> Any:
    """The value with references in place of {"$file": path}. Raises ValueError as `inside` does."""
    if isinstance(value, Mapping):
        if set(value) == {"$file"} and isinstance(value["$file"], str):
            path = inside(folder, value["$file"])
            declared = _TYPES.get(path.suffix.lower()) or mimetypes.types_map.get(path.suffix.lower())
            return dict(kept(path.read_bytes(), declared, blobs))
        return {name: attached(inner, folder, blobs) for name, inner in value.items()}
    return [attached(inner, folder, blobs) for inner in value] if isinstance(value, list) else value
