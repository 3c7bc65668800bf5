"""Where work is done: the executor interface, and the local one that shares a run among processes of this machine."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
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

    def report(self, counts: Sequence[Counts]) -> None:
        """Say how far the worker is."""

    def stop_level(self) -> int:
        """0 = go on, 1 = drain, 2 = stop at once."""

    def spend(self, name: str, usd: float, tokens: float) -> tuple[float, float]:
        """Add to what all workers spent under a name; returns the totals (dollars, tokens)."""


Target = Callable[[Any, Shard, Link], None]


class Executor(Protocol):
    """Runs a target once per shard and returns what went wrong, in words; a distributed engine is another one."""

    def execute(self, target: Target, payload: Any, hear: Callable[[int, Sequence[Counts]], None]) -> list[str]:
        """Run until all shards are done; `hear` gets each worker's counts as they come."""

    def stop(self) -> None:
        """Ask all workers to drain; asked again, to stop at once."""


class Spent:
    """Totals by name, shared by processes."""

    def __init__(self, context: Any, names: Sequence[str]) -> None:
        self._totals = {name: context.Array("d", 2) for name in names}

    def add(self, name: str, usd: float, tokens: float) -> tuple[float, float]:
        """Add and return the totals."""
        total = self._totals[name]
        with total.get_lock():
            total[0] += usd
            total[1] += tokens
            return total[0], total[1]


class _ProcessLink:
    def __init__(self, index: int, channel: Any, level: Any, spent: Spent) -> None:
        self._index, self._channel, self._level, self._spent = index, channel, level, spent

    def report(self, counts: Sequence[Counts]) -> None:
        self._channel.put((self._index, list(counts)))

    def stop_level(self) -> int:
        return int(self._level.value)

    def spend(self, name: str, usd: float, tokens: float) -> tuple[float, float]:
        return self._spent.add(name, usd, tokens)


class Processes:
    """Shards among spawned processes of this machine; a worker dies with its parent."""

    def __init__(self, workers: int, budgets: Sequence[str]) -> None:
        self.workers = workers
        self._context = get_context("spawn")
        self._level = self._context.Value("i", 0)
        self._spent = Spent(self._context, budgets)

    def stop(self) -> None:
        """Ask all workers to drain; asked again, to stop at once."""
        self._level.value += 1

    def execute(self, target: Target, payload: Any, hear: Callable[[int, Sequence[Counts]], None]) -> list[str]:
        """Run until all processes have ended."""
        channel = self._context.Queue()
        processes = [
            self._context.Process(
                target=_child,
                args=(target, payload, Shard(index, self.workers), channel, (self._level, self._spent, os.getpid())),
                daemon=True,
            )
            for index in range(self.workers)
        ]
        for process in processes:
            process.start()
        while any(process.is_alive() for process in processes):
            _hear_all(channel, hear)
        _hear_all(channel, hear)
        return [
            f"worker {index} ended with code {process.exitcode}"
            for index, process in enumerate(processes)
            if process.exitcode
        ]


def _hear_all(channel: Any, hear: Callable[[int, Sequence[Counts]], None]) -> None:
    try:
        while True:
            hear(*channel.get(timeout=POLL_S))
    except queue.Empty:
        return


def _child(target: Target, payload: Any, shard: Shard, channel: Any, shared: tuple[Any, Spent, int]) -> None:
    level, spent, parent = shared
    # The terminal sends ctrl-C to the whole group; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    target(payload, shard, _ProcessLink(shard.index, channel, level, spent))


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)
