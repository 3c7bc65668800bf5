"""The lean transport on real sockets: every way to fail is a typed failure, and no key is in any text."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Failure
from evalkit.providers._failures import MASK, ErrorBody, failure_of, malformed_failure, retry_after
from evalkit.providers._sse import Decoder
from evalkit.providers.transport import CallFailed, Event, RawReply, Redactor, Transport, is_loopback

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Kind: a\r\n\r\n{}"
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def talk(handle: Handler, use: Callable[[Transport, str], Awaitable[Any]], **options: Any) -> Any:
    """Run a client against a server whose connections `handle` serves."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def run() -> Any:
        server = await asyncio.start_server(guarded, "127.0.0.1", 0)
        async with server:
            transport = Transport(**options)
            try:
                return await use(transport, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
            finally:
                await transport.close()

    return asyncio.run(run())


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    sizes = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(sum(sizes))


def replying(*pieces: bytes, pause: float = 0.0) -> Handler:
    """Answer one request with pieces, then close."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return handle


async def post(transport: Transport, url: str, timeout_s: float = 5.0) -> RawReply:
    return await transport.post_json(url, {"Authorization": "Bearer sk-very-secret-1"}, b"{}", timeout_s)


async def stream(transport: Transport, url: str, timeout_s: float = 5.0) -> list[Event]:
    return [event async for event in transport.post_sse(url, {}, b"{}", timeout_s)]


def failed(handle: Handler, use: Any = post, **options: Any) -> Failure:
    with pytest.raises(CallFailed) as caught:
        talk(handle, use, **options)
    return caught.value.failure


def test_a_reply_of_any_status_comes_back() -> None:
    reply = talk(replying(OK), post)
    assert (reply.status, reply.body, reply.headers["x-kind"]) == (200, b"{}", "a")
    assert talk(replying(OK.replace(b"200 OK", b"500 Oh")), post).status == 500


def test_connections_are_kept_and_reopened_after_close() -> None:
    opened = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        while not reader.at_eof():
            await request_of(reader)
            writer.write(OK)

    async def use(transport: Transport, url: str) -> None:
        for _ in range(3):
            await post(transport, url)
        assert len(opened) == 1
        await transport.close()
        await post(transport, url)

    talk(handle, use)
    assert len(opened) == 2


def test_one_transport_serves_one_loop_after_another() -> None:
    transport = Transport()

    async def use(_own: Transport, url: str) -> int:
        reply = await post(transport, url)
        await transport.close()
        return reply.status

    assert [talk(replying(OK), use) for _ in range(2)] == [200, 200]


def test_headers_and_body_go_out_as_they_are() -> None:
    got = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await request_of(reader))
        writer.write(OK)

    async def use(transport: Transport, url: str) -> None:
        await transport.request("PUT", url, headers={"X-Kind": "b"}, body=b'{"a":1}', timeout_s=5)

    talk(handle, use)
    assert got[0].startswith(b"PUT /v1 HTTP/1.1\r\n")
    assert b"X-Kind: b\r\n" in got[0]
    assert b"Cookie" not in got[0]
    assert got[0].endswith(b'\r\n\r\n{"a":1}')


def test_cookies_and_redirects_are_not_followed() -> None:
    asked = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            asked.append(await request_of(reader))
            writer.write(b"HTTP/1.1 307 X\r\nset-cookie: a=b\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")

    async def use(transport: Transport, url: str) -> list[int]:
        return [(await post(transport, url)).status for _ in range(2)]

    assert talk(handle, use) == [307, 307]
    assert len(asked) == 2
    assert b"a=b" not in asked[1]


@pytest.mark.parametrize(
    ("pieces", "kind", "said"),
    [
        ((), ErrorKind.CONNECTION, "closed the connection without an answer"),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{",), ErrorKind.CONNECTION, "in the middle of its answer"),
        ((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",), ErrorKind.CONNECTION, "middle"),
        ((b"SSH-2.0-OpenSSH_9\r\n\r\n",), ErrorKind.MALFORMED, "does not speak HTTP"),
    ],
)
def test_connections_that_break(pieces: tuple[bytes, ...], kind: ErrorKind, said: str) -> None:
    failure = failed(replying(*pieces))
    assert (failure.kind, failure.retryable, failure.status) == (kind, True, None)
    assert said in failure.message
    assert "127.0.0.1" in failure.message


def test_a_server_that_is_not_there() -> None:
    async def use(transport: Transport, url: str) -> RawReply:
        return await post(transport, "http://127.0.0.1:1/v1")

    failure = failed(replying(OK), use)
    assert (failure.kind, failure.retryable) == (ErrorKind.CONNECTION, True)
    assert "cannot reach 127.0.0.1:1" in failure.message


@pytest.mark.parametrize("use", [post, stream])
def test_a_slow_server_is_a_timeout(use: Any) -> None:
    failure = failed(replying(OK[:20], pause=5.0), lambda transport, url: use(transport, url, 0.1))
    assert failure == Failure(ErrorKind.TIMEOUT, "no complete answer within 0.1 s", retryable=True)


def test_what_can_never_be_sent_is_not_tried_again() -> None:
    async def header(transport: Transport, url: str) -> RawReply:
        return await transport.post_json(url, {"X": "a\r\nb"}, b"", 5.0)

    async def address(transport: Transport, _url: str) -> RawReply:
        return await post(transport, "http://")

    for use in (header, address):
        failure = failed(replying(OK), use)
        assert (failure.kind, failure.retryable) == (ErrorKind.BAD_REQUEST, False)


def test_events_come_up_to_done_and_the_connection_is_kept() -> None:
    opened = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        while not reader.at_eof():
            await request_of(reader)
            body = b"data: 1\n\n: hello\n\nevent: x\ndata: 2\ndata: 3\n\ndata: [DONE]\n\n"
            writer.write(SSE + b"content-length: %d\r\n\r\n%b" % (len(body), body))

    async def use(transport: Transport, url: str) -> list[list[Event]]:
        return [await stream(transport, url) for _ in range(2)]

    wanted = [Event("", b"1"), Event("x", b"2\n3")]
    assert talk(handle, use) == [wanted, wanted]
    assert len(opened) == 1


def test_a_server_that_stays_silent_after_done_is_not_waited_for() -> None:
    handle = replying(
        SSE + b"transfer-encoding: chunked\r\n\r\n10\r\ndata: 1\n\ndata: [\r\n7\r\nDONE]\n\n\r\n", pause=5.0
    )
    assert talk(handle, stream) == [Event("", b"1")]


def test_a_stream_that_breaks_off() -> None:
    failure = failed(replying(SSE + b"transfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"), stream)
    assert (failure.kind, failure.retryable) == (ErrorKind.CONNECTION, True)


def test_a_stream_left_early_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(SSE + b"\r\ndata: 1\n\n")
        await reader.read()
        closed.set()

    async def use(transport: Transport, url: str) -> None:
        events = transport.post_sse(url, {}, b"{}", 5.0)
        await anext(events)
        await events.aclose()
        async with asyncio.timeout(5):
            await closed.wait()

    talk(handle, use)
    assert closed.is_set()


@pytest.mark.parametrize(
    ("head", "body", "kind", "status"),
    [
        (b"429 X\r\nretry-after: 2", b'{"error": {"message": "too fast"}}', ErrorKind.RATE_LIMITED, 429),
        (b"200 OK", b'{"error": {"message": "no such model", "code": 404}}', ErrorKind.UNKNOWN_MODEL, 404),
        (b"200 OK", b"plain answer", ErrorKind.MALFORMED, None),
        (b"302 X\r\nlocation: /", b"", ErrorKind.BAD_REQUEST, 302),
    ],
)
def test_replies_that_are_no_stream(head: bytes, body: bytes, kind: ErrorKind, status: int | None) -> None:
    reply = b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (head, len(body), body)
    failure = failed(replying(reply), stream)
    assert (failure.kind, failure.status) == (kind, status)
    assert failure.retry_after_s == (2.0 if status == 429 else None)


def test_proxies_come_from_the_environment_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await request_of(reader)
        body = asked.split(b"\r\n")[0]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async def use(transport: Transport, url: str) -> list[bytes]:
        monkeypatch.setenv("http_proxy", url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "skipped.invalid")
        there = await post(transport, "http://model.invalid/v1")
        here = await post(transport, url)
        with pytest.raises(CallFailed, match=r"cannot reach skipped\.invalid"):
            await post(transport, "http://skipped.invalid/v1")
        return [there.body, here.body]

    assert talk(handle, use) == [b"POST http://model.invalid/v1 HTTP/1.1", b"POST /v1 HTTP/1.1"]


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:80/v1", True),
        ("http://127.8.8.8", True),
        ("http://[::1]:80", True),
        ("http://localhost", True),
        ("http://my.localhost:1", True),
        ("http://10.0.0.1", False),
        ("https://api.openai.com/v1", False),
        ("http://localhost.example.org", False),
        ("nonsense", False),
    ],
)
def test_loopback(url: str, here: bool) -> None:
    assert is_loopback(url) is here


NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00 GMT"}, 60.0),
        ({"retry-after": "Wed, 31 Dec 2025 00:00:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "later"}, None),
    ],
)
def test_retry_after(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_retry_after_reads_the_clock_by_itself() -> None:
    assert retry_after({"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"}) > 1e9  # type: ignore[operator]


OPENAI = '{"error": {"message": "%s", "type": "%s", "code": "%s"}}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (400, OPENAI % ("bad", "invalid_request_error", ""), ErrorKind.BAD_REQUEST, False),
        (400, OPENAI % ("bad", "invalid_request_error", "model_not_found"), ErrorKind.UNKNOWN_MODEL, False),
        (401, OPENAI % ("bad key", "", "invalid_api_key"), ErrorKind.AUTH, False),
        (402, OPENAI % ("pay", "", ""), ErrorKind.BAD_REQUEST, False),
        (403, "<html>forbidden</html>", ErrorKind.AUTH, False),
        (404, OPENAI % ("The model `x` does not exist", "", "model_not_found"), ErrorKind.UNKNOWN_MODEL, False),
        (
            404,
            '{"type": "error", "error": {"type": "not_found_error", "message": "model: claude-0"}}',
            ErrorKind.UNKNOWN_MODEL,
            False,
        ),
        (
            404,
            '{"object": "error", "message": "The model `x` does not exist.", "code": 404}',
            ErrorKind.UNKNOWN_MODEL,
            False,
        ),
        (404, '{"error": {"code": "DeploymentNotFound", "message": "no"}}', ErrorKind.UNKNOWN_MODEL, False),
        (404, '{"error": "model \\"x\\" not found, try pulling it first"}', ErrorKind.UNKNOWN_MODEL, False),
        (404, '{"detail": "Not Found"}', ErrorKind.BAD_REQUEST, False),
        (408, "", ErrorKind.TIMEOUT, True),
        (409, "", ErrorKind.PROVIDER, True),
        (413, "", ErrorKind.BAD_REQUEST, False),
        (422, '[{"error": {"message": "bad"}}]', ErrorKind.BAD_REQUEST, False),
        (429, OPENAI % ("slow down", "requests", "rate_limit_exceeded"), ErrorKind.RATE_LIMITED, True),
        (429, OPENAI % ("no money", "insufficient_quota", "insufficient_quota"), ErrorKind.RATE_LIMITED, False),
        (500, "oops", ErrorKind.PROVIDER, True),
        (502, "", ErrorKind.PROVIDER, True),
        (503, "[]", ErrorKind.PROVIDER, True),
        (504, "", ErrorKind.PROVIDER, True),
        (
            529,
            '{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}',
            ErrorKind.PROVIDER,
            True,
        ),
        (301, "", ErrorKind.BAD_REQUEST, False),
    ],
)
def test_statuses(status: int, body: str, kind: ErrorKind, retryable: bool) -> None:
    failure = failure_of(status, {"retry-after": "3"}, ErrorBody.read(body.encode()), Redactor())
    assert (failure.kind, failure.retryable, failure.status) == (kind, retryable, status)
    assert failure.retry_after_s == (3.0 if retryable else None)
    assert str(status) in failure.message


def test_messages_say_what_the_server_said() -> None:
    body = ErrorBody.read(OPENAI % ("slow down", "requests", "rate_limit_exceeded"))
    failure = failure_of(429, {}, body, Redactor())
    assert failure.message == "HTTP 429 requests rate_limit_exceeded: slow down"
    assert failure_of(500, {}, ErrorBody.read(b"\xff\n  b"), Redactor()).message == "HTTP 500: \ufffd b"
    assert failure_of(500, {}, ErrorBody.read(b"{}"), Redactor()).message == "HTTP 500: no message"
    assert "base_url" in failure_of(308, {}, ErrorBody.read(b""), Redactor()).message
    assert len(failure_of(500, {}, ErrorBody.read("x" * 9999), Redactor()).message) < 600


@pytest.mark.parametrize(
    ("error", "status"),
    [({"code": 502}, 502), ({"code": "429"}, 429), ({"type": "overloaded_error"}, 529), ({"code": 7}, 500), ({}, 500)],
)
def test_statuses_that_errors_imply(error: dict[str, Any], status: int) -> None:
    assert ErrorBody.of({"error": error}).implied_status == status


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("key my-own-key-1 is wrong", f"key {MASK} is wrong"),
        ("Authorization: Bearer abcdef123456", f"Authorization: {MASK}"),
        ("{'authorization': 'Bearer abc'}", f"{{'authorization': '{MASK}'}}"),
        ('"x-api-key": "abc"', f'"x-api-key": "{MASK}"'),
        ("sent Basic dXNlcjpwYXNz!", f"sent Basic {MASK}!"),
        ("Incorrect API key provided: sk-proj-ab**********yz.", f"Incorrect API key provided: {MASK}."),
        ("a basic question", "a basic question"),
        ("the bearer of news", "the bearer of news"),
        ("task-based", "task-based"),
    ],
)
def test_redaction(text: str, safe: str) -> None:
    assert Redactor(["my-own-key-1", "my-own-key-1-longer", "", "abc"])(text) == safe


@given(st.text(min_size=8, max_size=40), st.text(), st.text())
@settings(max_examples=50)
def test_a_secret_is_never_in_a_failure(secret: str, before: str, after: str) -> None:
    redact = Redactor([secret])
    if secret in MASK:
        return
    text = before + secret + after
    assert secret not in redact(text).replace(MASK, "")
    body = ErrorBody(message=text, code=text[:90])
    assert secret not in failure_of(400, {}, body, redact).message.replace(MASK, "")
    assert secret not in malformed_failure(text, redact).message.replace(MASK, "")


def test_a_key_that_the_server_repeats_is_masked_on_every_path() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(asked), asked))

    async def use(transport: Transport, url: str) -> list[Event]:
        return [e async for e in transport.post_sse(url, {"x-api-key": "mysecretkey"}, b"{}", 5.0)]

    failure = failed(echo, use, secrets=["mysecretkey"])
    assert failure.kind is ErrorKind.MALFORMED
    assert MASK in failure.message
    assert "mysecretkey" not in failure.message


def decoded(chunks: list[bytes]) -> list[Event]:
    decoder = Decoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.finish()


@pytest.mark.parametrize(
    ("sent", "events"),
    [
        (b"data: 1\n\n", [("", b"1")]),
        (b"data:1\r\n\r\ndata:  2\r\r", [("", b"1"), ("", b" 2")]),
        (b"event: a\ndata: 1\n\nevent: b\n\ndata: 2\n\n", [("a", b"1"), ("", b"2")]),
        (b": note\nid: 3\nretry: 5\nunknown: x\ndata\ndata: x\n\n", [("", b"\nx")]),
        (b"\xef\xbb\xbfdata: 1\n\n", [("", b"1")]),
        (b"data: 1\n\ndata: unfinished", [("", b"1")]),
        (b"data: 1\r\rdata: unfinished\r", [("", b"1")]),
        (b"data: 1\r\r", [("", b"1")]),
        (b"\n\n\n", []),
        (b"", []),
    ],
)
def test_event_streams(sent: bytes, events: list[tuple[str, bytes]]) -> None:
    assert decoded([sent]) == events
    assert decoded([bytes([byte]) for byte in sent]) == events


@given(
    st.lists(st.sampled_from([b"data: a", b"data: \xc3\xa9", b"event: x", b"", b": c", b"id: 1"]), max_size=12),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(0, 120), max_size=6),
)
@settings(max_examples=50)
def test_event_streams_do_not_depend_on_where_they_are_cut(lines: list[bytes], end: bytes, cuts: list[int]) -> None:
    sent = end.join(lines) + end
    places = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    chunks = [sent[a:b] for a, b in itertools.pairwise(places)]
    assert decoded(chunks) == decoded([sent.replace(end, b"\n")])
