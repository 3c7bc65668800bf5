"""A person's own SQL over the store."""

from __future__ import annotations

from typing import Any

from evalkit.app.workspace import Workspace
from evalkit.store import reader


def query(workspace: Workspace, sql: str) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Columns and rows of a read-only query; what a going run has journaled is in it."""
    workspace.load_journals()
    table = reader.read_sql(workspace.store, sql)
    return table.columns, list(table.dicts())
