"""evalkit new."""

from __future__ import annotations

from pathlib import Path

import typer

app = typer.Typer(help="Start something new.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None: ...


@app.command()
def suite(
    name: str = typer.Argument(..., help="The suite's name: letters, digits, - and _."),
    family: str = typer.Option("generalist", "--family", "-f", help="The kind of model."),
    into: Path = typer.Option(Path(), "--into", help="The folder to write to."),
) -> None:
    """Write a suite, a dataset, a prompt and a card to edit; nothing that exists is overwritten."""
    from evalkit.app.starting import start_suite

    for path in start_suite(name, family, into):
        typer.echo(str(path))
    typer.echo(f"try: evalkit run {into / 'suites' / name}.yaml")
