"""evalkit export."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli.common import PROJECT, workspace


def export(
    run: str = typer.Argument("last", help="A run id, the beginning of one, or `last`."),
    out: Path = typer.Option(..., "--out", "-o", help="A folder for the Parquet files."),
    project: Path = PROJECT,
) -> None:
    """Export a run as Parquet files: entries, cells, calls, scores, samples and what they refer to."""
    from evalkit.app.exporting import export as write
    from evalkit.app.show import run_id_of

    space = workspace(project)
    for path in write(space, run_id_of(space, run), out):
        typer.echo(str(path))
