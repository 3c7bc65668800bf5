"""A fallback: the next part when one is down, with a circuit breaker that leaves a broken part alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from evalkit.core.capabilities import sending
from evalkit.core.errors import ErrorKind
from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Request, Response, Sample, Sends
from evalkit.systems._handing import broken, handed, several, why
from evalkit.systems._parts import Parts, System, known_roles, ready

DOWN = (ErrorKind.RATE_LIMITED, ErrorKind.PROVIDER, ErrorKind.TIMEOUT, ErrorKind.CONNECTION, ErrorKind.MALFORMED)
_KINDS = tuple(kind.value for kind in DOWN)


@dataclass
class Breaker:
    """Counts the failures of each part in a row, and says which parts are left alone.

    After `failures` in a row a part is left alone for `seconds`; then one call tries it, while others still leave it
    alone: success closes the circuit, failure leaves it alone again. The clock is monotonic.
    """

    failures: int
    seconds: float
    clock: Callable[[], float] = time.monotonic
    _row: dict[int, int] = field(default_factory=dict)
    _until: dict[int, float] = field(default_factory=dict)

    def alone(self, part: int) -> float | None:
        """Seconds for which a part is still left alone, None when it may be asked; asking takes the one trial."""
        until = self._until.get(part)
        if until is None:
            return None
        left = until - self.clock()
        if left > 0:
            return left
        self._until[part] = self.clock() + self.seconds
        return None

    def succeeded(self, part: int) -> None:
        """An answer came."""
        self._row.pop(part, None)
        self._until.pop(part, None)

    def failed(self, part: int) -> None:
        """No answer came."""
        self._row[part] = self._row.get(part, 0) + 1
        if self._row[part] >= self.failures:
            self._until[part] = self.clock() + self.seconds


@dataclass(frozen=True)
class Once:
    """A part that is asked once: its failures are not tried again, since another part is there."""

    part: Sends
    name: str
    fingerprint: str

    @property
    def lane(self) -> str:
        """The part's lane."""
        return self.part.lane

    @property
    def model(self) -> str:
        """The part's model."""
        return self.part.model

    def request(self, sample: Sample, repeat: int) -> Request:
        """The part's request."""
        return self.part.request(sample, repeat)

    async def send(self, request: Request) -> Response:
        """One attempt, the only one."""
        response = await self.part.send(request)
        return response if response.error is None else replace(response, error=replace(response.error, retryable=False))

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """The part's answer."""
        whole: Any = self.part
        response: Response = await whole.answer(sample, ctx)
        return response


@dataclass(frozen=True)
class Fallback(System):
    """Asks `members` in order until one answers; a part that keeps failing is left alone for a while.

    The next part is asked after a failure of one of the kinds in `on` (rate_limited, provider_error, timeout,
    connection, malformed_response); any other failure is the answer's. A part that speaks over the network is asked
    once, and only the last one with the run's retries, unless `retries` is true. After `failures` in a row a part is
    left alone for `seconds`; each worker process counts for itself. When nobody answers, the answer is a failure that
    names every part with its reason.

    `meta.route` = `members[n]`, `meta.escalated` = how many members were passed over, `meta.down` = why.
    """

    on: tuple[str, ...] = _KINDS
    failures: int = 3
    seconds: float = 30.0
    retries: bool = False
    kind: ClassVar[str] = "fallback"
    breaker: Breaker = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known_roles(self.parts, ("members",), needed=("members",))
        several(self.parts, "members", 2)
        strange = [kind for kind in self.on if kind not in _KINDS]
        if strange or not self.on:
            raise ValueError(
                f"on: {strange[0] if strange else 'nothing'} is no such failure; known: {', '.join(_KINDS)}"
            )
        if type(self.failures) is not int or self.failures < 1:
            raise ValueError(f"failures={self.failures!r} must be a whole number from 1 on")
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, (int, float)) or self.seconds < 0:
            raise ValueError(f"seconds={self.seconds!r} must be a number of at least 0")
        object.__setattr__(self, "breaker", Breaker(self.failures, float(self.seconds)))

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Ask one after the other."""
        chain = several(self.parts, "members", 2)
        down: list[str] = []
        kind = ErrorKind.PROVIDER
        for place, part in enumerate(chain):
            left = self.breaker.alone(place)
            if left is not None:
                down.append(f"members[{place}] {part.name}: left alone for {left:.1f} s more")
                continue
            asked = part if self.retries or place == len(chain) - 1 else once(part)
            response = await ctx.ask(asked, sample, stage=f"members[{place}]")
            if response.error is None or response.error.kind.value not in self.on:
                self.breaker.succeeded(place)
                return handed(response, route=f"members[{place}]", escalated=place, down=down)
            self.breaker.failed(place)
            kind = response.error.kind
            down.append(f"members[{place}] {part.name}: {why(response)}")
        return broken(f"all {len(chain)} members are down: {'; '.join(down)}", kind, down=down)


def once(part: Candidate) -> Candidate:
    """The part without retries; what does not speak over the network has none, and is returned as it is."""
    sends = sending(part)
    return part if sends is None else Once(sends, part.name, part.fingerprint)


def make(parts: Parts, **options: Any) -> Candidate:
    """Role `members` (a list); options `on`, `failures`, `seconds`, `retries`."""
    return ready(build(Fallback, {"parts": parts, **options}))
