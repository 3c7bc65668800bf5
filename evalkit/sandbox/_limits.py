"""What a program may use, what came of it, and what is said when it could not be run at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from evalkit.core.errors import EvalkitError

Killed = Literal["time", "cpu", "memory", "output"]
MIB = 1 << 20


class SandboxFailed(EvalkitError):
    """The sandbox itself failed: nothing may be concluded about the program."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program and everything that it starts may use together.

    `wall_s` and `cpu_s` in seconds; `memory_mb` in MiB, of address space for each process and resident for all of them;
    `processes` counts threads too; `output_bytes` each of stdout and stderr; `file_mb` in MiB, of one file and of all.
    """

    wall_s: float = 10.0
    cpu_s: float = 10.0
    memory_mb: int = 512
    processes: int = 16
    output_bytes: int = MIB
    file_mb: int = 16

    def __post_init__(self) -> None:
        for name in ("wall_s", "cpu_s", "memory_mb", "processes", "output_bytes", "file_mb"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise ValueError(f"limit {name}={value!r} must be a number above 0")

    def of_each(self, *, processes: bool) -> dict[str, tuple[int, int]]:
        """The kernel's limits of each process, soft and hard, by name (`RLIMIT_...` without its prefix).

        Without `processes` their number is left open: outside a user namespace, all processes of the user count.
        """
        seconds, file = math.ceil(self.cpu_s), self.file_mb * MIB
        space = self.memory_mb * MIB
        found = {"AS": (space, space), "CPU": (seconds, seconds + 1), "FSIZE": (file, file), "NOFILE": (256, 256)}
        found.update(dict.fromkeys(("CORE", "MEMLOCK", "MSGQUEUE"), (0, 0)))
        if processes:
            found["NPROC"] = (self.processes, self.processes)
        return found


@dataclass(frozen=True, slots=True)
class Program:
    """What is to be run: `argv` as seen inside, `files` by relative name in the working folder, `stdin` to its end."""

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    stdin: bytes = b""

    def __post_init__(self) -> None:
        if not self.argv:
            raise ValueError("argv is empty: there is no program to run")
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or str(path) != name or not path.name or "\0" in name:
                raise ValueError(f"file name {name!r} must be a plain relative path inside the sandbox")


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that ran to its end, or to where it was stopped.

    `exit_code` is None when it was killed for a limit; 128 + n when it died of signal n. `stdout` and `stderr` are cut
    at their limit. `seconds` is wall time, `cpu_s` user and system time of all its processes; `killed` names the limit.
    """

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    cpu_s: float
    killed: Killed | None = None


def environment(folder: str) -> dict[str, str]:
    """All that a program finds in its environment. A fixed hash seed makes the order of sets the same in every run."""
    return {
        "HOME": folder, "TMPDIR": folder, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
