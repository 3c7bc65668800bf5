"""A local LLM by llama.cpp: one server on loopback per model file, asked like any OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from evalkit.core.errors import ErrorKind, MissingComponent
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Failure, Tools
from evalkit.providers import _models
from evalkit.providers._openai_chat import ChatCodec
from evalkit.providers._wire import Event, Identity, LeanSender, Reply, WireChat
from evalkit.providers.transport import CallFailed, Transport

EXTRA = "local"

_POLL_S = 0.02
_STOP_S = 5.0
_TAIL = 1500
# llama.cpp closes some connections after an answer without saying so; on loopback a new one costs nothing.
_ONE_CALL = {"connection": "close"}


@dataclass(frozen=True, slots=True)
class Options:
    """How the model is served.

    `n_parallel` >= 1 slots: one slot answers the same prompt at temperature 0 in the same way every time, more are
    faster and do not. `n_ctx` = tokens of context per slot. `threads` = None leaves the choice to llama.cpp.
    `keep_prefix` reuses what an earlier prompt computed: faster, and no longer repeatable. `timeout_s` bounds one
    answer, `start_s` the loading of the model.
    """

    n_parallel: int = 1
    n_ctx: int = 4096
    threads: int | None = None
    keep_prefix: bool = False
    timeout_s: float = 300.0
    start_s: float = 120.0


def make(tools: Tools, model: str | None, **options: Any) -> WireChat:
    """A chat with a known model (`smollm2-135m`) or with a GGUF file by its path; the server starts at the first call.

    Raises MissingComponent when the runtime or the weights are not on this machine, ValueError for wrong options.
    """
    chosen = build(Options, options)
    for name in ("n_parallel", "n_ctx", "timeout_s", "start_s"):
        if getattr(chosen, name) <= 0:
            raise ValueError(f"{name} must be above 0: {getattr(chosen, name)}")
    if model is None:
        raise ValueError(f"say which model: {', '.join(_models.KNOWN)}, or the path of a GGUF file")
    file = _models.find(model, root=tools.root)
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingComponent("local models need xllamacpp: pip install 'evalkit[local]'")
    alias = model if model in _models.KNOWN else file.stem
    sha256 = _models.sha256_of(file)
    # What changes an answer stands in the endpoint; the port of the day does not, so that keys stay what they are.
    serving = f"n_parallel={chosen.n_parallel}&n_ctx={chosen.n_ctx}" + ("&keep_prefix" if chosen.keep_prefix else "")
    endpoint = f"llamacpp:{sha256}?{serving} /v1/chat/completions"
    codec = ChatCodec("max_tokens")
    asked = {name: getattr(chosen, name) for name in ("n_parallel", "n_ctx", "threads", "keep_prefix")}
    arguments = json.dumps({"model": str(file), "alias": alias, **asked})
    sender = _LocalSender(codec, arguments, timeout_s=chosen.timeout_s, start_s=chosen.start_s)
    return WireChat(Identity("llamacpp", alias, endpoint, digest(["llamacpp", endpoint])), codec, sender, tools.blobs)


class _LocalSender:
    """A `Sender` that starts its server when it is first needed."""

    def __init__(self, codec: ChatCodec, arguments: str, *, timeout_s: float, start_s: float) -> None:
        self._codec = codec
        self._arguments = arguments
        self._timeout_s = timeout_s
        self._start_s = start_s
        self._transport = Transport()
        self.redact = self._transport.redact
        self._server: _Server | None = None
        self._lean: tuple[str, LeanSender] | None = None

    async def whole(self, body: Mapping[str, Any]) -> Reply:
        """The decoded reply."""
        sender = await self._ready()
        return await sender.whole(body)

    async def events(self, body: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        """The decoded events of a stream."""
        sender = await self._ready()
        async with aclosing(sender.events(body)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        """Close connections, and the server when nobody else uses it."""
        await self._transport.close()
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(_POOL.release, self._arguments, server)

    async def _ready(self) -> LeanSender:
        if self._server is None or self._server.dead():
            self._server = _POOL.acquire(self._arguments)
        address = await self._server.address(self._transport, self._start_s)
        if self._lean is None or self._lean[0] != address:
            headers = {"content-type": "application/json", **_ONE_CALL}
            url = f"{address}/v1{self._codec.path}"
            lean = LeanSender(self._codec, self._transport, url=url, headers=headers, timeout_s=self._timeout_s)
            self._lean = (address, lean)
        return self._lean[1]


class _Server:
    """One child process; it ends when this process does, however that happens, since the pipe to it then closes."""

    def __init__(self, arguments: str) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile(prefix="evalkit-llamacpp-")  # noqa: SIM115 - closed by stop()
        # By its path and with -P: nothing of the user's folder can stand in for a module that the child imports. A
        # session of its own: ctrl-C in the terminal drains the run, which still needs its answers.
        command = [sys.executable, "-P", str(Path(__file__).with_name("_llamacpp_server.py")), arguments]
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True
        )
        self._address: str | None = None
        self._healthy = False
        self._last_words = ""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def dead(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    async def address(self, transport: Transport, start_s: float) -> str:
        """Where it listens, once it answers. Raises CallFailed with the reason when it dies or takes longer."""
        deadline = time.monotonic() + start_s
        while not (self._healthy and self._address):
            if self.dead():
                raise CallFailed(Failure(ErrorKind.UNKNOWN_MODEL, f"llama.cpp did not start: {self._said()}"))
            if time.monotonic() > deadline:
                raise CallFailed(Failure(ErrorKind.TIMEOUT, f"llama.cpp did not start within {start_s:g} s"))
            if self._address is None or not await self._answers(transport, self._address):
                await asyncio.sleep(_POLL_S)
        return self._address

    def stop(self) -> None:
        """End the process: closing its input asks it to, a signal makes it. A second time changes nothing."""
        assert self._process.stdin is not None
        if self._errors.closed:
            return
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(_STOP_S)
        self._last_words = self._said()
        self._errors.close()

    async def _answers(self, transport: Transport, address: str) -> bool:
        try:
            reply = await transport.request("GET", f"{address}/health", headers=_ONE_CALL, body=None, timeout_s=_STOP_S)
        except CallFailed:
            return False
        self._healthy = reply.status == 200
        return self._healthy

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if self._address is None and line.startswith(b'{"address"'):
                    self._address = json.loads(line)["address"]

    def _said(self) -> str:
        if self._errors.closed:
            return self._last_words
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        errors = [line for line in lines if " E " in line] or lines[-3:]
        return " | ".join(errors)[-_TAIL:] or f"it ended with code {self._process.returncode} and said nothing"


class _Pool:
    """The servers of this process, with how many candidates use each; safe to use from several event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[str, tuple[_Server, int]] = {}

    def acquire(self, arguments: str) -> _Server:
        """A living server for these arguments, started when there is none."""
        with self._lock:
            server, users = self._servers.get(arguments, (None, 0))
            if server is not None and server.dead():
                server.stop()
                server = None
            if server is None:
                server, users = _Server(arguments), 0
            self._servers[arguments] = (server, users + 1)
            return server

    def release(self, arguments: str, server: _Server) -> None:
        """One user less; the last one stops the server."""
        with self._lock:
            kept, users = self._servers.get(arguments, (None, 0))
            if kept is server and users > 1:
                self._servers[arguments] = (server, users - 1)
                return
            if kept is server:
                del self._servers[arguments]
        server.stop()


_POOL = _Pool()
