"""`Sandbox` runs programs that nobody vouches for: under bubblewrap, or not at all unless the user insists."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from types import MappingProxyType

from evalkit.core.errors import MissingComponent
from evalkit.core.options import build
from evalkit.sandbox import _bubblewrap, _local, _seccomp, _switches
from evalkit.sandbox._following import Follower
from evalkit.sandbox._limits import Killed, Limits, Program, Ran, SandboxFailed

__all__ = ["Killed", "Limits", "Ran", "Sandbox", "SandboxFailed"]

_UNFILTERED = (
    "programs run apart from this machine, but without a filter of system calls: there is none for its processor "
    "({machine}), so that a hole in the kernel is easier to reach"
)
_NO_FILES: Mapping[str, bytes] = MappingProxyType({})
_DEFAULT = Limits()
_PROBE = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=512, output_bytes=4096)


class Sandbox:
    """Runs programs apart from this machine's files, network and processes; use `python` as `argv[0]` for Python.

    The program is the first process of its pid namespace: signals that it sends to itself do nothing to it.
    `unsafe_local` runs them without isolation where nothing isolates (never where bubblewrap works), under limits and
    in a process group only, and logs a warning: for a user who typed it. `concurrency` = how many run at once (default:
    the processors). It may be shared by event loops and threads, and starts nothing before it is used.
    """

    def __init__(self, *, unsafe_local: bool = False, concurrency: int | None = None) -> None:
        if concurrency is not None and concurrency < 1:
            raise ValueError(f"concurrency={concurrency} must be at least 1")
        self.unsafe_local = unsafe_local
        self.concurrency = concurrency or _processors()

    async def run(
        self,
        argv: Sequence[str],
        *,
        files: Mapping[str, bytes] = _NO_FILES,
        stdin: bytes = b"",
        limits: Limits | Mapping[str, float] = _DEFAULT,
    ) -> Ran:
        """Run a program to its end; it and all that it started are gone when this returns, also when it is cancelled.

        It sees `files` (by relative name) in its working folder, reads `stdin` to its end, and finds an empty
        environment. `limits` may be a mapping of the fields of `Limits`. Raises MissingComponent where nothing
        isolates, SandboxFailed when the sandbox itself breaks, ValueError for an impossible argv, file name or limit.
        """
        program = Program(tuple(argv), files, stdin)
        allowed = limits if isinstance(limits, Limits) else build(Limits, limits)
        ask, stop = os.pipe()
        try:
            waiting = self._threads.submit(self._run, program, allowed, ask)
            running = asyncio.wrap_future(waiting)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                if not waiting.cancel():
                    os.write(stop, b"!")
                await asyncio.wait([running])
                raise
        finally:
            os.close(ask)
            os.close(stop)

    def available(self) -> str | None:
        """Why no program can be run here and what to do about it, or None; starts one program, once."""
        return None if self.unsafe_local else self._unisolated

    @property
    def isolated(self) -> bool:
        """Whether programs run apart from this machine; starts one program, once."""
        return self._unisolated is None

    @property
    def warning(self) -> str | None:
        """What a user must know before anything is run, or None where programs are isolated in every way."""
        if not self.isolated:
            return _local.WARNING if self.unsafe_local else None
        return None if _seccomp.program() is not None else _UNFILTERED.format(machine=platform.machine())

    @property
    def python(self) -> str:
        """This interpreter, where a program finds it."""
        return self._backend.python

    def close(self) -> None:
        """Wait for what runs, and end the threads that watched."""
        self._threads.shutdown()
        del self._threads

    def _run(self, program: Program, limits: Limits, stop: int) -> Ran:
        return _follow(self._backend, program, limits, stop)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.concurrency, "sandbox")

    @cached_property
    def _backend(self) -> _bubblewrap.Bubblewrap | _local.Local:
        if self._unisolated is None:
            return _bubblewrap.Bubblewrap()
        if self.unsafe_local:
            logging.getLogger("evalkit.sandbox").warning(_local.WARNING)
            return _local.Local()
        raise MissingComponent(f"programs cannot be run safely here: {self._unisolated}")

    @cached_property
    def _unisolated(self) -> str | None:
        missing = _bubblewrap.missing()
        if missing is not None:
            return missing
        backend = _bubblewrap.Bubblewrap()
        ask, stop = os.pipe()
        try:
            ran = _follow(backend, Program((backend.python, "-I", "-S", "-c", "")), _PROBE, ask)
        except SandboxFailed as error:
            return f"bubblewrap is installed but does not work here: {error}; {_switches.forbidden()}"
        finally:
            os.close(ask)
            os.close(stop)
        if ran.exit_code == 0:
            return None
        words = ran.stderr.decode("utf-8", "replace").strip()[-300:]
        return f"Python does not start inside bubblewrap: {words or ran.killed or ran.exit_code}"


def _follow(backend: _bubblewrap.Bubblewrap | _local.Local, program: Program, limits: Limits, stop: int) -> Ran:
    started = backend.start(program, limits)
    try:
        return Follower(started, limits, stop).follow()
    finally:
        started.close()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
