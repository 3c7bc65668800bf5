"""evalkit score."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace


def score(
    run: str = typer.Argument(..., help="A run id, the beginning of one, or `last`."),
    scorer: list[str] = typer.Option(..., "--scorer", "-s", help="A scorer, as in numeric(tolerance=0.01)."),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> None:
    """Score a run's stored answers with more scorers; nobody is asked."""
    from evalkit.app import show as use
    from evalkit.app.leaderboard import COLUMNS
    from evalkit.app.rescoring import rescore
    from evalkit.cli.output import show_rows
    from evalkit.cli.show import print_leaderboard

    space = workspace(project)
    run_id = use.run_id_of(space, run)
    count = rescore(space, run_id, scorer)
    rows = use.leaderboard(space, run_id)
    if as_json or as_csv:
        show_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv)
    else:
        print_leaderboard(rows, metrics=True)
        typer.echo(f"{count} stored answers scored")
