"""The program inside the sandbox: compiles a solution, runs each test in a process of its own, says what came out.

It knows the inputs of the tests and never what they should give: outputs are compared outside. It is given to the
sandbox as a file and imports the standard library only. One JSON request on stdin, one JSON object per line on stdout.
"""

from __future__ import annotations

import _sitebuiltins
import ast
import atexit
import builtins
import contextlib
import io
import json
import os
import resource
import select
import signal
import sys
import threading
import time
import traceback
import types
from pathlib import Path
from typing import Any

STATUS = 3
_CHUNK = 1 << 16
_LOOK_S = 0.02
_TICK = os.sysconf("SC_CLK_TCK")
_WORDS = 300


def main() -> None:
    """Answer the request on stdin."""
    request = json.loads(sys.stdin.buffer.read())
    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "the end of the input"))
    say = os.fdopen(os.dup(1), "w", encoding="ascii")
    program, refusal = compiled(request["program"], whole=bool(request.get("whole")))
    _tell(say, refusal or {"compiled": True})
    if program is None:
        return
    late = 0
    for number in request["which"]:
        found = _Test(program, request, number).run()
        late += found["end"] in ("timeout", "waiting", "stuck")
        _tell(say, {"test": number, **found})
        if late >= request["give_up"]:
            return


def _tell(say: io.TextIOWrapper, what: dict[str, Any]) -> None:
    say.write(json.dumps(what) + "\n")
    say.flush()


def compiled(text: str, *, whole: bool) -> tuple[types.CodeType | None, dict[str, str] | None]:
    """The program as code, or what is wrong with it. `whole` = nobody said that the text is a program at all."""
    try:
        tree = ast.parse(text, "main.py")
        if whole and not any(map(_does_something, tree.body)):
            return None, {"no_code": "the answer is no program"}
        return compile(tree, "main.py", "exec"), None
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        line = getattr(error, "lineno", None)
        message = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}"[:_WORDS]
        return None, {"no_code" if whole else "syntax": message + (f" (line {line})" if line else "")}


def _does_something(step: ast.stmt) -> bool:
    """Whether a statement is more than a word or a value that stands there: prose may happen to be an expression."""
    return not isinstance(step, ast.Expr) or any(isinstance(part, ast.Call) for part in ast.walk(step))


class _Test:
    """One test in a process of its own, which is killed with all that it started."""

    def __init__(self, program: types.CodeType, request: dict[str, Any], number: int) -> None:
        self.program, self.request, self.number = program, request, number
        self.cpu_s: float = request["cpu_s"]
        self.wall_s: float = request["wall_s"]
        self.most: int = request["output_bytes"]

    def run(self) -> dict[str, Any]:
        """How it ended, what it said or returned, and its CPU seconds.

        `timeout` = it computed too long, `waiting` = it did nothing for too long, `stuck` = the time is up otherwise.
        """
        out, out_end = os.pipe()
        status, status_end = os.pipe()
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            try:
                self._become(out_end, status_end)
            finally:
                os._exit(1)
        os.close(out_end)
        os.close(status_end)
        end, said = self._listen(child, {out: bytearray(), status: bytearray()}, begun)
        cpu_s, code = _finish(child)
        told = _loads(said[status])
        if end is None and cpu_s > self.cpu_s:
            end = "timeout"
        found = {"end": end or _ending(told, code), "seconds": round(cpu_s, 4), "wall": time.monotonic() - begun}
        found.update(told, code=code, stdout=said[out].decode("utf-8", "replace"))
        for descriptor in (out, status):
            os.close(descriptor)
        return found

    def _listen(self, child: int, said: dict[int, bytearray], begun: float) -> tuple[str | None, dict[int, bytearray]]:
        """Read until the process has ended; the reason when it has to be stopped instead."""
        waiting = list(said)
        while True:
            for source in select.select(waiting, [], [], _LOOK_S)[0]:
                data = os.read(source, _CHUNK)
                if not data:
                    waiting.remove(source)
                said[source] += data[: self.most - len(said[source])]
                if data and len(said[source]) >= self.most:
                    return "output", said
            if _has_ended(child) and not (waiting and select.select(waiting, [], [], 0)[0]):
                return None, said
            used = _cpu_s(child)
            if used > self.cpu_s:
                return "timeout", said
            if time.monotonic() - begun > self.wall_s:
                return "waiting" if used < self.cpu_s / 10 else "stuck", said
            if not waiting:
                time.sleep(_LOOK_S / 4)

    def _become(self, out: int, status: int) -> None:
        """In the child: put the streams in place, run the program, and say how it went."""
        os.dup2(status, STATUS)
        os.dup2(out, 1)
        os.dup2(self._given(), 0)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)
        os.closerange(STATUS + 1, 4096)
        os.setpgid(0, 0)
        limit = int(self.cpu_s) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        sys.argv = ["main.py"]
        told = json.dumps(self._told()).encode("ascii")
        while told:
            told = told[os.write(STATUS, told) :]
        os._exit(0)

    def _given(self) -> int:
        """The test's input as a file that is read from its beginning and has no name."""
        name = f"input-{self.number}-{os.getpid()}"
        Path(name).write_bytes(self._stdin())
        given = os.open(name, os.O_RDONLY)
        Path(name).unlink()
        return given

    def _stdin(self) -> bytes:
        text = self.request["tests"][self.number]
        return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b""

    def _told(self) -> dict[str, Any]:
        try:
            found = self._execute()
            # What the interpreter does before it ends, in its order: threads, exit functions, streams.
            threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
            atexit._run_exitfuncs()  # noqa: SLF001
        except SystemExit as stopped:
            found = _exited(stopped)
        except BaseException as error:  # noqa: BLE001 - whatever a program raises is what is asked for
            found = _described(error)
        for stream in (sys.stdout, sys.__stdout__):
            # A program may have closed it, or put something else in its place.
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()  # type: ignore[union-attr]
        return found

    def _execute(self) -> dict[str, Any]:
        module = types.ModuleType("__main__")
        module.__dict__.update(__file__="main.py", __builtins__=builtins)
        sys.modules["__main__"] = module
        name = self.request.get("function")
        try:
            exec(self.program, module.__dict__)  # noqa: S102 - this is the sandbox
        except SystemExit:
            if name is None:
                raise
        if name is None:
            return {}
        function = module.__dict__.get(name)
        if not callable(function):
            return {"error": "NameError", "message": f"the program defines no function {name!r}"}
        value = function(*self.request["tests"][self.number])
        try:
            return {"value": json.loads(json.dumps(value))}
        except (TypeError, ValueError, RecursionError) as error:
            return {"unwritable": f"{type(value).__name__} is no JSON value: {error}"[:_WORDS]}


def _exited(stopped: SystemExit) -> dict[str, Any]:
    if stopped.code in (None, 0, False):
        return {}
    return {"error": "SystemExit", "message": f"it ended with {stopped.code!r}"[:_WORDS]}


def _described(error: BaseException) -> dict[str, Any]:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "main.py"]
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the error's own text may be a program that fails
        message = ""
    return {"error": type(error).__name__, "message": message[:_WORDS], "line": frames[-1].lineno if frames else None}


def _ending(told: dict[str, Any], code: int) -> str:
    if "error" in told:
        return "error"
    return "ok" if code == 0 else "error"


def _loads(said: bytearray) -> dict[str, Any]:
    """What the child said about itself; nothing when it went without a word or said something else."""
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    known = ("error", "message", "line", "value", "unwritable")
    return {name: found[name] for name in known if name in found} if isinstance(found, dict) else {}


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _cpu_s(child: int) -> float:
    try:
        fields = Path(f"/proc/{child}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


def _finish(child: int) -> tuple[float, int]:
    """Kill the child and what it left behind; its CPU seconds and its exit code, negative for a signal."""
    # Only in a namespace of its own does a process have this number, and everything else there comes from a test.
    alone = os.getpid() == 1
    try:
        os.kill(-1, signal.SIGKILL) if alone else os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    while alone:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    return used.ru_utime + used.ru_stime, os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
