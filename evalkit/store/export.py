"""A run as Parquet files: one per table, with everything that its numbers stand on."""

from __future__ import annotations

from pathlib import Path

from evalkit.core.errors import StoreError
from evalkit.store import faults
from evalkit.store.bulk import first_row, lent
from evalkit.store.database import Store
from evalkit.store.reader import text_of

_VIEWS = r"select view_name from duckdb_views() where view_name like 'export\_%' escape '\' order by view_name"


def export_run(store: Store, run_id: str, folder: Path) -> list[Path]:
    """Write `<folder>/<table>.parquet` for a run; calls of other runs that answer its cells are in it.

    `cell` and `score` are the views `cells` and `scores`, with names beside ids. The same store gives the same rows in
    the same order. Returns the files. Raises StoreError when there is no such run or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise faults.of_os(folder, error) from error
    written = []
    with store.open(read_only=True) as connection:
        if first_row(connection, "select 1 from run where run_id = ?", [run_id]) is None:
            raise StoreError(f"there is no run {run_id!r} in {store.path}; `evalkit list runs` names them")
        with lent(connection, "wanted", {"run_id": [run_id]}):
            connection.execute(text_of("export"))
            views = connection.execute(_VIEWS).fetchall()
            for (view,) in views:
                path = folder / f"{view.removeprefix('export_')}.parquet"
                target = str(path).replace("'", "''")
                connection.execute(f"copy (from {view}) to '{target}' (format parquet, compression zstd)")
                written.append(path)
    return written
