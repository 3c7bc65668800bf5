"""Image models behind OpenAI's `/v1/images/generations` and `/v1/images/edits`, and every server that speaks them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.core.errors import Finish
from evalkit.core.options import build
from evalkit.core.types import Request, Response, Sample, Tools
from evalkit.providers import _files
from evalkit.providers._endpoint import OPENAI, Endpoint, EndpointCandidate, endpoint
from evalkit.providers._failures import ErrorBody, refusal
from evalkit.providers._fetching import fetched
from evalkit.providers._options import one_of
from evalkit.providers._wire import Malformed
from evalkit.providers.transport import CallFailed, Form, RawReply

_MAKE, _EDIT = "/images/generations", "/images/edits"
_MOST = 10
_STOPPED = ("content_policy_violation", "moderation_blocked", "content_filter")
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the `images` provider.

    `n` = pictures per prompt (1 to 10; more than one make the answer a list), `size` = width x height for samples that
    name none in their input field `size`, `quality` and `response_format` (b64_json or url) are sent where given.
    `text` and `image` = input fields of the prompt and of the picture to edit, which goes to `/images/edits`. `bill` =
    the units that the price is for: images, or tokens where the server counts them. `base_url`, `api_key_env`,
    `headers`, `timeout_s` as for `openai`. `extra` = more fields of the body, sent as they are.
    """

    base_url: str = OPENAI
    api_key_env: str | None = "OPENAI_API_KEY"
    n: int = 1
    size: str | None = None
    quality: str | None = None
    response_format: str | None = None
    text: str = "text"
    image: str = "image"
    bill: str = "images"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 180.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("bill", self.bill, ("images", "tokens"))
        if self.response_format is not None:
            one_of("response_format", self.response_format, ("b64_json", "url"))
        if type(self.n) is not int or not 1 <= self.n <= _MOST:
            raise ValueError(f"option 'n' must be a whole number from 1 to {_MOST}; got {self.n!r}")


class Images(EndpointCandidate):
    """Sends a prompt and answers with a reference to the picture, or a list of them; usage counts the pictures."""

    def __init__(self, tools: Tools, place: Endpoint, options: Options) -> None:
        super().__init__(tools, place, options.timeout_s)
        self.options = options

    def request(self, sample: Sample, repeat: int) -> Request:  # noqa: ARG002 - the protocol's signature
        """The body; a picture to edit is its reference in it. Raises ValueError for a sample without a prompt."""
        prompt = sample.input.get(self.options.text)
        if not isinstance(prompt, str) or not prompt.strip():
            raise ValueError(f"sample {sample.id!r} has no prompt in input field {self.options.text!r}")
        size = sample.input.get("size") or self.options.size
        given = {"size": size, "quality": self.options.quality, "response_format": self.options.response_format}
        body: dict[str, Any] = {**self.options.extra, "model": self.model, "prompt": prompt, "n": self.options.n}
        body |= {name: value for name, value in given.items() if value is not None}
        source = sample.input.get(self.options.image)
        if source is None:
            return Request(self.place.identity.endpoint, body)
        if not isinstance(source, Mapping) or "$blob" not in source:
            raise ValueError(f"sample {sample.id!r}: input field {self.options.image!r} is no stored picture")
        return Request(self.place.identity.endpoint.replace(_MAKE, _EDIT, 1), {**body, "image": dict(source)})

    async def call(self, body: Mapping[str, Any], started: float) -> Response:
        """Send the prompt and keep the pictures."""
        try:
            said = _object(await self._sent(body))
        except CallFailed as failed:
            if failed.said is None or failed.said.code not in _STOPPED:
                raise
            return Response(finish=Finish.CONTENT_FILTER, usage={"requests": 1.0}, seconds=time.monotonic() - started)
        items = said.get("data")
        if not isinstance(items, list) or not items:
            raise Malformed("the reply has no `data` with pictures")
        kept = [await self._kept(item, place) for place, item in enumerate(items)]
        meta = {"revised_prompt": text} if isinstance(text := items[0].get("revised_prompt"), str) else {}
        return Response(
            output=kept[0] if self.options.n == 1 and len(kept) == 1 else kept,
            finish=Finish.STOP,
            usage={"requests": 1.0, **self._units(said, len(kept))},
            seconds=time.monotonic() - started,
            meta=meta,
        )

    async def _sent(self, body: Mapping[str, Any]) -> RawReply:
        source = body.get("image")
        url, headers = self.place.url, dict(self.place.headers)
        payload: bytes | Form
        if isinstance(source, Mapping):
            url, payload = url.removesuffix(_MAKE) + _EDIT, self._form(body, source)
        else:
            payload = json.dumps(body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        reply = await self.transport.request("POST", url, headers=headers, body=payload, timeout_s=self.timeout_s)
        if reply.status >= 300:
            raise refusal(reply.status, reply.headers, ErrorBody.read(reply.body), self.transport.redact)
        return reply

    def _form(self, body: Mapping[str, Any], source: Mapping[str, Any]) -> Form:
        form = Form()
        kind = str(source.get("type") or "image/png")
        data = self.tools.blobs.get(dict(source))
        form.add_field("image", data, filename=f"image.{_ENDINGS.get(kind, 'png')}", content_type=kind)
        for name, value in body.items():
            if name != "image":
                form.add_field(name, value if isinstance(value, str) else json.dumps(value))
        return form

    async def _kept(self, item: Any, place: int) -> Mapping[str, str]:
        if not isinstance(item, Mapping):
            raise Malformed(f"picture {place} of the reply is {type(item).__name__}, not an object")
        try:
            if isinstance(item.get("b64_json"), str):
                return _files.kept(*_files.from_text(item["b64_json"]), self.tools.blobs)
            if isinstance(item.get("url"), str):
                file = await fetched(self.transport, item["url"], self.place.url, self.timeout_s)
                return _files.kept(file.body, file.headers.get("Content-Type"), self.tools.blobs)
        except ValueError as error:
            raise Malformed(f"picture {place} of the reply: {error}") from None
        raise Malformed(f"picture {place} of the reply has neither b64_json nor url")

    def _units(self, said: Mapping[str, Any], count: int) -> dict[str, float]:
        """Pictures, or tokens: never both, since a price is their sum."""
        told = said.get("usage")
        if self.options.bill == "images":
            return {"images": float(count)}
        if not isinstance(told, Mapping):
            return {}
        return {
            name: float(told[name])
            for name in ("input_tokens", "output_tokens")
            if isinstance(told.get(name), (int, float)) and not isinstance(told[name], bool)
        }


def _object(reply: RawReply) -> Mapping[str, Any]:
    try:
        said = json.loads(reply.body)
    except ValueError:
        raise Malformed(f"the reply is not JSON; it starts {reply.body[:80].decode('utf-8', 'replace')!r}") from None
    if not isinstance(said, Mapping):
        raise Malformed(f"the reply is {type(said).__name__}, not an object")
    return said


def make(tools: Tools, model: str | None, **options: Any) -> Images:
    """An image model. Raises ValueError for wrong options and a missing key."""
    if not model:
        raise ValueError("images needs a model, as in images/gpt-image-1")
    chosen = build(Options, options)
    named = ("n", "size", "quality", "response_format", "text", "image", "extra")
    settings = {name: getattr(chosen, name) for name in named}
    return Images(tools, endpoint(tools, "images", _MAKE, model=model, options=chosen, settings=settings), chosen)
