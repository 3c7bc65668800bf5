"""evalkit baseline."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace
from evalkit.cli.output import inert

app = typer.Typer(help="What gates compare with: export, import, promote, list.", no_args_is_help=True)
ANCHOR = typer.Option(False, "--anchor", help="Pin it: every later gate is judged against it too.")


@app.command("export")
def export(
    file: Path = typer.Argument(..., help="The JSON file to write."),
    entry: str = typer.Option("last", "--run", "-r", help="A run, RUN:candidate, entry, candidate, branch or commit."),
    suite: str | None = typer.Option(None, "--suite", "-s", help="The entries of this suite only."),
    project: Path = PROJECT,
) -> None:
    """Write entries to one small file that survives without the store; the same entries give the same bytes."""
    from evalkit.app.baselines import export as write

    for label in write(workspace(project), file, entry, suite):
        typer.echo(inert(f"{file}: {label}"))


@app.command("import")
def take_in(
    file: Path = typer.Argument(..., help="A file that `evalkit baseline export` wrote."),
    name: str = typer.Option("main", "--name", "-n", help="Under which name gates find it."),
    anchor: bool = ANCHOR,
    project: Path = PROJECT,
) -> None:
    """Keep the entries of a baseline file; everything in it is checked, nothing is executed."""
    from evalkit.app.baselines import take_in as keep

    for label in keep(workspace(project), file, name, anchor=anchor):
        typer.echo(inert(f"{name}: {label}"))


@app.command("promote")
def promote(
    entry: str = typer.Argument(..., help="A run, RUN:candidate or entry."),
    name: str = typer.Option("main", "--name", "-n", help="Under which name gates find it."),
    suite: str | None = typer.Option(None, "--suite", "-s", help="The entries of this suite only."),
    anchor: bool = ANCHOR,
    accept: str | None = typer.Option(None, "--accept", help="Why, where no gate passed it; kept beside the baseline."),
    project: Path = PROJECT,
) -> None:
    """Make a run the baseline: after a pass of its gate, or with a reason."""
    from evalkit.app.baselines import Promotion
    from evalkit.app.baselines import promote as make

    for label in make(workspace(project), Promotion(entry, name, anchor, accept, suite)):
        typer.echo(inert(f"{name}{' (anchor)' if anchor else ''}: {label}"))


@app.command("list")
def listing(
    history: bool = typer.Option(False, "--history", help="Also those that hold no more, with what was accepted."),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> None:
    """The baselines that hold, from where, since when, and what was accepted."""
    from evalkit.app.baselines import COLUMNS, listed
    from evalkit.cli.output import show_rows

    rows = listed(workspace(project), history=history)
    shown = rows if as_json or as_csv else [{**row, "accepted": row["accepted"] or ""} for row in rows]
    show_rows(shown, COLUMNS, as_json=as_json, as_csv=as_csv)


@app.command("quarantine")
def quarantine(
    samples: list[str] = typer.Argument(..., help="Ids of samples that answer differently from run to run."),
    suite: str = typer.Option(..., "--suite", "-s", help="Their suite."),
    until: str = typer.Option(..., "--until", help="The last day, as in 2026-01-31."),
    reason: str = typer.Option(..., "--reason", help="Why, and who looks at them."),
    project: Path = PROJECT,
) -> None:
    """Report samples apart for a while: gates say what they would say without them, and still decide with them."""
    from evalkit.app.baselines import quarantine as keep

    count = keep(workspace(project), suite, samples, until, reason)
    typer.echo(f"{count} samples in quarantine until {until}")
