"""A run as Parquet files."""

from __future__ import annotations

from pathlib import Path

from evalkit.app.workspace import Workspace


def export(workspace: Workspace, run_id: str, folder: Path) -> list[Path]:
    """Write the run's tables below `folder`; returns the files."""
    from evalkit.store.export import export_run

    workspace.load_journals()
    return export_run(workspace.store, run_id, folder)
