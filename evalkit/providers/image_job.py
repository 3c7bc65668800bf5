"""Image services that take a job and are asked for it until it is done: POST, then GET the state, then the picture."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Failure, Request, Response, Sample, Tools
from evalkit.providers import _files
from evalkit.providers._endpoint import Endpoint, EndpointCandidate, endpoint
from evalkit.providers._failures import ErrorBody, failure_of, refusal, retry_after, timeout_failure
from evalkit.providers._fetching import beside, fetched
from evalkit.providers._wire import Malformed
from evalkit.providers.http import follow, parse_path
from evalkit.providers.transport import CallFailed, RawReply

_BUSY = (429, 502, 503, 504)
_SHORTEST_S = 0.01


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the `image_job` provider.

    `base_url` + `path` = where jobs go; the body is {"model", "prompt", "size"?, "image"?: base64} with `extra` over
    it. `id`, `state`, `result`, `error` = paths into the replies, as for `http`; `poll` = path of the job's own address
    in the first reply, else it is the jobs' address followed by the id. A job is over when its state is one of `done`
    or `failed`. The result is an address (of the same host), base64 text, or a list of either. `poll_s` > 0 between two
    questions; `timeout_s` > 0 for all of it. `text` and `image` = input fields. `api_key_env`, `headers` as for
    `openai`.
    """

    base_url: str = ""
    path: str = "/jobs"
    api_key_env: str | None = None
    id: str = "id"
    poll: str | None = None
    state: str = "status"
    done: tuple[str, ...] = ("succeeded", "completed", "done", "ready")
    failed: tuple[str, ...] = ("failed", "error", "canceled", "cancelled", "expired")
    result: str = "output"
    error: str = "error"
    poll_s: float = 1.0
    timeout_s: float = 300.0
    text: str = "text"
    image: str = "image"
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.poll_s, (int, float)) or self.poll_s < _SHORTEST_S:
            raise ValueError(f"option 'poll_s' must be at least {_SHORTEST_S} s; got {self.poll_s!r}")
        if not self.path.startswith("/"):
            raise ValueError(f"option 'path' must begin with a slash; got {self.path!r}")
        for path in (self.id, self.state, self.result, self.error, self.poll or ""):
            parse_path(path)


class ImageJob(EndpointCandidate):
    """Gives a job away, waits for it, and answers with the picture; `seconds` is all of the waiting."""

    def __init__(self, tools: Tools, place: Endpoint, options: Options) -> None:
        super().__init__(tools, place, options.timeout_s)
        self.options = options
        # Request -> addresses of jobs that were given away and not read to their end. Repeats ask the same request.
        self._unread: dict[str, list[str]] = {}

    def request(self, sample: Sample, repeat: int) -> Request:  # noqa: ARG002 - the protocol's signature
        """The job; a picture stands in it as its reference. Raises ValueError for a sample without a prompt."""
        prompt = sample.input.get(self.options.text)
        if not isinstance(prompt, str) or not prompt.strip():
            raise ValueError(f"sample {sample.id!r} has no prompt in input field {self.options.text!r}")
        given = {"size": sample.input.get("size"), "image": sample.input.get(self.options.image)}
        body = {"model": self.model, "prompt": prompt, **{name: v for name, v in given.items() if v is not None}}
        if "image" in body and (not isinstance(body["image"], Mapping) or "$blob" not in body["image"]):
            raise ValueError(f"sample {sample.id!r}: input field {self.options.image!r} is no stored picture")
        return Request(self.place.identity.endpoint, {**body, **self.options.extra})

    async def call(self, body: Mapping[str, Any], started: float) -> Response:
        """Submit, wait, fetch. A job whose waiting broke off is gone on with by the next attempt, not paid twice."""
        deadline, key = started + self.timeout_s, digest(body)
        given_away = self._unread.get(key)
        said, address = await self._submitted(body, deadline) if not given_away else ({}, given_away.pop())
        try:
            return await self._answered(said, address, started, deadline)
        except (CallFailed, asyncio.CancelledError) as broken:
            if address and (not isinstance(broken, CallFailed) or broken.failure.retryable):
                self._unread.setdefault(key, []).append(address)
            raise

    async def _submitted(self, body: Mapping[str, Any], deadline: float) -> tuple[Mapping[str, Any], str]:
        """The service's first reply, and the job's address ("" where it is over already)."""
        first = await self._asked("POST", self.place.url, deadline, self._loaded(body))
        if first.status >= 300:
            raise refusal(first.status, first.headers, ErrorBody.read(first.body), self.transport.redact)
        said = _object(first)
        return said, "" if self._state(said) is not None else self._address(said)

    async def _answered(self, said: Mapping[str, Any], address: str, started: float, deadline: float) -> Response:
        if address:
            said = await self._over(address, deadline)
        if self._state(said) in self.options.failed:
            return Response(error=self._told(said), usage={"requests": 1.0}, seconds=time.monotonic() - started)
        try:
            results = follow(said, parse_path(self.options.result))
        except LookupError as error:
            raise Malformed(f"the finished job {error}") from None
        several = results if isinstance(results, list) else [results]
        kept = [await self._kept(one, deadline) for one in several]
        if not kept:
            raise Malformed("the finished job has no picture")
        return Response(
            output=kept[0] if len(kept) == 1 else kept,
            finish=Finish.STOP,
            usage={"requests": 1.0, "images": float(len(kept))},
            seconds=time.monotonic() - started,
        )

    async def _over(self, url: str, deadline: float) -> Mapping[str, Any]:
        """The job's reply once its state is final. A busy server is asked again when it says so."""
        wait = self.options.poll_s
        while True:
            if time.monotonic() + wait > deadline:
                raise CallFailed(timeout_failure(self.timeout_s))
            await asyncio.sleep(wait)
            reply = await self._asked("GET", url, deadline)
            if reply.status in _BUSY:
                wait = max(self.options.poll_s, retry_after(reply.headers) or 0.0)
                continue
            if reply.status >= 300:
                raise refusal(reply.status, reply.headers, ErrorBody.read(reply.body), self.transport.redact)
            said = _object(reply)
            if self._state(said) is not None:
                return said
            wait = self.options.poll_s

    async def _asked(self, method: str, url: str, deadline: float, body: bytes | None = None) -> RawReply:
        headers = {**self.place.headers, **({"Content-Type": "application/json"} if body is not None else {})}
        left = max(_SHORTEST_S, deadline - time.monotonic())
        return await self.transport.request(method, url, headers=headers, body=body, timeout_s=left)

    def _state(self, said: Mapping[str, Any]) -> str | None:
        """The state where it is final, else None."""
        try:
            state = str(follow(said, parse_path(self.options.state))).lower()
        except LookupError:
            return None
        return state if state in (*self.options.done, *self.options.failed) else None

    def _address(self, said: Mapping[str, Any]) -> str:
        path = self.options.poll or self.options.id
        try:
            found = follow(said, parse_path(path))
        except LookupError as error:
            raise Malformed(f"the reply to the job {error}") from None
        if not isinstance(found, (str, int)) or isinstance(found, bool) or found == "":
            raise Malformed(f"the reply to the job has {found!r:.40} at {path}")
        return beside(str(found) if self.options.poll else f"{self.place.url}/{found}", self.place.url)

    def _told(self, said: Mapping[str, Any]) -> Failure:
        """The job's own failure. It is not tried again: the service has worked, and another job costs another time."""
        try:
            why = follow(said, parse_path(self.options.error))
        except LookupError:
            why = "no reason"
        told = ErrorBody.of(why if isinstance(why, Mapping) else {"message": str(why)})
        found = failure_of(500, {}, told, self.transport.redact)
        return Failure(ErrorKind.PROVIDER, f"the job failed: {found.message.partition(': ')[2]}")

    async def _kept(self, one: Any, deadline: float) -> Mapping[str, str]:
        if isinstance(one, Mapping):
            one = next((one[name] for name in ("b64_json", "base64", "url") if name in one), None)
        try:
            if isinstance(one, str) and _is_address(one):
                left = max(_SHORTEST_S, deadline - time.monotonic())
                file = await fetched(self.transport, one, self.place.url, left)
                return _files.kept(file.body, file.headers.get("Content-Type"), self.tools.blobs)
            return _files.kept(*_files.from_text(one), self.tools.blobs)
        except ValueError as error:
            raise Malformed(f"the finished job: {error}") from None

    def _loaded(self, body: Mapping[str, Any]) -> bytes:
        """The body with the picture in place of its reference."""
        source = body.get("image")
        if isinstance(source, Mapping) and "$blob" in source:
            body = {**body, "image": base64.b64encode(self.tools.blobs.get(dict(source))).decode("ascii")}
        return json.dumps(body, allow_nan=False).encode()


def _is_address(text: str) -> bool:
    # The base64 of every JPEG starts with a slash too.
    return text.startswith(("http://", "https://")) or (text.startswith("/") and not text.startswith("/9j/"))


def _object(reply: RawReply) -> Mapping[str, Any]:
    try:
        said = json.loads(reply.body)
    except ValueError:
        raise Malformed(f"the reply is not JSON; it starts {reply.body[:80].decode('utf-8', 'replace')!r}") from None
    if not isinstance(said, Mapping):
        raise Malformed(f"the reply is {type(said).__name__}, not an object")
    return said


def make(tools: Tools, model: str | None, **options: Any) -> ImageJob:
    """A job service. Raises ValueError for wrong options and a missing key."""
    chosen = build(Options, options)
    if not chosen.base_url:
        raise ValueError("image_job needs the option 'base_url'")
    named = ("path", "poll", "result", "text", "image", "extra")
    settings = {name: getattr(chosen, name) for name in named}
    where = endpoint(tools, "image_job", chosen.path, model=model or "job", options=chosen, settings=settings)
    return ImageJob(tools, where, chosen)
