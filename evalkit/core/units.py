"""Usage as unit counts: what a call consumed, never what it cost.

Counts are disjoint, so a price is a plain sum of count times rate: `input_tokens` excludes cached and audio tokens,
`output_tokens` excludes reasoning and audio tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

UNITS: tuple[str, ...] = (
    "requests",
    "input_tokens",
    "cached_read_tokens",
    "cached_write_tokens",
    "audio_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_output_tokens",
    "images",
    "seconds",
    "characters",
    "bytes",
)

Usage = Mapping[str, float]

PROMPT_UNITS = ("input_tokens", "cached_read_tokens", "cached_write_tokens", "audio_input_tokens")
ANSWER_UNITS = ("output_tokens", "reasoning_tokens", "audio_output_tokens")
_TOKENS = frozenset(PROMPT_UNITS + ANSWER_UNITS)


def add_usage(parts: Iterable[Usage]) -> dict[str, float]:
    """Sum unit counts by name; units that nobody used are left out."""
    total: dict[str, float] = {}
    for usage in parts:
        for unit, count in usage.items():
            total[unit] = total.get(unit, 0) + count
    return total


def tokens(usage: Usage) -> float:
    """All tokens of a usage, prompt and answer together."""
    # A list and what the usage has, not a generator over all units: this is asked several times for each call.
    return sum([count for unit, count in usage.items() if unit in _TOKENS])


SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def as_seconds(text: str) -> float:
    """Seconds of a length of time such as 90s, 30m, 24h or 7d; raises ValueError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no length of time; write it as 90s, 30m, 24h or 7d")
    return float(found[1]) * SECONDS[found[2]]
