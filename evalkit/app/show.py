"""Read a run in the terminal: its leaderboard, its failing samples, one sample across candidates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.app.evidence import failing_of
from evalkit.app.leaderboard import flat, standings
from evalkit.app.ranks import place
from evalkit.app.workspace import Workspace
from evalkit.core.errors import UsageError
from evalkit.store import reader

FAILING = (
    "suite",
    "candidate",
    "sample_id",
    "repeat",
    "status",
    "value",
    "answer",
    "target",
    "output",
    "reason",
    "error",
)
ONLY_PARTS = "no value of its own: it counts in the sum over all samples"
SAMPLE = ("suite", "candidate", "repeat", "status", "output", "scores", "seconds", "error_kind", "error_message")


def run_id_of(workspace: Workspace, given: str) -> str:
    """A full run id from `last`, an id or the beginning of one. Raises UsageError."""
    with workspace.loaded() as connection:
        known = [str(row["run_id"]) for row in reader.runs(connection).dicts()]
    if given in ("last", "newest") and known:
        return known[0]
    found = [run_id for run_id in known if run_id == given or run_id.startswith(given)]
    if len(found) != 1:
        shown = ", ".join((found or known)[:3]) or "none yet"
        raise UsageError(f"{'there is no run' if not found else 'more than one run starts with'} {given!r}: {shown}")
    return found[0]


def leaderboard(workspace: Workspace, run_id: str | None, *, slices: bool = False) -> list[dict[str, Any]]:
    """The entries of a run (None: the newest of everything) with every metric; ranks are among the entries shown."""
    with workspace.loaded() as connection:
        suites = standings(connection, run_id)
        place(connection, suites)
        return flat(suites, slices=slices)


def failures(workspace: Workspace, run_id: str, limit: int) -> list[dict[str, Any]]:
    """Failing samples of each entry of a run on its primary metric, worst first."""
    rows: list[dict[str, Any]] = []
    with workspace.loaded() as connection:
        sql = "select entry_id, suite, candidate from entry where run_id = $run order by suite, candidate"
        for entry_id, suite, candidate in reader.query(connection, sql, {"run": run_id}).rows:
            for row in failing_of(connection, entry_id, limit)[0]:
                error = f"{row['error_kind']}: {row['error_message']}" if row["error_kind"] else None
                rows.append(
                    {
                        **row,
                        "suite": suite,
                        "candidate": candidate,
                        "error": error,
                        "status": row["status"] or row["cell_status"],
                        "reason": row["reason"] or (ONLY_PARTS if _only_parts(row) else None),
                    }
                )
    return rows


def _only_parts(row: Mapping[str, Any]) -> bool:
    return bool(row["status"] == "scored" and row["value"] is None)


def sample(workspace: Workspace, run_id: str, sample_id: str) -> list[dict[str, Any]]:
    """One sample across the candidates of a run. Raises UsageError when the run does not have it."""
    with workspace.loaded() as connection:
        rows = list(reader.sample_record(connection, sample_id, run_id=run_id).dicts())
    if not rows:
        raise UsageError(f"run {run_id} has no sample {sample_id!r}")
    return rows
