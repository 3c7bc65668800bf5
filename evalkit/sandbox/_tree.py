"""What a process and all its descendants use right now, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_MOST = 4096
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Used:
    """CPU seconds (of the living, and of the dead that somebody waited for) and resident bytes of a tree."""

    cpu_s: float
    memory: int


def used(root: int, most: int) -> Used:
    """What the tree below and with `root` uses; zeros where the system has no /proc.

    Pages that processes share count for each of them, unless that makes the sum larger than `most` bytes: then each
    page is counted once, which takes the kernel longer.
    """
    seconds, memory = 0.0, 0
    pids = list(descendants(root))
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
            seconds += sum(map(int, fields[11:15])) / _TICK
            memory += int(fields[21]) * _PAGE
    if memory > most:
        memory = sum(map(_proportional, pids))
    return Used(seconds, memory)


def descendants(root: int) -> Iterator[int]:
    """`root` and every process below it."""
    waiting = [root]
    for _ in range(_MOST):
        if not waiting:
            return
        pid = waiting.pop()
        yield pid
        with suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - a hot path, and names are enough
                with suppress(OSError):
                    waiting += map(int, _read(f"/proc/{pid}/task/{task}/children").split())


def _proportional(pid: int) -> int:
    try:
        lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))
    except (OSError, StopIteration):
        return 0


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - a hot path, and /proc needs no Path
        return file.read()
