"""Ask the open cells of a plan: lanes, contexts, scoring of every answer, ctrl-C, and who watches."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from evalkit.app import lending
from evalkit.app.planning import Plan, PlannedEntry
from evalkit.app.scoring import Scoring
from evalkit.app.watching import Watch
from evalkit.app.workspace import Workspace
from evalkit.core.capabilities import closing
from evalkit.core.errors import ErrorKind
from evalkit.core.types import Failure, Response
from evalkit.engine.asking import Asker, CellContext
from evalkit.engine.budget import Budget
from evalkit.engine.executor import Counts, Link, Shard
from evalkit.engine.journal import Journal
from evalkit.engine.limits import Lane
from evalkit.engine.loop import Stop, run_lanes
from evalkit.engine.work import Handler, LaneWork, Progress, Work

WATCH_S = 0.2
RUN_BUDGET = "run"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the whole run; those of a suite stand in its file."""

    usd: float | None = None
    tokens: float | None = None
    seconds: float | None = None
    timeout_s: float = 120.0
    retries: int = 5


@dataclass
class Execution:
    """One pass over the open cells of a plan, or over one worker's share of them (`shard`, `link`).

    Two passes side by side share `lanes`, the `whole` budget and `stop`. Afterwards `progress` and `stop` say how it
    went.
    """

    workspace: Workspace
    plan: Plan
    limits: Limits
    watch: Watch
    journal: Journal
    shard: Shard = Shard()
    link: Link | None = None
    stop: Stop = field(default_factory=Stop)
    lanes: dict[str, Lane] | None = None
    whole: Budget | None = None
    progress: dict[str, Progress] = field(default_factory=dict)
    scoring: dict[str, Scoring] = field(default_factory=dict)

    def run(self) -> None:
        """Ask, score and journal; returns when all is done, drained or out of budget."""
        try:
            loop_runner()(self.ask())
        finally:
            self.close()

    def close(self) -> None:
        """End the processes that score."""
        for scoring in self.scoring.values():
            scoring.close()

    async def ask(self) -> None:
        """The pass itself, on the loop that is running."""
        entries = [entry for entry in self.plan.entries if not entry.built.skipped]
        settings = lending.settings(self.workspace, self.plan, self.limits.retries, self.plan.shared)
        asker = Asker(settings, self.journal, self.lanes if self.lanes is not None else lending.lanes(self.plan))
        works = self._lane_works(entries, asker)
        self._on_interrupt()
        watching = asyncio.create_task(self._watch())
        try:
            if self.shard.index == 0:
                await self._score_known(asker, entries)
            await run_lanes(asker, works, self._handler(asker), self.stop)
        finally:
            watching.cancel()
            await self._close()
            self._tell()

    def _lane_works(self, entries: Sequence[PlannedEntry], asker: Asker) -> list[LaneWork]:
        share = self.link.spend if self.link is not None else None
        whole = self.whole or run_budget(self.limits, share)
        grouped: dict[str, list[PlannedEntry]] = {}
        budgets: dict[str, Budget] = {}
        for entry in entries:
            grouped.setdefault(entry.built.lane, []).append(entry)
            suite = entry.suite
            if suite.name not in budgets:
                own = suite.file.model.limits
                budgets[suite.name] = Budget(
                    suite_budget(suite.name),
                    own.budget_usd,
                    own.budget_tokens,
                    own.max_seconds,
                    time.monotonic,
                    whole,
                    share,
                )
            known = entry.planned - len(entry.open)
            self.progress[entry.entry_id] = Progress(
                entry.built.name, suite.name, entry.planned, known=known, lane=asker.lanes[entry.built.lane]
            )
        return [
            LaneWork(
                asker.lanes[name],
                self._in_turn(members, budgets),
                in_process=all(entry.built.in_process for entry in members),
            )
            for name, members in grouped.items()
        ]

    def _in_turn(self, members: Sequence[PlannedEntry], budgets: Mapping[str, Budget]) -> Iterator[Work]:
        """Suite by suite, so that a server's prompt cache stays warm; in a suite, candidates by turns."""
        for suite in dict.fromkeys(entry.suite.name for entry in members):
            yield from _interleaved(
                [self._works(entry, budgets[suite]) for entry in members if entry.suite.name == suite]
            )

    def _works(self, entry: PlannedEntry, budget: Budget) -> Iterator[Work]:
        suite, progress, model = entry.suite, self.progress[entry.entry_id], entry.built.model
        timeout_s = suite.file.model.limits.timeout_s or self.limits.timeout_s
        # A lane of one call at a time (a local server with one slot) is not shared among workers.
        shard = Shard(self.shard.index, self.shard.of) if entry.built.limits.concurrency > 1 else None
        places = range(len(entry.open))
        mine = (place for place in places if (shard.has(place) if shard is not None else self.shard.index == 0))
        for cell in entry.opened(mine):
            if progress.stopped is not None:
                return
            candidate = entry.candidate_for(suite.split_of(cell.sample.id))
            yield Work(
                entry.entry_id, cell.position, cell.sample, cell.content, cell.repeat, cell.key,
                candidate, entry.request_of(cell, candidate), progress, budget, suite.seed, timeout_s,
                model, entry.generation,
            )  # fmt: skip

    def _handler(self, asker: Asker) -> Handler:
        by_entry = {entry.entry_id: self._scoring(entry) for entry in self.plan.entries}

        async def handle(work: Work, call_id: str, response: Response) -> None:
            context = CellContext(asker, work)
            records = await by_entry[work.entry].records(work.sample, work.sample_hash, (call_id, response), context)
            for record in records:
                self.journal.append(record)

        return handle

    def _scoring(self, entry: PlannedEntry) -> Scoring:
        name = entry.suite.name
        if name not in self.scoring:
            self.scoring[name] = Scoring(entry.suite.prepared, entry.suite.extract)
        return self.scoring[name]

    async def _score_known(self, asker: Asker, entries: Sequence[PlannedEntry]) -> None:
        """Score answers that the store knows and this suite's scorers have not seen; nobody is asked."""
        from evalkit.store.planning import unscored

        for entry in entries:
            if len(entry.open) == entry.planned:
                continue
            scoring, progress = self._scoring(entry), self.progress[entry.entry_id]
            nobody = _Named(entry.built.name)
            sigs = [one.sig for one in entry.suite.prepared if one.scorer.takes == "one"]
            with self.workspace.store.open(read_only=True) as connection:
                for batch in unscored(connection, entry.entry_id, sigs):
                    for cell in batch:
                        sample = entry.suite.sample(cell.sample_id)
                        work = Work(
                            entry.entry_id, cell.position, sample, cell.sample_hash, cell.repeat, "", nobody, None,
                            progress, Budget("suite"), entry.suite.seed, model=entry.built.model,
                        )  # fmt: skip
                        answer = (cell.call_id, cell.response)
                        context = CellContext(asker, work)
                        for record in await scoring.records(sample, cell.sample_hash, answer, context):
                            self.journal.append(record)

    def _on_interrupt(self) -> None:
        if self.link is not None or threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError):
                loop.add_signal_handler(name, self._interrupted)

    def _interrupted(self) -> None:
        first = not self.stop.asked
        self.stop.request("interrupted")
        self.watch.event("interrupted", draining=first)

    async def _watch(self) -> None:
        level = 0
        while True:
            self._tell()
            if self.link is not None and self.link.stop_level() > level:
                level += 1
                self.stop.request("interrupted")
                continue
            await asyncio.sleep(WATCH_S)

    def _tell(self) -> None:
        if self.link is None:
            self.watch.progress(list(self.progress.values()))
        else:
            self.link.report([counts_of(entry_id, one) for entry_id, one in self.progress.items()])

    async def _close(self) -> None:
        holders = {id(built.candidate): closing(built.candidate) for built in lending.everybody(self.plan)}
        for holds in holders.values():
            if holds is not None:
                await holds.close()


def run_budget(limits: Limits, share: Callable[[str, float, float], tuple[float, float]] | None = None) -> Budget:
    """What a whole run may spend; its time begins now."""
    return Budget(RUN_BUDGET, limits.usd, limits.tokens, limits.seconds, time.monotonic, share=share)


def suite_budget(name: str) -> str:
    """The name under which workers share a suite's budget."""
    return f"suite:{name}"


def counts_of(entry_id: str, one: Progress) -> Counts:
    """A worker's progress as plain values."""
    lane = one.lane
    return Counts(
        entry_id, one.done, one.errors, one.tokens, one.usd, one.unpriced, one.stopped,
        lane.in_flight if lane else 0, lane.allowed if lane else 0, lane.waiting_on if lane else None,
    )  # fmt: skip


class _Named:
    """Stands for a candidate whose stored answers are scored again: it is never asked."""

    def __init__(self, name: str) -> None:
        self.name = self.fingerprint = name

    async def answer(self, sample: object, ctx: object) -> Response:  # noqa: ARG002 - nobody asks it
        return Response(error=Failure(ErrorKind.CANDIDATE, "a stored answer is scored, not asked again"))


def _interleaved(sources: Sequence[Iterator[Work]]) -> Iterator[Work]:
    """One work of each candidate in turn, so that candidates of one provider are asked close in time."""
    waiting = list(sources)
    while waiting:
        for source in list(waiting):
            work = next(source, None)
            if work is None:
                waiting.remove(source)
            else:
                yield work


def loop_runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
    return run
