"""Starts a program without isolation: limits of the kernel and a process group, nothing else. The user asked for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from evalkit.sandbox._limits import Limits, Program, environment

WARNING = (
    "programs run WITHOUT isolation, with your rights, your files and your network: only limits of time, memory and "
    "output hold (unsafe_local)"
)
# Limits are set by the child itself before it becomes the program: `preexec_fn` is not safe beside threads.
_BECOME = (
    "import json, os, resource, sys\n"
    "for name, pair in json.loads(sys.argv[1]).items():\n"
    "    what = getattr(resource, 'RLIMIT_' + name, None)\n"
    "    if what is not None:\n"
    "        most = resource.getrlimit(what)[1]\n"
    "        pair = pair if most == resource.RLIM_INFINITY else [min(n, most) for n in pair]\n"
    "        try:\n"
    "            resource.setrlimit(what, tuple(pair))\n"
    "        except (ValueError, OSError):\n"
    "            continue\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


class Local:
    """Runs programs as the user, in a folder of their own that is removed afterwards."""

    def __init__(self) -> None:
        self.python = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)

    def start(self, program: Program, limits: Limits) -> Started:
        """Start a program in a new session, so that its process group can be killed."""
        folder = Path(tempfile.mkdtemp(prefix="evalkit-program-"))
        try:
            for name, content in program.files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            with tempfile.TemporaryFile() as stdin:
                stdin.write(program.stdin)
                stdin.seek(0)
                process = subprocess.Popen(  # noqa: S603 - a program of a model, which the user chose to run like this
                    [
                        self.python,
                        "-I",
                        "-S",
                        "-c",
                        _BECOME,
                        json.dumps(limits.of_each(processes=False)),
                        *program.argv,
                    ],
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=environment(str(folder)),
                    cwd=folder,
                    start_new_session=True,
                )
        except BaseException:
            _remove(folder)
            raise
        return Started(process, folder)


class Started:
    """A program that runs as the user; what leaves its process group is not found again."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process, self.root, self._folder = process, process.pid, folder

    def kill(self) -> None:
        """Kill the process group."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def exit_code(self, status: int, stderr: bytes) -> int:  # noqa: ARG002 - what is said decides nothing here
        """The exit code as a shell would say it."""
        return 128 - status if status < 0 else status

    def close(self) -> None:
        """Kill what still runs in the group, and remove the folder."""
        self.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        _remove(self._folder)


def _remove(folder: Path) -> None:
    """Remove a folder also where a program took rights away from itself."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            inner = Path(path, name)
            if not inner.is_symlink():
                with suppress(OSError):
                    inner.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
