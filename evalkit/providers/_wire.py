"""A chat model on the wire: one codec (how a vendor writes and reads), one sender (lean or SDK), one way to fail."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Blobs, Failure, Generation, Message, Request, Response
from evalkit.providers._failures import ErrorBody, Redactor, failure_of, malformed_failure, refusal
from evalkit.providers._messages import holds_media, materialise
from evalkit.providers.transport import CallFailed, Transport

Reply = Any
"""A codec's own struct of a whole reply."""
Event = Any
"""A codec's own struct of one streamed event."""


class Collector(Protocol):
    """Puts a streamed answer together."""

    def take(self, event: Event) -> bool:
        """Add one event; whether it carries a piece of the answer or its reasoning. Raises Malformed."""

    def reply(self) -> Reply:
        """The whole reply, as it would have come without streaming. Raises Malformed for a stream cut short."""


class Times(NamedTuple):
    """How long an answer took, and its first token; in seconds, None where it is not known."""

    seconds: float | None = None
    first_token_s: float | None = None


NO_TIMES = Times()


class Codec(Protocol):
    """How one API writes a request and what its replies mean."""

    path: str
    reply_type: type[Any]
    event_type: Any

    def body(self, model: str, messages: Sequence[Message], generation: Generation) -> dict[str, Any]:
        """The exact JSON body; raises ValueError for what the API cannot express."""

    def read(self, reply: Reply, times: Times = NO_TIMES) -> Response:
        """What a whole reply means, with its times. Raises Malformed for one that breaks the API's promise."""

    def collector(self) -> Collector:
        """A fresh collector for one stream."""


class Malformed(Exception):
    """A reply with a success status that is not what its API promises."""


class Reported(Exception):
    """An error that the vendor reports inside a reply with a success status; `error` is what it says."""

    def __init__(self, error: ErrorBody) -> None:
        super().__init__(error.message)
        self.error = error


class Sender(Protocol):
    """One attempt to have a body answered. Raises CallFailed, Malformed, Reported."""

    redact: Redactor

    async def whole(self, body: Mapping[str, Any]) -> Reply:
        """The decoded reply."""

    def events(self, body: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        """The decoded events of a stream."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers: `lane` = what limits are shared by, `endpoint` and `fingerprint` as in the core nouns."""

    lane: str
    model: str
    endpoint: str
    fingerprint: str


class WireChat:
    """A `core.types.Chat` made of a codec and a sender."""

    def __init__(self, identity: Identity, codec: Codec, sender: Sender, blobs: Blobs) -> None:
        self.lane = identity.lane
        self.model = identity.model
        self.fingerprint = identity.fingerprint
        self._endpoint = identity.endpoint
        self._codec = codec
        self._sender = sender
        self._blobs = blobs

    def request(self, messages: Sequence[Message], generation: Generation) -> Request:
        """The exact request; pure. Raises ValueError for what the API cannot express."""
        return Request(self._endpoint, self._codec.body(self.model, messages, generation))

    async def send(self, request: Request) -> Response:
        """One attempt on the wire; every failure is a Response with an error."""
        start = time.monotonic()
        first: float | None = None
        try:
            body = materialise(request.body, self._blobs) if holds_media(request.body) else request.body
            if body.get("stream"):
                collector = self._codec.collector()
                async with aclosing(self._sender.events(body)) as events:
                    async for event in events:
                        if collector.take(event) and first is None:
                            first = time.monotonic() - start
                reply = collector.reply()
            else:
                reply = await self._sender.whole(body)
            return self._codec.read(reply, Times(time.monotonic() - start, first))
        except CallFailed as failed:
            if not failed.filtered:
                return Response(error=failed.failure, seconds=time.monotonic() - start)
            return Response(
                finish=Finish.CONTENT_FILTER,
                usage={"requests": 1},
                seconds=time.monotonic() - start,
                first_token_s=first,
            )
        except (Malformed, Reported, KeyError, ValueError) as error:
            return Response(error=self._failure(error), seconds=time.monotonic() - start)

    async def close(self) -> None:
        """Close connections."""
        await self._sender.close()

    def _failure(self, error: Exception) -> Failure:
        redact = self._sender.redact
        if isinstance(error, Reported):
            return failure_of(error.error.implied_status, {}, error.error, redact)
        if isinstance(error, KeyError):
            return Failure(ErrorKind.BAD_REQUEST, f"the request names a blob that is not stored: {error.args[0]}")
        if isinstance(error, (Malformed, msgspec.DecodeError)):
            return malformed_failure(str(error), redact)
        return Failure(ErrorKind.BAD_REQUEST, redact(f"the request cannot be written: {error}"))


class LeanSender:
    """Sends over the lean transport and decodes with msgspec."""

    def __init__(
        self,
        codec: Codec,
        transport: Transport,
        *,
        url: str,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> None:
        self.redact = transport.redact
        self._transport = transport
        self._url = url
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._decode_reply: Callable[[bytes], Reply] = msgspec.json.Decoder(codec.reply_type).decode
        self._decode_event: Callable[[bytes], Event] = msgspec.json.Decoder(codec.event_type).decode

    async def whole(self, body: Mapping[str, Any]) -> Reply:
        """The decoded reply."""
        raw = await self._transport.post_json(self._url, self._headers, msgspec.json.encode(body), self._timeout_s)
        if raw.status >= 300:
            raise refusal(raw.status, raw.headers, ErrorBody.read(raw.body), self.redact)
        return self._decoded(self._decode_reply, raw.body)

    async def events(self, body: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        """The decoded events of a stream."""
        stream = self._transport.post_sse(self._url, self._headers, msgspec.json.encode(body), self._timeout_s)
        async with aclosing(stream):
            async for event in stream:
                yield self._decoded(self._decode_event, event.data)

    async def close(self) -> None:
        """Close connections."""
        await self._transport.close()

    def _decoded(self, decode: Callable[[bytes], Any], data: bytes) -> Any:
        try:
            return decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CallFailed(malformed_failure(f"unreadable reply: {error}", self.redact, data)) from None
