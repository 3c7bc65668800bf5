"""Scores that need several answers, given after the run: all repeats of a sample, or an answer and an opponent's."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.app import lending
from evalkit.app.execute import RUN_BUDGET, Limits
from evalkit.app.helping import opponent_of
from evalkit.app.planning import Plan, PlannedEntry
from evalkit.app.scoring import Prepared, Scoring
from evalkit.app.workspace import Workspace
from evalkit.core.capabilities import closing
from evalkit.core.types import Response
from evalkit.engine.asking import Asker, CellContext
from evalkit.engine.budget import Budget
from evalkit.engine.journal import Journal
from evalkit.engine.records import GroupScores
from evalkit.engine.work import Progress, Work
from evalkit.store import grouped as stored
from evalkit.store.grouped import Group
from evalkit.store.journals import load_run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

AT_ONCE = 16
BATCH = 256


@dataclass(frozen=True, slots=True)
class Job:
    """One scorer of several answers for one entry."""

    entry: PlannedEntry
    one: Prepared
    opponent: str | None = None


def score_groups(workspace: Workspace, plan: Plan, limits: Limits, spent_usd: float) -> None:
    """Score what the store has no such score of yet; what was spent so far counts against the run's budget."""
    jobs = list(_jobs(plan))
    if not jobs:
        return
    folder = workspace.runs / plan.run_id
    load_run(workspace.store, folder)
    with workspace.store.open() as connection:
        for job in jobs:
            _say_basis(connection, job)
    journal = Journal(folder, plan.run_id, f"g{os.getpid()}", started=time.time(), redact=workspace.redactor.text)
    left = None if limits.usd is None else max(0.0, limits.usd - spent_usd)
    try:
        asyncio.run(_run(workspace, plan, jobs, journal, (limits, left)))
    finally:
        journal.close()


def _jobs(plan: Plan) -> Iterator[Job]:
    for entry in plan.entries:
        if entry.built.skipped:
            continue
        beside = [other for other in plan.entries if other.suite is entry.suite]
        for one in entry.suite.prepared:
            if one.scorer.takes == "repeats":
                yield Job(entry, one)
            if one.scorer.takes == "pair":
                rival = opponent_of(one, [other.built for other in beside])
                if rival is not entry.built and not rival.skipped:
                    yield Job(entry, one, next(other.entry_id for other in beside if other.built is rival))


def _say_basis(connection: DuckDBPyConnection, job: Job) -> None:
    basis = [(group.first.position, group.basis) for group in _groups(connection, job)]
    stored.put_basis(connection, job.entry.entry_id, job.one.sig, basis)


def _groups(connection: DuckDBPyConnection, job: Job) -> Iterator[Group]:
    if job.opponent is not None:
        return stored.pairs(connection, job.entry.entry_id, job.opponent)
    return stored.repeats(connection, job.entry.entry_id)


async def _run(
    workspace: Workspace, plan: Plan, jobs: list[Job], journal: Journal, money: tuple[Limits, float | None]
) -> None:
    limits, left = money
    lanes = lending.lanes(plan)
    asker = Asker(lending.settings(workspace, plan, limits.retries), journal, lanes)
    budget = Budget(RUN_BUDGET, left, limits.tokens, limits.seconds, time.monotonic)
    try:
        for job in jobs:
            scoring = Scoring([job.one], job.entry.suite.extract)
            try:
                for batch in _open_groups(workspace, job):
                    await _batch(asker, scoring, job, batch, (budget, limits.timeout_s))
            finally:
                scoring.close()
    finally:
        for holder in {id(built.candidate): closing(built.candidate) for built in lending.everybody(plan)}.values():
            if holder is not None:
                await holder.close()


def _open_groups(workspace: Workspace, job: Job) -> Iterator[list[Group]]:
    """Groups without a score, batch by batch; the store is let go while a batch is scored."""
    with workspace.store.open(read_only=True) as connection:
        done = stored.scored_positions(connection, job.entry.entry_id, job.one.sig)
    after = -1
    while True:
        batch: list[Group] = []
        with workspace.store.open(read_only=True) as connection:
            for group in _groups(connection, job):
                if group.first.position > after and group.first.position not in done:
                    batch.append(group)
                if len(batch) == BATCH:
                    break
        if not batch:
            return
        after = batch[-1].first.position
        yield batch


async def _batch(asker: Asker, scoring: Scoring, job: Job, groups: list[Group], limits: tuple[Budget, float]) -> None:
    suite, built = job.entry.suite, job.entry.built
    budget, timeout_s = limits
    progress = Progress(built.name, suite.name, len(groups))
    room = asyncio.Semaphore(AT_ONCE)

    async def score(group: Group) -> None:
        first = group.first
        sample = suite.sample(first.sample_id)
        candidate = built.candidate
        assert candidate is not None
        work = Work(
            job.entry.entry_id, first.position, sample, first.sample_hash, first.repeat, "", candidate, None, progress,
            budget, suite.seed, timeout_s, built.model, job.entry.generation,
        )  # fmt: skip
        responses = [_extracted(scoring, response) for response in group.responses]
        async with room:
            metrics = await scoring.lines(job.one, sample, responses, CellContext(asker, work))
        asker.journal.append(
            GroupScores(first.call_id, first.sample_hash, job.one.sig, group.basis, group.opponent, metrics)
        )

    await asyncio.gather(*(score(group) for group in groups))


def _extracted(scoring: Scoring, response: Response) -> Response:
    return scoring.extract(response) if scoring.extract is not None and response.error is None else response
