"""evalkit run."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evalkit.cli.common import PROJECT, start_of, workspace
from evalkit.cli.output import inert

if TYPE_CHECKING:
    from evalkit.app.at import AtOutcome
    from evalkit.app.execute import Limits
    from evalkit.app.run import RunOutcome, RunRequest
    from evalkit.app.watching import Watch
    from evalkit.app.workspace import Workspace


def run(
    paths: list[Path] = typer.Argument(..., help="Suite files, or folders of suites."),
    candidate: list[str] = typer.Option(
        [], "--candidate", "-c", help="A name from evalkit.yaml, provider/model, or a baseline; may be repeated."
    ),
    limit: int | None = typer.Option(None, "--limit", min=1, help="Ask the first N samples in hash order."),
    sample_id: list[str] = typer.Option([], "--sample-id", help="Ask this sample only; may be repeated."),
    only_failed: bool = typer.Option(False, "--only-failed", help="Ask only what failed last time."),
    fresh: bool = typer.Option(False, "--fresh", help="Ask again what is known; both generations are kept."),
    replay_only: bool = typer.Option(False, "--replay-only", help="Ask nobody; exit 5 when an answer is not stored."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Agree to the estimated cost."),
    concurrency: int | None = typer.Option(None, "--concurrency", min=1, help="Most calls in flight per provider."),
    workers: int | None = typer.Option(
        None, "--workers", min=1, help="Processes that share the asking; default: one, more above 20,000 remote calls."
    ),
    budget_usd: float | None = typer.Option(None, "--budget-usd", min=0, help="Stop when this much is spent."),
    budget_tokens: float | None = typer.Option(None, "--budget-tokens", min=0, help="Stop after this many tokens."),
    max_seconds: float | None = typer.Option(None, "--max-seconds", min=0, help="Stop after this much wall time."),
    timeout: float | None = typer.Option(None, "--timeout", min=0.001, help="Longest wait for one call, in seconds."),
    retries: int | None = typer.Option(None, "--retries", min=0, help="How often a failed call is tried again."),
    demo: bool = typer.Option(False, "--demo", help="Ask the few samples and candidates that each suite names for it."),
    unsafe_local: bool = typer.Option(
        False, "--unsafe-local", help="Run code from models where nothing isolates it from this machine."
    ),
    at: list[str] = typer.Option(
        [],
        "--at",
        help="Twice: measure where the second commit left the first, and the second, as in origin/main HEAD.",
    ),
    max_age: str = typer.Option(
        "24h", "--max-age", help="With --at: ask changed cells again on both sides when stored answers are older."
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Print the leaderboard only."),
    as_json: bool = typer.Option(False, "--json", help="Print events as JSON lines, the leaderboard rows at the end."),
    as_csv: bool = typer.Option(False, "--csv", help="Print the leaderboard as CSV."),
    project: Path = PROJECT,
) -> int:
    """Ask candidates about samples, score the answers, say how sure the numbers are. Always a resume."""
    from evalkit.app.loading import Selection
    from evalkit.app.run import RunRequest

    space = replace(workspace(start_of(paths, project)), unsafe_local=unsafe_local)
    request = RunRequest(
        tuple(paths), tuple(candidate), Selection(limit, tuple(sample_id) or None, demo=demo), only_failed, fresh,
        replay_only, concurrency, workers, _limits(space, (budget_usd, budget_tokens, max_seconds), timeout, retries),
        command=shlex.join(["evalkit", *sys.argv[1:]]),
    )  # fmt: skip
    return _run(space, request, (at, max_age), Shown(yes, quiet, as_json, as_csv))


@dataclass(frozen=True, slots=True)
class Shown:
    """What is agreed to, and how the run is shown."""

    agrees: bool
    quiet: bool
    as_json: bool
    as_csv: bool


def _limits(
    space: Workspace,
    budgets: tuple[float | None, float | None, float | None],
    timeout: float | None,
    retries: int | None,
) -> Limits:
    from evalkit.app.execute import Limits

    defaults = space.project.defaults
    patience = defaults.timeout_s if timeout is None else timeout
    return Limits(*budgets, patience, defaults.retries if retries is None else retries)


def _run(space: Workspace, request: RunRequest, at: tuple[list[str], str], shown: Shown) -> int:
    from evalkit.app.run import run as run_suites
    from evalkit.cli.progress import watcher

    with watcher(agrees=shown.agrees, quiet=shown.quiet or shown.as_csv, as_json=shown.as_json) as watch:
        outcome = _at(space, request, at, watch) if at[0] else run_suites(space, request, watch)
    return _print_all(space, outcome, as_json=shown.as_json, as_csv=shown.as_csv)


def _at(space: Workspace, request: RunRequest, asked: tuple[list[str], str], watch: Watch) -> AtOutcome:
    from evalkit.app.at import AtRequest, run_at
    from evalkit.core.errors import UsageError
    from evalkit.core.units import as_seconds

    refs, max_age = asked
    if len(refs) != 2:
        raise UsageError("--at is given twice, for the base and for the head: --at origin/main --at HEAD")
    try:
        oldest = as_seconds(max_age)
    except ValueError as error:
        raise UsageError(f"--max-age: {error}") from None
    return run_at(space, AtRequest(request, refs[0], refs[1], oldest), watch)


def _print_all(space: Workspace, outcome: RunOutcome | AtOutcome, *, as_json: bool, as_csv: bool) -> int:
    from evalkit.app.run import RunOutcome

    if isinstance(outcome, RunOutcome):
        _print(space, outcome, as_json=as_json, as_csv=as_csv)
        return int(outcome.code)
    _print(space, outcome.head, as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        base = f"run {outcome.base.run_id}" if outcome.base else "nothing of it was measured"
        typer.echo(
            f"base {outcome.base_sha[:10]}: {base}; `evalkit gate --baseline {outcome.base_sha[:10]}` judges the head"
        )
    return int(outcome.code)


def _print(space: object, outcome: RunOutcome, *, as_json: bool, as_csv: bool) -> None:
    from evalkit.app.leaderboard import COLUMNS
    from evalkit.app.show import leaderboard
    from evalkit.app.workspace import Workspace
    from evalkit.cli.output import show_rows
    from evalkit.cli.show import print_leaderboard

    assert isinstance(space, Workspace)
    run_id = outcome.run_id
    rows = leaderboard(space, run_id)
    if as_json or as_csv:
        show_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv)
    else:
        print_leaderboard(rows)
        typer.echo(f"run {run_id}; `evalkit show {run_id} --failures` lists what failed, `evalkit report` draws it")
    for reason in outcome.reasons:
        typer.echo(inert(f"not valid: {reason}"), err=True)
