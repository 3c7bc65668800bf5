"""What the C library keeps of freed memory: left alone, each part of a run is charged with what an earlier one held."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

_MMAP_THRESHOLD = -3
LARGE_BYTES = 128 * 1024


@cache
def _library() -> Any:
    return ctypes.CDLL(None)


def give_back_at_once() -> bool:
    """Have glibc hand large blocks to the system when they are freed: DuckDB's have 256 KiB, numpy's columns more.

    Left alone it raises what it calls large from 128 KiB to 32 MiB while a program runs. Returns whether there was
    something to set: other C libraries have no such threshold.
    """
    mallopt = getattr(_library(), "mallopt", None)
    return mallopt is not None and mallopt(_MMAP_THRESHOLD, LARGE_BYTES) == 1


def give_back() -> None:
    """Hand what is free between small blocks to the system too, where the C library is glibc; a millisecond."""
    trim = getattr(_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)
