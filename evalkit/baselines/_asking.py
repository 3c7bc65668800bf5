"""Answers to questions about a page by rules: labels with their values, cells of tables, extremes and counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from evalkit.baselines._facts import number
from evalkit.baselines._layout import Cell, Sheet

_TOKEN = re.compile(r"[^\W_]+(?:[-'.][^\W_]+)*")
_NUMBER = re.compile(r"(?<![\w.,])[-+]?\d{1,3}(?:,\d{3})+(?!\d)|(?<![\w.,])[-+]?\d+(?:[.,]\d+)?(?![\w.:])")
_HIGHEST = re.compile(
    r"\b(most|highest|largest|biggest|best|greatest|peak\w*|won|winner|deepest|loudest|fullest|ahead|sunniest)\b"
)
_LOWEST = re.compile(r"\b(least|fewest|lowest|smallest|cheapest|quietest|slowest|rarest|coldest|dullest)\b")
_LIMIT = re.compile(r"\b(more|fewer|less) than (\d+)")
_QUANTITY = re.compile(
    r"\b(how many|how much|number of|percentage|percent|how loud|how heavy|estimate|add up|share of)\b"
)
_ITS_VALUE = re.compile(r"\bwhat (was|is|does) the (highest|lowest|cheapest)\b.*\b(level|value|cost|price)\b")
_SUM = re.compile(r"\b(together|in all|add up|between them)\b")
_COUNT = re.compile(r"\bhow many\b")
_FILLER = """
a about all an and are as at be by did do does each for from give has have how i in is it its last left made many more
most much name not of off on or out over roughly s she show shown stand than that the there they this to used was were
what when where which who whom whose with would
"""
_COMMON = frozenset(_FILLER.split())
_STEM = 5
_UNSEEN = re.compile(r"\b(red|green|amber|yellow|blue|ticked|checked|colou?r)\b")
_GUESS = "3"


@dataclass(frozen=True, slots=True)
class Pair:
    """A label and what stands beside, below or above it; `value` is its number, where it has one."""

    label: str
    written: str
    value: float | None


Rule = Callable[[Sheet, Sequence[Pair], str], str | None]


def answer(sheet: Sheet, question: str) -> str:
    """A short answer by the first rule that fires; where none does, what the nearest row says, or a guess."""
    asked = question.lower()
    found = pairs(sheet)
    order = COUNTING if _COUNT.search(asked) else MEASURING if _QUANTITY.search(asked) else NAMING
    return next((text for rule in order if (text := rule(sheet, found, asked))), _GUESS)


def pairs(sheet: Sheet) -> list[Pair]:
    """Labels with what belongs to them: beside them, at the end of their row, below in tiles, above in charts."""
    return [*_beside(sheet), *_below(sheet), *_above(sheet)]


def _pair(label: str, written: str) -> Pair:
    found = _NUMBER.findall(written)
    return Pair(label.strip(" :."), written.strip(), number(found[-1]) if found else None)


def _beside(sheet: Sheet) -> list[Pair]:
    found: list[Pair] = []
    for row in sheet.rows:
        if len(row) == 2 and any(map(str.isalpha, row[0].text)):
            found.append(_pair(row[0].text, row[1].text))
            continue
        for cell in row:
            last = next(iter(reversed(list(_NUMBER.finditer(cell.text)))), None)
            if last is not None and any(map(str.isalpha, cell.text[: last.start()])):
                found.append(_pair(cell.text[: last.start()], last[0]))
    return found


def _below(sheet: Sheet) -> list[Pair]:
    """Tiles: a row of labels over a row of as many values that start at the same places."""
    found: list[Pair] = []
    for row, under in pairwise(sheet.rows):
        level = len(row) == len(under) >= 2 and all(
            abs(a.left - b.left) < 2 * a.height for a, b in zip(row, under, strict=True)
        )
        if level and under[0].height > 1.2 * row[0].height:
            found.extend(_pair(a.text, b.text) for a, b in zip(row, under, strict=True))
    return found


def _names(sheet: Sheet) -> tuple[Cell, ...]:
    """The names of a chart's marks: the lowest row of several cells."""
    return next((row for row in reversed(sheet.rows) if len(row) >= 3), ())


def _above(sheet: Sheet) -> list[Pair]:
    """Charts: names in the lowest row of several cells, each with the nearest number straight above it."""
    names = _names(sheet)
    above = [cell for row in sheet.rows for cell in row if row is not names and _NUMBER.fullmatch(cell.text.strip())]
    found = []
    for name in names:
        near = [c for c in above if abs(c.x - name.x) < 1.2 * name.height and c.y < name.y]
        if near:
            found.append(_pair(name.text, max(near, key=lambda c: c.y).text))
    return found


def content(text: str) -> set[str]:
    """Stems of the words that carry meaning: five letters are enough to match plurals."""
    return {word.lower()[:_STEM] for word in _TOKEN.findall(text) if word.lower() not in _COMMON}


def alike(one: str, other: str) -> bool:
    """Whether two stems are of one word: the same, or one short for the other (Sep, September)."""
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= 3 and short.isalpha() and long.startswith(short))


def overlap(text: str, asked: str) -> float:
    """Share of a text's own words that the question has."""
    own, wanted = content(text), content(asked)
    return sum(any(alike(word, other) for other in wanted) for word in own) / len(own) if own else 0.0


def _best(found: Sequence[Pair], asked: str, least: float) -> Pair | None:
    best = max(found, key=lambda pair: overlap(pair.label, asked), default=None)
    return best if best is not None and overlap(best.label, asked) > least else None


def extreme(_: Sheet, found: Sequence[Pair], asked: str) -> str | None:
    """The label with the largest or smallest number, or that number."""
    valued = [(pair.value, pair) for pair in found if pair.value is not None and len(pair.label) < 24]
    if not valued or not (_HIGHEST.search(asked) or _LOWEST.search(asked)):
        return None
    choose = min if _LOWEST.search(asked) else max
    pair = choose(valued, key=lambda one: one[0])[1]
    return pair.written if _ITS_VALUE.search(asked) else pair.label


def chosen(sheet: Sheet, found: Sequence[Pair], asked: str) -> str | None:
    """A guess where an extreme is asked for and no number is printed: the first of the names."""
    names = _names(sheet)
    return names[0].text if names and not found and (_HIGHEST.search(asked) or _LOWEST.search(asked)) else None


def value(_: Sheet, found: Sequence[Pair], asked: str) -> str | None:
    """The number of the label that the question names."""
    best = _best([pair for pair in found if pair.value is not None], asked, 0.3)
    return None if best is None else _NUMBER.findall(best.written)[-1]


def belonging(_: Sheet, found: Sequence[Pair], asked: str) -> str | None:
    """What belongs to the label that the question names."""
    best = _best(found, asked, 0.4)
    return None if best is None else best.written


def total(_: Sheet, found: Sequence[Pair], asked: str) -> str | None:
    """The sum of the labels that the question names, or of all."""
    if not _SUM.search(asked):
        return None
    valued = [pair for pair in found if pair.value is not None]
    named = [pair for pair in valued if overlap(pair.label, asked) > 0.5]
    return f"{sum(pair.value or 0.0 for pair in (named if len(named) > 1 else valued)):g}" if valued else None


def beyond(_: Sheet, found: Sequence[Pair], asked: str) -> str | None:
    """How many numbers lie above or below a limit."""
    limit = _LIMIT.search(asked)
    values = [pair.value for pair in found if pair.value is not None]
    if limit is None or not values:
        return None
    bound = float(limit[2])
    return str(sum(each > bound if limit[1] == "more" else each < bound for each in values))


def quantity(sheet: Sheet, _: Sequence[Pair], asked: str) -> str | None:
    """A number that stands before a word of the question: "37 drawings"."""
    wanted = content(asked)
    for found in _NUMBER.finditer(sheet.text):
        after = _TOKEN.match(sheet.text[found.end() :].lstrip())
        if after and any(alike(after[0].lower()[:_STEM], stem) for stem in wanted):
            return found[0]
    return None


def matches(sheet: Sheet, _: Sequence[Pair], asked: str) -> str | None:
    """How many rows of a table hold a cell that the question names."""
    head = _head(sheet)
    cells = [cell.text for row in sheet.rows for cell in row if head and cell.y > head[0].y]
    named = [text for text in cells if overlap(text, asked) == 1.0]
    return str(max(map(named.count, named))) if named else None


def entries(sheet: Sheet, _: Sequence[Pair], asked: str) -> str | None:  # noqa: ARG001 - a rule's arguments
    """How many marks a chart has: the cells of its lowest row."""
    names = _names(sheet)
    return str(len(names)) if names else None


def unseen(_: Sheet, found: Sequence[Pair], asked: str) -> str | None:  # noqa: ARG001 - a rule's arguments
    """A guess about what is no text: colours and ticks."""
    return _GUESS if _UNSEEN.search(asked) else None


def cell(sheet: Sheet, _: Sequence[Pair], asked: str) -> str | None:
    """The cell of a table in the row and under the head that the question names."""
    head = _head(sheet)
    if not head:
        return None
    below = [row for row in sheet.rows if row[0].y > head[0].y and len(row) >= 2]
    row = max(below, key=lambda r: max(overlap(c.text, asked) for c in r), default=())
    known = max(row, key=lambda c: overlap(c.text, asked), default=None)
    if known is None or overlap(known.text, asked) == 0:
        return None
    others = [c for c in row if c is not known]
    asked_for = min(head, key=lambda c: _first(c.text, asked))
    if _first(asked_for.text, asked) < len(asked):
        return min(others, key=lambda c: abs(c.left - asked_for.left)).text
    return others[0].text


def _first(text: str, asked: str) -> int:
    """Where the question first says a word of a text; its length where it does not."""
    stems = content(text)
    places = (m.start() for m in _TOKEN.finditer(asked) if any(alike(m[0][:_STEM], stem) for stem in stems))
    return next(places, len(asked))


def _head(sheet: Sheet) -> tuple[Cell, ...]:
    """The head of a table: a row of three or more cells without a number, near the top, with as long rows below."""
    for place, row in enumerate(sheet.rows[:3]):
        if len(row) >= 3 and len(sheet.rows) > place + 2 and not any(_NUMBER.search(c.text) for c in row):
            return row
    return ()


def nearest(sheet: Sheet, _: Sequence[Pair], asked: str) -> str | None:
    """What the row that shares most words with the question says beyond it, without the title."""
    rows = sheet.rows[1:] or sheet.rows
    lines = [" ".join(c.text for c in row) for row in rows]
    wanted = content(asked)
    best = max(lines, key=lambda line: sum(any(alike(a, b) for b in wanted) for a in content(line)), default=None)
    if best is None:
        return None
    new = [word for word in best.split() if not any(alike(a, b) for a in content(word) for b in wanted)]
    names = [word for word in new if word[:1].isupper() or word[:1].isdigit()]
    return " ".join(names[:3] or new[-2:]).strip(" .,:") or best


COUNTING: tuple[Rule, ...] = (unseen, beyond, total, matches, quantity, value, entries)
MEASURING: tuple[Rule, ...] = (total, value, quantity)
NAMING: tuple[Rule, ...] = (extreme, cell, belonging, chosen, nearest)
