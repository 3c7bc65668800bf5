"""Starts a program under bubblewrap: every namespace, a file system of read-only libraries and one small folder."""

from __future__ import annotations

import json
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import IO, Any

from evalkit.sandbox import _interpreter, _seccomp
from evalkit.sandbox._limits import MIB, Limits, Program, SandboxFailed, environment

NOBODY = 65534
FOLDER = "/tmp"  # noqa: S108 - the sandbox's own, which nobody else sees
_STARTING_S = 20.0
_NEVER_MORE_THAN = 1 << 16
_UNSHARE = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
# The program is its namespace's first process: bubblewrap waits for it, while its own reaper would be left a zombie.
_WITH_US = ("--as-pid-1", "--die-with-parent", "--new-session", "--clearenv")
# Giving up root clears the signal of the parent's death, so it is set again.
_DROP_TO_NOBODY = (
    f"--reuid={NOBODY} --regid={NOBODY} --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs "
    "--pdeathsig=KILL"
).split()


# The last step before the program, which waits here for its limits. When this process dies first, reading fails and the
# program never runs; afterwards bubblewrap and the program die with their parents. Its input is opened only now.
_GATE = 'echo; read -r go || exit 125; file=$1; shift; exec "$@" <"$file"'


def missing() -> str | None:
    """Which program is not on this machine, and how to get it; None when all are there."""
    if not sys.platform.startswith("linux"):
        return "bubblewrap isolates programs on Linux only"
    if shutil.which("bwrap") is None:
        return "install bubblewrap (Debian: bubblewrap)"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "install setpriv (Debian: util-linux), which gives up root inside the sandbox"
    return None


@dataclass
class Bubblewrap:
    """Builds the command line once; `start` runs a program. Root inside gives itself up for `nobody` before it runs.

    Run by root, the program's user is a real other user, so that the number of its processes is limited; run by an
    ordinary user, that user stands behind `nobody`.
    """

    needed: _interpreter.Needed = field(default_factory=_interpreter.needed)
    root: bool = field(default_factory=lambda: os.geteuid() == 0)
    bwrap: str = field(default_factory=lambda: shutil.which("bwrap") or "bwrap")
    setpriv: str = field(default_factory=lambda: os.path.realpath(shutil.which("setpriv") or "setpriv"))
    shell: str = field(default_factory=lambda: os.path.realpath(shutil.which("sh") or "/bin/sh"))
    _mounts: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._mounts = self._mounted()

    @property
    def python(self) -> str:
        """The interpreter, as the program sees it."""
        return self.needed.python

    def start(self, program: Program, limits: Limits) -> Started:
        """Start a program that is already under its limits. Raises SandboxFailed when it cannot be started."""
        with ExitStack() as stack:
            held = _Descriptors(stack)
            command = self._command(program, limits, held)
            process = subprocess.Popen(  # noqa: S603 - bubblewrap, with arguments made here
                command,
                stdin=held.waiting("gate"),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=held.passed,
                env={},
                cwd="/",
                start_new_session=True,
            )
            held.close_passed()
            started = Started(process, held.pipes.pop("status"))
            try:
                self._release(started, limits, held)
            except BaseException:
                started.close()
                raise
            return started

    def _command(self, program: Program, limits: Limits, held: _Descriptors) -> list[str]:
        command = [self.bwrap, "--unshare-user", *_UNSHARE, *_WITH_US]
        command += ["--info-fd", held.told("info"), "--json-status-fd", held.told("status")]
        command += ["--hostname", "sandbox"]
        if self.root:
            command += ["--userns-block-fd", held.waits("users"), "--cap-drop", "ALL"]
            for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
                command += ["--cap-add", capability]
        else:
            command += ["--uid", str(NOBODY), "--gid", str(NOBODY)]
        rules = _seccomp.program()
        if rules is not None:
            command += ["--seccomp", str(held.given(rules))]
        command += [*self._mounts, "--size", str(limits.file_mb * MIB), "--perms", "1777", "--tmpfs", FOLDER]
        for name, content in program.files.items():
            command += ["--perms", "0444", "--file", str(held.given(content)), f"{FOLDER}/{name}"]
        command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", FOLDER]
        for name, value in environment(FOLDER).items():
            command += ["--setenv", name, value]
        drop = [self.setpriv, *_DROP_TO_NOBODY, "--"] if self.root else []
        stdin = f"/proc/self/fd/{held.given(program.stdin)}"
        return [*command, "--", *drop, self.shell, "-c", _GATE, "gate", stdin, *program.argv]

    def _mounted(self) -> list[str]:
        shown = (*self.needed.shown, self.shell, *([self.setpriv] if self.root else []))
        made: list[str] = []
        for folder in _interpreter.parents((*shown, *(name for name, _ in self.needed.links))):
            made += ["--perms", "0755", "--dir", folder]
        for path in sorted(shown):
            made += ["--ro-bind", path, path]
        for name, to in self.needed.links:
            made += ["--symlink", to, name]
        for folder in self.needed.hidden:
            made += ["--size", "4096", "--perms", "0555", "--tmpfs", folder, "--remount-ro", folder]
        return [*made, "--proc", "/proc", "--dev", "/dev"]

    def _release(self, started: Started, limits: Limits, held: _Descriptors) -> None:
        """Everything that is done to the sandbox from outside between its making and the program's first step."""
        pid = _child(held.pipes["info"], started.process)
        try:
            started.hold(pid)
            if self.root:
                for kind in ("uid_map", "gid_map"):
                    Path(f"/proc/{pid}/{kind}").write_text(f"0 0 1\n{NOBODY} {NOBODY} 1\n", "ascii")
                os.write(held.pipes["users"], b"1")
            _await_gate(started.process)
            with suppress(OSError):
                Path(f"/proc/{pid}/oom_score_adj").write_text("1000", "ascii")
            for name, (soft, hard) in limits.of_each(processes=True).items():
                _limit(pid, getattr(resource, f"RLIMIT_{name}"), soft, hard)
            os.write(held.pipes["gate"], b"go\n")
        except OSError as error:
            raise SandboxFailed(f"the sandbox could not be set up: {error}; {_last_words(started.process)}") from error


class Started:
    """A program under bubblewrap: `root` is the first process of its pid namespace; with it, all others die."""

    def __init__(self, process: subprocess.Popen[bytes], status: int) -> None:
        self.process, self.root = process, 0
        self._status = status
        self._first: int | None = None

    def hold(self, pid: int) -> None:
        """Take hold of the namespace's first process, so that its number cannot come to mean another one."""
        self.root, self._first = pid, os.pidfd_open(pid)

    def kill(self) -> None:
        """Kill the namespace's first process: the kernel kills the rest with it."""
        if self._first is None:
            self.process.kill()
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._first, signal.SIGKILL)

    def exit_code(self, status: int, stderr: bytes) -> int:
        """The program's exit code as bubblewrap noted it."""
        os.set_blocking(self._status, False)
        noted = b""
        with suppress(BlockingIOError):
            noted = os.read(self._status, _NEVER_MORE_THAN)
        for line in noted.splitlines():
            told: Mapping[str, Any] = json.loads(line)
            if "exit-code" in told:
                return int(told["exit-code"])
        words = stderr.decode("utf-8", "replace").strip()[-500:]
        raise SandboxFailed(f"bubblewrap did not run the program: {words or f'it ended with {status}'}")

    def close(self) -> None:
        """Kill what still runs, and wait until it is gone."""
        self.kill()
        if self.process.returncode is None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5.0)
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        os.close(self._status)
        if self._first is not None:
            gone = _readable(self._first, _STARTING_S)
            os.close(self._first)
            if not gone:
                raise SandboxFailed("processes of a sandbox did not die")


class _Descriptors:
    """The descriptors of one start: those that are passed on, and this side's ends of the pipes."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._files: list[int] = []
        self._ends: list[int] = []
        self.pipes: dict[str, int] = {}

    @property
    def passed(self) -> tuple[int, ...]:
        """What the child gets."""
        return (*self._ends, *self._files)

    def told(self, name: str) -> str:
        """A pipe that the child writes; its end, as an argument."""
        mine, theirs = os.pipe()
        return self._pipe(name, mine, theirs)

    def waits(self, name: str) -> str:
        """A pipe that the child reads; its end, as an argument."""
        theirs, mine = os.pipe()
        return self._pipe(name, mine, theirs)

    def waiting(self, name: str) -> int:
        """The same as the child's stdin."""
        return int(self.waits(name))

    def _pipe(self, name: str, mine: int, theirs: int) -> str:
        self.pipes[name] = mine
        self._ends.append(theirs)
        self._stack.callback(self.shut, name)
        self._stack.callback(self.close_passed)
        return str(theirs)

    def given(self, content: bytes) -> int:
        """Content that the child reads from a descriptor that is passed on: a file in memory that nobody can change."""
        number = self._stack.enter_context(sealed(content)).fileno()
        self._files.append(number)
        return number

    def close_passed(self) -> None:
        """Close this side's copies of what the child has."""
        while self._ends:
            os.close(self._ends.pop())

    def shut(self, name: str) -> None:
        """Close this side's end of a pipe, once."""
        end = self.pipes.pop(name, None)
        if end is not None:
            os.close(end)


def sealed(content: bytes) -> IO[bytes]:
    """A file in memory, at its beginning, that cannot be written, grown or shrunk (Linux)."""
    import fcntl

    file = os.fdopen(os.memfd_create("given", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "r+b", buffering=0)
    view = memoryview(content)
    while view:
        view = view[file.write(view) or 0 :]
    file.seek(0)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
    return file


def _child(info: int, process: subprocess.Popen[bytes]) -> int:
    """The pid of the namespace's first process, once bubblewrap says it."""
    said, deadline = b"", monotonic() + _STARTING_S
    while not said.rstrip().endswith(b"}"):
        if not _readable(info, deadline - monotonic()):
            raise SandboxFailed(f"bubblewrap did not start within {_STARTING_S:.0f} seconds")
        data = os.read(info, _NEVER_MORE_THAN)
        if not data:
            raise SandboxFailed(f"bubblewrap did not start: {_last_words(process)}")
        said += data
    return int(json.loads(said)["child-pid"])


def _await_gate(process: subprocess.Popen[bytes]) -> None:
    """Wait until the program stands at the gate, where bubblewrap's and its own death are tied to their parents'."""
    if process.stdout is None or not _readable(process.stdout.fileno(), _STARTING_S):
        raise SandboxFailed(f"the sandbox was not ready within {_STARTING_S:.0f} seconds")
    if os.read(process.stdout.fileno(), 1) != b"\n":
        raise SandboxFailed(f"bubblewrap did not run the program: {_last_words(process)}")


def _readable(descriptor: int, seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(max(0.0, seconds)))


def _limit(pid: int, what: int, soft: int, hard: int) -> None:
    """Set a limit of another process, never above the one that it has."""
    known = resource.prlimit(pid, what)[1]
    if known != resource.RLIM_INFINITY:
        soft, hard = min(soft, known), min(hard, known)
    resource.prlimit(pid, what, (soft, hard))


def _last_words(process: subprocess.Popen[bytes]) -> str:
    process.kill()
    _, words = process.communicate()
    return words.decode("utf-8", "replace").strip()[-500:] or f"it ended with {process.returncode}"
