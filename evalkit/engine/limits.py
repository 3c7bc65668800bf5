"""What a lane (provider and account) may do now: adaptive concurrency, request and token rates, pauses."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Response
from evalkit.engine.retry import PATIENCE_S


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Limits of one lane: most calls in flight, requests and tokens per minute (None = no limit)."""

    concurrency: int = 64
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    start: int = 16


@dataclass
class Rate:
    """A leaky bucket per minute that allows a burst of one second; counts may be corrected afterwards."""

    per_minute: float
    clock: Callable[[], float]
    level: float = 0.0
    at: float = field(default=0.0)

    def wait_s(self, amount: float) -> float:
        """Take `amount` and return how long to wait before it may be used, in seconds."""
        rate = self.per_minute / 60
        now = self.clock()
        self.level = max(0.0, self.level - max(0.0, now - self.at) * rate)
        self.at = max(self.at, now)
        burst = max(1.0, rate)
        wait = max(0.0, (self.level + min(amount, burst) - burst) / rate)
        self.level += amount
        return wait

    def correct(self, difference: float) -> None:
        """Add what was used beyond the estimate (negative: less)."""
        self.level = max(0.0, self.level + difference)


class Lane:
    """Admission to one provider: doubles its concurrency per clean round until the first push-back, then grows by one.

    A push-back (429, 503, 529) cuts concurrency to 0.7 once per round and pauses the lane for Retry-After.
    """

    def __init__(self, name: str, limits: LaneLimits, clock: Callable[[], float]) -> None:
        self.name, self.limits, self._clock = name, limits, clock
        self.allowed = max(1, min(limits.start, limits.concurrency))
        self.in_flight = 0
        self.waiting_on: str | None = None
        self.ever_answered = False
        self.refused_in_a_row = 0
        self._slow_start = True
        self._clean = 0
        self._epoch = 0
        self._paused_until = 0.0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._requests = Rate(limits.requests_per_minute, clock) if limits.requests_per_minute else None
        self._tokens = Rate(limits.tokens_per_minute, clock) if limits.tokens_per_minute else None
        self._paced = self._requests is not None or self._tokens is not None

    def pause_s(self) -> float:
        """Seconds until the server lets itself be asked again; 0 when it does now."""
        return max(0.0, self._paused_until - self._clock())

    async def enter(self, tokens: float, lasts: Callable[[float], bool] = lambda _seconds: True) -> int:
        """Wait for a place, the rates and any pause; returns the round to hand back to `leave`.

        A pause of which `lasts` says that it is longer than there is time is not waited for: see `pause_s` then.
        """
        while self.in_flight >= self.allowed:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(future)
            try:
                await future
            except asyncio.CancelledError:
                self._wake()
                raise
        self.in_flight += 1
        try:
            if self._paced or self._paused_until:
                await self._pace(tokens, lasts)
            self.waiting_on = None
        except asyncio.CancelledError:
            self.in_flight -= 1
            self._wake()
            raise
        return self._epoch

    async def _pace(self, tokens: float, lasts: Callable[[float], bool]) -> None:
        wait = self._requests.wait_s(1) if self._requests else 0.0
        if self._tokens:
            wait = max(wait, self._tokens.wait_s(tokens))
        if wait > 0:
            self.waiting_on = "the rate limit"
            await asyncio.sleep(wait)
        while (pause := self.pause_s()) > 0 and lasts(pause):
            self.waiting_on = f"{self.name}: asked to wait {pause:.0f} s"
            await asyncio.sleep(pause)

    def leave(self, epoch: int, response: Response, *, estimated_tokens: float, used_tokens: float) -> None:
        """Give the place back and learn from how the call ended."""
        self.in_flight -= 1
        if self._tokens:
            self._tokens.correct(used_tokens - estimated_tokens)
        error = response.error
        if error is None:
            self.ever_answered = True
            self.refused_in_a_row = 0
            self._grow(epoch)
        elif error.kind is ErrorKind.RATE_LIMITED or error.status in (429, 503, 529):
            self._shrink(epoch, error.retry_after_s)
        elif error.kind is ErrorKind.CONNECTION:
            self.refused_in_a_row += 1
        self._wake()

    def _grow(self, epoch: int) -> None:
        if epoch != self._epoch or self.allowed >= self.limits.concurrency:
            return
        self._clean += 1
        if self._clean >= self.allowed:
            self._clean = 0
            step = self.allowed if self._slow_start else 1
            self.allowed = min(self.limits.concurrency, self.allowed + step)

    def _shrink(self, epoch: int, retry_after_s: float | None) -> None:
        # Who asks for more is not waited for: the candidate stops.
        if retry_after_s and retry_after_s <= PATIENCE_S:
            self._paused_until = max(self._paused_until, self._clock() + retry_after_s)
        if epoch != self._epoch:
            return
        self._epoch += 1
        self._slow_start = False
        self._clean = 0
        self.allowed = max(1, int(self.allowed * 0.7))

    def _wake(self) -> None:
        free = self.allowed - self.in_flight
        while free > 0 and self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_result(None)
                free -= 1
