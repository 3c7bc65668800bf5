"""Media and tables as content-addressed files beside the store."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from evalkit.core.keys import digest_bytes
from evalkit.store import faults

_HASH = re.compile(r"\A[0-9a-f]{64}\Z")


class BlobDir:
    """Blobs in `<folder>/ab/cdef...`, named by the SHA-256 of their bytes; equal bytes are stored once."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def put(self, data: bytes, media_type: str) -> Mapping[str, str]:
        """Store bytes; returns {"$blob": 64 hex digits, "type": media type}.

        A file appears under its name only when it is whole. Raises StoreError when the disk is full or read-only.
        """
        name = digest_bytes(data)
        path = self.path(name)
        try:
            if path.exists():
                # Clean-up spares young files: one that is needed again is young again.
                os.utime(path)
            else:
                _write_whole(path, data)
        except OSError as error:
            raise faults.of_os(path, error) from error
        return {"$blob": name, "type": media_type}

    def get(self, ref: str | Mapping[str, str]) -> bytes:
        """The bytes of a reference or its hash. Raises KeyError when they are not there, ValueError for no hash."""
        path = self.path(ref)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise KeyError(f"there is no blob {path.parent.name}{path.name} in {self.folder}") from None

    def path(self, ref: str | Mapping[str, str]) -> Path:
        """Where the bytes of a reference are, or would be. Raises ValueError for what is not 64 hex digits."""
        name = ref if isinstance(ref, str) else ref.get("$blob", "")
        if not isinstance(name, str) or not _HASH.match(name):
            raise ValueError(f"{str(name)[:80]!r} is not a blob reference: 64 hex digits are needed")
        return self.folder / name[:2] / name[2:]

    def all(self) -> Iterator[tuple[str, Path]]:
        """Every stored blob as (hash, file), in order of the hash."""
        for path in sorted(self.folder.glob("[0-9a-f][0-9a-f]/*")):
            name = path.parent.name + path.name
            if _HASH.match(name):
                yield name, path


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
