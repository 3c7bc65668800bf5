"""Recorded outputs as a candidate: answers come from a recording and the files that it names, nothing is asked."""

from __future__ import annotations

import hashlib
import os
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import msgspec

from evalkit.core.errors import ConfigError, ErrorKind, Finish, MissingComponent, Problem, did_you_mean
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Context, Failure, Response, Sample, Tools
from evalkit.core.units import UNITS
from evalkit.providers._recorded_files import NAMED, attached, names
from evalkit.providers._recorded_files import content as file_content

SHOWN_PROBLEMS = 100
_ALIASES = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
_BATCH_ROWS = 1000
_OFFSET_BITS = 48
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1


@dataclass(frozen=True, slots=True)
class Options:
    """`file` = the recording, when it is not given as the model; `name` = how the candidate is shown."""

    file: str | None = None
    name: str | None = None


class Recorded(msgspec.Struct):
    """One line of a recording; `latency` is another word for `seconds`, `error` is text or {kind, message}."""

    id: str | int
    output: Any = msgspec.UNSET
    repeat: int = 0
    usage: dict[str, float | None] | None = None
    seconds: float | None = None
    latency: float | None = None
    first_token_s: float | None = None
    error: str | dict[str, Any] | None = None
    finish: Finish | None = None
    model: str | None = None
    reasoning: str | None = None
    logprobs: tuple[float, ...] | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    meta: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Index:
    """Where each (id, repeat) stands: sorted 64-bit hashes and the byte offsets that go with them."""

    hashes: array[int]
    offsets: array[int]

    def find(self, ident: str, repeat: int) -> Iterator[int]:
        """Offsets of the lines that may hold this id and repeat; nearly always one or none."""
        wanted = _hash(ident, repeat)
        place = bisect_left(self.hashes, wanted)
        while place < len(self.hashes) and self.hashes[place] == wanted:
            yield self.offsets[place]
            place += 1


@dataclass(eq=False)
class ReplayCandidate:
    """Answers from a recording; what it does not hold is a `replay_miss`."""

    name: str
    fingerprint: str
    file: Path
    _lines: IO[bytes]
    _index: Index

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """The recorded answer of this sample and repeat, with its recorded latency."""
        found = self._read(sample.id, ctx.repeat)
        if found is not None:
            return self._answered(found, ctx)
        other = "" if ctx.repeat == 0 or self._read(sample.id, 0) is None else " (repeat 0 is there)"
        message = f"{self.file} has no output for id {sample.id!r}, repeat {ctx.repeat}{other}"
        return Response(error=Failure(ErrorKind.REPLAY_MISS, message))

    def _answered(self, found: Recorded, ctx: Context) -> Response:
        response = _response(found)
        if not any(True for _ in names(response.output)):
            return response
        try:
            return replace(response, output=attached(response.output, self.file.parent, ctx.blobs))
        except (ValueError, OSError) as error:
            return Response(error=Failure(ErrorKind.CANDIDATE, f"{self.file}: {error}"))

    async def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _read(self, ident: str, repeat: int) -> Recorded | None:
        for offset in self._index.find(ident, repeat):
            self._lines.seek(offset)
            recorded = _decode(self._lines.readline())
            if isinstance(recorded, Recorded) and (str(recorded.id), recorded.repeat) == (ident, repeat):
                return recorded
        return None


def make(tools: Tools, model: str | None = None, **options: Any) -> ReplayCandidate:
    """A recording by its file, `.jsonl` or `.parquet`.

    Reads it once, holding 16 bytes per line. Raises ConfigError with the line of every problem: what is not JSON, lacks
    an id or an output, or stands there twice.
    """
    chosen = build(Options, options)
    named = chosen.file or model
    if named is None:
        raise ValueError("say which file: recorded outputs as .jsonl or .parquet")
    file = Path(tools.root) / named
    if not file.is_file():
        raise ValueError(f"there is no file {file}")
    lines, content = (_spool(file), _file_hash(file)) if file.suffix == ".parquet" else (file.open("rb"), None)
    try:
        index, read = _scan(lines, file, "row" if content else "line")
    except ConfigError:
        lines.close()
        raise
    return ReplayCandidate(chosen.name or file.stem, digest(["replay", content or read]), file, lines, index)


def _scan(lines: IO[bytes], file: Path, unit: str) -> tuple[Index, str]:
    content = hashlib.sha256()
    problems = _Problems(file, unit)
    # One number per line, hash above offset: sorting them needs a third of the memory of pairs.
    places: list[int] = []
    offset = 0
    for number, line in enumerate(lines, start=1):
        content.update(line)
        mark = 3 if number == 1 and line.startswith(b"\xef\xbb\xbf") else 0
        if line[mark:].strip():
            recorded = _decode(line[mark:])
            wrong = recorded if isinstance(recorded, str) else _wrong(recorded)
            if wrong is None and NAMED in line and isinstance(recorded, Recorded):
                wrong = _hashed(recorded, file.parent, content)
            problems.add(number, wrong)
            if isinstance(recorded, Recorded) and wrong is None:
                places.append(_hash(str(recorded.id), recorded.repeat) << _OFFSET_BITS | offset + mark)
        offset += len(line)
    places.sort()
    for before, after in pairwise(places):
        if before >> _OFFSET_BITS == after >> _OFFSET_BITS:
            problems.add(*_duplicate(lines, before & _OFFSET_MASK, after & _OFFSET_MASK))
    problems.raise_any()
    hashes = array("Q", (place >> _OFFSET_BITS for place in places))
    return Index(hashes, array("Q", (place & _OFFSET_MASK for place in places))), content.hexdigest()


def _hashed(recorded: Recorded, folder: Path, into: Any) -> str | None:
    """Make the files that a line names part of the recording's fingerprint; what is wrong with them, or None."""
    try:
        for name in names(recorded.output):
            into.update(file_content(folder, name).encode())
    except ValueError as error:
        return f"id {str(recorded.id)!r}: {error}"
    return None


class _Problems:
    """Gathers problems, and counts on when there are too many to read."""

    def __init__(self, file: Path, unit: str) -> None:
        self.file = file
        self.unit = unit
        self.found: list[Problem] = []
        self.more = 0

    def add(self, number: int, message: str | None) -> None:
        if message is None:
            return
        if len(self.found) >= SHOWN_PROBLEMS:
            self.more += 1
        elif self.unit == "line":
            self.found.append(Problem(message, str(self.file), number))
        else:
            self.found.append(Problem(f"{self.unit} {number}: {message}", str(self.file)))

    def raise_any(self) -> None:
        if self.more:
            self.found.append(Problem(f"and {self.more} more problems", str(self.file)))
        if self.found:
            raise ConfigError(self.found)


_DECODER = msgspec.json.Decoder(Recorded)


def _decode(line: bytes) -> Recorded | str:
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"not a recorded output: {error}"


def _wrong(recorded: Recorded) -> str | None:
    if recorded.output is msgspec.UNSET and recorded.error is None:
        return f"id {str(recorded.id)!r} has neither `output` nor `error`"
    if recorded.repeat < 0:
        return f"repeat must be at least 0: {recorded.repeat}"
    for unit in recorded.usage or {}:
        if unit not in UNITS and unit not in _ALIASES:
            return f"usage: {unit!r} is no unit; {did_you_mean(unit, UNITS) or 'known: ' + ', '.join(UNITS)}"
    return None


def _duplicate(lines: IO[bytes], first: int, second: int) -> tuple[int, str | None]:
    found = []
    for offset in (first, second):
        lines.seek(offset)
        recorded = _decode(lines.readline())
        assert isinstance(recorded, Recorded)
        found.append((str(recorded.id), recorded.repeat))
    if found[0] != found[1]:
        return 0, None
    ident, repeat = found[0]
    first_line, second_line = (_line_number(lines, offset) for offset in (first, second))
    return second_line, f"id {ident!r}, repeat {repeat} stands there twice, first as number {first_line}"


def _line_number(lines: IO[bytes], offset: int) -> int:
    lines.seek(0)
    number = 1
    while offset > 0:
        chunk = lines.read(min(offset, 1 << 20))
        number += chunk.count(b"\n")
        offset -= len(chunk)
    return number


def _response(recorded: Recorded) -> Response:
    usage = {_ALIASES.get(unit, unit): count for unit, count in (recorded.usage or {}).items() if count is not None}
    return Response(
        output=None if recorded.output is msgspec.UNSET else recorded.output,
        error=None if recorded.error is None else _failure(recorded.error),
        finish=recorded.finish,
        usage=usage,
        seconds=recorded.latency if recorded.seconds is None else recorded.seconds,
        first_token_s=recorded.first_token_s,
        logprobs=recorded.logprobs,
        reasoning=recorded.reasoning,
        model=recorded.model,
        tool_calls=recorded.tool_calls,
        meta=recorded.meta,
    )


def _failure(error: str | Mapping[str, Any]) -> Failure:
    if isinstance(error, str):
        return Failure(ErrorKind.PROVIDER, error)
    kinds = {kind.value: kind for kind in ErrorKind}
    kind = kinds.get(str(error.get("kind", error.get("type"))), ErrorKind.PROVIDER)
    return Failure(kind, str(error.get("message", "recorded without a message")))


def _hash(ident: str, repeat: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{repeat}\x1f{ident}".encode(), digest_size=8).digest(), "big")


def _file_hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _spool(file: Path) -> IO[bytes]:
    """A Parquet file as JSON lines in a temporary file, so that rows can be read in any order in little memory."""
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError:
        raise MissingComponent(f"{file} needs pyarrow: pip install 'evalkit[parquet]'") from None
    # The handle lives as long as the candidate, which closes it.
    spooled = tempfile.TemporaryFile(prefix="evalkit-replay-")  # noqa: SIM115
    try:
        for batch in parquet.ParquetFile(file).iter_batches(_BATCH_ROWS):
            for row in batch.to_pylist():
                present = {name: value for name, value in row.items() if value is not None or name == "output"}
                spooled.write(msgspec.json.encode(present) + b"\n")
    except (ArrowInvalid, OSError) as error:
        spooled.close()
        raise ConfigError([Problem(f"not a Parquet file: {error}", str(file))]) from None
    spooled.seek(0, os.SEEK_SET)
    return spooled
