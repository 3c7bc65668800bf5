"""evalkit compare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace

if TYPE_CHECKING:
    from evalkit.app.comparing import Compared

LINE = ("metric", "slice", "base", "candidate", "delta", "95 % interval", "p", "better", "worse", "same", "n")


def compare(
    base: str = typer.Argument(..., help="A run, RUN:candidate, entry, candidate, branch, commit or baseline file."),
    candidate: str = typer.Argument(..., help="What is compared with it, named in the same ways."),
    by: list[str] = typer.Option([], "--by", help="Also by slice: a tag prefix or a field; may be repeated."),
    metric: list[str] = typer.Option([], "--metric", "-m", help="This metric only; may be repeated; default: all."),
    out: Path | None = typer.Option(None, "--out", "-o", help="Folder for the HTML page; default: `reports`."),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> int:
    """Compare two entries on the samples that both answered: differences with intervals; judges nothing."""
    from evalkit.app.comparing import COLUMNS, Comparing
    from evalkit.app.comparing import compare as compare_all
    from evalkit.cli.output import show_rows
    from evalkit.core.errors import ExitCode

    space = workspace(project)
    found = compare_all(space, Comparing(base, candidate, tuple(metric), tuple(by)))
    if as_json or as_csv:
        show_rows([row for one in found for row in one.rows], COLUMNS, as_json=as_json, as_csv=as_csv)
    else:
        from evalkit.app.compare_page import write_pages

        for one in found:
            print_compared(one)
        for page in write_pages(space, found, out):
            typer.echo(str(page))
    return int(ExitCode.PASS if all(one.valid for one in found) else ExitCode.INVALID)


def print_compared(one: Compared) -> None:
    """One suite's table, and what a reader must know below it."""
    from evalkit.cli.output import inert, print_table

    first = one.rows[0]
    typer.echo(inert(f"\n{one.suite}: {first['baseline']} -> {first['candidate']}"))
    shown = [row for row in one.rows if row["delta"] is not None]
    hidden = set() if any(row["slice"] for row in shown) else {"slice"}
    if shown:
        print_table([_line(row) for row in shown], [name for name in LINE if name not in hidden])
        typer.echo("p: Benjamini-Hochberg over this table; nothing is judged, `evalkit gate` judges")
    for row in one.rows:
        if row["problem"]:
            name = f"{row['metric']} [{row['slice']}]" if row["slice"] else row["metric"]
            typer.echo(inert(f"  {name}: {row['problem']}"))
    for note in dict.fromkeys(note for row in one.rows for note in row["notes"]):
        typer.echo(inert(f"  note: {note}"))


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    values = [row["low"], row["high"]]
    interval = "" if None in values else f"[{_signed(row, values[0])}, {_signed(row, values[1])}]"
    return {
        "metric": row["metric"],
        "slice": row["slice"] or "all",
        "base": _value(row, row["before"]),
        "candidate": _value(row, row["after"]),
        "delta": _signed(row, row["delta"]),
        "95 % interval": interval,
        "p": _probability(row["p_adjusted"]),
        "better": row["better"],
        "worse": row["worse"],
        "same": row["same"],
        "n": row["n"],
    }


def _value(row: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{100 * value:.1f} %" if row["share"] else f"{value:.4g}{' ' + row['unit'] if row['unit'] else ''}"


def _signed(row: Mapping[str, Any], value: float) -> str:
    return f"{100 * value:+.1f}" if row["share"] else f"{value:+.3g}"


def _probability(p: float | None) -> str:
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
