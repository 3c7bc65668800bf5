"""evalkit report."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli.common import PROJECT, workspace


def report(
    out: Path | None = typer.Option(None, "--out", "-o", help="Folder to write to; default: `reports` of the project."),
    project: Path = PROJECT,
) -> None:
    """Write the HTML report of everything in the store; it opens from disk."""
    from evalkit.app.report import build_report

    typer.echo(str(build_report(workspace(project), out)))
