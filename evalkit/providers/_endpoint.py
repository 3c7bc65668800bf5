"""What candidates of one endpoint have in common: where it is, who asks, and how a call that fails is told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Context, Failure, Request, Response, Sample, Tools
from evalkit.providers import _options
from evalkit.providers._failures import malformed_failure
from evalkit.providers._wire import Identity, Malformed
from evalkit.providers.transport import CallFailed, Transport

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address with the headers and secrets of an account."""

    url: str
    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    identity: Identity


def endpoint(tools: Tools, kind: str, path: str, *, model: str, options: Any, settings: Mapping[str, Any]) -> Endpoint:
    """Where to ask. `options` has `base_url`, `api_key_env`, `headers`, `timeout_s`; `settings` decide the answer.

    Raises ValueError for an address that is none, a missing key, or a time limit that is not above 0.
    """
    if options.timeout_s <= 0:
        raise ValueError(f"option 'timeout_s' must be above 0; got {options.timeout_s}")
    base = _options.base_address(options.base_url)
    key = _options.key_for(tools.secret, options.api_key_env, base)
    own = {"Authorization": f"Bearer {key}"} if key else {}
    access = _options.access(tools.secret, options.headers, own)
    who = _options.identity(
        kind, base + path, model=model, account=options.api_key_env, shape=access.shape, settings=settings
    )
    return Endpoint(base + path, access.headers, (*access.secrets, key or ""), who)


class EndpointCandidate:
    """Base of a candidate whose answer is one call of an endpoint (`Candidate`, `Sends`, `Closes`)."""

    def __init__(self, tools: Tools, place: Endpoint, timeout_s: float) -> None:
        self.tools, self.place, self.timeout_s = tools, place, timeout_s
        self.name = self.model = place.identity.model
        self.lane, self.fingerprint = place.identity.lane, place.identity.fingerprint
        self.transport = Transport(secrets=[secret for secret in place.secrets if secret])

    def request(self, sample: Sample, repeat: int) -> Request:
        """The exact request. Raises ValueError for a sample that it cannot be made of."""
        raise NotImplementedError

    async def call(self, body: Mapping[str, Any], started: float) -> Response:
        """One attempt; raises CallFailed, Malformed, and KeyError for a file that is not stored."""
        raise NotImplementedError

    async def send(self, request: Request) -> Response:
        """One attempt on the wire; every failure is a Response with an error."""
        started = time.monotonic()
        try:
            return await self.call(request.body, started)
        except CallFailed as failed:
            failure = failed.failure
        except Malformed as error:
            failure = malformed_failure(str(error), self.transport.redact)
        except KeyError as error:
            failure = Failure(ErrorKind.BAD_REQUEST, f"the request names a blob that is not stored: {error.args[0]}")
        return Response(error=failure, seconds=time.monotonic() - started)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Ask once, outside the engine; a sample that no request can be made of is a failed answer."""
        try:
            request = self.request(sample, ctx.repeat)
        except ValueError as error:
            return Response(error=Failure(ErrorKind.BAD_REQUEST, str(error)))
        return await self.send(request)

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()
