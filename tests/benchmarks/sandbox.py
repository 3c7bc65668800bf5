"""What isolation costs: a program in the sandbox against the same program bare."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from evalkit.sandbox.sandbox import Limits, Sandbox

from .definitions import Bench, Group
from .measure import BenchmarkFailed
from .results import Result, at_most

SANDBOX_RATIO = 1.3
# Some 150 ms of computing on a machine of 2025: less would measure the start of an interpreter.
PROGRAM = "total = 0\nfor n in range({}):\n    total += n * n % 7\nprint(total)"
STEPS = 2_000_000


def sandboxed(bench: Bench) -> Iterator[Result]:
    """One program after the other, wall time; the control starts the same interpreter with the same options."""
    sandbox = Sandbox(concurrency=1)
    program = PROGRAM.format(bench.sized(STEPS))
    options = ("-s", "-S", "-P", "-c", program)
    limits = Limits(wall_s=60, cpu_s=60)

    def bare() -> None:
        subprocess.run([sys._base_executable, *options], capture_output=True, check=True)

    def inside() -> None:
        ran = asyncio.run(sandbox.run([sandbox.python, *options], limits=limits))
        if ran.exit_code != 0:
            raise BenchmarkFailed(f"the program ended with {ran}")

    inside()
    times = 1 if bench.quick else max(9, bench.repeats)
    pairs = [(_seconds(bare), _seconds(inside)) for _ in range(times)]
    alone, apart = (min(column) for column in zip(*pairs, strict=True))
    yield at_most("sandbox_wall", apart * 1000, "ms", SANDBOX_RATIO * alone * 1000, control=alone * 1000)


def _seconds(act: Callable[[], None]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


GROUPS = (Group(("sandbox_wall",), sandboxed),)
