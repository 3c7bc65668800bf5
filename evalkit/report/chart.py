"""Where things stand in a chart: axis ticks, dots and whiskers, cost against quality. Templates draw, this places.

Horizontal places are percentages of the width and vertical ones pixels, so that a chart fits a phone without shrinking
its letters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from evalkit.report.model import Cell
from evalkit.report.text import MINUS, cell_text, money, numbers, value_text

# Ticks are rounded to 12 decimals: what differs by less is one value.
ALIKE = 1e-10
Bounds = tuple[float | None, float | None]
LEFT, RIGHT = 2.0, 98.0
ROW_HEIGHT = 46
SCATTER_HEIGHT = 300
SCATTER_TOP, SCATTER_BOTTOM = 14, 30
SCATTER_LEFT = 12.0
LOG_SPAN = 20.0
FREE_AT = 16.0
LABEL, WIDE_LABEL = 23, 60


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers (steps of 1, 2, 2.5 or 5 times a power of ten) that cover low..high; at least two."""
    if high - low < ALIKE:
        low, high = low - 0.5 * max(1e-6, abs(low)), high + 0.5 * max(1e-6, abs(high))
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and what is written there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Whisker:
    """One row of a chart: a label for phones and one for wide pages; no `low` and `high` = a dot only.

    `limits` are places that the row's interval is judged by; `tone` colours the dot: good, bad, t0 to t5
    for ranks, or nothing.
    """

    label: str
    wide_label: str
    name: str
    text: str
    y: int
    at: float
    low: float | None
    high: float | None
    limits: tuple[float, ...] = ()
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Whiskers:
    """A dot-and-whisker chart; `zero` is the place of "no difference" in a chart of differences."""

    height: int
    axis: tuple[Tick, ...]
    rows: tuple[Whisker, ...]
    zero: float | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """A row of a chart of differences: its interval as written, and limits in the unit of the difference."""

    name: str
    cell: Cell
    text: str
    limits: tuple[float, ...] = ()
    tone: str = ""


def _shown(values: Sequence[float], unit: str) -> list[str]:
    if unit == "%":
        whole = all(abs(100 * v - round(100 * v)) < 1e-9 for v in values)
        return [(f"{100 * v:.0f}" if whole else f"{100 * v:.1f}").replace("-", MINUS) for v in values]
    trimmed = numbers(list(values), "")
    while all("." in text and text.endswith("0") for text in trimmed):
        trimmed = [text[:-1] for text in trimmed]
    return [text.rstrip(".") if "." in text else text for text in trimmed]


def _axis(values: Sequence[float], unit: str, bounds: Bounds = (None, None), about: int = 5) -> list[float]:
    """Ticks that cover the values and run past no bound that the values keep."""
    low, high = min(values), max(values)
    pad = 0.04 * (high - low)
    least, most = (0.0, 1.0) if unit == "%" and bounds == (None, None) else bounds
    least = least if least is not None and least <= low else -math.inf
    most = most if most is not None and most >= high else math.inf
    if high - low < ALIKE and math.isfinite(least) and math.isfinite(most):
        return ticks(least, most, about) if least < most else ticks(low, high, about)
    marks = ticks(max(least, low - pad), min(most, high + pad), about)
    inside = [mark for mark in marks if least <= mark <= most]
    # A bound that is no round number, or that a single value sits on, is a tick of its own.
    first = [least] if marks[0] < least and least not in inside else []
    last = [most] if marks[-1] > most and most not in inside else []
    return [*first, *inside, *last]


def _place(value: float, marks: Sequence[float], start: float, end: float) -> float:
    return round(start + (end - start) * (value - marks[0]) / (marks[-1] - marks[0]), 3)


def _extent(cells: Sequence[Cell]) -> list[float]:
    return [v for c in cells for v in (c.value, c.low, c.high) if v is not None]


def shorten(name: str, limit: int) -> str:
    """A name that fits a chart's label; the whole name is in the title."""
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def whiskers(
    named: Sequence[tuple[str, Cell]], unit: str, bounds: Bounds = (None, None), tones: Mapping[str, str] | None = None
) -> Whiskers | None:
    """A chart of the cells that have a value, in the order given; `tones` colours by name. None when there is none."""
    known = [(name, cell, cell.value) for name, cell in named if cell.value is not None]
    if not known:
        return None
    toned = tones or {}
    reaches = [Reach(name, cell, cell_text(cell, unit), tone=toned.get(name, "")) for name, cell, _ in known]
    return _whiskers(reaches, _axis(_extent([cell for _, cell, _ in known]), unit, bounds), unit)


def differences(reaches: Sequence[Reach], unit: str) -> Whiskers | None:
    """A chart of differences around 0, in the order given, limits within the axis; None when none has a value."""
    known = [reach for reach in reaches if reach.cell.value is not None]
    if not known:
        return None
    extent = [*_extent([reach.cell for reach in known]), *(limit for reach in known for limit in reach.limits), 0.0]
    marks = _axis(extent, unit, (-1.0, 1.0) if unit == "%" else (None, None))
    return replace(_whiskers(known, marks, unit), zero=_place(0.0, marks, LEFT, RIGHT))


def _whiskers(reaches: Sequence[Reach], marks: Sequence[float], unit: str) -> Whiskers:
    rows = []
    for place, reach in enumerate(reaches):
        cell = reach.cell
        ends = [None if v is None else _place(v, marks, LEFT, RIGHT) for v in (cell.low, cell.high)]
        low, high = ends if None not in ends else (None, None)
        at = _place(cell.value or 0.0, marks, LEFT, RIGHT)
        labels = shorten(reach.name, LABEL), shorten(reach.name, WIDE_LABEL)
        limits = tuple(_place(limit, marks, LEFT, RIGHT) for limit in reach.limits)
        rows.append(Whisker(*labels, reach.name, reach.text, place * ROW_HEIGHT, at, low, high, limits, reach.tone))
    texts = _shown(marks, unit)
    axis = tuple(Tick(_place(v, marks, LEFT, RIGHT), text) for v, text in zip(marks, texts, strict=True))
    return Whiskers(len(rows) * ROW_HEIGHT, axis, tuple(rows))


@dataclass(frozen=True, slots=True)
class Spark:
    """A tiny whisker inside a table cell, on the table's common axis."""

    at: float
    low: float | None
    high: float | None


def sparks(rows: Sequence[Sequence[Cell | None]], unit: str, bounds: Bounds = (None, None)) -> list[list[Spark | None]]:
    """One spark per table cell, all on one axis; None where there is no value."""
    extent = _extent([cell for row in rows for cell in row if cell is not None])
    marks = _axis(extent, unit, bounds) if extent else [0.0, 1.0]
    return [[None if c is None or c.value is None else _spark(c, c.value, marks) for c in row] for row in rows]


def _spark(cell: Cell, value: float, marks: Sequence[float]) -> Spark:
    at = _place(value, marks, 4, 96)
    if cell.low is None or cell.high is None:
        return Spark(at, None, None)
    return Spark(at, _place(cell.low, marks, 4, 96), _place(cell.high, marks, 4, 96))


@dataclass(frozen=True, slots=True)
class Point:
    """A candidate in the cost-quality plane: `letter` in the chart, the rest in its legend."""

    letter: str
    name: str
    text: str
    x: float
    y: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Scatter:
    """Cost per 1,000 samples (x) against the primary metric (y); `unpriced` names who has no price."""

    height: int
    x_axis: tuple[Tick, ...]
    y_axis: tuple[Tick, ...]
    points: tuple[Point, ...]
    unpriced: tuple[str, ...]
    logarithmic: bool
    unit: str


def _letter(place: int) -> str:
    first, last = divmod(place, 26)
    return (chr(64 + first) if first else "") + chr(65 + last)


@dataclass(frozen=True, slots=True)
class _Costs:
    """The x axis: linear from 0, or logarithmic with a place of its own for what is free."""

    marks: tuple[float, ...]
    logarithmic: bool
    free: bool

    @classmethod
    def of(cls, costs: Sequence[float]) -> _Costs:
        paid = [cost for cost in costs if cost > 0]
        if len(paid) > 1 and max(paid) / min(paid) > LOG_SPAN:
            first, last = math.floor(math.log10(min(paid))), math.ceil(math.log10(max(paid)))
            return cls(tuple(10.0**p for p in range(first, last + 1)), logarithmic=True, free=len(paid) < len(costs))
        return cls(tuple(ticks(0.0, max(costs, default=0.0) or 1.0, 4)), logarithmic=False, free=False)

    def place(self, cost: float) -> float:
        if not self.logarithmic:
            return _place(cost, self.marks, SCATTER_LEFT, RIGHT - 2)
        if cost <= 0:
            return FREE_AT
        start = FREE_AT + 12 if self.free else SCATTER_LEFT
        return _place(math.log10(cost), [math.log10(m) for m in self.marks], start, RIGHT - 2)

    def axis(self) -> tuple[Tick, ...]:
        free = (Tick(FREE_AT, "$0"),) if self.free else ()
        return free + tuple(Tick(self.place(mark), money(mark)) for mark in self.marks)


def scatter(
    named: Sequence[tuple[str, Cell, float | None]], unit: str, bounds: Bounds = (None, None)
) -> Scatter | None:
    """The plane of those who have a value and a price; None when fewer than two do or all cost the same."""
    priced = [
        (name, cell, cell.value, cost) for name, cell, cost in named if cell.value is not None and cost is not None
    ]
    if len(priced) < 2 or len({cost for *_, cost in priced}) < 2:
        return None
    costs = _Costs.of([cost for *_, cost in priced])
    marks = _axis(_extent([cell for _, cell, _, _ in priced]), unit, bounds)
    floor, top = SCATTER_HEIGHT - SCATTER_BOTTOM, SCATTER_TOP
    points = []
    for place, (name, cell, value, cost) in enumerate(priced):
        low, high = (None if v is None else _place(v, marks, floor, top) for v in (cell.low, cell.high))
        text = f"{value_text(cell, unit)} at {money(cost)}"
        points.append(Point(_letter(place), name, text, costs.place(cost), _place(value, marks, floor, top), low, high))
    return Scatter(
        height=SCATTER_HEIGHT,
        x_axis=_apart(costs.axis()),
        y_axis=tuple(Tick(_place(v, marks, floor, top), t) for v, t in zip(marks, _shown(marks, unit), strict=True)),
        points=tuple(points),
        unpriced=tuple(name for name, _, cost in named if cost is None),
        logarithmic=costs.logarithmic,
        unit=unit,
    )


def _apart(axis: tuple[Tick, ...]) -> tuple[Tick, ...]:
    """Leave out every other label while they would run into each other on a phone."""
    while len(axis) > 2 and min(after.at - before.at for before, after in pairwise(axis)) < 13:
        axis = axis[::2]
    return axis
