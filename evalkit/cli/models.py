"""evalkit models."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace

app = typer.Typer(help="Weights of local models.", no_args_is_help=True, rich_markup_mode=None)


@app.command("get")
def get(name: str = typer.Argument(..., help="A model's name, as `evalkit models list` shows it.")) -> None:
    """Fetch a model's weights by name, check their hash, and keep them in the user's cache folder."""
    from evalkit.app.models import get_model

    typer.echo(str(get_model(name)))


@app.command("list")
def list_models(as_json: bool = AS_JSON, as_csv: bool = AS_CSV, project: Path = PROJECT) -> None:
    """Models that can be fetched by name, with licence, hash, and where they are."""
    from evalkit.app.models import known_models
    from evalkit.cli.output import show_rows

    rows = known_models(workspace(project))
    show_rows(rows, ("name", "title", "licence", "sha256", "path"), as_json=as_json, as_csv=as_csv)
