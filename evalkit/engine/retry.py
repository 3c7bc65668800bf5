"""When to ask again and how long to wait: never for a final refusal, never for ever."""

from __future__ import annotations

import random
from dataclasses import dataclass

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Failure

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Retries:
    """`most` further attempts; waits of `base_s` doubling up to `cap_s`, with jitter seeded by the call's key.

    A server that asks for more than `patience_s` gets no further attempt: the cell ends as rate limited.
    """

    most: int = 5
    base_s: float = 0.5
    cap_s: float = 30.0
    patience_s: float = PATIENCE_S

    def wait_s(self, failure: Failure, attempt: int, key: str) -> float | None:
        """Seconds to wait before attempt `attempt` + 1 (attempts count from 1), or None to give up."""
        if not failure.retryable or attempt > self.most:
            return None
        jitter: float = random.Random(f"{key}:{attempt}").uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        wait: float = min(self.cap_s, self.base_s * 2 ** (attempt - 1)) * jitter
        if failure.retry_after_s is not None:
            if failure.retry_after_s > self.patience_s:
                return None
            wait = max(wait, failure.retry_after_s)
        return wait


def timed_out(seconds: float) -> Failure:
    """The failure of a call that did not end within `seconds`."""
    return Failure(ErrorKind.TIMEOUT, f"no answer within {seconds:g} s", retryable=True)
