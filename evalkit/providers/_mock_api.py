"""The mocked APIs: which request is which, who may ask, what goes wrong, and what comes back when."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from evalkit.providers import _mock_anthropic as anthropic
from evalkit.providers import _mock_openai as openai
from evalkit.providers import _mock_responses as responses
from evalkit.providers._mock_http import HttpConnection
from evalkit.providers._mock_seen import World
from evalkit.providers._mock_world import Answer, Ask, Fate, answer, fate

_KEY = re.compile(rb"\r\n(?:authorization:[ \t]*bearer|x-api-key:|api-key:)[ \t]*([^\r]*)", re.IGNORECASE)
_CLOUD = re.compile(r"/(?:model|models)/([^/:]+(?::\d+)?)(/invoke|:rawPredict|:streamRawPredict)$")

_encode = msgspec.json.encode
_chat = msgspec.json.Decoder(openai.ChatRequest).decode
_responses = msgspec.json.Decoder(openai.ResponsesRequest).decode
_messages = msgspec.json.Decoder(anthropic.MessagesRequest).decode
_embeddings = msgspec.json.Decoder(openai.EmbeddingsRequest).decode

Reading = Callable[[bytes, str], tuple[Ask, Any]]


def _read_chat(body: bytes, _path: str) -> tuple[Ask, Any]:
    request = _chat(body)
    return openai.chat_ask(request), request


def _read_responses(body: bytes, _path: str) -> tuple[Ask, Any]:
    request = _responses(body)
    return openai.responses_ask(request), request


def _read_messages(body: bytes, path: str) -> tuple[Ask, Any]:
    request = _messages(body)
    cloud = _CLOUD.search(path)
    if cloud:
        request.model = cloud[1]
    return anthropic.messages_ask(request), request


def _read_embeddings(body: bytes, _path: str) -> tuple[Ask, Any]:
    request = _embeddings(body)
    return Ask("embeddings", request.model, str(request.input), ""), request


_ROUTES: Mapping[str, Reading] = {
    "/chat/completions": _read_chat,
    "/responses": _read_responses,
    "/messages": _read_messages,
    "/embeddings": _read_embeddings,
    "/invoke": _read_messages,
    ":rawPredict": _read_messages,
    ":streamRawPredict": _read_messages,
}


class Connection(HttpConnection):
    """One client's connection to the mocked APIs."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._world = world
        self._loop = loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        super().connection_made(transport)
        self._world.counts["connections"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        super().connection_lost(exc)
        if self.busy:
            self.busy = False
            self._world.counts["client_gone"] += 1
            self._world.leave(0)

    def dispatch(self, head: bytes, body: bytes) -> None:
        """Answer one request."""
        method, path = [*head.split(b"\r\n", 1)[0].decode("latin-1").split(" "), "/"][:2]
        path = path.partition("?")[0].rstrip("/")
        if method == "GET":
            return self._get(path)
        if path in ("/reset", "/config"):
            return self._control(path, body)
        reading = next((reading for suffix, reading in _ROUTES.items() if path.endswith(suffix)), None)
        if reading is None:
            return self.reply(404, openai.error_body(400, f"there is no {method} {path} here"))
        try:
            ask, request = reading(body, path)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return self._refuse(400, f"invalid request: {error}", path)
        return self._admit(head, ask, request)

    def _get(self, path: str) -> None:
        if path == "/stats":
            self.reply(200, self._world.view())
        elif path.endswith("/models"):
            self.reply(200, openai.models_body())
        elif path in ("", "/health"):
            self.reply(200, {"status": "ok"})
        else:
            self.reply(404, openai.error_body(400, f"there is no GET {path} here"))

    def _control(self, path: str, body: bytes) -> None:
        if path == "/reset":
            before = self._world.view()
            self._world.reset()
            return self.reply(200, before)
        try:
            self._world.settings = self._world.settings.changed(msgspec.json.decode(body or b"{}"))
        except (ValueError, AttributeError) as error:
            return self.reply(400, {"error": str(error)})
        return self.reply(200, asdict(self._world.settings))

    def _admit(self, head: bytes, ask: Ask, request: Any) -> None:
        settings = self._world.settings
        key, attempt = self._world.arrive(ask)
        self.busy = True
        refused = self._barred(head, ask)
        if refused is not None:
            status, message, code = refused
            return self._over(status, self._error(ask, status, message, code))
        decided = fate(settings, ask, attempt)
        if settings.cap and self._world.inflight > settings.cap:
            decided = Fate("error", settings.error_latency_ms / 1000, 429)
        if decided.kind == "stall":
            self._world.counts["stalled"] += 1
        elif decided.delay_s > 0:
            self._loop.call_later(decided.delay_s, self._finish, ask, request, key, decided)
        else:
            self._finish(ask, request, key, decided)
        return None

    def _barred(self, head: bytes, ask: Ask) -> tuple[int, str, str | None] | None:
        """Status, message and code for a request that may not be answered at all."""
        wanted = self._world.settings.require_key
        if wanted:
            found = _KEY.search(head)
            key = found[1].decode("latin-1").strip() if found else ""
            if key != wanted:
                return 401, f"Incorrect API key provided: {key}", None
        if ask.model.startswith("no-such"):
            return 404, f"The model `{ask.model}` does not exist", None
        if ask.model.startswith("no-quota"):
            return 429, "You exceeded your current quota", "insufficient_quota"
        return None

    def _error(self, ask: Ask, status: int, message: str, code: str | None = None) -> dict[str, Any]:
        if ask.api == "messages":
            return anthropic.error_body(status, message)
        return openai.error_body(status, message, code)

    def _refuse(self, status: int, message: str, path: str) -> None:
        api = "messages" if _ROUTES[next(s for s in _ROUTES if path.endswith(s))] is _read_messages else "chat"
        self.reply(status, self._error(Ask(api, "", "", ""), status, message))

    def _finish(self, ask: Ask, request: Any, key: bytes, decided: Fate) -> None:
        if self.transport is None:
            return
        said = answer(self._world.settings.seed, ask)
        if decided.kind == "error":
            self._over(decided.status, self._error(ask, decided.status, f"mock {decided.status}"))
        elif decided.kind == "cut" and not ask.stream:
            self._cut()
        elif decided.kind == "malformed" and not ask.stream:
            self._world.counts["malformed"] += 1
            self._over(200, b'{"id": "broken", "choices": [{"message": ')
        elif ask.stream:
            self._stream(ask, said, key, decided)
        else:
            self._world.settle(key, said)
            self._over(200, self._whole(ask, request, said))

    def _whole(self, ask: Ask, request: Any, said: Answer) -> dict[str, Any]:
        if ask.api == "chat":
            return openai.chat_body(ask, said)
        if ask.api == "responses":
            return responses.responses_body(ask, said)
        if ask.api == "messages":
            return anthropic.messages_body(ask, said, cached=self._cached(ask))
        return openai.embeddings_body(request, self._world.settings.dim)

    def _cached(self, ask: Ask) -> bool:
        known = ask.marked in self._world.cached
        if ask.marked:
            self._world.cached.add(ask.marked)
        return known

    def _events(self, ask: Ask, said: Answer) -> Iterator[bytes]:
        if ask.api == "chat":
            yield from (_frame(*event) for event in openai.chat_events(ask, said))
            yield b"data: [DONE]\n\n"
        elif ask.api == "responses":
            yield from (_frame(*event) for event in responses.responses_events(ask, said))
        else:
            yield from (_frame(*event) for event in anthropic.messages_events(ask, said, cached=self._cached(ask)))

    def _stream(self, ask: Ask, said: Answer, key: bytes, decided: Fate) -> None:
        frames = list(self._events(ask, said))
        if decided.kind == "ok":
            self._world.settle(key, said)
        else:
            frames = [*frames[: len(frames) // 2], *self._broken(ask, decided.kind)]
        self.begin_stream()
        self._send(frames, 0, cut=decided.kind == "cut")

    def _broken(self, ask: Ask, kind: str) -> list[bytes]:
        """How a stream goes on that does not end well."""
        if kind == "malformed":
            self._world.counts["malformed"] += 1
            name = "message_delta" if ask.api == "messages" else ""
            return [(f"event: {name}\n" if name else "").encode() + b'data: {"choices": [{"delta"\n\n']
        if kind == "report":
            return [self._reported(ask, "mock error in a stream")]
        return []

    def _reported(self, ask: Ask, message: str) -> bytes:
        """An error as an event of a stream."""
        if ask.api == "responses":
            fields = {"code": "server_error", "message": message, "param": None, "sequence_number": 99}
            return _frame("error", {"type": "error", **fields})
        if ask.api == "messages":
            return _frame("error", self._error(ask, 529, message))
        return _frame("", self._error(ask, 500, message))

    def _send(self, frames: list[bytes], position: int, *, cut: bool) -> None:
        """Write the frames from `position` on, all at once or `token_ms` apart."""
        if self.transport is None:
            return
        pause = self._world.settings.token_ms / 1000
        until = position + 1 if pause > 0 else len(frames)
        self.write(b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames[position:until]))
        if until < len(frames):
            self._loop.call_later(pause, self._send_rest, frames, until, cut)
        elif cut:
            self._cut()
        else:
            self.write(b"0\r\n\r\n")
            self._done(200)

    def _send_rest(self, frames: list[bytes], position: int, cut: bool) -> None:  # noqa: FBT001 - call_later takes no keywords
        self._send(frames, position, cut=cut)

    def _cut(self) -> None:
        self._world.counts["disconnects"] += 1
        self.busy = False
        self._world.leave(0)
        if self.transport is not None:
            self.transport.close()

    def _over(self, status: int, body: Any) -> None:
        wait = self._world.settings.retry_after if status in (429, 503, 529) else ""
        self.reply(status, body, retry_after=wait)
        self._done(status)

    def _done(self, status: int) -> None:
        self._world.leave(status)
        self.idle()


def _frame(name: str, value: Mapping[str, Any]) -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + _encode(value) + b"\n\n"
