"""Run suites x candidates: validate everything, plan, estimate, ask what is not known, score, fold, say how it went."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalkit.app.candidates import Builder, Built
from evalkit.app.estimate import estimate, not_held
from evalkit.app.execute import Execution, Limits
from evalkit.app.grouped import score_groups
from evalkit.app.helping import provide
from evalkit.app.inspecting import bad_prompts, wrong_targets
from evalkit.app.loading import Loaded, LoadedSuite, Selection, load
from evalkit.app.places import placed
from evalkit.app.planning import (
    Plan,
    PlannedEntry,
    choose_generations,
    identity_of,
    new_run_id,
    write_cells,
)
from evalkit.app.ranks import keep as keep_ranks
from evalkit.app.recording import record_data, record_entries, record_run, record_suites
from evalkit.app.results import finish_entries, price_calls
from evalkit.app.watching import Watch
from evalkit.app.workers import SharedExecution, Team, chosen_workers
from evalkit.app.workspace import Workspace
from evalkit.core.errors import ConfigError, CostNotConfirmed, ExitCode, InvalidRun, Problem
from evalkit.core.keys import digest
from evalkit.engine.journal import Journal
from evalkit.engine.memory import collected_seldom
from evalkit.engine.records import Note
from evalkit.store import planning as stored
from evalkit.store.bulk import first_row
from evalkit.store.database import transaction


@dataclass(frozen=True)
class RunRequest:
    """What to run. `candidates` empty: those that each suite names, unless `made` ones are given.

    `only_failed`: samples that failed last time.
    """

    paths: tuple[Path, ...]
    candidates: tuple[str, ...] = ()
    selection: Selection = Selection()
    only_failed: bool = False
    fresh: bool = False
    replay_only: bool = False
    concurrency: int | None = None
    workers: int | None = None
    limits: Limits = Limits()
    command: str = "evalkit run"
    made: tuple[Built, ...] = ()


@dataclass(frozen=True)
class RunOutcome:
    """How a run went: its id, its exit code, and why (words for each entry that may not be judged)."""

    run_id: str
    code: ExitCode
    reasons: tuple[str, ...]
    entries: tuple[str, ...]


def run(workspace: Workspace, request: RunRequest, watch: Watch) -> RunOutcome:
    """Measure. Raises ConfigError with every problem before anything is asked, InvalidRun when nothing is selected."""
    with collected_seldom(), Team(workspace, request) as team, ExitStack() as held:
        entries = gather(workspace, request, watch)
        team.go_on()
        plan = plan_run(workspace, entries, request, held)
        return _run(workspace, plan, request, watch, team)


def _run(workspace: Workspace, plan: Plan, request: RunRequest, watch: Watch, team: Team) -> RunOutcome:
    watch.event("planned", run=plan.run_id, resumed=plan.adopted, entries=len(plan.entries), open=plan.open_cells)
    before_asking(workspace, plan, request, watch)
    tell_skipped(workspace, plan, watch)
    workers = chosen_workers(request.workers, plan, request)
    execution: Execution | SharedExecution = (
        _alone(workspace, plan, request, watch) if workers == 1 else SharedExecution(plan, watch)
    )
    try:
        if isinstance(execution, SharedExecution):
            execution.run(team.of(workers, plan))
        else:
            execution.run()
        if not execution.stop.asked:
            spent = sum(progress.usd for progress in execution.progress.values())
            score_groups(workspace, plan, request.limits, spent)
    finally:
        if isinstance(execution, Execution):
            execution.journal.close()
        outcome = finish_run(workspace, plan, execution, watch)
    return outcome


def _alone(workspace: Workspace, plan: Plan, request: RunRequest, watch: Watch) -> Execution:
    return Execution(workspace, plan, request.limits, watch, journal_of(workspace, plan))


def journal_of(workspace: Workspace, plan: Plan) -> Journal:
    """The journal that this process writes for a run."""
    folder = workspace.runs / plan.run_id
    return Journal(folder, plan.run_id, f"w{os.getpid()}", started=time.time(), redact=workspace.redactor.text)


def tell_skipped(workspace: Workspace, plan: Plan, watch: Watch) -> None:
    """Say which candidates are skipped, and whose programs run without isolation; keep the reasons."""
    skipped = [entry for entry in plan.entries if entry.built.skipped]
    for entry in skipped:
        watch.event("skipped", candidate=entry.built.name, suite=entry.suite.name, reason=entry.built.skipped)
    notes = [Note(entry.entry_id, "skipped", entry.built.skipped or "") for entry in skipped if not plan.adopted]
    notes += _not_isolated(workspace, plan, watch)
    if notes:
        journal = journal_of(workspace, plan)
        for note in notes:
            journal.append(note)
        journal.close()


def _not_isolated(workspace: Workspace, plan: Plan, watch: Watch) -> list[Note]:
    """What to know of entries whose scorers run programs, where these are not wholly apart from this machine."""
    asked = [entry for entry in plan.entries if not entry.built.skipped]
    running = [
        entry for entry in asked if any(getattr(one.scorer, "needs_sandbox", False) for one in entry.suite.prepared)
    ]
    warning = workspace.sandbox.warning if running else None
    if warning is None:
        return []
    watch.event("warning", message=warning)
    return [Note(entry.entry_id, "sandbox", warning) for entry in running]


def gather(workspace: Workspace, request: RunRequest, watch: Watch) -> list[PlannedEntry]:
    """Every suite x candidate, validated; raises ConfigError with all problems, InvalidRun when nothing is asserted."""
    selection = request.selection
    loaded = load(workspace, request.paths, selection)
    builder = Builder(workspace, concurrency=request.concurrency)
    if request.only_failed:
        _keep_failed(workspace, loaded, request)
    entries = [
        entry
        for suite in loaded.suites
        for entry in provide(builder, suite, list(_entries(workspace, builder, suite, request)))
    ]
    checked = () if selection.checked else loaded.suites
    targets = [problem for suite in checked for problem in wrong_targets(suite)]
    prompts = [problem for suite in loaded.suites for problem in bad_prompts(suite, workspace.renderer)]
    problems = _unique([*loaded.problems, *targets, *prompts, *builder.problems, *_bad_entries(entries)])
    if problems:
        raise ConfigError([*problems, *loaded.empty])
    if loaded.empty:
        raise InvalidRun("\n".join(map(str, loaded.empty)))
    for suite in loaded.suites:
        if suite.file.model.gates:
            watch.event("gates", suite=suite.name, count=len(suite.file.model.gates))
    for note in loaded.notes:
        watch.event("warning", message=str(note))
    _something_selected(loaded, entries)
    return entries


def _unique(problems: Iterable[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def _entries(workspace: Workspace, builder: Builder, suite: LoadedSuite, request: RunRequest) -> Iterator[PlannedEntry]:
    own = suite.file.model.candidates
    named = (suite.file.model.demo.candidates or own) if request.selection.demo else own
    names = request.candidates or (() if request.made else named)
    if not names and not request.made:
        line = suite.file.lines.get("name", 1)
        hint = "name one with -c, or list `candidates:` in the suite"
        builder.problems.append(placed(Problem("no candidate to run", hint=hint), suite.file, line))
    for index, name in enumerate(dict.fromkeys(names)):
        seen = len(builder.problems)
        specs, problems = workspace.project.resolve_all([name])
        builder.problems += problems
        for spec in specs:
            yield from (PlannedEntry(suite, built, 0) for built in builder.build(spec, suite))
        if not request.candidates:
            line = suite.file.lines.get(f"candidates[{index}]", 1)
            builder.problems[seen:] = [placed(problem, suite.file, line) for problem in builder.problems[seen:]]
    for made in request.made:
        yield PlannedEntry(suite, made, 0)


def _bad_entries(entries: Sequence[PlannedEntry]) -> list[Problem]:
    found: list[Problem] = []
    for entry in entries:
        if entry.built.fits and not entry.suite.splits and entry.suite.corpus is None:
            line = entry.suite.file.lines.get("dataset", 1)
            hint = "add `split: {kind: kfold}` under dataset"
            message = f"candidate {entry.built.name!r} learns, but the suite has no split"
            found.append(placed(Problem(message, hint=hint), entry.suite.file, line))
    return found


def _something_selected(loaded: Loaded, entries: Sequence[PlannedEntry]) -> None:
    if not loaded.suites:
        raise InvalidRun("no suite was found: nothing is measured")
    for suite in loaded.suites:
        if not len(suite.indices):
            why = _why_nothing(suite)
            raise InvalidRun(f"{placed(Problem(why), suite.file)}: nothing is measured")
    if entries and all(entry.built.skipped for entry in entries):
        reasons = "; ".join(f"{entry.built.name}: {entry.built.skipped}" for entry in entries)
        raise InvalidRun(f"every candidate is skipped: nothing is measured ({reasons})")


def _why_nothing(suite: LoadedSuite) -> str:
    if suite.snapshot.count:
        return "no sample is selected"
    if suite.snapshot.meta.filtered:
        return f"the filter keeps none of {suite.snapshot.meta.filtered} records"
    return "the dataset is empty"


def _keep_failed(workspace: Workspace, loaded: Loaded, request: RunRequest) -> None:
    from evalkit.app.failures import failed_ids

    for suite in loaded.suites:
        suite.choose(failed_ids(workspace, suite.name, request.candidates))


def plan_run(workspace: Workspace, entries: list[PlannedEntry], request: RunRequest, held: ExitStack) -> Plan:
    """Write a run's plan into the store, or take up an unfinished equal one; `held` keeps it marked as ours."""
    workspace.load_journals()
    identity = identity_of(entries, fresh=request.fresh, at=workspace.pinned.sha if workspace.pinned else None)
    # What an opening holds goes when it ends: so samples, cells and what is open have one each.
    with workspace.store.bulk() as connection:
        record_data(connection, workspace, entries)
    with workspace.store.bulk() as connection:
        adopted = None if request.only_failed else _adopt(workspace, stored.adoptable(connection, identity))
        plan = Plan(adopted or new_run_id(time.time()), entries, identity, adopted=adopted is not None)
        # While the store is ours, so that nobody takes up the run before it is marked as held.
        held.enter_context(_held(workspace.runs / plan.run_id))
        for entry in entries:
            entry.entry_id = digest([plan.run_id, entry.suite.name, entry.built.name])[:20]
        with transaction(connection):
            if adopted is None:
                choose_generations(connection, entries, fresh=request.fresh)
                record_run(connection, workspace, plan, request.command)
            else:
                _take_generations(connection, entries)
            record_suites(connection, workspace, entries)
            for entry in entries:
                if adopted is None:
                    record_entries(connection, workspace, plan, [entry])
                    write_cells(connection, entry)
                else:
                    stored.forget_failures(connection, entry.entry_id)
    with workspace.store.open(read_only=True) as connection:
        for entry in entries:
            entry.open = stored.still_open(connection, entry.entry_id)
    return plan


def _adopt(workspace: Workspace, run_ids: Sequence[str]) -> str | None:
    """The newest unfinished run of the same identity whose process is gone."""
    return next((run_id for run_id in run_ids if not _is_held(workspace.runs / run_id)), None)


def _take_generations(connection: Any, entries: Sequence[PlannedEntry]) -> None:
    for entry in entries:
        row = first_row(connection, "select generation from entry where entry_id = ?", [entry.entry_id])
        entry.generation = row[0] if row else 0


def before_asking(workspace: Workspace, plan: Plan, request: RunRequest, watch: Watch) -> None:
    """Whether the run may begin: nothing open where nobody may be asked, its cost agreed to; else it is forgotten."""
    try:
        _all_known(plan, request)
        _tell_power(workspace, plan, watch)
        _confirmed(workspace, plan, request, watch)
    except (InvalidRun, CostNotConfirmed):
        if not plan.adopted:
            with workspace.store.open() as connection:
                stored.drop_run(connection, plan.run_id)
            shutil.rmtree(workspace.runs / plan.run_id, ignore_errors=True)
        raise


def _tell_power(workspace: Workspace, plan: Plan, watch: Watch) -> None:
    gated = {entry.suite.name: entry.suite for entry in plan.entries if entry.suite.file.model.gates}
    if not gated:
        return
    from evalkit.app.sizing import underpowered

    for text in underpowered(workspace, gated.values()):
        watch.event("warning", message=text)


def _all_known(plan: Plan, request: RunRequest) -> None:
    if not request.replay_only or not plan.open_cells:
        return
    first = next(entry for entry in plan.entries if len(entry.open))
    cell = next(first.opened())
    raise InvalidRun(
        f"--replay-only: {plan.open_cells} answers are not in the store, the first for sample "
        f"{cell.sample.id!r} of {first.built.name}; without --replay-only they are asked"
    )


def _confirmed(workspace: Workspace, plan: Plan, request: RunRequest, watch: Watch) -> None:
    needs = estimate(workspace, plan)
    watch.event("estimate", estimate=needs)
    if (warning := not_held(plan, request.limits.usd, needs)) is not None:
        watch.event("warning", message=warning)
    threshold = workspace.project.defaults.confirm_above_usd
    if needs.least_usd > threshold and not watch.confirm(needs):
        more = f" without {', '.join(sorted(set(needs.unpriced)))}" if needs.unpriced else ""
        raise CostNotConfirmed(
            f"the run is estimated at ${needs.least_usd:.2f}{more}, above ${threshold:g}; pass --yes to agree, or "
            "--limit to ask less"
        )


def finish_run(workspace: Workspace, plan: Plan, execution: Execution | SharedExecution, watch: Watch) -> RunOutcome:
    """Load what was journaled, price it, fold it, and say how the run stands."""
    from evalkit.store.journals import compact_in, load_run

    folder = workspace.runs / plan.run_id
    for entry in plan.entries:
        entry.let_go()
    report = load_run(workspace.store, folder)
    if report.bad:
        watch.event("warning", message=f"{len(report.bad)} journal lines could not be read and were skipped")
    with workspace.store.open() as connection:
        price_calls(connection, workspace)
        reasons, complete = finish_entries(connection, plan, execution)
        status = "interrupted" if execution.stop.asked else "complete" if complete else "incomplete"
        connection.execute(
            "update run set status = ?, finished = ? where run_id = ?",
            [status, datetime.now(UTC).isoformat(), plan.run_id],
        )
        if status != "interrupted":
            compact_in(connection, folder)
            keep_ranks(connection, plan.run_id)
    code = ExitCode.INTERRUPTED if execution.stop.asked else ExitCode.INVALID if reasons else ExitCode.PASS
    watch.event("finished", run=plan.run_id, status=status, reasons=reasons)
    return RunOutcome(plan.run_id, code, tuple(reasons), tuple(entry.entry_id for entry in plan.entries))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Mark a run as being worked on by this process; the mark falls with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _is_held(folder: Path) -> bool:
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
