"""What DuckDB and the disk say, said for the person who has to do something about it."""

from __future__ import annotations

import re
from pathlib import Path

from evalkit.core.errors import StoreError

_HOLDER = re.compile(r"lock is held in (.*?) \(PID (\d+)\)")
_FOREIGN = ("not a valid duckdb database file", "is an existing extension", "sqlite_scanner")
_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("no space left on device", "file too large", "disk quota exceeded", "max_temp_directory_size"),
        "cannot grow: the disk is full; free space and run the same command again, what was journaled is kept",
    ),
    (
        ("permission denied", "read-only file system", "operation not permitted", "read-only mode"),
        "cannot be written; check the permissions of the folder or choose another store folder",
    ),
    (
        ("different version", "newer version", "storage version"),
        "was written by a newer DuckDB; upgrade with: pip install -U duckdb",
    ),
    (
        ("could not read enough bytes", "checksum", "corrupt", "metadata pointer", "serializ", "internal error"),
        "is damaged; restore a backup, or move it away and run again: the journals that are left refill a new store",
    ),
    (("out of memory",), "holds more than the query may use of memory; ask for less at once"),
)


def is_locked(message: str) -> bool:
    """Whether an open was refused because someone else has the file open at this moment."""
    said = message.lower()
    return "could not set lock" in said or "conflicting lock" in said or "different configuration" in said


def holder(message: str) -> str:
    """Who holds the file, as DuckDB's lock message names it."""
    found = _HOLDER.search(message)
    return f"process {found[2]} ({found[1]})" if found else "another part of this process"


def locked(path: Path, message: str, waited_s: float) -> StoreError:
    """The error of an open that stayed refused for `waited_s` seconds."""
    return StoreError(
        f"{path} is in use by {holder(message)} and was not free for {waited_s:.0f} s; "
        "let that process finish or end it, then run the same command again"
    )


def explained(path: Path, message: str) -> StoreError:
    """The StoreError for anything that DuckDB raised about the file at `path`; nothing journaled is lost by it."""
    said, first = message.lower(), _first(message)
    if any(mark in said for mark in _FOREIGN):
        return foreign(path, "it is not a DuckDB file")
    for marks, advice in _ADVICE:
        if any(mark in said for mark in marks):
            return StoreError(f"{path} {advice} ({first})")
    return StoreError(f"{path}: {first}")


def foreign(path: Path, why: str) -> StoreError:
    """The error for a file that evalkit did not write; it is left as it is."""
    return StoreError(f"{path} is not an evalkit store: {why}; move it away or choose another store folder")


def of_os(path: Path, error: OSError) -> StoreError:
    """The StoreError for a file operation that the system refused."""
    return explained(path, error.strerror or str(error))


def _first(message: str) -> str:
    return message.strip().partition("\n")[0]
