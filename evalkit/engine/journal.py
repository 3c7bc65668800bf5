"""The journal: every finished call is on its way to the disk before the next one is asked."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from evalkit.core.errors import StoreError
from evalkit.engine.records import JOURNAL_VERSION, Header, Record, encode, line

SEGMENT_BYTES = 16 * 1024 * 1024


class Journal:
    """Appends checksummed lines to `<folder>/<worker>-<n>.jsonl`; one writer per file, no buffer of its own.

    `redact` is applied to the text of every line, so no secret reaches the disk. Raises StoreError when the disk is
    full or the folder cannot be written.
    """

    def __init__(
        self, folder: Path, run_id: str, worker: str, *, started: float, redact: Callable[[str], str] | None = None
    ) -> None:
        self.folder, self.run_id, self.worker = folder, run_id, worker
        self._started, self._redact = started, redact
        self._file = -1
        self._size = 0
        self._next = _next_segment(folder, worker)
        self.bytes_written = 0
        self.broken: StoreError | None = None

    def append(self, record: Record) -> None:
        """Write one record; after a failed write every further call raises the same error."""
        if self.broken is not None:
            raise self.broken
        body = encode(record)
        if self._redact is not None:
            text = body.decode("utf-8")
            clean = self._redact(text)
            if clean is not text:
                body = clean.encode("utf-8")
        try:
            if self._file < 0 or self._size > SEGMENT_BYTES:
                self._open_segment()
            self._write(line(body))
        except OSError as error:
            self.broken = _explained(error, self.folder)
            raise self.broken from error

    def close(self) -> None:
        """Flush the open segment to the disk and close it."""
        if self._file >= 0:
            try:
                os.fsync(self._file)
            except OSError as error:
                self.broken = _explained(error, self.folder)
            finally:
                os.close(self._file)
                self._file = -1

    def _open_segment(self) -> None:
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.worker}-{self._next:05d}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._next += 1
        self._size = 0
        self._write(line(encode(Header(JOURNAL_VERSION, self.run_id, self.worker, self._started))))

    def _write(self, data: bytes) -> None:
        written = os.write(self._file, data)
        while written < len(data):
            written += os.write(self._file, data[written:])
        self._size += len(data)
        self.bytes_written += len(data)


def _next_segment(folder: Path, worker: str) -> int:
    taken = [int(path.stem.rpartition("-")[2]) for path in folder.glob(f"{worker}-*.jsonl")]
    return max(taken, default=0) + 1


def _explained(error: OSError, folder: Path) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreError(f"the disk is full: {folder} takes no more answers; free space and repeat the command")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(f"{folder} cannot be written ({error.strerror}); choose another store folder in evalkit.yaml")
    return StoreError(f"{folder}: {error.strerror or error}; what was journaled before is kept")
