"""A deterministic mock of the OpenAI and Anthropic APIs over a real socket: answers, streams and faults by hash."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from evalkit.core.errors import did_you_mean
from evalkit.providers._mock_api import Connection
from evalkit.providers._mock_seen import World

HOST = "127.0.0.1"
_START_S = 30
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server behaves. Rates are shares of attempts in 0..1, drawn by hash of (seed, model, prompt, attempt).

    `latency_ms` before an answer, times a log-normal factor of sigma `jitter`; `token_ms` between streamed pieces.
    `error_mix` = weights of statuses, `429:0.6,500:0.4`; `retry_after` = header of 429, 503 and 529, empty for none.
    `disconnect_rate` closes the connection, mid-answer where it streams; `malformed_rate` sends broken JSON;
    `stall_rate` never answers; `stream_error_rate` reports an error inside a stream. `attempt_faults` = only the first
    that many attempts of a request may fail (0: all). `cap` > 0 = 429 above that many in flight. `require_key` = the
    key that must come; another one is refused with 401, which repeats it as a careless server would.
    Models named `no-such...` are unknown, `no-quota...` have none left; `-p85` is right on 85 % of sums, `perfect` on
    all; `think` shows reasoning, `refuses` refuses, `filters` is stopped by the content filter.
    """

    seed: str = "0"
    latency_ms: float = 0.0
    jitter: float = 0.0
    token_ms: float = 0.0
    error_rate: float = 0.0
    error_mix: str = "429:0.6,500:0.2,503:0.2"
    error_latency_ms: float = 0.0
    retry_after: str = "1"
    disconnect_rate: float = 0.0
    malformed_rate: float = 0.0
    stall_rate: float = 0.0
    stream_error_rate: float = 0.0
    attempt_faults: int = 0
    cap: int = 0
    require_key: str = ""
    dim: int = 64

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """A copy with other values. Raises ValueError that names an unknown setting or a wrong type."""
        known = {f.name: type(f.default) for f in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown setting {name!r}; {did_you_mean(name, known) or ', '.join(known)}")
            fits = isinstance(value, (known[name], int) if known[name] is float else known[name])
            if not fits:
                raise ValueError(f"setting {name!r} must be {known[name].__name__}; got {value!r}")
        return replace(self, **values)


async def serve(
    settings: Settings, *, host: str = HOST, port: int = 0, ready: Callable[[int], None] | None = None
) -> None:
    """Serve until cancelled. `port` 0 takes a free one; `ready` is told which. Raises OSError for a port in use."""
    loop = asyncio.get_running_loop()
    world = World(settings)
    server = await loop.create_server(lambda: Connection(world, loop), host, port, backlog=4096)
    async with server:
        if ready is not None:
            ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()


@dataclass(frozen=True, slots=True)
class Server:
    """A mock server in a process of its own; `url` has no path (OpenAI's base_url is `url + "/v1"`)."""

    url: str
    pid: int

    def stats(self) -> dict[str, Any]:
        """Counts since the start or the last reset: total, ok, unique, repeat_ok, peak_concurrency, status, paths..."""
        return self._ask("/stats", None)

    def reset(self) -> dict[str, Any]:
        """Forget the counts; returns what they were."""
        return self._ask("/reset", {})

    def config(self, **values: Any) -> dict[str, Any]:
        """Change settings; returns all of them. Raises urllib.error.HTTPError for an unknown one."""
        return self._ask("/config", values)

    def _ask(self, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data)  # noqa: S310 - the address is our own server's
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_START_S) as reply:
            found: dict[str, Any] = json.load(reply)
        return found


@contextmanager
def running(settings: Settings | None = None) -> Iterator[Server]:
    """A server in a child process, stopped at the end of the block; it also ends by itself when this process dies."""
    chosen = json.dumps(asdict(settings or Settings()))
    command = [sys.executable, "-m", "evalkit.providers.mock_server", chosen]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603 - our own module
        try:
            line = child.stdout.readline() if child.stdout is not None else b""
            if not line:
                raise RuntimeError(f"the mock server did not start; {sys.executable} ended with {child.wait()}")
            yield Server(f"http://{HOST}:{int(line)}", child.pid)
        finally:
            _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Let the child go by closing its standard input; kill it when it does not."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()


async def _until_orphaned(settings: Settings) -> None:
    """Serve until the parent closes our standard input, which the system does for it when it dies."""
    loop = asyncio.get_running_loop()
    orphaned = asyncio.Event()
    await loop.connect_read_pipe(lambda: _Watch(orphaned), sys.stdin)
    serving = asyncio.create_task(serve(settings, ready=_say))
    waiting = asyncio.create_task(orphaned.wait())
    await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    serving.cancel()
    await asyncio.gather(serving, waiting, return_exceptions=True)


class _Watch(asyncio.Protocol):
    def __init__(self, orphaned: asyncio.Event) -> None:
        self._orphaned = orphaned

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        self._orphaned.set()


def _say(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


def _main(arguments: list[str]) -> None:
    settings = Settings().changed(json.loads(arguments[0]) if arguments else {})
    try:
        import uvloop
    except ImportError:
        asyncio.run(_until_orphaned(settings))
    else:
        uvloop.run(_until_orphaned(settings))


if __name__ == "__main__":
    _main(sys.argv[1:])
