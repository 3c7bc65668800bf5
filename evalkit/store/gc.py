"""What no kept run needs: told first, dropped then."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from evalkit.store import faults
from evalkit.store.blobs import BlobDir
from evalkit.store.bulk import first_row, lent
from evalkit.store.database import Store, transaction
from evalkit.store.journals import load_all, loaded_files
from evalkit.store.reader import text_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A blob is written before the line that names it: young ones may belong to a call in flight.
BLOB_AGE_S = 3600.0
_OF_ENTRY = "entry_id not in (select entry_id from kept_entry)"
_OF_CALL = "call_id not in (select call_id from kept_call)"
_OF_DATA = "data_hash not in (select data_hash from kept_data)"
_OF_RUN = "run_id in (select run_id from dropped_run)"
# Table -> which of its rows go. Results go before the entries that they belong to.
_GOES: Mapping[str, str] = {
    "answer": _OF_ENTRY,
    "cell": _OF_ENTRY,
    "result": _OF_ENTRY,
    "ranking": _OF_ENTRY,
    "entry_scorer": _OF_ENTRY,
    "entry_basis": _OF_ENTRY,
    "score": _OF_CALL,
    "cost": _OF_CALL,
    "call": _OF_CALL,
    "sample": _OF_DATA,
    "data_set": _OF_DATA,
    "suite": "(suite_hash, data_hash) not in (select (suite_hash, data_hash) from kept_entry)",
    "prompt": "prompt_hash not in (select unnest(prompt_hashes) from kept_entry)",
    "signature": "scorer_sig not in (select scorer_sig from kept_signature)",
    "problem": _OF_RUN,
    "journal_load": _OF_RUN,
    "entry": _OF_RUN,
    "run": _OF_RUN,
}
_BIG = ("sample", "cell", "answer", "call", "score", "cost")
# Where a blob reference can stand: the JSON columns of these tables, and the column that holds a bare hash.
_HOLDERS: Mapping[str, tuple[str, ...]] = {
    "call": ("request", "output", "tool_calls", "meta", "logprobs"),
    "sample": ("input", "target", "meta"),
    "score": ("detail", "blob"),
    "entry": ("candidate_spec",),
    "suite": ("spec",),
}


@dataclass(frozen=True, slots=True)
class GcPlan:
    """What would go: runs, rows by table, files; `bytes` counts the files and the rows' share of the database."""

    store: Store
    folder: Path
    runs: tuple[str, ...]
    rows: Mapping[str, int]
    journals: tuple[Path, ...]
    blobs: tuple[Path, ...]
    snapshots: tuple[Path, ...]
    bytes: int

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to drop."""
        return not (self.runs or self.journals or self.blobs or self.snapshots or any(self.rows.values()))


@dataclass(slots=True)
class _Found:
    rows: dict[str, int] = field(default_factory=dict)
    journals: list[Path] = field(default_factory=list)
    blobs: list[Path] = field(default_factory=list)
    snapshots: list[Path] = field(default_factory=list)


def plan_gc(store: Store, folder: Path, keep: Collection[str], *, now: float | None = None) -> GcPlan:
    """What the runs in `keep` do not need: other runs, calls and old generations that only those used, and files.

    `folder` holds `runs/`, `blobs/` and `snapshots/`. Changes nothing but loading journals that are not loaded yet.
    Runs that are going on belong into `keep`. Raises StoreError when the store cannot be read.
    """
    load_all(store, folder / "runs")
    with store.open() as connection:
        have = [row[0] for row in connection.execute("select run_id from run order by run_id").fetchall()]
        runs = tuple(run_id for run_id in have if run_id not in keep)
        found = _look(connection, folder, runs, time.time() if now is None else now)
        size = _share(connection, store, found.rows)
    files = (*found.journals, *found.blobs, *(file for one in found.snapshots for file in one.rglob("*")))
    size += sum(file.stat().st_size for file in files if file.is_file())
    return GcPlan(
        store, folder, runs, found.rows, tuple(found.journals), tuple(found.blobs), tuple(found.snapshots), size
    )


def run_gc(plan: GcPlan, *, now: float | None = None) -> int:
    """Drop what the plan names and still nobody needs; runs that began after the plan stay. Returns bytes freed."""
    store = plan.store
    with store.open() as connection:
        before = store.path.stat().st_size
        found = _look(connection, plan.folder, plan.runs, time.time() if now is None else now)
        with transaction(connection):
            for table, goes in _GOES.items():
                connection.execute(f"delete from {table} where {goes}")  # noqa: S608 - constants of this file
            _forget(connection, found.journals)
        connection.execute("checkpoint")
        freed = sum(_remove(path) for path in found.journals)
        freed += sum(_remove(path) for path in found.blobs if path in set(plan.blobs))
        freed += sum(_remove(path) for path in found.snapshots if path in set(plan.snapshots))
        if any(found.rows[table] for table in _BIG):
            _shrink(connection, store)
        freed += before - store.path.stat().st_size
    for run_id in plan.runs:
        _remove_if_empty(plan.folder / "runs" / run_id)
    return max(freed, 0)


def _look(connection: DuckDBPyConnection, folder: Path, runs: Collection[str], now: float) -> _Found:
    """Leaves the temporary tables kept_* and dropped_run behind, which `_GOES` refers to."""
    connection.execute("create or replace temp table dropped_run (run_id varchar)")
    with lent(connection, "batch", {"run_id": list(runs)}):
        connection.execute("insert into dropped_run select cast(run_id as varchar) from batch")
    connection.execute(text_of("gc_keep"))
    found = _Found()
    for table, goes in _GOES.items():
        row = first_row(connection, f"select count(*) from {table} where {goes}")  # noqa: S608 - constants
        found.rows[table] = int(row[0]) if row else 0
    found.journals = list(_journals(connection, folder / "runs", runs))
    used = _referenced(connection)
    for name, path in BlobDir(folder / "blobs").all():
        if name not in used and now - path.stat().st_mtime > BLOB_AGE_S:
            found.blobs.append(path)
    data = {row[0] for row in connection.execute("select data_hash from kept_data").fetchall()}
    found.snapshots = [path for path in sorted((folder / "snapshots").glob("*")) if _unused(path, data)]
    return found


def _journals(connection: DuckDBPyConnection, runs_dir: Path, dropped: Collection[str]) -> Iterator[Path]:
    for run_dir in sorted(runs_dir.glob("*/")):
        yield from sorted(run_dir.glob("*.jsonl")) if run_dir.name in dropped else loaded_files(connection, run_dir)


def _referenced(connection: DuckDBPyConnection) -> set[str]:
    """The hashes of every blob that a row which stays may name; anything that looks like one counts."""
    used: set[str] = set()
    for table, columns in _HOLDERS.items():
        goes = _GOES[table]
        for column in columns:
            rows = connection.execute(
                f"select distinct unnest(regexp_extract_all(cast({column} as varchar), '[0-9a-f]{{64}}')) "  # noqa: S608
                f"from {table} where {column} is not null and not ({goes})"
            ).fetchall()
            used.update(row[0] for row in rows)
    return used


def _unused(snapshot: Path, used: Collection[Any]) -> bool:
    try:
        meta = json.loads((snapshot / "meta.json").read_text("utf-8"))
    except (OSError, ValueError):
        # Half a snapshot belongs to a command that is writing it; a whole one says which data it holds.
        return False
    return isinstance(meta, dict) and "data_hash" in meta and meta["data_hash"] not in used


def _share(connection: DuckDBPyConnection, store: Store, rows: Mapping[str, int]) -> int:
    """About how many bytes of the database the rows take, by their share of all rows of their kind."""
    going = sum(rows[table] for table in _BIG)
    sizes = "select sum(estimated_size) from duckdb_tables() where list_contains(?, table_name) and not temporary"
    row = first_row(connection, sizes, [list(_BIG)])
    total = int(row[0]) if row else 0
    return int(store.path.stat().st_size * going / total) if total else 0


def _shrink(connection: DuckDBPyConnection, store: Store) -> None:
    """Copy the store to a new file and put it in the place of the old one, which is locked until the block ends.

    DuckDB uses freed blocks again but seldom gives them back.
    """
    fresh = store.folder / f"store.{os.getpid()}.new"
    try:
        connection.execute("attach '" + str(fresh).replace("'", "''") + "' as fresh")
        connection.execute("copy from database store to fresh")
        connection.execute("detach fresh")
        # What closes the old file later must not touch the log of the new one.
        connection.execute("pragma disable_checkpoint_on_shutdown")
        fresh.replace(store.path)
    except duckdb.Error:
        # Where there is no room for a copy the file stays as it is, and its free blocks are used again.
        with suppress(duckdb.Error):
            connection.execute("detach fresh")
    finally:
        for leftover in (fresh, fresh.with_name(fresh.name + ".wal")):
            leftover.unlink(missing_ok=True)


def _forget(connection: DuckDBPyConnection, journals: Collection[Path]) -> None:
    for path in journals:
        connection.execute("delete from journal_load where run_id = ? and file = ?", [path.parent.name, path.name])


def _remove(path: Path) -> int:
    try:
        if path.is_dir():
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            shutil.rmtree(path)
            return size
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise faults.of_os(path, error) from error
    return size


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
