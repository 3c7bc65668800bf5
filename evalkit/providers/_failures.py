"""What a failed call is called: HTTP statuses and vendors' error bodies become a `Failure`, with no key in its text."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Failure

MASK = "[redacted]"
_TEXT_LIMIT = 500
_SHORTEST_SECRET = 4
_HEADER_SECRETS = re.compile(
    r"(?i)\b((?:proxy-)?authorization|x-api-key|api-key|x-goog-api-key|cookie)\b([\"']?\s*[:=]\s*[\"']?)"
    r"((?:bearer|basic)\s+)?[^\s\"',;}]+"
)
_SCHEMES = re.compile(r"\b(Bearer|bearer|Basic)\s+[A-Za-z0-9._~+/=*-]{8,}")
_KEY_SHAPES = re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_*-]{8,}")

_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded_permanently")
_FILTERED = ("content_filter", "ResponsibleAIPolicyViolation")
_NO_MODEL = ("model_not_found", "DeploymentNotFound", "invalid_model", "model_not_supported")
_BY_STATUS: Mapping[int, tuple[ErrorKind, bool]] = {
    401: (ErrorKind.AUTH, False),
    403: (ErrorKind.AUTH, False),
    408: (ErrorKind.TIMEOUT, True),
    409: (ErrorKind.PROVIDER, True),
}
_TYPED_STATUS: Mapping[str, int] = {
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
    "timeout_error": 504,
    "api_error": 500,
    "server_error": 500,
}


class Redactor:
    """Masks the exact secrets that a provider holds, authorization headers, and what looks like a vendor's key."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        kept = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        self._secrets = sorted(kept, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text with every secret replaced by a mask."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        text = _HEADER_SECRETS.sub(rf"\1\2{MASK}", text)
        text = _SCHEMES.sub(rf"\1 {MASK}", text)
        return _KEY_SHAPES.sub(MASK, text)


class ErrorBody(msgspec.Struct):
    """A vendor's error: its type, code and message, whatever the envelope around them."""

    message: str = ""
    type: str = ""
    code: str = ""

    @classmethod
    def read(cls, body: bytes | str) -> ErrorBody:
        """Find the error in a reply's body: JSON of any vendor's envelope, else the text itself."""
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            text = body if isinstance(body, str) else body.decode("utf-8", "replace")
            return cls(message=" ".join(text.split()))
        return cls.of(value)

    @classmethod
    def of(cls, value: Any) -> ErrorBody:
        """The same from decoded JSON."""
        if isinstance(value, list) and value:
            value = value[0]
        if not isinstance(value, Mapping):
            return cls(message=str(value))
        inner = value.get("error", value)
        if not isinstance(inner, Mapping):
            return cls(message=str(inner))
        known = ("message", "detail", "error_description")
        message = next((str(inner[name]) for name in known if inner.get(name)), "")
        return cls(message=message, type=str(inner.get("type") or ""), code=str(inner.get("code") or ""))

    @property
    def implied_status(self) -> int:
        """The HTTP status that this error would have come with; 500 when nothing says."""
        if self.code.isdigit() and 400 <= int(self.code) <= 599:
            return int(self.code)
        return _TYPED_STATUS.get(self.code) or _TYPED_STATUS.get(self.type) or 500


class CallFailed(Exception):
    """An attempt that brought no usable answer; `failure` says why, `said` is the server's error, if it sent one."""

    def __init__(self, failure: Failure, said: ErrorBody | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.said = said

    @property
    def filtered(self) -> bool:
        """Whether the prompt was stopped by a content filter (Azure), which is an answer and not a fault."""
        return self.failure.status == 400 and self.said is not None and self.said.code in _FILTERED


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds >= 0 that the server asks to wait, or None; from `retry-after-ms`, or `retry-after` as seconds or date.

    `now` is Unix time, for dates. RFC 9110 section 10.2.3.
    """
    precise = _number(headers.get("retry-after-ms"))
    if precise is not None:
        return precise / 1000
    text = headers.get("retry-after")
    if not text:
        return None
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - (time.time() if now is None else now))


def _number(text: str | None) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def failure_of(status: int, headers: Mapping[str, str], error: ErrorBody, redact: Redactor) -> Failure:
    """The failure that an HTTP status >= 300 and its error body amount to.

    408, 409, 429 (but for a spent quota) and 5xx are retryable, other statuses never.
    """
    kind, retryable = _classify(status, error)
    said = redact(error.message)[:_TEXT_LIMIT] or "no message"
    label = " ".join(dict.fromkeys(word for word in (error.type, error.code) if word))
    message = f"HTTP {status}{f' {redact(label)[:80]}' if label else ''}: {said}"
    if 300 <= status < 400:
        message = f"HTTP {status}: the server redirects elsewhere; set base_url to the final address"
    wait = retry_after(headers) if retryable else None
    return Failure(kind, message, retryable=retryable, retry_after_s=wait, status=status)


def _classify(status: int, error: ErrorBody) -> tuple[ErrorKind, bool]:
    if status >= 500:
        return ErrorKind.PROVIDER, True
    if status == 429:
        return ErrorKind.RATE_LIMITED, not ({error.type, error.code} & set(_QUOTA))
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if error.code in _NO_MODEL or error.type in _NO_MODEL or (status == 404 and _names_model(error.message)):
        return ErrorKind.UNKNOWN_MODEL, False
    return ErrorKind.BAD_REQUEST, False


def _names_model(message: str) -> bool:
    return re.search(r"(?i)\b(model|deployment)\b", message) is not None


def refusal(status: int, headers: Mapping[str, str], error: ErrorBody, redact: Redactor) -> CallFailed:
    """The same as an exception, which remembers what the server said."""
    return CallFailed(failure_of(status, headers, error, redact), error)


def connection_failure(what: str, redact: Redactor) -> Failure:
    """The failure of a connection that could not be made or broke; retryable."""
    return Failure(ErrorKind.CONNECTION, redact(what)[:_TEXT_LIMIT], retryable=True)


def timeout_failure(timeout_s: float) -> Failure:
    """The failure of an attempt that took longer than allowed; retryable."""
    return Failure(ErrorKind.TIMEOUT, f"no complete answer within {timeout_s:g} s", retryable=True)


def malformed_failure(why: str, redact: Redactor, body: bytes = b"") -> Failure:
    """The failure of a reply with a success status that is not what its API promises; retryable."""
    shown = redact(" ".join(body[:200].decode("utf-8", "replace").split()))
    return Failure(
        ErrorKind.MALFORMED, redact(why)[:_TEXT_LIMIT] + (f"; body starts {shown!r}" if shown else ""), retryable=True
    )
