"""Where work is done: the executor interface, and the local one that shares a run among processes of this machine."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Shard:
    """One worker's part of the cells: those whose place modulo `of` is `index`."""

    index: int = 0
    of: int = 1

    def has(self, place: int) -> bool:
        """Whether a place in the scheduled order is this worker's."""
        return place % self.of == self.index


@dataclass(frozen=True, slots=True)
class Counts:
    """What a worker reports of one entry; plain values, so that any executor can carry them."""

    entry_id: str
    done: int
    errors: int
    tokens: float
    usd: float
    unpriced: int
    stopped: str | None
    in_flight: int
    allowed: int
    waiting_on: str | None


class Link(Protocol):
    """A worker's line to whoever started it."""

    def told(self) -> Any:
        """Wait for what it is told next."""

    def report(self, counts: Sequence[Counts]) -> None:
        """Say how far the worker is."""

    def stop_level(self) -> int:
        """0 = go on, 1 = drain, 2 = stop at once."""

    def spend(self, name: str, usd: float, tokens: float) -> tuple[float, float]:
        """Add to what all workers spent under a name; returns the totals (dollars, tokens)."""


Target = Callable[[Any, Shard, Link], None]
Hear = Callable[[int, Sequence[Counts]], None]


class Executor(Protocol):
    """Runs a target once per shard and returns what went wrong, in words; a distributed engine is another one."""

    def start(self, target: Target, payload: Any) -> None:
        """Have workers make themselves ready: a target runs until it asks its link what it is told."""

    def tell(self, message: Any) -> None:
        """Say something to all workers."""

    def execute(self, message: Any, budgets: Sequence[str], hear: Hear) -> list[str]:
        """Say the last thing, with the names of shared budgets, and run until all shards are done.

        `hear` gets each worker's counts as they come.
        """

    def stop(self) -> None:
        """Ask all workers to drain; asked again, to stop at once."""

    def end(self) -> None:
        """End workers that wait for what nobody will say."""


class Spent:
    """Totals by name, shared by processes; `names` may be told after they have started, at most `room` of them."""

    def __init__(self, context: Any, room: int) -> None:
        self.names: Sequence[str] = ()
        self._totals = context.Array("d", 2 * room)

    def add(self, name: str, usd: float, tokens: float) -> tuple[float, float]:
        """Add and return the totals."""
        place = 2 * self.names.index(name)
        # The bare array, as the shared one would lock for every number.
        with self._totals.get_lock():
            totals = self._totals.get_obj()
            totals[place] += usd
            totals[place + 1] += tokens
            return totals[place], totals[place + 1]


class _ProcessLink:
    def __init__(self, index: int, channel: Connection, level: Any, spent: Spent) -> None:
        self._index, self._channel, self._level, self._spent = index, channel, level, spent

    def told(self) -> Any:
        message, self._spent.names = self._channel.recv()
        return message

    def report(self, counts: Sequence[Counts]) -> None:
        self._channel.send((self._index, list(counts)))

    def stop_level(self) -> int:
        return int(self._level.value)

    def spend(self, name: str, usd: float, tokens: float) -> tuple[float, float]:
        return self._spent.add(name, usd, tokens)


class Processes:
    """Shards among spawned processes of this machine; a worker dies with its parent. `room` = most shared budgets."""

    def __init__(self, workers: int, room: int) -> None:
        self.workers, self.room = workers, room
        self._context = get_context("spawn")
        self._level = self._context.Value("i", 0)
        self._spent = Spent(self._context, room)
        self._processes: list[Any] = []
        self._channels: list[Connection] = []

    def start(self, target: Target, payload: Any) -> None:
        """Start the processes; each runs the target until it asks what it is told."""
        for index in range(self.workers):
            ours, theirs = self._context.Pipe()
            shared = (self._level, self._spent, os.getpid())
            process = self._context.Process(
                target=_child, args=(target, payload, Shard(index, self.workers), theirs, shared), daemon=True
            )
            process.start()
            # With the only other end in the worker, its death ends the channel.
            theirs.close()
            self._processes.append(process)
            self._channels.append(ours)

    def tell(self, message: Any) -> None:
        """Say something to all workers."""
        self._say(message, ())

    def stop(self) -> None:
        """Ask all workers to drain; asked again, to stop at once."""
        self._level.value += 1

    def execute(self, message: Any, budgets: Sequence[str], hear: Hear) -> list[str]:
        """Say the last thing and run until all processes have ended."""
        self._say(message, budgets)
        open_ones: list[Any] = [*self._channels, *(process.sentinel for process in self._processes)]
        while open_ones:
            for ready in wait(open_ones):
                if not isinstance(ready, Connection) or not _heard(ready, hear):
                    open_ones.remove(ready)
        for process in self._processes:
            process.join()
        return [
            f"worker {index} ended with code {process.exitcode}"
            for index, process in enumerate(self._processes)
            if process.exitcode
        ]

    def end(self) -> None:
        """End the processes that are still there, and close the channels."""
        for process in self._processes:
            process.terminate()
        for process, channel in zip(self._processes, self._channels, strict=True):
            process.join()
            channel.close()
        self._processes, self._channels = [], []

    def _say(self, message: Any, budgets: Sequence[str]) -> None:
        for channel in self._channels:
            # A worker that is gone is told of by its exit code.
            with suppress(OSError):
                channel.send((message, budgets))


def _heard(channel: Connection, hear: Hear) -> bool:
    """Take in what a worker reports; False when its channel has ended."""
    try:
        hear(*channel.recv())
    except (EOFError, OSError):
        return False
    return True


def _child(target: Target, payload: Any, shard: Shard, channel: Connection, shared: tuple[Any, Spent, int]) -> None:
    level, spent, parent = shared
    # The terminal sends ctrl-C to the whole group; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    target(payload, shard, _ProcessLink(shard.index, channel, level, spent))


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)
