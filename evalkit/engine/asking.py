"""One question: known or in flight already, else admitted, sent, retried, counted and journaled."""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from evalkit.core.capabilities import learning_first, sending
from evalkit.core.errors import ErrorKind, MissingComponent
from evalkit.core.keys import call_key, local_key, sample_hash
from evalkit.core.types import Candidate, Failure, Request, Response, Sample, Sends, Step
from evalkit.core.units import Usage, tokens
from evalkit.engine.deadlines import Clock, Deadline, Deadlines
from evalkit.engine.journal import Journal
from evalkit.engine.limits import Lane, LaneLimits
from evalkit.engine.records import Link, Origin, call_record
from evalkit.engine.retry import timed_out
from evalkit.engine.work import Settings, Work, stop_reason

Answer = tuple[str, Response]
STAGES = "stages"
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
        self._deadlines: dict[float, Deadlines] = {}

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
            model=named or self.priced_as(candidate),
            endpoint=request.endpoint if request is not None else None,
            request=request.body if request is not None else None,
            started=time.time(),
        )

    def priced_as(self, candidate: Candidate) -> str | None:
        """What the price table calls a candidate; None where nobody said, so that its price is unknown."""
        sends, models = sending(candidate), self.settings.models
        if sends is not None:
            return models.get(sends.lane) or sends.model
        return models.get(candidate.fingerprint) or models.get(candidate.name) or getattr(candidate, "model", None)

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
            # Learning is not answering: embedding a corpus may take longer than any answer.
            learner = learning_first(candidate)
            if learner is not None:
                await learner.learn_first(ctx)
                begun = time.monotonic()
            ctx.clock.start()
            with self._within(timeout_s) as ctx.deadline:
                response = await candidate.answer(sample, ctx)
        except TimeoutError:
            return Response(error=timed_out(timeout_s), seconds=time.monotonic() - begun)
        except Exception as error:  # noqa: BLE001 - a candidate is the user's code: whatever it raises is its answer
            text = f"{type(error).__name__}: {error}"
            return Response(error=Failure(ErrorKind.CANDIDATE, text), seconds=time.monotonic() - begun)
        if response.seconds is None:
            response = replace(response, seconds=ctx.clock.seconds())
        steps, stages = ctx.taken()
        if not steps:
            return response
        return replace(response, trace=tuple(steps), meta={**response.meta, STAGES: stages})

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
                lane.leave(
                    epoch, latest, estimated_tokens=estimate, used_tokens=tokens(latest.usage) if estimate else 0.0
                )
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
        if progress.stopped is None and pause_s > 0 and not work.budget.lasts(pause_s):
            progress.stopped = f"the server asks to wait {pause_s:.0f} s, and the time limit is over before"
        return progress.stopped is not None or (is_cell and self.halted())

    def _within(self, seconds: float) -> Deadline:
        deadlines = self._deadlines.get(seconds)
        if deadlines is None:
            deadlines = self._deadlines[seconds] = Deadlines(seconds)
        return deadlines.one()

    async def _send(self, candidate: Sends, request: Request, timeout_s: float) -> Response:
        begun = time.monotonic()
        try:
            with self._within(timeout_s):
                return await candidate.send(request)
        except TimeoutError:
            return Response(error=timed_out(timeout_s), seconds=time.monotonic() - begun)
        except Exception as error:  # noqa: BLE001 - a provider may be a stranger's plug-in: its crash is one failed call
            text = f"{type(error).__name__}: {error}"
            return Response(error=Failure(ErrorKind.PROVIDER, text), seconds=time.monotonic() - begun)

    async def sub(self, parent: CellContext, candidate: Candidate, sample: Sample, stage: str) -> Response:
        """A call inside a cell: the same rules, its own key, its own record, a step in the parent's trace."""
        work = parent.work
        sends = sending(candidate)
        try:
            request = sends.request(sample, work.repeat) if sends is not None else None
        except ValueError as error:
            return Response(error=Failure(ErrorKind.BAD_REQUEST, f"{stage}: {error}"))
        key, number = _sub_key(parent, candidate, sample, request), parent.number()
        earlier = await self._earlier(key) or self.settings.known(key)
        if earlier is not None:
            parent.took(number, Step(stage, key, cached=True), candidate, earlier[1])
            return earlier[1]
        if spent := work.budget.exhausted():
            return Response(error=Failure(ErrorKind.BUDGET, spent))
        try:
            asking = self._sub_ask(parent, candidate, sample, request, (key, stage, number))
            answer = await self._once(key, asking, keep=True)
        except NotAsked:
            return Response(error=Failure(ErrorKind.BUDGET, work.progress.stopped or "not asked"))
        parent.took(number, Step(stage, key), candidate, answer[1])
        return answer[1]

    async def _sub_ask(
        self,
        parent: CellContext,
        candidate: Candidate,
        sample: Sample,
        request: Request | None,
        named: tuple[str, str, int],
    ) -> Answer:
        work, (key, stage, number) = parent.work, named
        origin = self._origin(work, key, candidate, request, stage, number)
        sends = sending(candidate)
        if request is not None and sends is not None:
            response, origin.attempts = await self._attempts(sends, request, work, key)
        else:
            response = await self._local(candidate, sample, parent.inside(), work.timeout_s)
        return self._record(origin, response, work)


def _sub_key(parent: CellContext, candidate: Candidate, sample: Sample, request: Request | None) -> str:
    """The key of a call inside a cell; equal questions of one cell are told apart by how often they were asked."""
    work = parent.work
    repeat, generation = work.repeat, work.generation
    if request is not None:
        ordinal = parent.next_ordinal(call_key(request, repeat, 0, generation))
        return call_key(request, repeat, ordinal, generation)
    content = sample_hash(sample)
    ordinal = parent.next_ordinal(local_key(candidate.fingerprint, content, None, repeat, 0, generation))
    return local_key(candidate.fingerprint, content, None, repeat, ordinal, generation)


class CellContext:
    """The `Context` of one cell: what a candidate or scorer may use of the rest of evalkit.

    Calls inside a cell are numbered from 1 on in the order in which they were asked for, however long each takes.
    """

    def __init__(self, asker: Asker, work: Work, numbers: Iterator[int] | None = None) -> None:
        self._asker, self.work = asker, work
        self._numbers = count(1) if numbers is None else numbers
        self._taken: list[tuple[int, list[Step], list[list[Any]]]] = []
        self._asked: dict[str, int] = {}
        self.deadline: Deadline | None = None
        self.clock = Clock()

    def inside(self) -> CellContext:
        """The context of a candidate that is asked inside this cell: its calls are numbered on, its steps its own."""
        return CellContext(self._asker, self.work, self._numbers)

    def number(self) -> int:
        """The number of the next call."""
        return next(self._numbers)

    def aside(self) -> CellContext:
        """A context for calls that belong to no answer, such as those of learning: they leave no step in a trace."""
        return CellContext(self._asker, self.work)

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
        if self._asker.settings.sandbox is None:
            raise MissingComponent("no sandbox was lent to this run: code from models is never run without one")
        return self._asker.settings.sandbox

    def candidate(self, name: str) -> Candidate:
        """A candidate that a scorer named in `needs`; raises KeyError for another name."""
        return self._asker.settings.candidate(self.work.entry, name)

    async def ask(self, candidate: Candidate, sample: Sample, stage: str = "") -> Response:
        """Ask another candidate through the engine: keyed, cached, budgeted, traced.

        Each call has the time limit to itself; the limit of who asks counts what passes between its calls.
        """
        if self.deadline is not None:
            self.deadline.hold()
        self.clock.hold()
        took = 0.0
        try:
            response = await self._asker.sub(self, candidate, sample, stage or candidate.name)
            took = response.seconds or 0.0
        finally:
            self.clock.release(took)
            if self.deadline is not None:
                self.deadline.release()
        return response

    def render(self, template: str, /, **variables: Any) -> str:
        """Render a prompt template in the sandbox; an undefined variable raises ValueError."""
        return self._asker.settings.render(template, variables)

    def money(self, response: Response) -> float | None:
        """What the response cost in US dollars by the run's price table; None when a price is unknown."""
        return money_of(response, self.work.model, self._asker.settings.money)

    def took(self, number: int, step: Step, candidate: Candidate, response: Response) -> None:
        """Keep a finished call inside the cell as a step, with what it used; calls inside it are steps too.

        Among the stages those inside take its place: what they used is what it used.
        """
        inner = [Step(f"{step.stage}/{one.stage}", one.key, cached=one.cached or step.cached) for one in response.trace]
        stages = [
            [f"{step.stage}/{name}", model, usage, seconds, cached or step.cached, error]
            for name, model, usage, seconds, cached, error in response.meta.get(STAGES, ())
        ]
        if not stages:
            error = response.error.kind.value if response.error is not None else None
            model = self._asker.priced_as(candidate)
            stages = [[step.stage, model, dict(response.usage), response.seconds, step.cached, error]]
        self._taken.append((number, [step, *inner], stages))

    def taken(self) -> tuple[list[Step], list[list[Any]]]:
        """The calls so far in the order in which they were asked for; and of each, also of those inside one: stage,
        model, usage, seconds, whether its answer was known, its error.
        """
        ordered = sorted(self._taken, key=lambda one: one[0])
        return (
            [step for _, steps, _ in ordered for step in steps],
            [stage for _, _, stages in ordered for stage in stages],
        )

    def next_ordinal(self, key: str) -> int:
        """How often this cell has asked this question before."""
        before = self._asked.get(key, 0)
        self._asked[key] = before + 1
        return before


def money_of(response: Response, model: str | None, money: Callable[[str | None, Usage], float | None]) -> float | None:
    """What an answer cost in US dollars: the sum over its stages where it has any; None when a price is unknown."""
    stages = response.meta.get(STAGES)
    if not stages:
        return money(model, response.usage)
    spent = [money(part, usage) for _, part, usage, _, _, error in stages if error is None or usage]
    return None if None in spent else sum(one for one in spent if one is not None)
