"""evalkit plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, start_of, workspace

LINE = (
    "suite", "metric", "candidate", "samples", "repeats", "margin", "sees", "to detect", "samples needed", "to pass",
    "repeats advised", "usd", "tokens", "time", "variance from",
)  # fmt: skip


def plan(
    paths: list[Path] = typer.Argument(..., help="Suite files or folders."),
    candidate: list[str] = typer.Option([], "--candidate", "-c", help="Plan for this candidate; may be repeated."),
    detect: float | None = typer.Option(
        None,
        "--detect",
        help="The effect to be found, in the metric's own unit (0.02 = 2 points); default: the margin.",
    ),
    metric: list[str] = typer.Option(
        [], "--metric", "-m", help="This metric; default: those with gates, or the main one."
    ),
    power: float = typer.Option(0.8, "--power", help="How often a true effect is to be found."),
    alpha: float = typer.Option(0.05, "--alpha", help="The one-sided error of a gate."),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> None:
    """Before money is spent: what a suite of this size can see, and the samples, repeats and money that more takes."""
    from evalkit.app.sizing import COLUMNS, Aim
    from evalkit.app.sizing import plan as size
    from evalkit.cli.output import print_table, show_rows

    space = workspace(start_of(paths, project))
    rows = size(space, paths, candidate, Aim(detect, power, alpha, tuple(metric)))
    if as_json or as_csv:
        show_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv)
        return
    print_table([_line(row) for row in rows], LINE)
    typer.echo(
        f"sees: found in {power:.0%} of cases; to pass: for a candidate that changes nothing; usd...time: for all of it"
    )
    _tell(rows)


def _tell(rows: Sequence[Mapping[str, Any]]) -> None:
    from evalkit.cli.output import inert

    for row in rows:
        name = f"{row['suite']}: {_metric(row)}"
        if row["underpowered"]:
            told = f"sees {_size(row, row['sees'])}, the margin is {_size(row, row['margin'])}: most verdicts will be"
            typer.echo(inert(f"underpowered: {name} {told} inconclusive"))
        if row["se_floor"] is not None:
            floor = f"standard error {_size(row, row['se'])}, {_size(row, row['se_floor'])} with endless repeats"
            typer.echo(inert(f"  {name}: {floor}"))
        if row["design_effect"] > 1.005:
            typer.echo(inert(f"  {name}: clusters make the variance {row['design_effect']:.2f} times as large"))
        for note in row["notes"]:
            typer.echo(inert(f"  {name}: {note}"))


def _metric(row: Mapping[str, Any]) -> str:
    return f"{row['metric']} [{row['slice']}]" if row["slice"] else str(row["metric"])


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "suite": row["suite"],
        "metric": _metric(row),
        "candidate": row["candidate"] or "any",
        "samples": row["samples"],
        "repeats": row["repeats"],
        "margin": _size(row, row["margin"]),
        "sees": _size(row, row["sees"]),
        "to detect": _size(row, row["detect"]),
        "samples needed": row["samples_needed"],
        "to pass": row["samples_to_pass"] or "",
        "repeats advised": row["repeats_advised"],
        "usd": "unknown" if row["usd"] is None else f"{row['usd']:.4g}",
        "tokens": "unknown" if row["tokens"] is None else f"{row['tokens']:,.0f}",
        "time": "unknown" if row["seconds"] is None else _time(row["seconds"]),
        "variance from": row["variance_from"],
    }


def _size(row: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{100 * value:.3g} points" if row["share"] else f"{value:.3g}{' ' + row['unit'] if row['unit'] else ''}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
