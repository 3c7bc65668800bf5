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
    metrics: bool = typer.Option(False, "--metrics", help="Show every metric, not only the one that sorts."),
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
        found = use.failures(space, run_id, limit)
        # A score of parts only has no value of its own: nothing is unknown.
        lines = [{**row, "value": "\u2013"} if row["reason"] == use.ONLY_PARTS else row for row in found]
        show_rows(found if as_json or as_csv else lines, use.FAILING, as_json=as_json, as_csv=as_csv)
    else:
        rows = use.leaderboard(space, run_id, slices=slices)
        if as_json or as_csv:
            show_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv)
        else:
            print_leaderboard(rows, metrics=metrics)


def print_leaderboard(rows: Sequence[Mapping[str, Any]], *, metrics: bool = False) -> None:
    """One table per suite: the metric that sorts it (or all), denominators, money, latency, then who is not ranked."""
    from evalkit.cli.output import inert, print_table

    for suite in dict.fromkeys(row["suite"] for row in rows):
        members = [row for row in rows if row["suite"] == suite]
        shown = [row for row in members if metrics or row["is_primary"]]
        named = sorted({row["metric"] for row in shown if row["metric"]})
        typer.echo(f"\n{suite}" + (f": {named[0]}" if len(named) == 1 else ""))
        hidden = {"metric"} if len(named) == 1 else set()
        hidden |= set() if any(row.get("rank_low") for row in shown) else {"rank"}
        hidden |= set() if any(row.get("slice") for row in shown) else {"slice"}
        if shown:
            print_table([_line(row) for row in shown], [name for name in LINE if name not in hidden])
        for row in members:
            if row["status"] == "skipped":
                typer.echo(inert(f"  skipped: {row['candidate']}: {row['reason']}"))
        ranked = sum(row.get("rank_low") is not None for row in members)
        if ranked > 1:
            typer.echo(RANKS.format(ranked=ranked))


RANKS = (
    "  rank: the places that each of the {ranked} may have, by paired tests of all pairs; all hold at once with 95 %"
)
LINE = (
    "rank",
    "candidate",
    "metric",
    "slice",
    "value",
    "95 % interval",
    "n",
    "errored",
    "unscorable",
    "cached",
    "usd",
    "p50 s",
    "p95 s",
    "status",
)


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    scale, digits, unit = (
        (100, ".1f", " %") if row["unit"] == "%" else (1, ".4g", f" {row['unit']}" if row["unit"] else "")
    )
    low, high = row["low"], row["high"]
    return {
        "rank": _rank(row.get("rank_low"), row.get("rank_high")),
        "candidate": row["candidate"],
        "metric": row["metric"] or "",
        "slice": row["slice"] or "all",
        "value": "undefined" if row["value"] is None else f"{row['value'] * scale:{digits}}{unit}",
        "95 % interval": "" if low is None or high is None else f"[{low * scale:{digits}}, {high * scale:{digits}}]",
        "n": row["n"],
        "errored": row["errored"],
        "unscorable": row["unscorable"],
        "cached": row["cached"],
        "usd": "unknown" if row["usd"] is None else f"{row['usd']:.4f}",
        "p50 s": _seconds(row["p50_s"]),
        "p95 s": _seconds(row["p95_s"]),
        "status": row["status"] + (f": {row['reason']}" if row["reason"] else ""),
    }


def _rank(best: int | None, worst: int | None) -> str:
    if best is None or worst is None:
        return ""
    return str(best) if best == worst else f"{best}-{worst}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
