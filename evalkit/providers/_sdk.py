"""Sends through a vendor's SDK, for what only it knows (Azure, Bedrock, Vertex, sign-in flows); equal records."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from evalkit.core.errors import ErrorKind, MissingComponent
from evalkit.core.types import Failure
from evalkit.providers._failures import (
    ErrorBody,
    Redactor,
    connection_failure,
    malformed_failure,
    refusal,
    timeout_failure,
)
from evalkit.providers._wire import Codec, Malformed, Reported
from evalkit.providers.transport import CallFailed

Call = Callable[[Mapping[str, Any]], Awaitable[Any]]


def load(name: str, missing: str | None = None) -> Any:
    """A vendor's library. Raises MissingComponent that says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingComponent(missing or f"the {name} SDK is not installed; pip install 'evalkit[llm]'") from None


class SdkSender:
    """One attempt through an SDK's client, whose own retries are off; its typed replies become the codec's structs."""

    def __init__(self, sdk: Any, client: Any, call: Call, codec: Codec, *, timeout_s: float, redact: Redactor) -> None:
        self.redact = redact
        self._sdk = sdk
        self._client = client
        self._call = call
        self._codec = codec
        self._timeout_s = timeout_s

    async def whole(self, body: Mapping[str, Any]) -> Any:
        """The decoded reply."""
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._call(body)
        except Exception as error:  # noqa: BLE001 - SDKs let their HTTP library's and sign-in library's errors through
            raise self._translated(error) from None
        return _converted(found, self._codec.reply_type)

    async def events(self, body: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        """The decoded events of a stream."""
        stream: Any = None
        try:
            async with asyncio.timeout(self._timeout_s):
                stream = await self._call(body)
                async for event in stream:
                    yield _converted(event, self._codec.event_type)
        except (Malformed, CallFailed):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            raise self._translated(error) from None
        finally:
            if stream is not None:
                await stream.close()

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

    def _translated(self, error: Exception) -> Exception:
        """The same failure that the lean path would have named."""
        sdk = self._sdk
        if isinstance(error, sdk.APIStatusError):
            return _status(error, self.redact)
        if isinstance(error, (TimeoutError, sdk.APITimeoutError)) or _is(error, "TimeoutException"):
            return CallFailed(timeout_failure(self._timeout_s))
        if isinstance(error, sdk.APIConnectionError) or _is(error, "TransportError"):
            return CallFailed(connection_failure(str(error.__cause__ or error), self.redact))
        if isinstance(error, (sdk.APIResponseValidationError, json.JSONDecodeError)):
            return CallFailed(malformed_failure(f"unreadable reply: {error}", self.redact))
        if isinstance(error, sdk.APIError):
            return Reported(ErrorBody.of(error.body or error.message))
        kind = ErrorKind.AUTH if "credential" in type(error).__name__.lower() else ErrorKind.PROVIDER
        return CallFailed(Failure(kind, self.redact(f"{type(error).__name__}: {error}")[:500]))


def _status(error: Any, redact: Redactor) -> Exception:
    if error.status_code < 300:
        return Reported(ErrorBody.of(error.body))
    return refusal(error.status_code, error.response.headers, ErrorBody.read(error.response.content), redact)


def _is(error: Exception, name: str) -> bool:
    """Whether an error is of an HTTP library's class, without importing the library that this SDK happens to use."""
    return any(cls.__name__ == name and cls.__module__.startswith("http") for cls in type(error).__mro__)


def _converted(found: Any, kind: Any) -> Any:
    """The codec's struct from the SDK's object, which validates nothing by itself."""
    value = found.model_dump(exclude_unset=True, warnings=False) if hasattr(found, "model_dump") else found
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Malformed(f"unreadable reply: {error}") from None
