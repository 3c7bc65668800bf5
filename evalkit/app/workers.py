"""A run shared among processes: each worker builds the plan from its recipe, asks its share, keeps its own journal."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from evalkit.app.execute import RUN_BUDGET, Execution, suite_budget
from evalkit.app.planning import Plan, PlannedEntry
from evalkit.app.watching import Silent, Watch
from evalkit.app.workspace import Workspace, open_workspace
from evalkit.core.capabilities import sending
from evalkit.engine.executor import Counts, Link, Processes, Shard
from evalkit.engine.journal import Journal
from evalkit.engine.limits import LaneLimits
from evalkit.engine.loop import Stop
from evalkit.engine.memory import collected_seldom
from evalkit.engine.work import Progress
from evalkit.store import planning as stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.app.run import RunRequest

AUTOMATIC_ABOVE = 20_000
MOST_AUTOMATIC = 4
# Of workers that start before the suites are known: one of a run, one of each suite.
MOST_BUDGETS = 1_000


@dataclass(frozen=True)
class Recipe:
    """What a worker makes itself ready with: the project and the request."""

    root: Path
    environ: dict[str, str]
    request: RunRequest
    unsafe_local: bool = False


@dataclass(frozen=True)
class Planned:
    """What a worker is told when there is a plan: the run, and each entry's id and generation."""

    run_id: str
    identity: str
    entries: dict[tuple[str, str], tuple[str, int]]

    @classmethod
    def of(cls, plan: Plan) -> Planned:
        """What workers need of a plan."""
        entries = {(e.suite.name, e.built.name): (e.entry_id, e.generation) for e in plan.entries}
        return cls(plan.run_id, plan.identity, entries)


@dataclass
class Seen:
    """The lane of an entry as its workers report it."""

    in_flight: int = 0
    allowed: int = 0
    waiting_on: str | None = None


@dataclass
class SharedExecution:
    """Stands for the executions of all workers: their counts added up, and one stop for all."""

    plan: Plan
    watch: Watch
    stop: Stop = field(default_factory=Stop)
    progress: dict[str, Progress] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    _heard: dict[int, Sequence[Counts]] = field(default_factory=dict)

    def run(self, executor: Processes) -> None:
        """Tell the workers what was planned, and wait for their end."""
        for entry in self.plan.entries:
            if not entry.built.skipped:
                known = entry.planned - len(entry.open)
                self.progress[entry.entry_id] = Progress(entry.built.name, entry.suite.name, entry.planned, known=known)
        with _interrupts(self, executor):
            self.failed = executor.execute(Planned.of(self.plan), _budgets(self.plan), self._hear)
        for reason in self.failed:
            self.watch.event("warning", message=reason)

    def _hear(self, worker: int, counts: Sequence[Counts]) -> None:
        self._heard[worker] = counts
        for entry_id, progress in self.progress.items():
            parts = [one for heard in self._heard.values() for one in heard if one.entry_id == entry_id]
            progress.done = sum(one.done for one in parts)
            progress.errors = sum(one.errors for one in parts)
            progress.tokens = sum(one.tokens for one in parts)
            progress.usd = sum(one.usd for one in parts)
            progress.unpriced = sum(one.unpriced for one in parts)
            progress.stopped = next((one.stopped for one in parts if one.stopped), None)
            waits = next((one.waiting_on for one in parts if one.waiting_on), None)
            progress.lane = Seen(sum(p.in_flight for p in parts), sum(p.allowed for p in parts), waits)
        self.watch.progress(list(self.progress.values()))


@contextmanager
def _interrupts(execution: SharedExecution, executor: Processes) -> Iterator[None]:
    def interrupted(*_: Any) -> None:
        first = not execution.stop.asked
        execution.stop.reason = execution.stop.reason or "interrupted"
        executor.stop()
        execution.watch.event("interrupted", draining=first)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.signal(name, interrupted) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def chosen_workers(asked: int | None, plan: Plan, request: RunRequest) -> int:
    """How many processes: as asked, else one per core when one core would be full with many remote calls."""
    if request.made:
        return 1
    if asked is not None:
        return asked
    remote = sum(len(entry.open) for entry in plan.entries if sending(entry.built.candidate) is not None)
    return min(MOST_AUTOMATIC, os.cpu_count() or 1) if remote > AUTOMATIC_ABOVE else 1


class Team:
    """The processes of a run. Those that were asked for start at once, and make themselves ready while it is planned.

    What failed last time is read from the store, so whoever looks for it starts when the plan stands there.
    """

    def __init__(self, workspace: Workspace, request: RunRequest) -> None:
        self._workspace, self._request = workspace, request
        self._processes: Processes | None = None

    def __enter__(self) -> Self:
        asked = self._request.workers or 1
        if asked > 1 and not self._request.made and not self._request.only_failed:
            self._processes = self._started(asked, MOST_BUDGETS)
        return self

    def __exit__(self, *_: object) -> None:
        if self._processes is not None:
            self._processes.end()

    def go_on(self) -> None:
        """Say that suites and data are read: the workers read them too."""
        if self._processes is not None:
            self._processes.tell(None)

    def of(self, workers: int, plan: Plan) -> Processes:
        """So many processes for a plan: those that have started, or others."""
        needed = len(_budgets(plan))
        if self._processes is None or self._processes.room < needed:
            self.__exit__()
            self._processes = self._started(workers, needed)
            self.go_on()
        return self._processes

    def _started(self, workers: int, room: int) -> Processes:
        request, workspace = self._request, self._workspace
        paths = tuple(path.resolve() for path in request.paths)
        asked = replace(request, paths=paths, selection=replace(request.selection, checked=True))
        processes = Processes(workers, room)
        processes.start(ask_share, Recipe(workspace.root, dict(workspace.environ), asked, workspace.unsafe_local))
        return processes


def _budgets(plan: Plan) -> list[str]:
    """The budgets that workers share."""
    return [RUN_BUDGET, *sorted({suite_budget(entry.suite.name) for entry in plan.entries})]


def ask_share(recipe: Recipe, shard: Shard, link: Link) -> None:
    """A worker: build the plan, ask this shard's cells, journal into files of its own.

    It is told when the data are read (the message says nothing), and then what was planned.
    """
    from evalkit.app.run import gather

    workspace = replace(open_workspace(recipe.root, recipe.environ), unsafe_local=recipe.unsafe_local)
    link.told()
    entries = gather(workspace, recipe.request, Silent())
    planned: Planned = link.told()
    with workspace.store.open(read_only=True) as connection:
        for entry in entries:
            entry.entry_id, entry.generation = planned.entries[(entry.suite.name, entry.built.name)]
            entry.open = stored.still_open(connection, entry.entry_id)
    shares = [_share(entry, shard) for entry in entries]
    folder = workspace.runs / planned.run_id
    journal = Journal(
        folder, planned.run_id, f"w{shard.index}p{os.getpid()}", started=time.time(), redact=workspace.redactor.text
    )
    plan = Plan(planned.run_id, shares, planned.identity)
    execution = Execution(workspace, plan, recipe.request.limits, Silent(), journal, shard, link)
    with suppress(KeyboardInterrupt), collected_seldom():
        try:
            execution.run()
        finally:
            journal.close()


def _share(entry: PlannedEntry, shard: Shard) -> PlannedEntry:
    """An entry whose lane has this worker's part of concurrency and rates."""
    limits = entry.built.limits
    if limits.concurrency == 1:
        return entry
    part = LaneLimits(
        concurrency=max(1, -(-limits.concurrency // shard.of)),
        requests_per_minute=limits.requests_per_minute and limits.requests_per_minute / shard.of,
        tokens_per_minute=limits.tokens_per_minute and limits.tokens_per_minute / shard.of,
        start=max(1, -(-limits.start // shard.of)),
    )
    return replace(entry, built=replace(entry.built, limits=part))
