"""Regular expressions with a guard: a size limit for the text and a time limit for the search."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

SECONDS = 1.0
CHARACTERS = 100_000


@lru_cache(maxsize=256)
def compiled(pattern: str, *, ignore_case: bool = False) -> Any:
    """A compiled pattern (multi-line anchors, syntax of `re`). Raises ValueError that says what is wrong with it."""
    import regex  # type: ignore[import-untyped]

    flags = regex.MULTILINE | (regex.IGNORECASE if ignore_case else 0)
    try:
        return regex.compile(pattern, flags)
    except regex.error as error:
        raise ValueError(f"the pattern {pattern!r} does not compile: {error}") from None


def search(pattern: Any, text: str, *, whole: bool = False, start: int = 0) -> Any:
    """The first match from `start` on (of all the rest with `whole`) or None.

    Raises ValueError when the search takes longer than a second: that is the pattern's failure, not the answer's.
    """
    look = pattern.fullmatch if whole else pattern.search
    try:
        return look(text, start, timeout=SECONDS)
    except TimeoutError:
        raise ValueError(
            f"the pattern {pattern.pattern!r} searched longer than {SECONDS:g} s; write it simpler"
        ) from None
