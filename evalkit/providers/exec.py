"""A program as a candidate: JSON on its standard input, JSON or text on its standard output, no shell."""

from __future__ import annotations

import asyncio
import contextlib
import json
import mimetypes
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.keys import digest, digest_bytes
from evalkit.core.options import build
from evalkit.core.types import Blobs, Context, Failure, Response, Sample, Tools

BASE_ENV = ("PATH", "HOME", "LANG")
LINE_LIMIT = 64 * 1024 * 1024
STDERR_TAIL = 2000
_REPLY_KEYS = frozenset({"output", "error", "usage", "finish", "model"})


@dataclass(frozen=True, slots=True)
class Options:
    """`command` = program and arguments, run without a shell in the project's folder.

    `timeout_s` > 0 bounds one answer; then the program and everything that it started is killed. `env` = names of
    environment variables that it may see besides PATH, HOME and LANG. `persistent` = one process answers all samples,
    one JSON line in, one JSON line out. `version` = changes the fingerprint. `name` = how it is shown.
    """

    command: tuple[str, ...] = ()
    timeout_s: float = 60.0
    env: tuple[str, ...] = ()
    persistent: bool = False
    version: str | int | None = None
    name: str | None = None


@dataclass(eq=False)
class ExecCandidate:
    """Runs a program per sample, or asks one that stays.

    It reads {"id", "input", "repeat", "seed"}, where a stored file also says at which `path` it can be read. It writes
    {"output", "usage"?, "finish"?, "model"?, "error"?}, what else stands there is kept as `meta`; or plain text, which
    is the output. A non-zero exit is a candidate error with the end of its standard error.
    """

    name: str
    fingerprint: str
    options: Options
    root: str
    environment: Mapping[str, str]
    blobs: Blobs
    _files: tempfile.TemporaryDirectory[str] | None = field(default=None, init=False, repr=False)
    _worker: _Worker | None = field(default=None, init=False, repr=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Ask the program about one sample; `seconds` is the wall time, start of the process included."""
        try:
            given = self._with_files(sample.input)
            asked = {"id": sample.id, "input": given, "repeat": ctx.repeat, "seed": ctx.seed}
            line = json.dumps(asked, allow_nan=False).encode() + b"\n"
        except (KeyError, OSError, ValueError) as error:
            return _failed(f"sample {sample.id!r} cannot be handed to {self.name}: {error}")
        if self.options.persistent:
            # One process answers one question at a time: the lines of two would be mixed up.
            async with self._lock:
                return await self._timed(self._ask_worker(line))
        return await self._timed(self._run_once(line))

    async def close(self) -> None:
        """End the process that stays, if there is one: first by closing its input, then by force."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.end()
        if self._files is not None:
            self._files.cleanup()
            self._files = None

    def _with_files(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            if "$blob" in value:
                return {**value, "path": str(self._file(value))}
            return {key: self._with_files(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._with_files(item) for item in value]
        return value

    def _file(self, ref: Mapping[str, Any]) -> Path:
        if self._files is None:
            self._files = tempfile.TemporaryDirectory(prefix="evalkit-exec-")
        ending = mimetypes.guess_extension(str(ref.get("type", ""))) or ""
        file = Path(self._files.name) / f"{ref['$blob']}{ending}"
        if not file.exists():
            file.write_bytes(self.blobs.get(ref))
        return file

    async def _timed(self, asking: Coroutine[Any, Any, Response]) -> Response:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.options.timeout_s):
                response = await asking
        except TimeoutError:
            message = f"{self.name} gave no answer within {self.options.timeout_s:g} s and was killed"
            response = Response(error=Failure(ErrorKind.TIMEOUT, message))
        except (OSError, ValueError) as error:
            response = _failed(f"{self.name}: {error}")
        return replace(response, seconds=time.perf_counter() - started)

    async def _run_once(self, line: bytes) -> Response:
        process = await self._start()
        try:
            out, err = await process.communicate(line)
        finally:
            # A program that has ended may have left children behind; its group is killed either way.
            _kill_group(process)
            await process.wait()
        if process.returncode:
            return _failed(f"{self.name} ended with {_exit(process.returncode)}", err)
        return _reply(out, self.name)

    async def _ask_worker(self, line: bytes) -> Response:
        if self._worker is None:
            self._worker = _Worker(await self._start())
        worker = self._worker
        try:
            answer = await worker.ask(line)
        except BaseException:
            # After a timeout or a cancellation a late line would answer the next question.
            self._worker = None
            await worker.kill()
            raise
        if answer:
            return _reply(answer, self.name)
        self._worker = None
        await worker.kill()
        return _failed(f"{self.name} ended with {_exit(worker.process.returncode)} before it answered", worker.tail())

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self.options.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.root,
            env=dict(self.environment),
            start_new_session=True,
            limit=LINE_LIMIT,
        )


class _Worker:
    """A process that answers line by line; its standard error is drained, so that it never blocks."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._err = b""
        self._draining = asyncio.create_task(self._drain())

    async def ask(self, line: bytes) -> bytes:
        """One line in, one line out; empty when the process has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.process.stdin.write(line)
            await self.process.stdin.drain()
        return await self.process.stdout.readline()

    def tail(self) -> bytes:
        return self._err

    async def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self.process.wait()
        await self.kill()

    async def kill(self) -> None:
        _kill_group(self.process)
        await self.process.wait()
        await self._draining

    async def _drain(self) -> None:
        assert self.process.stderr is not None
        while chunk := await self.process.stderr.read(4096):
            self._err = (self._err + chunk)[-STDERR_TAIL:]


def make(tools: Tools, model: str | None = None, **options: Any) -> ExecCandidate:
    """A program by its command. Raises ValueError when there is no command or no such program."""
    chosen = build(Options, options)
    command = chosen.command or ((model,) if model else ())
    if not command or not all(isinstance(word, str) for word in command):
        raise ValueError("`command` must be a list of words: the program and its arguments")
    if chosen.timeout_s <= 0:
        raise ValueError(f"timeout_s must be above 0: {chosen.timeout_s}")
    environment = _environment(tools, chosen.env)
    if shutil.which(command[0], path=environment.get("PATH")) is None and not (Path(tools.root) / command[0]).is_file():
        raise ValueError(f"there is no program {command[0]!r} in the project's folder or on PATH")
    settled = Options(command, chosen.timeout_s, chosen.env, chosen.persistent, chosen.version, chosen.name)
    name = chosen.name or Path(command[0]).name
    return ExecCandidate(name, _fingerprint(settled, Path(tools.root)), settled, tools.root, environment, tools.blobs)


def _environment(tools: Tools, named: tuple[str, ...]) -> dict[str, str]:
    environment = {name: os.environ[name] for name in BASE_ENV if name in os.environ}
    for name in named:
        value = tools.secret(name)
        if value is None:
            raise ValueError(f"the environment variable {name} is not set, and `env` asks for it")
        environment[name] = value
    return environment


def _fingerprint(options: Options, root: Path) -> str:
    # Names of variables only: a key that is exchanged does not change what the program is.
    parts = [list(options.command), list(options.env), options.persistent, options.version]
    files = {word: digest_bytes(file.read_bytes()) for word in options.command if (file := root / word).is_file()}
    return digest(["exec", *parts, files])


def _reply(out: bytes, name: str) -> Response:
    text = out.decode("utf-8").removesuffix("\n").removesuffix("\r")
    try:
        value = json.loads(text)
    except ValueError:
        return Response(output=text)
    if isinstance(value, dict) and value.get("error") is not None:
        return _failed(f"{name}: {value['error']}")
    if not isinstance(value, dict) or "output" not in value:
        # JSON that is no envelope is the answer itself, kept as the program wrote it.
        return Response(output=text)
    finish = value.get("finish")
    if finish is not None and finish not in {member.value for member in Finish}:
        raise ValueError(f"finish {finish!r} is none of {', '.join(member.value for member in Finish)}")
    return Response(
        output=value["output"],
        finish=None if finish is None else Finish(finish),
        usage=_usage(value.get("usage") or {}),
        model=value.get("model"),
        meta={key: item for key, item in value.items() if key not in _REPLY_KEYS},
    )


def _usage(usage: Any) -> dict[str, float]:
    if not isinstance(usage, dict) or not all(type(count) in (int, float) for count in usage.values()):
        raise ValueError(f"usage must be numbers by unit, not {usage!r:.80}")
    return usage


def _failed(message: str, err: bytes = b"") -> Response:
    tail = err[-STDERR_TAIL:].decode("utf-8", "replace").strip()
    return Response(error=Failure(ErrorKind.CANDIDATE, f"{message}: {tail}" if tail else message))


def _exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _kill_group(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
