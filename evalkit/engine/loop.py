"""The run loop: bounded work in progress, lane by lane, draining when asked to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice

from evalkit.core.capabilities import batching
from evalkit.core.errors import ErrorKind
from evalkit.core.types import Failure, Response
from evalkit.engine.asking import Asker, CellContext
from evalkit.engine.work import Handler, LaneWork, Work


class Stop:
    """Whether to go on: the first `request` drains, the second cancels what is in flight."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._drain = asyncio.Event()
        self._now = asyncio.Event()

    @property
    def asked(self) -> bool:
        return self.reason is not None

    def request(self, reason: str) -> None:
        """Stop starting work; called twice, stop waiting too."""
        if self.asked:
            self._now.set()
        self.reason = self.reason or reason
        self._drain.set()

    async def first(self) -> None:
        """Wait until somebody asks."""
        await self._drain.wait()

    async def at_once(self) -> None:
        """Wait until somebody asks twice."""
        await self._now.wait()


async def run_lanes(asker: Asker, lanes: Sequence[LaneWork], handle: Handler, stop: Stop) -> None:
    """Ask all works: remote lanes side by side, then the in-process ones, so that computing delays no reply.

    Raises what the journal raises (StoreError) after draining what is in flight.
    """
    asker.halted = lambda: stop.asked
    for phase in ([lane for lane in lanes if not lane.in_process], [lane for lane in lanes if lane.in_process]):
        tasks = [
            asyncio.create_task(_worker(asker, lane.works, handle, stop))
            for lane in phase
            for _ in range(1 if lane.in_process else lane.lane.limits.concurrency)
        ]
        if tasks:
            await _until_done(tasks, stop, asker.settings.drain_s)


async def _until_done(tasks: list[asyncio.Task[None]], stop: Stop, drain_s: float) -> None:
    gathered = asyncio.gather(*tasks, return_exceptions=True)
    killer = asyncio.create_task(_cancel_on_demand(tasks, stop, drain_s))
    outcomes = await gathered
    killer.cancel()
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome


async def _cancel_on_demand(tasks: list[asyncio.Task[None]], stop: Stop, drain_s: float) -> None:
    await stop.first()
    try:
        async with asyncio.timeout(drain_s):
            await stop.at_once()
    except TimeoutError:
        stop.request("the drain time is over")
    for task in tasks:
        task.cancel()


async def _worker(asker: Asker, works: Iterator[Work], handle: Handler, stop: Stop) -> None:
    while not stop.asked:
        work = next(works, None)
        if work is None:
            return
        try:
            if batching(work.candidate) is not None:
                await _batch(asker, work, works, handle)
                continue
            await _cell(asker, work, handle)
        except Exception as error:
            stop.request(f"{type(error).__name__}: {error}")
            raise


async def _cell(asker: Asker, work: Work, handle: Handler) -> None:
    answer = await asker.cell(work)
    if answer is None:
        return
    progress = work.progress
    progress.done += 1
    if answer[1].error is not None:
        progress.errors += 1
    await handle(work, *answer)


async def _batch(asker: Asker, first: Work, works: Iterator[Work], handle: Handler) -> None:
    """Ask a batching candidate about several samples at once; items of other candidates go one by one."""
    batch: list[Work] = [first]
    others: list[Work] = []
    for work in islice(works, asker.settings.batch - 1):
        (batch if work.candidate is first.candidate else others).append(work)
    candidate = batching(first.candidate)
    assert candidate is not None
    contexts = CellContext(asker, first)
    try:
        responses = await candidate.answer_batch([work.sample for work in batch], contexts)
    except Exception as error:  # noqa: BLE001 - the user's code: whatever it raises is the answer of each item
        failure = Failure(ErrorKind.CANDIDATE, f"{type(error).__name__}: {error}")
        responses = [Response(error=failure)] * len(batch)
    if len(responses) != len(batch):
        failure = Failure(ErrorKind.CANDIDATE, f"answer_batch gave {len(responses)} answers for {len(batch)} samples")
        responses = [Response(error=failure)] * len(batch)
    for work, response in zip(batch, responses, strict=True):
        work.candidate = Answered(work.candidate.name, work.candidate.fingerprint, response)
        await _cell(asker, work, handle)
    for work in others:
        await _cell(asker, work, handle)


class Answered:
    """A candidate whose answer was made in a batch and is only to be recorded."""

    def __init__(self, name: str, fingerprint: str, response: Response) -> None:
        self.name, self.fingerprint, self._response = name, fingerprint, response

    async def answer(self, sample: object, ctx: object) -> Response:  # noqa: ARG002 - the batch has seen them
        return self._response
