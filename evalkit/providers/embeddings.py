"""Embedding models behind OpenAI's `/v1/embeddings`, and every server that speaks it."""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from evalkit.core.errors import Finish
from evalkit.core.options import build
from evalkit.core.types import Request, Response, Sample, Tools
from evalkit.providers._endpoint import OPENAI, Endpoint, EndpointCandidate, endpoint
from evalkit.providers._failures import ErrorBody, refusal
from evalkit.providers._options import one_of
from evalkit.providers._wire import Malformed

_ENCODINGS = ("float", "base64")
_PATH = "/embeddings"


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the `embeddings` provider.

    `base_url` = the API's address up to `/v1`; a server on this machine needs no key. `dimensions` = how many are asked
    for (None: the model's own), `encoding` = float or base64 (a third of the bytes, where the server has it). `headers`
    as for `openai`; `timeout_s` > 0 per attempt. `extra` = more fields of the body, sent as they are.
    """

    base_url: str = OPENAI
    api_key_env: str | None = "OPENAI_API_KEY"
    dimensions: int | None = None
    encoding: str = "float"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 120.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("encoding", self.encoding, _ENCODINGS)
        if self.dimensions is not None and (type(self.dimensions) is not int or self.dimensions < 1):
            raise ValueError(f"option 'dimensions' must be a whole number from 1 on; got {self.dimensions!r}")


class Embeddings(EndpointCandidate):
    """Sends texts together and answers with their vectors.

    The output is `{"vectors": [base64 of little-endian float32, ...], "dimensions": d}`, in the order of the texts. A
    reply with another number of vectors, other dimensions, NaN, infinity or a vector of zeros is malformed.
    """

    def __init__(self, tools: Tools, place: Endpoint, options: Options) -> None:
        super().__init__(tools, place, options.timeout_s)
        self.options = options

    def request(self, sample: Sample, repeat: int) -> Request:  # noqa: ARG002 - the protocol's signature
        """The body for a sample's `texts`, `text` or `query`. Raises ValueError for one without a text."""
        chosen = self.options
        size = {} if chosen.dimensions is None else {"dimensions": chosen.dimensions}
        body = {**chosen.extra, "input": texts_of(sample), "model": self.model, "encoding_format": chosen.encoding}
        return Request(self.place.identity.endpoint, {**body, **size})

    async def call(self, body: Mapping[str, Any], started: float) -> Response:
        """Send the texts and read the vectors."""
        said = await posted(self, body)
        vectors, dimensions = _vectors(said, len(body["input"]), body.get("dimensions"))
        output = {"vectors": vectors, "dimensions": dimensions}
        usage = {"requests": 1.0, **_tokens(said)}
        model = said.get("model") if isinstance(said.get("model"), str) else None
        seconds = time.monotonic() - started
        return Response(output=output, finish=Finish.STOP, usage=usage, seconds=seconds, model=model)


async def posted(candidate: EndpointCandidate, body: Mapping[str, Any]) -> Any:
    """Send a JSON body and read the JSON reply. Raises CallFailed for a refusal, Malformed for what is no JSON."""
    headers = {**candidate.place.headers, "Content-Type": "application/json"}
    reply = await candidate.transport.post_json(
        candidate.place.url, headers, msgspec.json.encode(body), candidate.timeout_s
    )
    if reply.status >= 300:
        raise refusal(reply.status, reply.headers, ErrorBody.read(reply.body), candidate.transport.redact)
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        shown = reply.body[:80].decode("utf-8", "replace")
        raise Malformed(f"the reply is not JSON; it starts {shown!r}") from None


def texts_of(sample: Sample) -> list[str]:
    """The texts of a sample, one or many. Raises ValueError naming what is missing."""
    found: Any = sample.input.get("texts")
    if found is None:
        found = [next((sample.input[name] for name in ("text", "query") if name in sample.input), None)]
    if not isinstance(found, (list, tuple)) or not found or not all(isinstance(text, str) for text in found):
        raise ValueError(f"sample {sample.id!r} has no `texts`, `text` or `query` to embed")
    for number, text in enumerate(found):
        if not text.strip():
            raise ValueError(f"sample {sample.id!r}: text {number} is empty, and nothing has no vector")
    return list(found)


def _vectors(said: Any, count: int, asked: int | None) -> tuple[list[str], int]:
    items = said.get("data") if isinstance(said, Mapping) else None
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise Malformed("the reply has no `data` with a list of vectors")
    if len(items) != count:
        raise Malformed(f"{count} texts were sent and {len(items)} vectors came back")
    places = [item.get("index", place) for place, item in enumerate(items)]
    if sorted(map(str, places)) != sorted(map(str, range(count))):
        raise Malformed(f"the vectors are numbered {places!r:.80} instead of 0 to {count - 1}")
    packed = [b""] * count
    for place, item in zip(places, items, strict=True):
        packed[int(place)] = _packed(item.get("embedding"), int(place))
    wanted = (asked or len(packed[0]) // 4) * 4
    for place, one in enumerate(packed):
        if len(one) != wanted:
            raise Malformed(f"the vector of text {place} has {len(one) // 4} dimensions instead of {wanted // 4}")
    return [base64.b64encode(one).decode("ascii") for one in packed], wanted // 4


def _packed(value: Any, place: int) -> bytes:
    """A vector as little-endian float32, checked. Servers may answer with numbers where base64 was asked for."""
    try:
        if isinstance(value, str):
            packed = base64.b64decode(value, validate=True)
            numbers: Sequence[float] = struct.unpack(f"<{len(packed) // 4}f", packed)
        elif isinstance(value, list) and {type(number) for number in value} <= {float, int}:
            numbers = value
            packed = struct.pack(f"<{len(numbers)}f", *numbers)
        else:
            raise Malformed(f"text {place} has no vector")
    except (binascii.Error, struct.error, OverflowError, ValueError) as error:
        raise Malformed(f"the vector of text {place} cannot be read: {error}") from None
    if not numbers:
        raise Malformed(f"the vector of text {place} is empty")
    # A sum of squares is finite only where every number is, and 0 only where all are.
    length = math.fsum(number * number for number in numbers) if all(map(math.isfinite, numbers)) else math.nan
    if math.isnan(length):
        raise Malformed(f"the vector of text {place} holds NaN or infinity")
    if length == 0:
        raise Malformed(f"the vector of text {place} is zero: it has no direction")
    return packed


def _tokens(said: Mapping[str, Any]) -> dict[str, float]:
    usage = said.get("usage")
    told = usage.get("prompt_tokens", usage.get("total_tokens")) if isinstance(usage, Mapping) else None
    return counted(told)


def counted(told: Any) -> dict[str, float]:
    """Input tokens as usage; nothing for what is no count."""
    known = isinstance(told, (int, float)) and not isinstance(told, bool) and told >= 0
    return {"input_tokens": float(told)} if known else {}


def make(tools: Tools, model: str | None, **options: Any) -> Embeddings:
    """An embedding model. Raises ValueError for wrong options and a missing key."""
    if not model:
        raise ValueError("embeddings needs a model, as in embeddings/text-embedding-3-small")
    chosen = build(Options, options)
    settings = {name: getattr(chosen, name) for name in ("dimensions", "encoding", "extra")}
    place = endpoint(tools, "embeddings", _PATH, model=model, options=chosen, settings=settings)
    return Embeddings(tools, place, chosen)
