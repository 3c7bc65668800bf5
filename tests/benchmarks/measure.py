"""One command measured from outside: wall and CPU time, the largest process, bytes written."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

EVALKIT = (sys.executable, "-m", "evalkit")
CONTROLS = str(Path(__file__).with_name("controls.py"))


class BenchmarkFailed(Exception):
    """A measured command ended with an exit code that it should not have."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command needed. `wall` and `cpu` (user and system) in seconds, with all its processes.

    `rss_mb` = the most memory that any one of its processes held, in MiB (2^20 bytes). `written` = bytes handed to
    write(2), files and pipes alike, whether or not they were overwritten or deleted later.
    """

    wall: float
    cpu: float
    rss_mb: float
    written: int
    out: str


def measured(command: Sequence[str], cwd: Path) -> Measured:
    """Run a command to its end. Raises BenchmarkFailed with the end of its stderr unless it exits with 0.

    This process must stay small: at its start a child counts the memory of its parent as its own.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.perf_counter()
        with subprocess.Popen(command, cwd=cwd, stdout=out, stderr=err, stdin=subprocess.DEVNULL) as child:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            wall = time.perf_counter() - begun
            written = _written(child.pid)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            err.seek(0)
            tail = err.read().decode(errors="replace")[-2000:]
            raise BenchmarkFailed(f"{' '.join(command)} ended with {child.returncode}:\n{tail}")
        out.seek(0)
        said = out.read().decode(errors="replace")
    unit = 1024 if sys.platform.startswith("linux") else 1024 * 1024
    return Measured(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / unit, written, said)


def evalkit(*arguments: str, cwd: Path) -> Measured:
    """Run evalkit's command line."""
    return measured((*EVALKIT, *arguments), cwd)


def control(*arguments: str, cwd: Path) -> Measured:
    """Run a bare loop of controls.py."""
    return measured((sys.executable, CONTROLS, *arguments), cwd)


def least(times: int, measure: Callable[[], Measured]) -> Measured:
    """Repeat, and take the least of each figure: what else the machine does can only add."""
    found = [measure() for _ in range(max(1, times))]
    return Measured(
        min(one.wall for one in found),
        min(one.cpu for one in found),
        min(one.rss_mb for one in found),
        min(one.written for one in found),
        found[-1].out,
    )


def cpu_of(pid: int) -> float:
    """CPU seconds that a running process has used, in steps of a clock tick (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _written(pid: int) -> int:
    """Bytes that an ended process and its children handed to write(2); 0 where the system does not count."""
    try:
        text = Path(f"/proc/{pid}/io").read_text("ascii")
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("wchar:"))
