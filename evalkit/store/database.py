"""The store file: opened for a moment, migrated, used, closed; nothing holds it."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import duckdb

from evalkit.core.errors import StoreError
from evalkit.store import allocator, faults, migrate

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Reading may need much at once; loading goes in parts, and what it holds is what the run holds.
MEMORY_LIMIT = "1GB"
BULK_MEMORY_LIMIT = "512MB"
# What DuckDB has freed goes back to the system before it takes more than this at once; its own limit is 512 MB.
KEPT_FREE = "1MB"
THREADS = 2
_LONGEST_PAUSE_S = 0.25
# Threads of one process share DuckDB's instance of a file, and with it the conflicts of transactions.
_turns: dict[Path, Any] = {}
# DuckDB has no way to ask, and a second "begin" spoils the transaction that it meets.
_in_transaction: WeakSet[Any] = WeakSet()


class Store:
    """The database file `<folder>/store.duckdb`.

    DuckDB admits one process while a file is open, so every access is open, use, close. An open that is refused
    because someone else is in is tried again for `wait_s` seconds, with jittered pauses.
    """

    def __init__(
        self, folder: Path, *, wait_s: float = 30.0, memory_limit: str = MEMORY_LIMIT, threads: int = THREADS
    ) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "store.duckdb"
        self.wait_s = wait_s
        self._settings = {
            "memory_limit": memory_limit,
            "threads": str(threads),
            "temp_directory": str(self.folder / "tmp"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "allocator_bulk_deallocation_flush_threshold": KEPT_FREE,
        }
        self._turn = _turns.setdefault(self.path.absolute(), threading.RLock())
        allocator.give_back_at_once()

    @property
    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    @contextmanager
    def open(self, *, read_only: bool = False) -> Iterator[DuckDBPyConnection]:
        """A connection, migrated to the newest schema; committed statements are on disk when the block ends.

        Raises StoreError, with the path and what to do, for everything that DuckDB or the disk refuses in the block;
        with `read_only`, also when there is no store yet.
        """
        with self._alone():
            connection = self._connect(read_only=read_only)
            try:
                yield connection
            except duckdb.Error as error:
                raise faults.explained(self.path, str(error)) from error
            finally:
                _close(connection)

    @contextmanager
    def bulk(self) -> Iterator[DuckDBPyConnection]:
        """As `open`, for many rows: without a write-ahead log, so that every byte is written once.

        All of the block or, when it is killed, nothing of it is on disk when it ends. Raises StoreError as `open`.
        """
        with self._alone():
            connection = self._loading()
            try:
                yield connection
                connection.execute("checkpoint store")
            except duckdb.Error as error:
                raise faults.explained(self.path, str(error)) from error
            finally:
                _close(connection)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=self.wait_s):
            raise faults.locked(self.path, "", self.wait_s)
        try:
            yield
        finally:
            self._turn.release()

    def _loading(self) -> DuckDBPyConnection:
        # A log that a killed process left is taken in first, and a store of an older schema brought up to date.
        if self.exists and not self.path.with_name(self.path.name + ".wal").exists():
            connection = self._patiently(read_only=False, logged=False)
            with self._closing_on_error(connection):
                if migrate.applied(connection, self.path) == migrate.latest():
                    return connection
            _close(connection)
        _close(self._current())
        return self._patiently(read_only=False, logged=False)

    def _connect(self, *, read_only: bool) -> DuckDBPyConnection:
        if not read_only:
            return self._current()
        if not self.exists:
            raise StoreError(f"there is no store at {self.path} yet; `evalkit run` makes one")
        connection = self._patiently(read_only=True)
        with self._closing_on_error(connection):
            version = migrate.applied(connection, self.path)
        if version == migrate.latest():
            return connection
        _close(connection)
        _close(self._current())
        return self._patiently(read_only=True)

    def _current(self) -> DuckDBPyConnection:
        if not self.exists:
            self._create()
        connection = self._patiently(read_only=False)
        with self._closing_on_error(connection):
            migrate.apply(connection, migrate.applied(connection, self.path))
        return connection

    @contextmanager
    def _closing_on_error(self, connection: DuckDBPyConnection) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            _close(connection)
            raise faults.explained(self.path, str(error)) from error
        except StoreError:
            _close(connection)
            raise

    def _create(self) -> None:
        """Build the file under another name and link it into place, so that no kill leaves half a store."""
        fresh = self.folder / f"store.{os.getpid()}.{threading.get_ident()}.new"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            connection = duckdb.connect(str(fresh), config=self._settings)
            try:
                migrate.apply(connection, 0)
            finally:
                _close(connection)
            _place(fresh, self.path)
        except duckdb.Error as error:
            raise faults.explained(self.path, str(error)) from error
        except OSError as error:
            raise faults.of_os(self.path, error) from error
        finally:
            for leftover in (fresh, fresh.with_name(fresh.name + ".wal")):
                with suppress(OSError):
                    leftover.unlink(missing_ok=True)

    def _patiently(self, *, read_only: bool, logged: bool = True) -> DuckDBPyConnection:
        started = time.monotonic()
        chance = random.SystemRandom()
        pause = 0.01
        while True:
            try:
                return self._session(read_only=read_only, logged=logged)
            except duckdb.Error as error:
                message = str(error)
                if not faults.is_locked(message):
                    raise faults.explained(self.path, message) from error
                waited = time.monotonic() - started
                if waited >= self.wait_s:
                    raise faults.locked(self.path, message, waited) from error
            time.sleep(pause * chance.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _session(self, *, read_only: bool, logged: bool = True) -> DuckDBPyConnection:
        while True:
            before = _identity(self.path)
            connection = self._logged(read_only=read_only) if logged else self._unlogged()
            # Clean-up puts a smaller file in the place of this one: what was opened just before is not the store.
            if _identity(self.path) == before:
                connection.execute("set timezone = 'UTC'")
                return connection
            _close(connection)

    def _logged(self, *, read_only: bool) -> DuckDBPyConnection:
        return duckdb.connect(str(self.path), read_only=read_only, config=self._settings)

    def _unlogged(self) -> DuckDBPyConnection:
        connection = duckdb.connect(config={**self._settings, "memory_limit": BULK_MEMORY_LIMIT})
        try:
            quoted = str(self.path).replace("'", "''")
            connection.execute(f"attach '{quoted}' as store (recovery_mode no_wal_writes)")
            connection.execute("use store")
        except duckdb.Error:
            _close(connection)
            raise
        return connection


@contextmanager
def transaction(connection: DuckDBPyConnection) -> Iterator[None]:
    """All or nothing; inside another transaction it is a part of that one."""
    if connection in _in_transaction:
        yield
        return
    connection.execute("begin")
    _in_transaction.add(connection)
    try:
        yield
        connection.execute("commit")
    except BaseException:
        # After a full disk the database is already invalid and says so again; the first error is the one to tell.
        with suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    finally:
        _in_transaction.discard(connection)


def _identity(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError as error:
        # Opening what went away just now would leave an empty file that is nobody's store.
        raise faults.of_os(path, error) from error


def _place(fresh: Path, path: Path) -> None:
    try:
        os.link(fresh, path)
    except FileExistsError:
        # Another process made the store meanwhile; its file is as good.
        return
    except OSError:
        # Some network and USB file systems have no hard links.
        fresh.rename(path)


def _close(connection: DuckDBPyConnection) -> None:
    # Closing writes a checkpoint; when that fails (full disk), the write-ahead log keeps what was committed.
    with suppress(duckdb.Error):
        connection.close()
    allocator.give_back()
