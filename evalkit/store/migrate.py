"""Bring a store file to the schema that this version of evalkit knows, one SQL file at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.core.errors import StoreError
from evalkit.store.faults import foreign

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MIGRATIONS = Path(__file__).parent / "migrations"
_TABLE = """create table if not exists schema_migration (
  version integer primary key, name varchar not null, applied timestamptz not null
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One ordered SQL file, `<version, 4 digits>_<name>.sql`."""

    version: int
    name: str
    sql: str


@cache
def migrations(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """All migrations in their order."""
    files = sorted(folder.glob("[0-9]*_*.sql"))
    return tuple(Migration(int(f.stem[:4]), f.stem[5:], f.read_text("utf-8")) for f in files)


def latest() -> int:
    """The schema version that this evalkit writes."""
    return migrations()[-1].version


def applied(connection: DuckDBPyConnection, path: Path) -> int:
    """The schema version of an open store.

    Raises StoreError for a DuckDB file without our tables and for a schema from a newer evalkit.
    """
    ours = "select count(*) from duckdb_tables() where table_name = 'schema_migration' and not internal"
    if not _number(connection, ours):
        raise foreign(path, "it is a DuckDB file without evalkit's tables")
    version = _number(connection, "select coalesce(max(version), 0) from schema_migration")
    if version > latest():
        raise StoreError(
            f"{path} has schema version {version}, written by a newer evalkit (this one knows {latest()}); "
            "upgrade with: pip install -U evalkit"
        )
    return version


def apply(connection: DuckDBPyConnection, after: int) -> None:
    """Apply every migration newer than version `after`, each in its own transaction with its row in the table."""
    for step in migrations():
        if step.version > after:
            connection.execute("begin")
            connection.execute(_TABLE)
            connection.execute(step.sql)
            connection.execute("insert into schema_migration values (?, ?, now())", [step.version, step.name])
            connection.execute("commit")


def _number(connection: DuckDBPyConnection, sql: str) -> int:
    return int(connection.execute(sql).fetchall()[0][0])
