"""evalkit list."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace


def listing(
    what: Literal["suites", "candidates", "scorers", "runs", "parts"] = typer.Argument(..., help="What to list."),
    paths: list[Path] = typer.Option([], "--in", help="Where suites lie; default: the folder suites/ of the project."),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> None:
    """List suites, candidates, scorers, runs, or every part with the extra that it wants."""
    from evalkit.app import listing as use
    from evalkit.cli.output import show_rows

    space = workspace(project)
    if what == "suites":
        rows = use.suites(space, paths or [space.root / "suites"])
    elif what == "candidates":
        rows = use.candidates(space)
    elif what == "runs":
        rows = use.runs(space)
    else:
        rows = use.scorers() if what == "scorers" else use.parts()
    show_rows(rows, use.COLUMNS[what], as_json=as_json, as_csv=as_csv)
