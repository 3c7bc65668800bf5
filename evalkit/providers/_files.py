"""Files in replies: whole bodies, base64 text or data URLs become stored files with their media type."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from evalkit.core.media import picture
from evalkit.core.types import Blobs

UNKNOWN = "application/octet-stream"
_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)


def kept(data: bytes, declared: str | None, blobs: Blobs) -> Mapping[str, str]:
    """The reference of a file that is stored now; a picture's own header outweighs the `declared` media type.

    Raises ValueError for an empty file.
    """
    if not data:
        raise ValueError("the file is empty")
    try:
        found: str | None = picture(data).media_type
    except ValueError:
        found = (declared or "").partition(";")[0].strip().lower()
    return blobs.put(data, found or UNKNOWN)


def from_text(text: object) -> tuple[bytes, str | None]:
    """The bytes that base64 text or a data URL holds, and the media type of the latter. Raises ValueError for none."""
    if not isinstance(text, str):
        raise ValueError(f"a file as base64 text is needed, not {type(text).__name__}")  # noqa: TRY004 - bad data
    head = _DATA_URL.match(text)
    coded = text[head.end() :] if head else text
    try:
        data = base64.b64decode("".join(coded.split()), validate=True)
    except ValueError:
        raise ValueError(f"{text[:20]!r}... is not base64") from None
    return data, head["type"] if head else None
