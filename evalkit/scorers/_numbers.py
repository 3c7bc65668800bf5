"""Numbers in text: signs, thousands separators, currency signs, fractions, scientific notation, percent and units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

# The look-behind keeps the start of a number unique (v2, 1.2.3, 3/4/5 and the 7 of 5-7 are not signed numbers), which
# also keeps the search linear.
_NUMBER = re.compile(
    r"(?<![\w./])(?P<sign>[-+\u2212]?)[$€£¥]?(?P<after>[-\u2212]?)"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)"
    r"(?:[eE](?P<exp>[-+]?\d{1,4})(?!\d)|\s?(?:[x\u00d7*]|\\times)\s?10\^\{?(?P<power>[-+\u2212]?\d{1,4})\}?)?"
    r"(?:\s?/\s?(?P<bottom>\d+(?:\.\d+)?)(?![\d/]))?"
    r"(?:\s?\\?(?P<percent>%)|\s?(?P<unit>[A-Za-z\u00b5]+(?:/[a-z]+)?))?"
)
_SWAP = str.maketrans(",.", ".,")
_EXPONENT = 1000
_DIGITS = 400


class Quantity(NamedTuple):
    """A number and the word or percent sign that follows it."""

    value: Decimal
    unit: str | None


def quantities(text: str, decimal: str = ".") -> Iterator[Quantity]:
    """All numbers of a text in their order; `decimal` is the decimal mark, the other of `.` and `,` groups digits."""
    for match in _NUMBER.finditer(text.translate(_SWAP) if decimal == "," else text):
        found = _quantity(match)
        if found is not None:
            yield found


def _quantity(match: re.Match[str]) -> Quantity | None:
    digits = match["digits"].replace(",", "")
    exponent = int((match["exp"] or match["power"] or "0").replace("\u2212", "-"))
    if len(digits) > _DIGITS or abs(exponent) > _EXPONENT:
        return None
    value = Decimal(digits).scaleb(exponent)
    if match["bottom"]:
        try:
            value /= Decimal(match["bottom"])
        except (InvalidOperation, ZeroDivisionError):
            return None
    negative = match["sign"] in ("-", "\u2212") or bool(match["after"])
    word = match["percent"] or match["unit"]
    return Quantity(-value if negative else value, "%" if word == "percent" else word)


@lru_cache(maxsize=64)
def _marker(markers: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, markers)), re.IGNORECASE)


def answer_number(text: str, markers: tuple[str, ...], decimal: str = ".") -> Quantity | None:
    """The first number after the last marker, else the last number of the text; None when there is none.

    The last marker, since a short one can also stand inside a worked solution.
    """
    at = -1
    if markers:
        for match in _marker(markers).finditer(text):
            at = match.end()
    if at >= 0:
        found = next(quantities(text[at:], decimal), None)
        if found is not None:
            return found
    last = None
    for last in quantities(text, decimal):  # noqa: B007 - the last one is wanted
        pass
    return last
