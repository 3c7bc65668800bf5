"""HTTP/1.1 for the mock server: an asyncio protocol that frames requests and writes replies, one after the other."""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

import msgspec

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    529: "Overloaded",
}
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_LARGEST = 64 << 20


class HttpConnection(asyncio.Protocol):
    """One client's connection; `dispatch` gets complete requests, and sets `busy` until it has answered later."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.busy = False
        self._buffer = b""
        self._close_after = False

    def dispatch(self, head: bytes, body: bytes) -> None:
        """Answer one request: its head up to the last CRLF, and its body."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # uvloop's transport is an asyncio.Transport by behaviour only.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        """Called by the loop."""
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._buffer += data
        while self._buffer and not self.busy:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[: end + 2]
            found = self._body(head, end + 4)
            if found is None:
                return
            body, used = found
            self._buffer = self._buffer[used:]
            self._close_after = _CLOSE.search(head) is not None
            self.dispatch(head, body)

    def _body(self, head: bytes, start: int) -> tuple[bytes, int] | None:
        """The request's body and where it ends; None while it is not complete."""
        if _CHUNKED.search(head):
            return _dechunked(self._buffer, start)
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if size > _LARGEST:
            self.reply(413, {"error": {"message": "too large"}}, close=True)
            return None
        if len(self._buffer) < start + size:
            if len(self._buffer) == start and _EXPECT.search(head):
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return None
        return self._buffer[start : start + size], start + size

    def reply(self, status: int, body: Any, *, retry_after: str = "", close: bool = False) -> None:
        """Write a whole reply; `body` is JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\ncontent-type: application/json\r\n"
        wait = f"retry-after: {retry_after}\r\n" if retry_after else ""
        self.write(f"{head}content-length: {len(data)}\r\n{wait}\r\n".encode("latin-1") + data)
        if (close or self._close_after) and self.transport is not None:
            self.transport.close()

    def begin_stream(self) -> None:
        """Write the head of an event stream."""
        self.write(_STREAM_HEAD)

    def write(self, data: bytes) -> None:
        """Write bytes to a client that is still there."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def idle(self) -> None:
        """The request is answered: take the next one, if it is here already."""
        self.busy = False
        if self._buffer:
            self.data_received(b"")


def _dechunked(buffer: bytes, start: int) -> tuple[bytes, int] | None:
    parts = []
    while True:
        line = buffer.find(b"\r\n", start)
        if line < 0:
            return None
        size = int(buffer[start:line].split(b";")[0], 16)
        end = line + 2 + size
        if len(buffer) < end + 2:
            return None
        parts.append(buffer[line + 2 : end])
        start = end + 2
        if size == 0:
            return b"".join(parts), start
