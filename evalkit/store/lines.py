"""Journal lines: read, checked, and told apart from what a crash or a bad disk left behind."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

JOURNAL_VERSION = 1

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Header(msgspec.Struct, array_like=True, tag="h"):
    """First line of a file: who wrote it. Only `version` is read before the version is known."""

    version: int
    run_id: str
    worker: str
    started: float


class Call(msgspec.Struct, array_like=True, tag="c"):
    """One finished call; JSON fields stay undecoded text."""

    call_id: str
    call_key: str
    generation: Int32
    entry_id: str | None
    position: Int64 | None
    ordinal: Int32
    stage: str | None
    lane: str | None
    model: str | None
    endpoint: str | None
    request: Raw
    output: Raw
    reasoning: str | None
    error_kind: str | None
    error_message: str | None
    http_status: Int32 | None
    finish: str | None
    usage: Raw
    seconds: float | None
    first_token_s: float | None
    logprobs: Raw
    tool_calls: Raw
    trace: Raw
    attempts: Int32
    started: float | None
    server_model: str | None
    meta: Raw


class Link(msgspec.Struct, array_like=True, tag="l"):
    """A cell answered by a call that another cell made."""

    entry_id: str
    position: Int64
    call_id: str
    cached: bool


class Metric(msgspec.Struct, array_like=True):
    """One metric's score inside a score line."""

    metric: str
    status: str
    value: float | None
    parts: Raw
    worst: float | None
    worst_parts: Raw
    answer: str | None
    reason: str | None
    detail: Raw
    blob: str | None


class Scores(msgspec.Struct, array_like=True, tag="s"):
    """The scores of one answer by one scorer."""

    call_id: str
    sample_hash: str
    scorer_sig: str
    metrics: list[Metric]


class GroupScores(msgspec.Struct, array_like=True, tag="g"):
    """The scores of several answers together: the first one's call, and a name of the others."""

    call_id: str
    sample_hash: str
    scorer_sig: str
    basis: str
    opponent: str
    metrics: list[Metric]


class Note(msgspec.Struct, array_like=True, tag="p"):
    """Something that a reader of the run must know."""

    entry_id: str | None
    kind: str
    message: str


Record = Header | Call | Link | Scores | GroupScores | Note
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


@dataclass(frozen=True, slots=True)
class Line:
    """A good line; `end` is the byte offset just after it."""

    end: int
    record: Record


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that cannot be used: its number in the file (from 1), why, and the byte offset just after it."""

    number: int
    why: str
    end: int


class NewerJournal(ValueError):
    """The file was written in a journal version that this evalkit does not know."""


def read(path: Path, start: int = 0) -> Iterator[Line | Bad]:
    """The complete lines of a journal from byte offset `start`; an incomplete last line is left for later.

    A line that fails its checksum or is not of a known kind comes as `Bad`; the rest is kept. Raises NewerJournal,
    naming the version, before anything else of a file from a newer evalkit.
    """
    with path.open("rb") as file:
        _check_version(path, file.readline())
        file.seek(start)
        end, number = start, -1
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            end += len(raw)
            number += number >= 0
            try:
                yield Line(end, decode(raw))
            except ValueError as error:
                if number < 0:
                    number = _lines_before(path, end - len(raw)) + 1
                yield Bad(number, str(error), end)


def header(path: Path) -> Header | None:
    """The header of a journal, None when its first line is incomplete or damaged."""
    with path.open("rb") as file:
        first = file.readline()
    try:
        found = decode(first)
    except ValueError:
        return None
    return found if isinstance(found, Header) else None


def decode(raw: bytes) -> Record:
    """The record of one line (with its newline). Raises ValueError that says what is wrong with it."""
    body = raw[9:-1]
    if raw[8:9] != b" " or b"%08x" % zlib.crc32(body) != raw[:8]:
        raise ValueError("the checksum does not fit: the line was damaged after it was written")
    try:
        if not body.isascii():
            body.decode("utf-8")
        # A lone surrogate is legal in JSON text and illegal in UTF-8; only \u escapes can carry one.
        if b"\\ud" in body or b"\\uD" in body:
            body = _without_lone_surrogates(body)
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"not a journal line: {error}") from None
    except RecursionError:
        raise ValueError("not a journal line: the JSON is nested too deeply") from None


def _without_lone_surrogates(body: bytes) -> bytes:
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError as error:
        raise ValueError(f"not a journal line: {error}") from None
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")


def _check_version(path: Path, first: bytes) -> None:
    body = first[9:-1]
    if b"%08x" % zlib.crc32(body) != first[:8] or not body.startswith(b'["h",'):
        return
    version = _leading_int(body[5:])
    if version > JOURNAL_VERSION:
        raise NewerJournal(
            f"{path} is a journal of version {version}, written by a newer evalkit (this one knows {JOURNAL_VERSION}); "
            "upgrade with: pip install -U evalkit"
        )


def _leading_int(text: bytes) -> int:
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    return int(digits) if digits else 0


def _lines_before(path: Path, stop: int) -> int:
    """How many lines end before byte `stop`."""
    count, left = 0, stop
    with path.open("rb") as file:
        while block := file.read(min(left, 1 << 20)):
            count += block.count(b"\n")
            left -= len(block)
    return count
