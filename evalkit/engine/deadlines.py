"""Time limits of many calls behind one timer of the event loop (one for each costs as much as its record); clocks."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self


class Deadlines:
    """Limits of `seconds` each. They fall due in the order in which they were set, so one timer serves them all."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.loop = asyncio.get_running_loop()
        # In the order of falling due, as a dict keeps the order of insertion.
        self.waiting: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def one(self) -> Deadline:
        """A limit for a `with` block of the running task, from now on; raises TimeoutError where it is exceeded."""
        return Deadline(self)

    def wait_for(self, deadline: Deadline) -> None:
        """Wake when a limit falls due, unless that is going to happen already."""
        self.waiting[deadline] = None
        if self._timer is None:
            self._timer = self.loop.call_at(deadline.due, self._fall_due)

    def _fall_due(self) -> None:
        self._timer = None
        now = self.loop.time()
        for deadline in list(self.waiting):
            if deadline.due > now:
                self._timer = self.loop.call_at(deadline.due, self._fall_due)
                return
            del self.waiting[deadline]
            deadline.exceed()


class Deadline:
    """One limit; what `asyncio.timeout` is to one task.

    It may be held while the task waits for what has limits of its own, and begins anew when the last of that is over.
    """

    __slots__ = ("_among", "_cancelling", "_exceeded", "_held", "_over", "_task", "due")

    def __init__(self, among: Deadlines) -> None:
        self._among = among
        self._exceeded = self._over = False
        self._held = 0

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self._task = task
        self._cancelling = task.cancelling()
        self.due = self._among.loop.time() + self._among.seconds
        self._among.wait_for(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        if not self._exceeded:
            self._among.waiting.pop(self, None)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            # Who else cancelled the task meanwhile is obeyed instead.
            raise TimeoutError from error

    def hold(self) -> None:
        """Stop counting until the matching `release`."""
        self._held += 1
        self._among.waiting.pop(self, None)

    def release(self) -> None:
        """Count again from now on, unless something else is still waited for or the block has been left."""
        self._held -= 1
        if self._held == 0 and not self._exceeded and not self._over:
            self.due = self._among.loop.time() + self._among.seconds
            self._among.wait_for(self)

    def exceed(self) -> None:
        """Cancel what is under way."""
        self._exceeded = True
        self._task.cancel()


class Clock:
    """How long an answer takes: own time, and for every stretch of waiting the longest of the calls waited for.

    Not in it: how long calls stand in a queue or wait to be tried again. A known call counts what it once took.
    """

    __slots__ = ("_begun", "_held", "_longest", "_since", "_taken")

    def __init__(self) -> None:
        self._held = 0
        self.start()

    def start(self) -> None:
        """Count from now on."""
        self._begun = self._since = time.monotonic()
        self._taken = self._longest = 0.0

    def hold(self) -> None:
        """A call is waited for."""
        if self._held == 0:
            self._since, self._longest = time.monotonic(), 0.0
        self._held += 1

    def release(self, seconds: float) -> None:
        """A call has ended that took so long by itself."""
        self._held -= 1
        self._longest = max(self._longest, seconds)
        if self._held == 0:
            self._taken += self._longest - (time.monotonic() - self._since)

    def seconds(self) -> float:
        """Seconds so far."""
        return max(0.0, time.monotonic() - self._begun + self._taken)
