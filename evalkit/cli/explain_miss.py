"""evalkit explain-miss."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace


def explain_miss(
    run: str = typer.Argument("last", help="A run id, the beginning of one, or `last`."),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> None:
    """Why a run asked what an earlier run had asked: what differs in the keys of its calls."""
    from evalkit.app.explain import COLUMNS, explain_misses
    from evalkit.app.show import run_id_of
    from evalkit.cli.output import show_rows

    space = workspace(project)
    show_rows(explain_misses(space, run_id_of(space, run)), COLUMNS, as_json=as_json, as_csv=as_csv)
