"""What every source yields: records with the place they stand at, or the problem found there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from evalkit.core.errors import Problem


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, recording or file inside a record: a path relative to the data's folder, or the bytes themselves."""

    path: str | None = None
    data: bytes | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a source: column -> JSON value or `Media`; `line` counts from 1, 0 where there are no lines."""

    fields: Mapping[str, Any]
    file: str
    line: int


class Source(Protocol):
    """Where records come from. Every call of `records` starts from the beginning."""

    def records(self) -> Iterator[Record | Problem]:
        """Stream the records; what cannot be read is a Problem in its place. Raises ConfigError for a missing file."""

    def fingerprint(self) -> str:
        """Identity of the underlying bytes, cheaper than reading the records. Raises ConfigError for a missing file."""

    def describe(self) -> Mapping[str, Any]:
        """The source and its options as JSON values; `fields` may hold a default field mapping."""


@runtime_checkable
class Rooted(Protocol):
    """A source whose relative media paths start at a folder, and may not leave it."""

    @property
    def folder(self) -> Path: ...


def plain(value: Any) -> Any:
    """A Python value as JSON value: dates as ISO text, decimals and intervals (seconds) as numbers, UUIDs as text.

    Bytes become `Media`; numpy scalars and arrays become numbers and lists. Raises ValueError for anything else.
    """
    if value is None or type(value) in (str, int, float, bool) or isinstance(value, Media):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return Media(data=bytes(value))
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    raise ValueError(f"a value of type {type(value).__name__} has no JSON form")
