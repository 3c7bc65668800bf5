"""Drop what no kept run needs, after saying what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.app.workspace import Workspace

if TYPE_CHECKING:
    from evalkit.store.gc import GcPlan


def plan(workspace: Workspace, keep: int | None) -> GcPlan:
    """What would be dropped when the newest `keep` runs stay (None: all of them)."""
    from evalkit.store import reader
    from evalkit.store.gc import plan_gc

    with workspace.loaded() as connection:
        runs = [str(row["run_id"]) for row in reader.runs(connection).dicts()]
    return plan_gc(workspace.store, workspace.folder, runs if keep is None else runs[:keep])


def clean(found: GcPlan) -> int:
    """Drop it; returns the bytes freed."""
    from evalkit.store.gc import run_gc

    return run_gc(found)
