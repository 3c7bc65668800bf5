"""Files of a data set: finding them, naming them in messages, hashing them, and keeping paths inside their folder."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from glob import glob, has_magic
from io import BufferedReader
from pathlib import Path, PureWindowsPath

from evalkit.core.errors import ConfigError, Problem, did_you_mean
from evalkit.core.keys import digest

_TYPES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
    ".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff", ".svg": "image/svg+xml",
    ".wav": "audio/wav", ".mp3": "audio/mpeg", ".flac": "audio/flac", ".ogg": "audio/ogg", ".m4a": "audio/mp4",
    ".mp4": "video/mp4", ".webm": "video/webm", ".pdf": "application/pdf", ".json": "application/json",
    ".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv", ".html": "text/html", ".xml": "text/xml",
}  # fmt: skip
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"),
    (b"fLaC", "audio/flac"), (b"OggS", "audio/ogg"), (b"ID3", "audio/mpeg"), (b"%PDF", "application/pdf"),
)  # fmt: skip
_UNKNOWN = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a data set: where it is, and how messages name it."""

    path: Path
    shown: str

    def open(self) -> BufferedReader:
        """Open for reading. Raises ConfigError that names the file."""
        try:
            return self.path.open("rb")
        except OSError as error:
            raise self.unreadable(error) from error

    def unreadable(self, error: OSError) -> ConfigError:
        """The error that says why this file cannot be read."""
        return ConfigError([Problem(f"cannot be read: {error.strerror or error}", self.shown)])

    def sha256(self) -> str:
        """64 hex digits over the content, streamed. Raises ConfigError that names the file."""
        with self.open() as handle:
            try:
                return hashlib.file_digest(handle, "sha256").hexdigest()
            except OSError as error:
                raise self.unreadable(error) from error


def expand(root: str | Path, path: str) -> list[DataFile]:
    """The files that a path or a glob pattern names, in name order; relative paths start at `root`.

    Raises ConfigError when there is none, naming near file names.
    """
    whole = Path(root, path)
    if whole.is_file():
        return [DataFile(whole, os.path.normpath(whole))]
    if has_magic(path):
        found = sorted(name for name in glob(str(whole), recursive=True) if Path(name).is_file())  # noqa: PTH207 - `path` may be absolute
        if found:
            return [DataFile(Path(name), os.path.normpath(name)) for name in found]
    raise ConfigError([Problem(_absent(whole, path), hint=_near(whole))])


def _absent(whole: Path, path: str) -> str:
    shown = os.path.normpath(whole)
    if whole.is_dir():
        return f"{shown} is a folder; a file is needed"
    return f"no file matches {shown}" if has_magic(path) else f"there is no file {shown}"


def _near(whole: Path) -> str | None:
    folder = whole.parent
    if not folder.is_dir():
        return f"there is no folder {os.path.normpath(folder)}"
    return did_you_mean(whole.name, [entry.name for entry in folder.iterdir()])


def folder_of(root: str | Path, path: str) -> Path:
    """The folder of a file, or the deepest one that a glob pattern fixes; media paths start there."""
    parent = Path(root, path).parent
    while has_magic(str(parent)) and not parent.is_dir():
        parent = parent.parent
    return parent


def fingerprint(files: list[DataFile]) -> str:
    """Identity of the bytes of files, in their order; 32 hex digits."""
    return digest([file.sha256() for file in files])


def inside(root: Path, relative: str) -> Path:
    """The regular file at a path that must stay inside `root`; `root` is already resolved.

    Raises ValueError for an absolute path, for `..` or a symlink that leaves the folder, and for what is no file.
    """
    if not relative or "\x00" in relative:
        raise ValueError(f"{relative!r} is not a path")
    if Path(relative).is_absolute() or PureWindowsPath(relative).drive or relative.startswith("\\"):
        raise ValueError(f"{relative!r} is an absolute path; paths must be relative to {root.name or root}")
    if not Path(os.path.normpath(root / relative)).is_relative_to(root):
        raise ValueError(f"{relative!r} leaves the folder of the data set")
    try:
        real = (root / relative).resolve(strict=True)
    except FileNotFoundError:
        raise ValueError(f"there is no file {relative!r}") from None
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{relative!r} cannot be followed: {error}") from None
    if not real.is_relative_to(root):
        raise ValueError(f"{relative!r} is a link that leaves the folder of the data set")
    if not real.is_file():
        raise ValueError(f"{relative!r} is not a regular file")
    return real


def media_type(name: str | None, data: bytes = b"") -> str:
    """The media type by file ending, else by the first bytes; the same on every machine."""
    ending = Path(name).suffix.lower() if name else ""
    if ending in _TYPES:
        return _TYPES[ending]
    if data[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(data[8:12], _UNKNOWN)
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), _UNKNOWN)
