"""evalkit validate."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli.common import PROJECT, start_of, workspace
from evalkit.cli.output import inert


def validate(
    paths: list[Path] = typer.Argument(..., help="Suite files, or folders of suites."),
    project: Path = PROJECT,
) -> None:
    """Find every problem in suites, data, prompts and candidates at once; asks nobody, spends nothing."""
    from evalkit.app.validate import validate as check

    found = check(workspace(start_of(paths, project)), tuple(paths))
    for note in found.notes:
        typer.echo(inert(f"note: {note}"))
    for skipped in found.skipped:
        typer.echo(inert(f"skipped: {skipped}"))
    typer.echo(f"{found.suites} suites, {found.candidates} candidates, {found.samples} samples: no problems")
