"""How values are written: numbers with their intervals, money, time, and text that nobody vetted."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

from evalkit.report.model import Cell, Column, Counts

LONG = 8_000
NOTED = 1_000
PEEK = 70
LINE = 76
DEEPEST = 12
NOTHING = "\u2013"
MINUS = "\u2212"
_NAMES = {0x00: "NUL", 0x07: "BEL", 0x08: "BS", 0x0D: "CR", 0x1B: "ESC", 0x7F: "DEL"}
_SLUG = re.compile(r"[^a-z0-9]+")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: Any, limit: int = LONG) -> str:
    """Text in which nothing hides: control characters, bidi controls and lone surrogates as ⟦ESC⟧, ⟦U+202E⟧.

    Longer than `limit` characters: cut, with a note of the whole length where there is room for one. The result is
    text, to be escaped as any text.
    """
    raw = str(text)
    kept = unhidden(raw[:limit])
    if len(raw) <= limit:
        return kept
    return f"{kept}…" if limit < NOTED else f"{kept}\n[… cut: {limit:,} of {len(raw):,} characters shown]"


def unhidden(text: str) -> str:
    """`visible` without its bound."""
    return _HIDDEN.sub(_picture, text.replace("\r\n", "\n"))


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"⟦{_NAMES.get(code) or f'U+{code:04X}'}⟧"


def pretty(value: Any) -> str:
    """A JSON value for reading: text as it is, the rest indented where it is long; inert and bounded like `visible`.

    A reference to a file is written as its kind and the beginning of its hash; a value that is nothing else is empty.
    """
    if isinstance(value, str):
        return visible(value)
    named = _named(value)
    return "" if isinstance(named, _File) or _only_files(named) else visible(_laid_out(named))


class _File(str):
    """The short name of a file, in place of its reference."""

    __slots__ = ()


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        ref = value.get("$blob")
        if isinstance(ref, str) and value.keys() <= {"$blob", "type"}:
            return _File(f"{value.get('type') or 'file'} {ref[:8]}")
        return {key: _named(inner) for key, inner in value.items()}
    return [_named(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _only_files(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(inner, _File) for inner in value.values())


def _laid_out(value: Any, depth: int = 0) -> str:
    """JSON text in which what fits on a line stands on one."""
    flat = json.dumps(value, ensure_ascii=False, default=str)
    if len(flat) + 2 * depth <= LINE or not isinstance(value, (dict, list)) or depth > DEEPEST:
        return flat
    pad, end = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        lines = [
            f"{pad}{json.dumps(str(key), ensure_ascii=False)}: {_laid_out(v, depth + 1)}" for key, v in value.items()
        ]
        return "{\n" + ",\n".join(lines) + f"\n{end}}}"
    return "[\n" + ",\n".join(f"{pad}{_laid_out(v, depth + 1)}" for v in value) + f"\n{end}]"


def peek(value: Any) -> str:
    """The beginning of a value on one line."""
    flat = value if isinstance(value, str) else json.dumps(_named(value), ensure_ascii=False, default=str)
    return visible(" ".join(flat[: 4 * PEEK].split()), PEEK)


def slug(name: str) -> str:
    """A file name that any system takes; names that had to change carry a hash, so that two never share a file."""
    plain = _SLUG.sub("-", name.lower()).strip("-")[:60]
    if plain and plain == name:
        return plain
    return f"{plain or 'x'}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _decimals(values: list[float]) -> int:
    """Decimals that give three significant digits to the largest, or two to a narrow interval."""
    largest = max(map(abs, values))
    by_size = 3 - 1 - math.floor(math.log10(largest)) if largest > 0 else 0
    width = max(values) - min(values)
    by_width = 1 - math.floor(math.log10(width)) if width > 0 else by_size
    return max(0, min(6, max(by_size, min(by_width, by_size + 2))))


def numbers(values: list[float | None], unit: str) -> list[str]:
    """Numbers that stand together, with the same decimals and without their unit; None is a dash."""
    known = [value for value in values if value is not None]
    if unit == "%":
        return [NOTHING if value is None else _fixed(100 * value, 1) for value in values]
    decimals = _decimals(known) if known else 0
    return [NOTHING if value is None else _fixed(value, decimals) for value in values]


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return text.replace("-", MINUS) if float(f"{value:.{decimals}f}") else text.replace("-", "")


def value_text(cell: Cell, unit: str) -> str:
    """`82.0 %`, `0.415`, `1.24 s`; "undefined" when there is no value."""
    if cell.value is None:
        return "undefined"
    return f"{numbers([cell.value, cell.low, cell.high], unit)[0]}{f' {unit}' if unit else ''}"


def plain_value(value: float, unit: str) -> str:
    """A number in the way of `value_text`, without an interval to decide its decimals."""
    return value_text(Cell(value), unit)


def interval_text(cell: Cell, unit: str) -> str:
    """`[77.1, 86.0]`; empty without an interval."""
    if cell.value is None or cell.low is None or cell.high is None:
        return ""
    _, low, high = numbers([cell.value, cell.low, cell.high], unit)
    return f"[{low}, {high}]"


def cell_text(cell: Cell, unit: str) -> str:
    """`82.0 % [77.1, 86.0]`."""
    return f"{value_text(cell, unit)} {interval_text(cell, unit)}".rstrip()


def _points(unit: str) -> str:
    """The unit of a difference: of shares it is points, not per cent of something."""
    return {"%": " points", "": ""}.get(unit, f" {unit}")


def _signed(number: str) -> str:
    return number if number.startswith(MINUS) or not number.strip("0.,") or number == NOTHING else f"+{number}"


def delta_text(cell: Cell, unit: str) -> str:
    """A difference with its sign: `+2.3 points`, `+0.014 s`; "undefined" when there is none."""
    if cell.value is None:
        return "undefined"
    return f"{_signed(numbers([cell.value, cell.low, cell.high], unit)[0])}{_points(unit)}"


def delta_interval(cell: Cell, unit: str) -> str:
    """`[+0.4, +5.0]`; empty without an interval."""
    if cell.value is None or cell.low is None or cell.high is None:
        return ""
    _, low, high = numbers([cell.value, cell.low, cell.high], unit)
    return f"[{_signed(low)}, {_signed(high)}]"


def p_text(value: float | None) -> str:
    """A p-value: `0.032`, `< 0.0001`; None is a dash."""
    if value is None:
        return NOTHING
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def rank_text(rank: tuple[int, int] | None) -> str:
    """`1` where the rank is certain, `1` to `3` with a dash between where it is not; None is a dash."""
    if rank is None:
        return NOTHING
    low, high = rank
    return str(low) if low == high else f"{low}{NOTHING}{high}"


def dropped_text(cell: Cell, column: Column) -> str:
    """The value with errors left out, when it differs from the headline; else empty."""
    if cell.value_dropped is None or cell.value_dropped == cell.value:
        return ""
    return f"{value_text(Cell(cell.value_dropped), column.unit)} with errors dropped"


def money(usd: float | None) -> str:
    """`$1.24`, `$0.0031`, `$0` for what is free; None is "unknown", never 0."""
    if usd is None:
        return "unknown"
    if usd == 0:
        return "$0"
    return f"${usd:,.2f}" if abs(usd) >= 1 else f"${usd:.{min(8, 1 - math.floor(math.log10(abs(usd))))}f}"


def duration(seconds: float | None) -> str:
    """`312 ms`, `4.20 s`, `3 min 20 s`; None is a dash."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.0095 else f"{1000 * seconds:.2g} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def share(part: float | None) -> str:
    """A share in 0..1 as whole per cent; None is a dash."""
    return NOTHING if part is None else f"{100 * part:.0f} %"


def counts_text(counts: Counts) -> str:
    """`n=150 · 3 errored · 2 unscorable`: planned cells, and what of them has no score of its own."""
    if not counts.planned:
        return NOTHING
    parts = [f"n={counts.planned:,}"]
    missing = counts.planned - counts.answered - counts.errored
    for count, name in ((missing, "missing"), (counts.errored, "errored"), (counts.unscorable, "unscorable")):
        if count > 0:
            parts.append(f"{count:,} {name}")
    return " · ".join(parts)


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 sample`, `2 samples`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
