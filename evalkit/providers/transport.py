"""The lean HTTP client: aiohttp with nothing on top, where every way to fail is a typed `Failure`."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncGenerator, Iterable, Mapping
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Failure
from evalkit.providers._failures import (
    CallFailed,
    ErrorBody,
    Redactor,
    connection_failure,
    malformed_failure,
    refusal,
    timeout_failure,
)
from evalkit.providers._sse import Decoder, Event

__all__ = ["CallFailed", "ErrorBody", "Event", "Form", "RawReply", "Redactor", "Transport", "is_loopback"]

Form = aiohttp.FormData
"""A form with files, as the body of a request."""

_KEEP_ALIVE_S = 30.0
_DRAIN_S = 0.25


class RawReply(NamedTuple):
    """A complete HTTP reply; header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """One connection pool, without a limit of its own: the engine bounds what is in flight.

    `secrets` are masked in every failure text. Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY`); cookies,
    redirects and `~/.netrc` are off, so a key goes nowhere but to the address that the user named.
    """

    def __init__(self, *, secrets: Iterable[str] = ()) -> None:
        self.redact = Redactor(secrets)
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._proxies: dict[str, str | None] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def post_json(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> RawReply:
        """Send a body and read the whole reply, whatever its status.

        `timeout_s` > 0 covers connecting, waiting and reading. Raises CallFailed for a connection that fails or breaks
        and for a timeout.
        """
        return await self.request("POST", url, headers=headers, body=body, timeout_s=timeout_s)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | Form | None,
        timeout_s: float,
    ) -> RawReply:
        """The same for any method, and for a form with files as the body."""
        try:
            async with self._open(method, url, headers, body, timeout_s) as reply:
                return RawReply(reply.status, reply.headers, await reply.read())
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise CallFailed(self._failure(error, url, timeout_s)) from None

    async def post_sse(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> AsyncGenerator[Event, None]:
        """Send a body and yield the server's events as they come, up to `[DONE]` or the end of the stream.

        `timeout_s` > 0 covers the whole stream. Raises CallFailed as `post_json` does, for a status other than 2xx,
        and for a reply that is no event stream.
        """
        try:
            async with self._open("POST", url, headers, body, timeout_s) as reply:
                await self._check_stream(reply)
                decoder = Decoder()
                async for chunk in reply.content.iter_any():
                    for event in decoder.feed(chunk):
                        if event.data == b"[DONE]":
                            await _drain(reply)
                            return
                        yield event
                for event in decoder.finish():
                    yield event
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise CallFailed(self._failure(error, url, timeout_s)) from None

    async def post_stream(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> AsyncGenerator[RawReply, None]:
        """Send a body and yield the reply's bytes as they come, each piece with the reply's status and headers.

        `timeout_s` > 0 covers the whole stream. Raises CallFailed as `post_json` does, and for a status other than 2xx.
        """
        try:
            async with self._open("POST", url, headers, body, timeout_s) as reply:
                if reply.status >= 300:
                    raise refusal(reply.status, reply.headers, ErrorBody.read(await reply.read()), self.redact)
                async for piece in reply.content.iter_any():
                    yield RawReply(reply.status, reply.headers, piece)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise CallFailed(self._failure(error, url, timeout_s)) from None

    async def close(self) -> None:
        """Close every connection; the transport opens new ones when it is used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _check_stream(self, reply: aiohttp.ClientResponse) -> None:
        if reply.status >= 300:
            raise refusal(reply.status, reply.headers, ErrorBody.read(await reply.read()), self.redact)
        if reply.content_type != "text/event-stream":
            # Some servers answer an error, or ignore `stream`, with plain JSON and status 200.
            body = await reply.read()
            error = ErrorBody.read(body)
            if b'"error"' in body and error.message:
                raise refusal(error.implied_status, reply.headers, error, self.redact)
            raise CallFailed(malformed_failure("asked for a stream, got none", self.redact, body))

    def _open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Form | None,
        timeout_s: float,
    ) -> aiohttp.client._RequestContextManager:
        session, loop = self._session, asyncio.get_running_loop()
        if session is None or session.closed or loop is not self._loop:
            session = self._session = _new_session()
            self._loop = loop
        timeout = self._timeouts.get(timeout_s)
        if timeout is None:
            timeout = self._timeouts[timeout_s] = aiohttp.ClientTimeout(total=timeout_s)
        return session.request(
            method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False, proxy=self._proxy(url)
        )

    def _proxy(self, url: str) -> str | None:
        parts = urlsplit(url)
        if parts.netloc not in self._proxies:
            bypass = is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or "")
            self._proxies[parts.netloc] = None if bypass else urllib.request.getproxies().get(parts.scheme)
        return self._proxies[parts.netloc]

    def _failure(self, error: Exception, url: str, timeout_s: float) -> Failure:
        where = urlsplit(url).netloc.rpartition("@")[2]
        if isinstance(error, TimeoutError):
            return timeout_failure(timeout_s)
        if isinstance(error, aiohttp.ServerDisconnectedError):
            return connection_failure(f"{where} closed the connection without an answer", self.redact)
        if isinstance(error, aiohttp.ClientPayloadError):
            return connection_failure(f"{where} broke the connection in the middle of its answer", self.redact)
        if isinstance(error, aiohttp.ClientResponseError):
            return malformed_failure(f"{where} does not speak HTTP: {error.message}", self.redact)
        if isinstance(error, ValueError):
            # aiohttp's InvalidURL is a ValueError too: a URL or header that can never be sent.
            return Failure(ErrorKind.BAD_REQUEST, self.redact(f"cannot be sent to {where}: {error}"))
        return connection_failure(f"cannot reach {where}: {str(error) or type(error).__name__}", self.redact)


def _new_session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S, ttl_dns_cache=300)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=1 << 20)


async def _drain(reply: aiohttp.ClientResponse) -> None:
    """Read what follows the last event, so that the connection can be used again; briefly, as it should be nothing."""
    try:
        async with asyncio.timeout(_DRAIN_S):
            await reply.read()
    except (TimeoutError, aiohttp.ClientError, OSError):
        reply.close()


def is_loopback(url: str) -> bool:
    """Whether a URL points at this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
