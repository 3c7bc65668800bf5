"""Measure two commits side by side: what is equal on both is asked once, what changed is asked by turns."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.app import lending
from evalkit.app.commits import Commit, Repository
from evalkit.app.execute import Execution, loop_runner, run_budget
from evalkit.app.grouped import score_groups
from evalkit.app.planning import Plan, PlannedEntry
from evalkit.app.run import (
    RunOutcome,
    RunRequest,
    before_asking,
    finish_run,
    gather,
    journal_of,
    plan_run,
    tell_skipped,
)
from evalkit.app.watching import Estimate, Watch
from evalkit.app.workspace import Pinned, Workspace, open_workspace
from evalkit.core.errors import ExitCode, UsageError
from evalkit.engine.loop import Stop
from evalkit.engine.memory import collected_seldom
from evalkit.engine.work import Progress
from evalkit.store import planning as stored
from evalkit.store.bulk import first_row
from evalkit.store.database import transaction
from evalkit.store.planning import OpenCells

DAY_S = 86_400.0
_AGE = """
select min(k.started) from answer a join call k using (call_id) where a.entry_id = ? and a.cached
"""


@dataclass(frozen=True, slots=True)
class AtRequest:
    """What to run at which two commits: the merge base of `base` and `head`, and `head`.

    Stored answers of changed cells that are older than `max_age_s` are asked again, on both sides.
    """

    run: RunRequest
    base: str
    head: str
    max_age_s: float = DAY_S


@dataclass(frozen=True, slots=True)
class AtOutcome:
    """How both sides went; `code` is the worse of their exit codes. `base` None: nothing of it could be measured."""

    base: RunOutcome | None
    head: RunOutcome
    base_sha: str
    head_sha: str

    @property
    def code(self) -> ExitCode:
        """The one code to exit with."""
        return ExitCode.worst([one.code for one in (self.base, self.head) if one is not None])


@dataclass
class Side:
    """One commit being measured."""

    commit: Commit
    workspace: Workspace
    request: RunRequest
    watch: Labelled
    entries: list[PlannedEntry]
    plan: Plan | None = None

    @property
    def planned(self) -> Plan:
        """Its plan, once made."""
        assert self.plan is not None
        return self.plan


class Both:
    """Shows two runs as one: each tells its own counts, the inner watch gets both."""

    def __init__(self, inner: Watch) -> None:
        self.inner = inner
        self.counts: dict[str, Sequence[Progress]] = {}

    def progress(self, label: str, entries: Sequence[Progress]) -> None:
        """Keep the counts of one side and show all."""
        self.counts[label] = [replace(one, candidate=f"{one.candidate} @ {label}") for one in entries]
        self.inner.progress([one for side in self.counts.values() for one in side])


@dataclass(frozen=True)
class Labelled:
    """Watches one side."""

    both: Both
    label: str

    def event(self, kind: str, **values: Any) -> None:
        """Pass on what happened, with the side it happened on."""
        self.both.inner.event(kind, **values, at=self.label)

    def confirm(self, estimate: Estimate) -> bool:
        """As the one who watches says."""
        return self.both.inner.confirm(estimate)

    def progress(self, entries: Sequence[Progress]) -> None:
        """Show the counts of both sides."""
        self.both.progress(self.label, entries)


def run_at(workspace: Workspace, request: AtRequest, watch: Watch) -> AtOutcome:
    """Run the suites as they stand at two commits, into one store.

    Each side has a run of its own, under its commit. Raises UsageError where git lacks a commit, and what `run` raises.
    """
    repository = Repository.of(workspace.root, workspace.environ)
    head = repository.commit(request.head)
    base = repository.base(repository.commit(request.base), head)
    if changed := repository.changed():
        watch.event("warning", message=f"{changed} changed files are not committed, so --at does not see them")
    with collected_seldom(), ExitStack() as held:
        both = Both(watch)
        sides = [
            _side(workspace, repository, commit, request, (both, held))
            for commit in ([base] if base.sha == head.sha else [base, head])
        ]
        found = [side for side in sides if side is not None]
        _plan_all(found, request, held)
        outcomes = _ask_all(found, request.run)
    by_sha = {side.commit.sha: outcome for side, outcome in zip(found, outcomes, strict=True)}
    if head.sha not in by_sha:
        raise UsageError(f"nothing is to be measured at {request.head}: none of the suites named is in {head.short}")
    return AtOutcome(by_sha.get(base.sha), by_sha[head.sha], base.sha, head.sha)


def _side(
    workspace: Workspace, repository: Repository, commit: Commit, request: AtRequest, shared: tuple[Both, ExitStack]
) -> Side | None:
    both, held = shared
    tree = held.enter_context(repository.copy(commit, workspace.folder / "at"))
    paths, absent = _paths(request.run.paths, repository, tree)
    watch = Labelled(both, commit.branch or commit.short)
    for path in absent:
        watch.event("warning", message=f"{path} is not in {commit.ref} ({commit.short}): new, nothing to compare with")
    if not paths:
        return None
    inner = tree / workspace.root.resolve().relative_to(repository.top.resolve())
    copied = open_workspace(inner if inner.is_dir() else tree, workspace.environ)
    space = replace(
        workspace, project=copied.project.sharing(workspace.project), pinned=Pinned(commit.sha, commit.branch)
    )
    run = replace(request.run, paths=tuple(paths), candidates=_known(space, request.run.candidates, watch, commit))
    return Side(commit, space, run, watch, gather(space, run, watch))


def _paths(paths: Sequence[Path], repository: Repository, tree: Path) -> tuple[list[Path], list[Path]]:
    """The suites in the copy of a commit, and those that it does not have."""
    there: list[Path] = []
    absent: list[Path] = []
    for path in paths:
        whole = path.resolve()
        if not whole.is_relative_to(repository.top.resolve()):
            raise UsageError(f"{path} is outside of the repository {repository.top}; --at measures committed files")
        place = tree / whole.relative_to(repository.top.resolve())
        (there if place.exists() else absent).append(place if place.exists() else path)
    return there, absent


def _known(space: Workspace, names: Sequence[str], watch: Watch, commit: Commit) -> tuple[str, ...]:
    """The candidates named, without those that this commit does not have yet; all when it has none of them."""
    found = []
    for name in names:
        specs, problems = space.project.resolve_all([name])
        if specs and not problems:
            found.append(name)
    if not found:
        return tuple(names)
    for name in (name for name in names if name not in found):
        watch.event(
            "warning", message=f"candidate {name!r} is not in {commit.ref} ({commit.short}): nothing to compare"
        )
    return tuple(found)


def _plan_all(sides: Sequence[Side], request: AtRequest, held: ExitStack) -> None:
    """Plan both sides; plan again where stored answers of what changed are too old to stand beside new ones."""
    _plan(sides, held)
    stale = [pair for pair in _pairs(sides) if _changed(sides, pair) and _is_stale(sides[0].workspace, pair, request)]
    if not stale:
        return
    for before, _ in stale:
        before.at_generation = before.generation + 1
    for side in sides:
        with side.workspace.store.open() as connection:
            stored.drop_run(connection, side.planned.run_id)
        shutil.rmtree(side.workspace.runs / side.planned.run_id, ignore_errors=True)
    _plan(sides, held)


def _plan(sides: Sequence[Side], held: ExitStack) -> None:
    """The first side decides the generation of both, so that what is equal has equal keys."""
    for side in sides:
        side.plan = plan_run(side.workspace, side.entries, side.request, held)
        if side is sides[0]:
            for before, after in _pairs(sides):
                after.at_generation = before.generation


def _pairs(sides: Sequence[Side]) -> Iterator[tuple[PlannedEntry, PlannedEntry]]:
    """Entries of the same suite and candidate at both commits."""
    before = {(entry.suite.name, entry.built.name): entry for entry in sides[0].entries}
    for entry in (entry for side in sides[1:] for entry in side.entries):
        other = before.get((entry.suite.name, entry.built.name))
        if other is not None:
            yield other, entry


def _changed(sides: Sequence[Side], pair: tuple[PlannedEntry, PlannedEntry]) -> bool:
    """Whether a pair asks different things of somebody who may have changed meanwhile."""
    before, after = pair
    begun = any(side.planned.adopted for side in sides)
    return not begun and not after.built.in_process and before.plan_id != after.plan_id


def _is_stale(workspace: Workspace, pair: Sequence[PlannedEntry], request: AtRequest) -> bool:
    with workspace.store.open(read_only=True) as connection:
        rows = [first_row(connection, _AGE, [entry.entry_id]) for entry in pair]
    oldest = min((row[0] for row in rows if row is not None and row[0] is not None), default=None)
    return oldest is not None and (datetime.now(UTC) - oldest).total_seconds() > request.max_age_s


def _ask_all(sides: Sequence[Side], request: RunRequest) -> list[RunOutcome]:
    """Ask both sides in one loop under one budget; what both would ask is asked by the first alone."""
    later = [_without_shared(sides[0], side) for side in sides[1:]]
    for side in sides:
        side.watch.event(
            "planned", run=side.planned.run_id, resumed=side.planned.adopted, entries=len(side.entries),
            open=side.planned.open_cells,
        )  # fmt: skip
        before_asking(side.workspace, side.planned, side.request, side.watch)
        tell_skipped(side.workspace, side.planned, side.watch)
    stop, whole = Stop(), run_budget(request.limits)
    lanes = lending.lanes(Plan("", [entry for side in sides for entry in side.entries], ""))
    passes = [_pass(side, stop) for side in sides]
    for one in passes:
        one.lanes, one.whole = lanes, whole
    try:
        loop_runner()(_side_by_side(passes))
    finally:
        for one in passes:
            one.close()
            one.journal.close()
    outcomes = []
    for side, asked, waits in zip(sides, passes, [False, *later], strict=True):
        done = _rest(side, asked, stop) if waits else asked
        if not stop.asked:
            score_groups(side.workspace, side.planned, request.limits, whole.spent_usd)
        outcomes.append(finish_run(side.workspace, side.planned, done, side.watch))
    return outcomes


def _pass(side: Side, stop: Stop) -> Execution:
    journal = journal_of(side.workspace, side.planned)
    return Execution(side.workspace, side.planned, side.request.limits, side.watch, journal, stop=stop)


async def _side_by_side(passes: Sequence[Execution]) -> None:
    done = await asyncio.gather(*(one.ask() for one in passes), return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome


def _without_shared(first: Side, second: Side) -> bool:
    """Leave to the first side what both would ask; whether there is any."""
    asked = [entry.open.keys for entry in first.entries if len(entry.open)]
    if not asked:
        return False
    keys = np.concatenate(asked)
    left = 0
    for entry in second.entries:
        mine = ~np.isin(entry.open.keys, keys)
        left += len(entry.open) - int(mine.sum())
        entry.open = OpenCells(entry.open.positions[mine], entry.open.keys[mine])
    return left > 0


def _rest(side: Side, before: Execution, stop: Stop) -> Execution:
    """Answer what the first side has asked meanwhile, and ask what failed there."""
    side.workspace.load_journals()
    with side.workspace.store.open() as connection, transaction(connection):
        for entry in side.entries:
            stored.link_known(connection, entry.entry_id, entry.generation)
            entry.open = stored.still_open(connection, entry.entry_id)
    one = _pass(side, stop)
    one.lanes, one.whole = before.lanes, before.whole
    try:
        if not stop.asked:
            loop_runner()(one.ask())
    finally:
        one.close()
        one.journal.close()
    for name, progress in before.progress.items():
        one.progress.setdefault(name, progress)
    return one
