"""evalkit gate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from evalkit.cli.common import AS_CSV, PROJECT, start_of, workspace

if TYPE_CHECKING:
    from evalkit.app.choosing import Judging
    from evalkit.app.gate_files import Github
    from evalkit.app.gating import Gated
    from evalkit.app.judges import Labels
    from evalkit.app.workspace import Workspace

LINE = ("gate", "base", "candidate", "delta", "95 % interval", "limit", "p", "better", "worse", "n", "outcome")


def gate(
    suites: list[str] = typer.Argument(None, help="Suite files, folders or names; default: all suites with gates."),
    candidate: list[str] = typer.Option(
        [],
        "--candidate",
        "-c",
        help="Who is judged: a candidate, run, RUN:candidate or entry; default: the newest run.",
    ),
    baseline: str | None = typer.Option(
        None, "--baseline", "-b", help="Run, entry, branch, tag, commit, promoted name or .json file; default: main."
    ),
    anchor: str | None = typer.Option(
        None, "--anchor", help="A second, pinned baseline; default: the promoted anchor."
    ),
    policy: Literal["pr", "release", "nightly", "extend"] = typer.Option("pr", help="Whether inconclusive blocks."),
    junit: Path | None = typer.Option(None, "--junit", help="Write JUnit XML."),
    markdown: Path | None = typer.Option(None, "--markdown", help="Write the comment as Markdown."),
    json: Path | None = typer.Option(None, "--json", help="Write everything as JSON; `-` prints it."),
    as_csv: bool = AS_CSV,
    github: bool = typer.Option(False, "--github", help="Annotations, step summary, outputs and the comment."),
    labels: Path | None = typer.Option(None, "--labels", help="JSONL of human labels, by which judges are audited."),
    max_age: str = typer.Option("24h", "--max-age", help="From when on an older baseline is worth a warning."),
    attempt: int | None = typer.Option(None, "--attempt", min=1, help="Which attempt this is; default: counted."),
    budget_usd: float | None = typer.Option(
        None, "--budget-usd", min=0, help="Policy extend: the most that further answers may cost."
    ),
    yes: bool = typer.Option(False, "--yes", "-y", help="Policy extend: agree to the estimated cost."),
    record_only: bool = typer.Option(False, "--record-only", help="Without a baseline judge nothing, and end with 0."),
    project: Path = PROJECT,
) -> int:
    """Judge answers by their suites' gates. 0 pass, 3 regression, 4 inconclusive where that blocks, 5 invalid.

    Asks nobody, but for the policy extend, which asks for more answers in planned looks until a gate is decided.
    """
    from evalkit.app.choosing import Judging
    from evalkit.app.gate_files import Files, write
    from evalkit.app.gating import code_of
    from evalkit.app.gating import gate as judge
    from evalkit.app.judges import read_labels

    space = workspace(start_of([Path(one) for one in suites or ()], project))
    wanted = Judging(
        suites=tuple(suites or ()),
        candidates=tuple(candidate),
        baseline=baseline,
        anchor=anchor,
        policy=policy,
        attempt=attempt,
        rerun=_number(os.environ.get("GITHUB_RUN_ATTEMPT")),
        max_age_s=_seconds(max_age),
        record_only=record_only,
    )
    told = None if labels is None else read_labels(labels)
    found = _extended(space, wanted, told, (budget_usd, yes)) if policy == "extend" else judge(space, wanted, told)
    printed = json is not None and str(json) == "-"
    _print(found, as_json=printed, as_csv=as_csv)
    write(found, Files(junit, markdown, None if printed else json))
    if github:
        _github(found)
    return int(code_of(found))


def _extended(
    space: Workspace, wanted: Judging, labels: Labels | None, money: tuple[float | None, bool]
) -> list[Gated]:
    from evalkit.app.execute import Limits
    from evalkit.app.extending import Extending, extend
    from evalkit.cli.progress import watcher
    from evalkit.core.errors import UsageError

    budget_usd, yes = money
    if budget_usd is None:
        raise UsageError("--policy extend buys answers: say how much they may cost, as in --budget-usd 2")
    defaults = space.project.defaults
    limits = Limits(usd=budget_usd, timeout_s=defaults.timeout_s, retries=defaults.retries)
    with watcher(agrees=yes, quiet=False, as_json=False) as watch:
        return extend(space, Extending(wanted, limits), watch, labels)


def _seconds(text: str) -> float:
    from evalkit.core.errors import UsageError
    from evalkit.core.units import as_seconds

    try:
        return as_seconds(text)
    except ValueError as error:
        raise UsageError(f"--max-age: {error}") from None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and int(text) > 0 else None


def _print(found: list[Gated], *, as_json: bool, as_csv: bool) -> None:
    from evalkit.app.gate_files import as_json as json_of
    from evalkit.app.gate_files import headlines, table
    from evalkit.cli.output import as_csv_text, inert, print_table

    if as_json:
        typer.echo(json_of(found), nl=False)
        return
    if as_csv:
        listed = table(found)
        typer.echo(as_csv_text(listed, list(listed[0]) if listed else []), nl=False)
        return
    for one, headline in zip(found, headlines(found), strict=True):
        typer.echo(inert(f"\n{headline}"))
        rows = table([one])
        worth = [row for row in rows if row["gated"] or row["better"] or row["worse"] or row["outcome"] == "invalid"]
        print_table([_line(row) for row in worth], LINE)
        if len(worth) < len(rows):
            typer.echo(f"  {len(rows) - len(worth)} more that nobody gates are unchanged")
        for row in rows:
            if row["gated"] and row["outcome"] != "pass":
                typer.echo(inert(f"  {_named(row)}: {row['reason']}"))
        for text in one.verdict.warnings:
            typer.echo(inert(f"  warning: {text}"))


def _github(found: list[Gated]) -> None:
    from evalkit.app.gate_files import commands, say_on_github
    from evalkit.cli.output import inert

    for line in commands(found):
        typer.echo(line)
    for note in say_on_github(found, _where()):
        typer.echo(inert(f"note: {note}"), err=True)


def _where() -> Github:
    """What the runner's environment says."""
    from evalkit.app.gate_files import Github

    env = os.environ
    summary, outputs = env.get("GITHUB_STEP_SUMMARY"), env.get("GITHUB_OUTPUT")
    number, sha = _pull(env.get("GITHUB_EVENT_PATH"))
    return Github(
        api=env.get("GITHUB_API_URL") or "https://api.github.com",
        token=env.get("GITHUB_TOKEN") or "",
        repository=env.get("GITHUB_REPOSITORY") or "",
        number=number,
        # Of a pull request, GITHUB_SHA is a merge that nobody looks at.
        sha=sha or env.get("GITHUB_SHA") or "",
        summary=Path(summary) if summary else None,
        outputs=Path(outputs) if outputs else None,
    )


def _pull(event: str | None) -> tuple[int | None, str | None]:
    """The pull request's number and its head, from the event that the runner wrote down; None outside of one."""
    import json

    try:
        pull = json.loads(Path(event or "").read_text("utf-8")).get("pull_request") or {}
        head = pull.get("head") or {}
    except (OSError, ValueError, AttributeError):
        return None, None
    number, sha = pull.get("number"), head.get("sha")
    return (number if isinstance(number, int) else None), (sha if isinstance(sha, str) else None)


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['metric']} [{row['slice']}]" if row["slice"] else str(row["metric"])


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    ends = (row["low"], row["high"])
    margin = row["floor"] if row["mode"] == "threshold" else row["margin"]
    return {
        "gate": _named(row) + ("" if row["gated"] else " (looked at)"),
        "base": _short(row["before"]),
        "candidate": _short(row["after"]),
        "delta": _short(row["delta"], sign=True),
        "95 % interval": "" if None in ends else f"[{_short(ends[0], sign=True)}, {_short(ends[1], sign=True)}]",
        "limit": f"{row['mode']} {_short(margin)}",
        "p": "" if row["p_adjusted"] is None else _short(row["p_adjusted"]),
        "better": "" if row["better"] is None else row["better"],
        "worse": "" if row["worse"] is None else row["worse"],
        "n": row["n"],
        "outcome": row["outcome"],
    }


def _short(value: float | None, *, sign: bool = False) -> str:
    return "" if value is None else f"{value:+.4g}" if sign else f"{value:.4g}"
