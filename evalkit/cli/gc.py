"""evalkit gc."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli.common import PROJECT, workspace


def gc(
    keep: int | None = typer.Option(None, "--keep", min=1, help="Keep the newest N runs; default: all."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Drop without asking."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be dropped."),
    project: Path = PROJECT,
) -> None:
    """Drop journals, blobs, old generations and snapshots that no kept run needs; says what first."""
    from evalkit.app.cleaning import clean, plan

    found = plan(workspace(project), keep)
    if found.nothing:
        typer.echo("nothing to drop")
        return
    for run_id in found.runs:
        typer.echo(f"run       {run_id}")
    for table, count in found.rows.items():
        if count:
            typer.echo(f"rows      {count} of {table}")
    for kind, paths in (("journal", found.journals), ("blob", found.blobs), ("snapshot", found.snapshots)):
        for path in paths:
            typer.echo(f"{kind:<9} {path}")
    typer.echo(f"about {found.bytes:,} bytes")
    if not dry_run and (yes or typer.confirm("drop these?")):
        typer.echo(f"{clean(found):,} bytes freed")
