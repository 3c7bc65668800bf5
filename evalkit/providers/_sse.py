"""Server-sent events, decoded incrementally from bytes (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """One event: its name (empty = `message`) and its data, undecoded."""

    name: str
    data: bytes


class Decoder:
    """Feed it chunks as they come; it returns the events that are complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []
        self._first = True

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes. LF, CRLF and CR end a line, wherever the chunk boundary falls."""
        buffer = self._rest + chunk
        if self._first and len(buffer) >= 3:
            buffer, self._first = buffer.removeprefix(b"\xef\xbb\xbf"), False
        # A CR at the end may be half of a CRLF: it waits for the next chunk.
        held = b"\r" if buffer.endswith(b"\r") else b""
        text = buffer[: len(buffer) - len(held)]
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, tail = text.split(b"\n")
        self._rest = tail + held
        return [event for line in lines if (event := self._line(line)) is not None]

    def finish(self) -> list[Event]:
        """The event that a last CR completes when the stream is over; an event without its end is dropped."""
        if not self._rest.endswith(b"\r"):
            return []
        event = self._line(self._rest[:-1])
        return [] if event is None else [event]

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        return None

    def _dispatch(self) -> Event | None:
        name, data = self._name, self._data
        self._name, self._data = "", []
        return Event(name, b"\n".join(data)) if data else None
