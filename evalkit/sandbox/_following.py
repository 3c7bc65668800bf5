"""Follows a started program to its end: streams with caps, clocks, memory, and a kill that leaves nothing."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from contextlib import suppress
from time import monotonic
from typing import Protocol

from evalkit.sandbox._limits import MIB, Killed, Limits, Ran, SandboxFailed
from evalkit.sandbox._tree import used

_LOOK_S = 0.05
_POLL_S = 0.005
_END_S = 10.0
_CHUNK = 1 << 16
_CPU_DEATHS = (128 + signal.SIGXCPU, 128 + signal.SIGKILL)


class Started(Protocol):
    """A program that runs. `process` is what this process waits for, `root` the pid that all others are below."""

    @property
    def process(self) -> subprocess.Popen[bytes]: ...
    @property
    def root(self) -> int: ...
    def kill(self) -> None:
        """Kill the program and everything that it started."""

    def exit_code(self, status: int, stderr: bytes) -> int:
        """The program's exit code, given that of `process`; raises SandboxFailed when it never ran."""

    def close(self) -> None:
        """Let go of what starting it took; afterwards nothing of it is left."""


class Follower:
    """Reads what a program says and watches what it uses; `stop` is a descriptor that ends it when readable."""

    def __init__(self, started: Started, limits: Limits, stop: int) -> None:
        self._started, self._limits, self._stop = started, limits, stop
        self._killed: Killed | None = None
        self._ending = False
        self._cpu_s = 0.0
        self._deadline = 0.0
        process = started.process
        self._pid = process.pid
        self._streams = [stream.fileno() for stream in (process.stdout, process.stderr) if stream is not None]
        self._said = {stream: bytearray() for stream in self._streams}

    def follow(self) -> Ran:
        """Return when the program and all that it started are gone. Raises SandboxFailed when that cannot be had."""
        begun = monotonic()
        self._deadline = begun + self._limits.wall_s
        ended = _pidfd(self._pid)
        with selectors.DefaultSelector() as selector:
            for stream in self._streams:
                os.set_blocking(stream, False)
            for source in (*self._streams, self._stop, *([] if ended is None else [ended])):
                selector.register(source, selectors.EVENT_READ)
            try:
                self._until_end(selector, _POLL_S if ended is None else _LOOK_S)
            finally:
                if ended is not None:
                    os.close(ended)
            seconds = monotonic() - begun
            self._started.kill()
            status, cpu_s = self._reap()
            self._drain(selector, ended)
        return self._ran(status, seconds, max(cpu_s, self._cpu_s))

    def _until_end(self, selector: selectors.BaseSelector, pause: float) -> None:
        look_at = monotonic() + _LOOK_S
        while os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            now = monotonic()
            if now >= self._deadline:
                self._late()
            if now >= look_at:
                self._look()
                look_at = now + _LOOK_S
            for key, _ in selector.select(max(0.0, min(self._deadline, look_at, now + pause) - now)):
                self._heard(selector, key.fd)

    def _heard(self, selector: selectors.BaseSelector, source: int) -> None:
        if source in self._said:
            self._read(selector, source)
        elif source == self._stop:
            selector.unregister(source)
            self._end()

    def _read(self, selector: selectors.BaseSelector, stream: int) -> None:
        try:
            data = os.read(stream, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            selector.unregister(stream)
            self._streams.remove(stream)
            return
        said = self._said[stream]
        room = self._limits.output_bytes - len(said)
        said += data[:room]
        if len(data) > room:
            self._kill("output")

    def _look(self) -> None:
        most = self._limits.memory_mb * MIB
        now = used(self._started.root, most)
        self._cpu_s = max(self._cpu_s, now.cpu_s)
        if now.memory > most:
            self._kill("memory")
        elif now.cpu_s > self._limits.cpu_s:
            self._kill("cpu")

    def _late(self) -> None:
        if self._ending:
            self._started.process.kill()
            raise SandboxFailed(f"a killed program did not end within {_END_S:.0f} seconds")
        self._kill("time")

    def _kill(self, why: Killed) -> None:
        if not self._ending:
            self._killed = why
        self._end()

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._deadline = monotonic() + _END_S
            self._started.kill()

    def _reap(self) -> tuple[int, float]:
        _, status, usage = os.wait4(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self._started.process.returncode = code
        return code, usage.ru_utime + usage.ru_stime

    def _drain(self, selector: selectors.BaseSelector, ended: int | None) -> None:
        """Read what is left in the pipes; a process that left its group may hold them open, and is not waited for."""
        for source in (self._stop, ended):
            if source is not None:
                with suppress(KeyError):
                    selector.unregister(source)
        deadline = monotonic() + _LOOK_S
        while self._streams and self._killed != "output":
            heard = selector.select(max(0.0, deadline - monotonic()))
            if not heard:
                return
            for key, _ in heard:
                self._read(selector, key.fd)

    def _ran(self, status: int, seconds: float, cpu_s: float) -> Ran:
        process = self._started.process
        out, err = (bytes(self._said[s.fileno()]) if s is not None else b"" for s in (process.stdout, process.stderr))
        if self._ending:
            return Ran(None, out, err, seconds, cpu_s, self._killed)
        code = self._started.exit_code(status, err)
        if code in _CPU_DEATHS and cpu_s >= self._limits.cpu_s:
            return Ran(None, out, err, seconds, cpu_s, "cpu")
        return Ran(code, out, err, seconds, cpu_s)


def _pidfd(pid: int) -> int | None:
    """A descriptor that is readable when the process has ended, where the system has such."""
    opened = getattr(os, "pidfd_open", None)
    if opened is None:
        return None
    with suppress(OSError):
        descriptor: int = opened(pid)
        return descriptor
    return None
