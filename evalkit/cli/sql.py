"""evalkit sql."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace


def sql(
    query: str = typer.Argument(..., help="A SELECT over the views of docs/store.md, as in: select * from leaderboard"),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> None:
    """Query the store, read-only; works while a run is going on."""
    from evalkit.app.query import query as ask
    from evalkit.cli.output import show_rows

    columns, rows = ask(workspace(project), query)
    show_rows(rows, columns, as_json=as_json, as_csv=as_csv)
