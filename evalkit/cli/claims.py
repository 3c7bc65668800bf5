"""evalkit claims."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace

app = typer.Typer(help="Test claims on own data, and see what ways of scoring do to a number.", no_args_is_help=True)
LINE = ("claim", "verdict", "claimed", "own", "difference", "p against", "p for", "n", "why")


@app.command()
def check(
    file: Path = typer.Argument(..., help="A claims file."),
    html: Path | None = typer.Option(None, "--html", help="Also write this HTML page."),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> int:
    """Test every claim of a file on stored answers: confirmed, consistent, contradicted (exit 3), not testable."""
    from evalkit.app.claims import COLUMNS, rows
    from evalkit.app.claims import check as check_all
    from evalkit.app.claims_page import title_of, write_page
    from evalkit.cli.output import inert, print_table, show_rows

    checked = check_all(workspace(project), file)
    found = rows(checked)
    if as_json or as_csv:
        show_rows(found, COLUMNS, as_json=as_json, as_csv=as_csv)
    else:
        titles = [title_of(one) for one in checked.tested]
        print_table([_line(title, row) for title, row in zip(titles, found, strict=True)], LINE)
        typer.echo("p: adjusted by Holm over this table; confirmed and contradicted need 0.05 or less")
        for title, row in zip(titles, found, strict=True):
            for kind, told in (("protocol", row["differences"]), ("would give the claimed number", row["signals"])):
                if told:
                    typer.echo(inert(f"  {title}: {kind}: {'; '.join(told)}"))
    if html is not None:
        typer.echo(str(write_page(checked, file.stem, html)), err=as_json or as_csv)
    return int(checked.code)


@app.command()
def sensitivity(
    suite: str = typer.Argument(..., help="A suite's name, as the leaderboard shows it."),
    metric: str | None = typer.Option(None, "--metric", "-m", help="The metric; default: the suite's main one."),
    as_json: bool = AS_JSON,
    as_csv: bool = AS_CSV,
    project: Path = PROJECT,
) -> None:
    """Score stored answers with other normalisers and extractions: how far numbers move, which ranks turn."""
    from evalkit.app.claims import SENSITIVITY, panel_rows
    from evalkit.app.claims import sensitivity as measure
    from evalkit.cli.output import inert, print_table, show_rows
    from evalkit.core.errors import InvalidRun

    found, name = measure(workspace(project), suite, metric)
    if isinstance(found, str):
        raise InvalidRun(f"no other way of scoring {name} on {suite}: {found}")
    rows = list(panel_rows([found]))
    if as_json or as_csv:
        show_rows(rows, SENSITIVITY, as_json=as_json, as_csv=as_csv)
        return
    names = list(found.variants[0].values)
    lines = [
        {
            "variant": way.name,
            "kind": way.kind,
            **{name: "undefined" if value is None else f"{value:.4g}" for name, value in way.values.items()},
            "turns": "; ".join(f"{flip.better} above {flip.worse}" for flip in found.flips if flip.variant == way.name),
        }
        for way in found.variants
    ]
    print_table(lines, ("variant", "kind", *names, "turns"), verbatim=True)
    told = [(name, spread) for name in names if (spread := found.spread(name)) is not None]
    typer.echo(inert("range: " + "; ".join(f"{name} {least:.4g} to {most:.4g}" for name, (least, most) in told)))
    if found.note:
        typer.echo(inert(f"  {found.note}"))


def _line(title: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "claim": title,
        "verdict": row["verdict"],
        "claimed": "" if row["beats"] else _value(row, row["claimed"]),
        "own": _value(row, row["own"]),
        "difference": _interval(row),
        "p against": _probability(row["p_adjusted"]),
        "p for": _probability(row["p_confirm_adjusted"]),
        "n": row["n"],
        "why": row["reason"],
    }


def _value(row: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f} %" if row["unit"] == "%" else f"{value:.4g}"


def _interval(row: Mapping[str, Any]) -> str:
    if row["delta"] is None:
        return ""
    scale, digits = (100, "+.1f") if row["unit"] == "%" else (1, "+.3g")
    low, high = row["delta_low"], row["delta_high"]
    told = f"{scale * row['delta']:{digits}}"
    return told if low is None or high is None else f"{told} [{scale * low:{digits}}, {scale * high:{digits}}]"


def _probability(p: float | None) -> str:
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
