"""Promoted and imported baselines, and samples in quarantine: written once, never changed, the newest row holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from evalkit.store import reader
from evalkit.store.bulk import first_row
from evalkit.store.rows import Row, insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def put_baseline(connection: DuckDBPyConnection, baseline: Row) -> bool:
    """Keep a baseline: the columns of `baseline`, `document` as a JSON value. Returns whether it was new."""
    return bool(insert_rows(connection, "baseline", [baseline], key=("baseline_id",)))


def baselines(connection: DuckDBPyConnection, *, history: bool = False) -> list[dict[str, Any]]:
    """What holds per name, suite and candidate, without the documents, newest first; with `history` older rows too."""
    return list(reader.named(connection, "baselines", history=history).dicts())


def document(connection: DuckDBPyConnection, baseline_id: str) -> str | None:
    """The document of a baseline as JSON text."""
    row = first_row(connection, "select document::varchar from baseline where baseline_id = ?", [baseline_id])
    return None if row is None else str(row[0])


def put_quarantine(connection: DuckDBPyConnection, rows: Iterable[Row]) -> int:
    """Keep samples in quarantine: suite, sample_id, added (ISO time), until (ISO day), reason."""
    return insert_rows(connection, "quarantine", rows, key=("suite", "sample_id", "added"))


def quarantine(connection: DuckDBPyConnection, suite: str) -> list[dict[str, Any]]:
    """The newest row of each sample of a suite: sample_id, added, until, reason."""
    return list(reader.named(connection, "quarantined", suite=suite).dicts())
