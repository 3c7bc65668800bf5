"""evalkit cost."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace


def cost(
    run: str | None = typer.Argument(None, help="A run id, the beginning of one, or `last`; default: all runs."),
    reprice: bool = typer.Option(False, "--reprice", help="Cost all stored calls again by the present price table."),
    as_of: str | None = typer.Option(
        None, "--as-of", help="With --reprice: by prices that were published until this day."
    ),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> None:
    """What calls cost, by suite, candidate and stage; an unknown price is unknown, never 0."""
    from evalkit.app import cost as use
    from evalkit.app.show import run_id_of
    from evalkit.cli.output import show_rows
    from evalkit.core.errors import UsageError

    space = workspace(project)
    if as_of is not None and not reprice:
        raise UsageError("--as-of prices stored calls anew: it needs --reprice")
    if reprice:
        count = use.reprice(space, as_of)
        typer.echo(f"{count} calls costed again", err=True)
    rows = use.spent(space, run_id_of(space, run) if run else None)
    show_rows(rows, use.COLUMNS, as_json=as_json, as_csv=as_csv)
