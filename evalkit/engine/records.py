"""Journal records: one finished call, one shared answer, the scores of one answer, one thing to know."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from evalkit.core.types import Response

JOURNAL_VERSION = 1


class Header(msgspec.Struct, array_like=True, tag="h"):
    """First line of every journal file."""

    version: int
    run_id: str
    worker: str
    started: float


class Call(msgspec.Struct, array_like=True, tag="c"):
    """One finished call; ordinal 0 answers its cell. Field order is frozen."""

    call_id: str
    call_key: str
    generation: int
    entry_id: str | None
    position: int | None
    ordinal: int
    stage: str | None
    lane: str | None
    model: str | None
    endpoint: str | None
    request: Any
    output: Any
    reasoning: str | None
    error_kind: str | None
    error_message: str | None
    http_status: int | None
    finish: str | None
    usage: dict[str, float]
    seconds: float | None
    first_token_s: float | None
    logprobs: list[float] | None
    tool_calls: list[Any] | None
    trace: list[Any] | None
    attempts: int
    started: float
    server_model: str | None
    meta: dict[str, Any] | None


class Link(msgspec.Struct, array_like=True, tag="l"):
    """A cell answered by a call that another cell made."""

    entry_id: str
    position: int
    call_id: str
    cached: bool


class Scores(msgspec.Struct, array_like=True, tag="s"):
    """The scores of one answer by one scorer; an item of `metrics` is
    [metric, status, value, parts, worst, worst_parts, answer, reason, detail, blob].
    """

    call_id: str
    sample_hash: str
    scorer_sig: str
    metrics: list[list[Any]]


class GroupScores(msgspec.Struct, array_like=True, tag="g"):
    """The scores of several answers together: `call_id` is the first of them, `basis` names the others.

    `opponent` is the entry of the other answer of a pair, else empty; `metrics` as in `Scores`.
    """

    call_id: str
    sample_hash: str
    scorer_sig: str
    basis: str
    opponent: str
    metrics: list[list[Any]]


class Note(msgspec.Struct, array_like=True, tag="p"):
    """Something that a reader of the run must know."""

    entry_id: str | None
    kind: str
    message: str


Record = Header | Call | Link | Scores | GroupScores | Note


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def encode(record: Record) -> bytes:
    """The JSON array of a record; lone surrogates become U+FFFD, NaN and infinities null."""
    try:
        return _encoder.encode(record)
    except UnicodeEncodeError:
        return _encoder.encode(_scrub(msgspec.to_builtins(record, enc_hook=_plain)))


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        # Through UTF-16: a pair of surrogates becomes its character, a lone one U+FFFD.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_scrub(key): _scrub(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_scrub(item) for item in value]
    return value


def line(body: bytes) -> bytes:
    """A journal line: CRC-32 of the JSON as 8 hex digits, a space, the JSON, a newline."""
    return b"%08x %b\n" % (zlib.crc32(body), body)


class Origin(msgspec.Struct):
    """Where a call comes from and how it was asked: everything of a record that is not in the response."""

    call_id: str
    key: str
    generation: int
    entry_id: str | None
    position: int | None
    ordinal: int
    stage: str | None
    lane: str | None
    model: str | None
    endpoint: str | None
    request: Any
    started: float
    attempts: int = 1


def call_record(origin: Origin, response: Response) -> Call:
    """Join an origin and its response into the record that the journal keeps."""
    error = response.error
    return Call(
        call_id=origin.call_id,
        call_key=origin.key,
        generation=origin.generation,
        entry_id=origin.entry_id,
        position=origin.position,
        ordinal=origin.ordinal,
        stage=origin.stage,
        lane=origin.lane,
        model=origin.model,
        endpoint=origin.endpoint,
        request=origin.request,
        output=response.output,
        reasoning=response.reasoning,
        error_kind=error.kind.value if error else None,
        error_message=error.message if error else None,
        http_status=error.status if error else None,
        finish=response.finish.value if response.finish else None,
        usage=dict(response.usage),
        seconds=response.seconds,
        first_token_s=response.first_token_s,
        logprobs=list(response.logprobs) if response.logprobs is not None else None,
        tool_calls=list(response.tool_calls) or None,
        trace=[[step.stage, step.key, step.cached] for step in response.trace] or None,
        attempts=origin.attempts,
        started=origin.started,
        server_model=response.model,
        meta={**response.meta, **({"batch": response.batch} if response.batch else {})} or None,
    )
