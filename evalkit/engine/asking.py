"""One question: known or in flight already, else admitted, sent, retried, counted and journaled."""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from evalkit.core.capabilities import sending
from evalkit.core.errors import ErrorKind, MissingComponent
from evalkit.core.keys import call_key, local_key, sample_hash
from evalkit.core.types import Candidate, Failure, Request, Response, Sample, Sends, Step
from evalkit.core.units import tokens
from evalkit.engine.journal import Journal
from evalkit.engine.limits import Lane, LaneLimits
from evalkit.engine.records import Link, Origin, call_record
from evalkit.engine.retry import timed_out
from evalkit.engine.work import Settings, Work, stop_reason

Answer = tuple[str, Response]
_REMEMBERED = 50_000


class NotAsked(Exception):
    """While a call waited for its turn its candidate stopped, its budget was spent, or the run was asked to drain."""


class Asker:
    """Asks candidates through their lanes; the only place where calls are made and recorded.

    `halted` says whether cells that wait for their turn are to stay unasked.
    """

    def __init__(self, settings: Settings, journal: Journal, lanes: dict[str, Lane]) -> None:
        self.settings, self.journal, self.lanes = settings, journal, lanes
        self.halted: Callable[[], bool] = lambda: False
        self._flights: dict[str, asyncio.Future[Answer | None]] = {}
        self._remembered: OrderedDict[str, Answer] = OrderedDict()

    async def cell(self, work: Work) -> Answer | None:
        """Answer a cell; None when it was not asked because its candidate stopped or its budget is spent."""
        if self._barred(work, 0.0, is_cell=True):
            return None
        earlier = await self._earlier(work.key)
        if earlier is not None:
            self.journal.append(Link(work.entry, work.position, earlier[0], cached=False))
            return earlier
        try:
            return await self._once(work.key, self._ask(work), keep=work.key in self.settings.shared)
        except NotAsked:
            return None

    async def _earlier(self, key: str) -> Answer | None:
        done = self._remembered.get(key)
        while done is None and (flight := self._flights.get(key)) is not None:
            done = await asyncio.shield(flight)
        return done

    async def _once(self, key: str, asking: Awaitable[Answer], *, keep: bool) -> Answer:
        flight: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        try:
            answer = await asking
        except NotAsked:
            flight.set_result(None)
            raise
        except BaseException:
            flight.cancel()
            raise
        finally:
            del self._flights[key]
        flight.set_result(answer)
        if keep and answer[1].known:
            self._remembered[key] = answer
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return answer

    async def _ask(self, work: Work) -> Answer:
        candidate, request = work.candidate, work.request
        origin = self._origin(work, work.key, candidate, request, None, 0)
        sends = sending(candidate)
        if request is not None and sends is not None:
            response, origin.attempts = await self._attempts(sends, request, work, work.key)
        else:
            response = await self._local(candidate, work.sample, CellContext(self, work), work.timeout_s)
        return self._record(origin, response, work)

    def _origin(
        self, work: Work, key: str, candidate: Candidate, request: Request | None, stage: str | None, ordinal: int
    ) -> Origin:
        sends = sending(candidate) if request is not None else None
        named = work.model if ordinal == 0 else None
        return Origin(
            call_id=os.urandom(16).hex(),
            key=key,
            generation=work.generation,
            entry_id=work.entry,
            position=work.position,
            ordinal=ordinal,
            stage=stage,
            lane=sends.lane if sends else None,
            model=named or (sends.model if sends else getattr(candidate, "model", None)),
            endpoint=request.endpoint if request is not None else None,
            request=request.body if request is not None else None,
            started=time.time(),
        )

    def _record(self, origin: Origin, response: Response, work: Work) -> Answer:
        self.journal.append(call_record(origin, response))
        usd = self.settings.money(origin.model, response.usage)
        work.budget.spend(response.usage, usd if response.error is None or response.usage else 0.0)
        progress = work.progress
        progress.tokens += tokens(response.usage)
        if usd is None:
            progress.unpriced += 1
        else:
            progress.usd += usd
        progress.stopped = stop_reason(progress, response, self.lanes.get(origin.lane or ""))
        return origin.call_id, response

    async def _local(self, candidate: Candidate, sample: Sample, ctx: CellContext, timeout_s: float) -> Response:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                response = await candidate.answer(sample, ctx)
        except TimeoutError:
            return Response(error=timed_out(timeout_s), seconds=time.monotonic() - begun)
        except Exception as error:  # noqa: BLE001 - a candidate is the user's code: whatever it raises is its answer
            text = f"{type(error).__name__}: {error}"
            return Response(error=Failure(ErrorKind.CANDIDATE, text), seconds=time.monotonic() - begun)
        if response.seconds is None:
            response = replace(response, seconds=time.monotonic() - begun)
        return replace(response, trace=tuple(ctx.steps)) if ctx.steps else response

    async def _attempts(self, candidate: Sends, request: Request, work: Work, key: str) -> tuple[Response, int]:
        lane = self.lanes.get(candidate.lane)
        if lane is None:
            lane = self.lanes[candidate.lane] = Lane(candidate.lane, LaneLimits(), time.monotonic)
        estimate = len(str(request.body)) / 4 if lane.limits.tokens_per_minute else 0.0
        attempt, response = 0, Response(error=Failure(ErrorKind.CANCELLED, "cancelled"))
        while True:
            epoch = await lane.enter(estimate, work.budget.lasts)
            latest = Response(error=Failure(ErrorKind.CANCELLED, "cancelled"))
            try:
                if self._barred(work, lane.pause_s(), is_cell=key == work.key):
                    if attempt:
                        return response, attempt
                    raise NotAsked
                latest = await self._send(candidate, request, work.timeout_s)
            finally:
                lane.leave(epoch, latest, estimated_tokens=estimate, used_tokens=tokens(latest.usage))
            attempt, response = attempt + 1, latest
            if response.error is None:
                return response, attempt
            wait = self.settings.retries.wait_s(response.error, attempt, key)
            if wait is None or stop_reason(work.progress, response, lane) or not work.budget.lasts(wait):
                return response, attempt
            lane.waiting_on = f"{response.error.kind.value}: asking again in {wait:.1f} s"
            await asyncio.sleep(wait)

    def _barred(self, work: Work, pause_s: float, *, is_cell: bool) -> bool:
        """Whether a call whose turn it is may not start any more; a sub-call belongs to a cell that is under way."""
        progress = work.progress
        if progress.stopped is None:
            progress.stopped = work.budget.exhausted()
        if progress.stopped is None and not work.budget.lasts(pause_s):
            progress.stopped = f"the server asks to wait {pause_s:.0f} s, and the time limit is over before"
        return progress.stopped is not None or (is_cell and self.halted())

    async def _send(self, candidate: Sends, request: Request, timeout_s: float) -> Response:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                return await candidate.send(request)
        except TimeoutError:
            return Response(error=timed_out(timeout_s), seconds=time.monotonic() - begun)
        except Exception as error:  # noqa: BLE001 - a provider may be a stranger's plug-in: its crash is one failed call
            text = f"{type(error).__name__}: {error}"
            return Response(error=Failure(ErrorKind.PROVIDER, text), seconds=time.monotonic() - begun)

    async def sub(self, parent: CellContext, candidate: Candidate, sample: Sample, stage: str) -> Response:
        """A call inside a cell: the same rules, its own key, its own record, a step in the parent's trace."""
        work, ordinal = parent.work, parent.next_ordinal(candidate)
        sends = sending(candidate)
        request = sends.request(sample, work.repeat) if sends is not None else None
        generation = work.generation
        if request is not None:
            key = call_key(request, work.repeat, ordinal, generation)
        else:
            key = local_key(candidate.fingerprint, sample_hash(sample), None, work.repeat, ordinal, generation)
        earlier = await self._earlier(key) or self.settings.known(key)
        if earlier is not None:
            parent.steps.append(Step(stage, key, cached=True))
            return earlier[1]
        if spent := work.budget.exhausted():
            return Response(error=Failure(ErrorKind.BUDGET, spent))
        try:
            answer = await self._once(key, self._sub_ask(parent, candidate, sample, request, (key, stage)), keep=True)
        except NotAsked:
            return Response(error=Failure(ErrorKind.BUDGET, work.progress.stopped or "not asked"))
        parent.steps.append(Step(stage, key, cached=False))
        return answer[1]

    async def _sub_ask(
        self, parent: CellContext, candidate: Candidate, sample: Sample, request: Request | None, named: tuple[str, str]
    ) -> Answer:
        work, (key, stage) = parent.work, named
        origin = self._origin(work, key, candidate, request, stage, parent.calls)
        sends = sending(candidate)
        if request is not None and sends is not None:
            response, origin.attempts = await self._attempts(sends, request, work, key)
        else:
            inner = CellContext(self, work)
            inner.calls = parent.calls
            response = await self._local(candidate, sample, inner, work.timeout_s)
            parent.calls = inner.calls
        return self._record(origin, response, work)


class CellContext:
    """The `Context` of one cell: what a candidate or scorer may use of the rest of evalkit."""

    def __init__(self, asker: Asker, work: Work) -> None:
        self._asker, self.work = asker, work
        self.steps: list[Step] = []
        self.calls = 0
        self._asked: dict[str, int] = {}

    @property
    def repeat(self) -> int:
        return self.work.repeat

    @property
    def seed(self) -> int:
        return self.work.seed + self.work.repeat

    @property
    def blobs(self) -> Any:
        return self._asker.settings.blobs

    @property
    def sandbox(self) -> Any:
        raise MissingComponent("there is no sandbox in this version: code from models is never run")

    async def ask(self, candidate: Candidate, sample: Sample, stage: str = "") -> Response:
        """Ask another candidate through the engine: keyed, cached, budgeted, traced."""
        return await self._asker.sub(self, candidate, sample, stage or candidate.name)

    def render(self, template: str, /, **variables: Any) -> str:
        """Render a prompt template in the sandbox; an undefined variable raises ValueError."""
        return self._asker.settings.render(template, variables)

    def money(self, response: Response) -> float | None:
        """What the response cost in US dollars by the run's price table; None when a price is unknown."""
        return self._asker.settings.money(self.work.model, response.usage)

    def next_ordinal(self, candidate: Candidate) -> int:
        """How often this cell has asked this candidate before: keeps equal requests inside one cell apart."""
        self.calls += 1
        count = self._asked.get(candidate.fingerprint, 0)
        self._asked[candidate.fingerprint] = count + 1
        return count
