"""Calendars and clocks, knights and knaves, orderings, and Markdown tables, by patterns and enumeration."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from itertools import permutations, product

from evalkit.baselines._numbers_in_text import shown

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH = "|".join(_MONTHS)
_DATE = re.compile(rf"\b(\d{{1,2}}) ({_MONTH}) (\d{{4}})\b")
_CLOCK = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b")


def dates(text: str) -> list[date]:
    """All dates of the form 14 May 2023, in their order; impossible ones are left out."""
    found: list[date] = []
    for day, month, year in _DATE.findall(text):
        try:
            found.append(date(int(year), _MONTHS.index(month) + 1, int(day)))
        except ValueError:
            continue
    return found


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _minutes(text: str) -> int | None:
    """The length of time that a text names in hours and minutes."""
    hours = re.search(r"\b(\d{1,6}) hours?\b", text)
    minutes = re.search(r"\b(\d{1,6}) minutes?\b", text)
    if hours is None and minutes is None:
        return None
    return (int(hours[1]) * 60 if hours else 0) + (int(minutes[1]) if minutes else 0)


def _by_clock(text: str) -> str | None:
    times = [int(h) * 60 + int(m) for h, m in _CLOCK.findall(text)]
    if len(times) == 2 and "how many minutes" in text.lower():
        return str((times[1] - times[0]) % 1440)
    lasts = _minutes(text)
    return _clock(times[0] + lasts) if len(times) == 1 and lasts is not None else None


def solve_calendar(text: str) -> str | None:
    """Weekdays, differences and sums of dates, weekdays in a month, times of day; None for anything else."""
    given = dates(text)
    asks_day = re.search(r"(?:which|what) (?:day|weekday)|day of the week", text, re.IGNORECASE)
    if len(given) == 1 and asks_day:
        return DAYS[given[0].weekday()]
    if len(given) == 2 and re.search(r"how many days", text, re.IGNORECASE):
        return str(abs((given[1] - given[0]).days))
    later = re.search(r"\b(\d{1,4}) days (?:later|after)", text)
    if len(given) == 1 and later:
        return (given[0] + timedelta(int(later[1]))).isoformat()
    named = re.search(rf"\b({'|'.join(DAYS)})\b", text)
    ahead = re.search(r"\bin (\d{1,9}) days\b|\b(\d{1,9}) days (?:later|after|from)", text)
    if asks_day and named and ahead:
        return DAYS[(DAYS.index(named[1]) + int(ahead[1] or ahead[2])) % 7]
    return _weekdays_in_month(text) or _by_clock(text)


def _weekdays_in_month(text: str) -> str | None:
    found = re.search(rf"how many ({'|'.join(DAYS)})s .*\b({_MONTH}) (\d{{4}})", text, re.IGNORECASE)
    if found is None:
        return None
    month, year, wanted = _MONTHS.index(found[2].title()) + 1, int(found[3]), DAYS.index(found[1].title())
    first = date(year, month, 1)
    following = date(year + month // 12, month % 12 + 1, 1)
    days = range((following - first).days)
    return str(sum((first + timedelta(n)).weekday() == wanted for n in days))


_SAYS = re.compile(r"\b([A-Z]\w+) says: [\"\u201c]([^\"\u201d]+)[\"\u201d]")
_NAME = r"(?:I|me|[A-Z]\w+)"
Claim = Callable[[dict[str, bool]], bool]


def _claim(speaker: str, said: str) -> Claim | None:
    """What a statement of an islander says about who is a knight; None for one that is not understood."""
    one = re.fullmatch(rf"({_NAME}) (?:is|am) a (knight|knave)\.?", said)
    if one:
        who, knight = _who(one[1], speaker), one[2] == "knight"
        return lambda world: world[who] == knight
    both = re.fullmatch(rf"({_NAME}) and ({_NAME}) are both (knight|knave)s\.?", said)
    if both:
        pair, kind = (_who(both[1], speaker), _who(both[2], speaker)), both[3] == "knight"
        return lambda world: all(world[who] == kind for who in pair)
    some = re.fullmatch(rf"At least one of ({_NAME}) and ({_NAME}) is a (knight|knave)\.?", said)
    if some:
        two, sort = (_who(some[1], speaker), _who(some[2], speaker)), some[3] == "knight"
        return lambda world: any(world[who] == sort for who in two)
    return None


def _who(name: str, speaker: str) -> str:
    return speaker if name in ("I", "me") else name


def _knights(text: str) -> str | None:
    said = _SAYS.findall(text)
    if not said or "knave" not in text:
        return None
    claims = [(who, _claim(who, what)) for who, what in said]
    names = sorted(
        {who for who, _ in said} | {n for _, what in said for n in re.findall(r"\b[A-Z]\w+", what)} - {"I", "At"}
    )
    if any(claim is None for _, claim in claims) or len(names) > 10:
        return None
    worlds = _worlds(names, claims)
    if len(worlds) != 1:
        return None
    return _told(text, worlds[0])


def _worlds(names: list[str], claims: list[tuple[str, Claim | None]]) -> list[dict[str, bool]]:
    every = (dict(zip(names, values, strict=True)) for values in product((False, True), repeat=len(names)))
    return [world for world in every if all(world[who] == claim(world) for who, claim in claims if claim)]


def _told(text: str, world: dict[str, bool]) -> str | None:
    question = text.rstrip().rsplit(".", 1)[-1]
    if "how many knights" in question.lower():
        return str(sum(world.values()))
    for sort, wanted in (("knight", True), ("knave", False)):
        named = [name for name, knight in world.items() if knight == wanted]
        if re.search(rf"only {sort}", question) and len(named) == 1:
            return named[0]
    asked = [name for name in world if re.search(rf"\b{name}\b", question)]
    return ("knight" if world[asked[0]] else "knave") if len(asked) == 1 else None


_RELATION = re.compile(
    r"\b([A-Z]\w+)(?: \w+){0,4}? (taller|older|before|shorter|younger|after)(?: than)? ([A-Z]\w+)"
    r"(?: (?:and|but) (taller|older|before|shorter|younger|after) than ([A-Z]\w+))?"
)
_MORE = {"taller", "older", "before"}


def _order(text: str) -> str | None:
    """The one who is first, last or second of an ordering told by comparisons."""
    pairs: set[tuple[str, str]] = set()
    for one, how, other, second, third in _RELATION.findall(text):
        pairs.add((one, other) if how in _MORE else (other, one))
        if third:
            pairs.add((one, third) if second in _MORE else (third, one))
    names = sorted({name for pair in pairs for name in pair})
    if not 2 < len(names) <= 7:
        return None
    orders = [order for order in permutations(names) if all(order.index(a) < order.index(b) for a, b in pairs)]
    question = text.rstrip().rsplit(".", 1)[-1]
    place = -1 if re.search(r"shortest|youngest|last", question) else 0
    if "second" in question:
        place = -2 if place else 1
    found = {order[place] for order in orders}
    return found.pop() if len(found) == 1 else None


def solve_logic(text: str) -> str | None:
    """Knights and knaves by trying all worlds, orderings by trying all orders; None for anything else."""
    return _knights(text) or _order(text)


def solve_table(text: str) -> str | None:
    """A Markdown table: the row with the most or least, totals, averages, spans, price times pieces; else None."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    if len(rows) < 4:
        return None
    head, body = rows[0], rows[2:]
    question = text.rstrip().split("\n\n")[-1].lower()
    columns = {name.lower(): values for name, values in zip(head, zip(*body, strict=False), strict=False)}
    numeric = {
        name: [Fraction(cell) for cell in cells] for name, cells in columns.items() if all(map(_is_number, cells))
    }
    if not numeric:
        return None
    named = [name for name in numeric if name in question]
    return _asked(question, [row[0] for row in body], numeric[named[-1] if named else list(numeric)[-1]], numeric)


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"-?\d{1,18}(?:\.\d{1,18})?", cell) is not None


_PICKS: tuple[tuple[str, Callable[[list[str], list[Fraction]], str]], ...] = (
    (r"average|mean", lambda _, values: shown(sum(values, Fraction()) / len(values))),
    (r"\bby how (?:many|much)\b|difference", lambda _, values: shown(max(values) - min(values))),
    (r"total|altogether|together|in all", lambda _, values: shown(sum(values, Fraction()))),
    (r"largest|most|highest|tallest|best", lambda labels, values: labels[values.index(max(values))]),
    (r"smallest|least|lowest|fastest|cheapest", lambda labels, values: labels[values.index(min(values))]),
)


def _asked(question: str, labels: list[str], values: list[Fraction], numeric: dict[str, list[Fraction]]) -> str | None:
    if "worth" in question and len(numeric) == 2:
        return shown(sum((a * b for a, b in zip(*numeric.values(), strict=True)), Fraction()))
    return next((pick(labels, values) for words, pick in _PICKS if re.search(words, question)), None)
