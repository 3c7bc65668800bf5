"""A small client for one server's JSON interface: bounded waiting, redirects at home only, no secret in an error."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from evalkit.core.errors import EvalkitError

LARGEST = 10_000_000
_REDIRECTS = 5
_AGAIN = frozenset({429, 500, 502, 503, 504})
_MOVED = frozenset({301, 302, 307, 308})


class Refused(EvalkitError):
    """No usable reply: `status` of the server, None where none came. `ambiguous` = the request may have been done."""

    def __init__(self, message: str, status: int | None = None, *, ambiguous: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.ambiguous = ambiguous


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status, headers in lower case, the JSON value (None for an empty body)."""

    status: int
    headers: Mapping[str, str]
    body: Any


def no_jitter() -> float:
    """The whole pause, every time."""
    return 1.0


@dataclass(frozen=True, slots=True)
class Rest:
    """Requests to `api` with a bearer token. A lasting refusal raises `Refused`.

    `tries` counts all attempts of one request; `longest_wait_s` bounds each pause between them, also one that the
    server asks for: a longer one ends the attempts. `pause` sleeps, `jitter` gives 0..1 to spread pauses.
    """

    api: str
    token: str = field(repr=False)
    timeout_s: float = 20.0
    tries: int = 4
    longest_wait_s: float = 60.0
    pause: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = no_jitter

    def get(self, path: str) -> Reply:
        """Read; `path` may be a whole address of the same server."""
        return self._kept_trying("GET", path, None)

    def patch(self, path: str, body: Any) -> Reply:
        """Change; doing it twice changes nothing more."""
        return self._kept_trying("PATCH", path, body)

    def post(self, path: str, body: Any, find: Callable[[], Reply | None]) -> Reply:
        """Create once: where an attempt may have been done all the same, `find` looks for what it made."""
        attempt = 1
        while True:
            try:
                return self._kept_trying("POST", path, body)
            except Refused as refusal:
                if not refusal.ambiguous or attempt >= self.tries:
                    raise
            self.pause(self._backoff(attempt))
            attempt += 1
            if found := find():
                return found

    def _kept_trying(self, method: str, path: str, body: Any) -> Reply:
        """Tries again what was surely not done, and for GET and PATCH also what may have been."""
        attempt = 1
        while True:
            try:
                reply = self._once(method, path, body)
            except (OSError, HTTPException) as error:
                if attempt >= self.tries or method == "POST":
                    raise Refused(self._safe(f"{method} {path}: {_words(error)}"), ambiguous=True) from None
                self.pause(self._backoff(attempt))
                attempt += 1
                continue
            if reply.status < 300:
                return reply
            wait = self._wait(reply, attempt)
            ambiguous = reply.status >= 500
            if wait is None or attempt >= self.tries or (ambiguous and method == "POST"):
                raise Refused(self._safe(_refusal(method, path, reply, wait)), reply.status, ambiguous=ambiguous)
            self.pause(wait)
            attempt += 1

    def _once(self, method: str, path: str, body: Any) -> Reply:
        url = urljoin(self.api.rstrip("/") + "/", path.lstrip("/"))
        for _ in range(_REDIRECTS):
            if urlsplit(url).scheme not in ("http", "https") or urlsplit(url)[:2] != urlsplit(self.api)[:2]:
                raise Refused(self._safe(f"{method} {path} leads to another place than {self.api}: {url[:200]}"))
            reply = self._sent(method, url, body)
            target = reply.headers.get("location")
            if reply.status not in _MOVED or not target:
                return reply
            url = urljoin(url, target)
        raise Refused(self._safe(f"{method} {path}: more than {_REDIRECTS} redirects"))

    def _sent(self, method: str, url: str, body: Any) -> Reply:
        data = None if body is None else json.dumps(body).encode()
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "User-Agent": "evalkit",
            "X-GitHub-Api-Version": "2022-11-28",
            **({} if data is None else {"Content-Type": "application/json"}),
        }
        request = Request(url, data, headers, method=method)  # noqa: S310 - the scheme was looked at
        try:
            with _opener().open(request, timeout=self.timeout_s) as response:
                return _reply(response.status, response.headers, response.read(LARGEST))
        except HTTPError as error:
            with error:
                return _reply(error.code, error.headers, error.read(LARGEST))

    def _wait(self, reply: Reply, attempt: int) -> float | None:
        """Seconds until the next attempt; None where none helps or the server asks for too long a wait."""
        limited = reply.status in (403, 429) and _limited(reply)
        if reply.status not in _AGAIN and not limited:
            return None
        asked = _asked(reply)
        wait = self._backoff(attempt) if asked is None else asked
        return wait if wait <= self.longest_wait_s else None

    def _backoff(self, attempt: int) -> float:
        return float(min(self.longest_wait_s, 2.0 ** (attempt - 1)) * (0.5 + 0.5 * self.jitter()))

    def _safe(self, text: str) -> str:
        return text.replace(self.token, "***") if self.token else text


class _Stay(HTTPRedirectHandler):
    """Redirects are followed above, where it is known that only one server may see the token."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _opener() -> OpenerDirector:
    return build_opener(_Stay())


def _reply(status: int, headers: Message, data: bytes) -> Reply:
    try:
        body = json.loads(data) if data.strip() else None
    except ValueError:
        body = None if status >= 300 else {"message": "the reply is no JSON"}
    return Reply(status, {name.casefold(): value for name, value in headers.items()}, body)


def _limited(reply: Reply) -> bool:
    """Whether a refusal is a rate limit: a missing permission has the same status."""
    told = _message(reply).casefold()
    return (
        reply.status == 429
        or "retry-after" in reply.headers
        or reply.headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in told
    )


def _asked(reply: Reply) -> float | None:
    """What the server asks to wait, by its own clock; None where it does not say."""
    after = reply.headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    reset, now = reply.headers.get("x-ratelimit-reset", ""), reply.headers.get("date", "")
    if reply.headers.get("x-ratelimit-remaining") != "0" or not reset.isdigit() or not now:
        return None
    try:
        return max(0.0, float(reset) - parsedate_to_datetime(now).timestamp())
    except ValueError:
        return None


def _message(reply: Reply) -> str:
    return str(reply.body.get("message", "")) if isinstance(reply.body, dict) else ""


def _refusal(method: str, path: str, reply: Reply, wait: float | None) -> str:
    told = f": {_message(reply)[:300]}" if _message(reply) else ""
    asked = _asked(reply)
    long = f" (asks to wait {asked:.0f} s)" if wait is None and asked is not None else ""
    return f"{method} {path}: {reply.status}{told}{long}"


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return f"no reply in time ({reason})" if isinstance(reason, TimeoutError) else f"no reply ({reason})"
