"""evalkit show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace


def show(
    run: str = typer.Argument("last", help="A run id, the beginning of one, or `last`."),
    failures: bool = typer.Option(False, "--failures", help="List failing samples, worst first."),
    sample: str | None = typer.Option(None, "--sample", help="Show one sample across candidates."),
    slices: bool = typer.Option(False, "--slices", help="Show the slices too."),
    limit: int = typer.Option(20, "--limit", min=1, help="Most failing samples per candidate."),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> None:
    """Read a run's results in the terminal."""
    from evalkit.app import show as use
    from evalkit.app.leaderboard import COLUMNS
    from evalkit.cli.output import show_rows

    space = workspace(project)
    run_id = use.run_id_of(space, run)
    if sample is not None:
        show_rows(use.sample(space, run_id, sample), use.SAMPLE, as_json=as_json, as_csv=as_csv)
    elif failures:
        show_rows(use.failures(space, run_id, limit), use.FAILING, as_json=as_json, as_csv=as_csv)
    else:
        rows = use.leaderboard(space, run_id, slices=slices)
        if as_json or as_csv:
            show_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv)
        else:
            print_leaderboard(rows)


def print_leaderboard(rows: Sequence[Mapping[str, Any]]) -> None:
    """One table per suite: each metric with its interval, the denominators, money and latency."""
    from evalkit.cli.output import print_table

    for suite in dict.fromkeys(row["suite"] for row in rows):
        typer.echo(f"\n{suite}")
        members = [row for row in rows if row["suite"] == suite]
        print_table([_line(row) for row in members], LINE)


LINE = (
    "candidate",
    "metric",
    "value",
    "95 % interval",
    "n",
    "errored",
    "unscorable",
    "cached",
    "usd",
    "p50 s",
    "status",
)


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = row["low"], row["high"]
    slice_ = f" [{row['slice']}]" if row.get("slice") else ""
    return {
        "candidate": row["candidate"],
        "metric": f"{row['metric'] or ''}{slice_}",
        "value": "" if row["value"] is None else f"{row['value']:.4g}",
        "95 % interval": "" if low is None or high is None else f"{low:.4g} .. {high:.4g}",
        "n": row["n"],
        "errored": row["errored"],
        "unscorable": row["unscorable"],
        "cached": row["cached"],
        "usd": row["usd"],
        "p50 s": "" if row["p50_s"] is None else f"{row['p50_s']:.3g}",
        "status": row["status"] + (f": {row['reason']}" if row["reason"] else ""),
    }
