"""Dates, times and money as people write them in European languages, found by rules and normalised."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

_MONTH_NAMES = (
    "jan january januar janvier enero gennaio januari",
    "feb february februar février febrero febbraio februari",
    "mar march märz mars marzo marts",
    "apr april avril abril aprile",
    "may mai mayo maggio maj",
    "jun june juni juin junio giugno",
    "jul july juli juillet julio luglio",
    "aug august août agosto augusti",
    "sep sept september septembre septiembre settembre",
    "oct october oktober octobre octubre ottobre okt",
    "nov november novembre noviembre",
    "dec december dezember décembre diciembre dicembre des",
)
MONTHS = {word: number for number, words in enumerate(_MONTH_NAMES, 1) for word in words.split()}
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))

_ISO = re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})\b")
_DAY_FIRST = re.compile(
    rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.)?\s+(?:of\s+|de\s+|den\s+)?(?P<w>{_MONTH})\b\.?(?:\s*,?\s*(?:de\s+)?(?P<y>\d{{4}}))?",
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    rf"\b(?P<w>{_MONTH})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)(?:\s*,?\s*(?P<y>\d{{4}}))?", re.IGNORECASE
)
_NUMERIC = re.compile(r"(?<![\d./-])(?P<a>\d{1,2})(?P<s>[./])(?P<b>\d{1,2})(?P=s)(?P<y>\d{4})\b")
_YEAR = re.compile(r"\b(20\d{2})\b")

_CLOCK = re.compile(
    r"(?<![\d.,:])(?P<h>[01]?\d|2[0-3])[:.](?P<m>[0-5]\d)(?![\d.,:]*\d)\s*(?P<p>[ap]\.?m\.?\b)?(?P<u>\s*uhr)?",
    re.IGNORECASE,
)
_HOUR = re.compile(r"(?<![\d.,:/])(?P<h>1?\d)\s*(?P<p>[ap]\.?m\b)", re.IGNORECASE)
_KL = re.compile(r"\b(?:kl\.?|um|ab)\s+(?P<h>[01]?\d|2[0-3])(?![\d:/]|\.\d)", re.IGNORECASE)
_NOON = re.compile(r"\b(?:at noon|midday|mittags)\b", re.IGNORECASE)

CURRENCIES = {
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "gbp": "GBP", "pound": "GBP", "pounds": "GBP",
    "$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "a$": "AUD", "aud": "AUD", "cad": "CAD", "chf": "CHF",
    "fr.": "CHF", "franken": "CHF", "francs": "CHF", "jpy": "JPY", "yen": "JPY", "¥": "JPY", "pln": "PLN", "zł": "PLN",
    "nok": "NOK", "sek": "SEK", "dkk": "DKK", "kr": "SEK", "kr.": "SEK", "kronor": "SEK", "kroner": "NOK", "bgn": "BGN",
    "leva": "BGN",
}  # fmt: skip
"""What stands beside an amount -> ISO 4217; names that several currencies share go to the most used one."""

_UNIT = "|".join(re.escape(unit) for unit in sorted(CURRENCIES, key=len, reverse=True))
_NUMBER = r"\d{1,3}(?:[ .,'\u2019]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_BEFORE = re.compile(rf"(?<!\w)(?P<u>{_UNIT})\s?(?P<n>{_NUMBER})(?![\d-])", re.IGNORECASE)
_AFTER = re.compile(rf"(?<![\w.,/-])(?P<n>{_NUMBER})\s?(?P<u>{_UNIT})(?!\w)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """A normalised value and where it stands in the text, in characters."""

    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Money:
    """An amount, its currency as ISO 4217, and where it stands in the text, in characters."""

    amount: float
    currency: str
    start: int
    end: int


def dates(text: str) -> list[Found]:
    """All dates as ISO text, in order. A missing year is the first in the text; without any, the date is left out."""
    years = _YEAR.search(text)
    year = years[1] if years else None
    spots = [(m, _written(m, year)) for pattern in (_ISO, _DAY_FIRST, _MONTH_FIRST) for m in pattern.finditer(text)]
    spots += [(m, _numeric(m, month_first="$" in text or "dollar" in text)) for m in _NUMERIC.finditer(text)]
    found = [Found(value, m.start(), m.end()) for m, value in spots if value is not None]
    return sorted(found, key=lambda item: (item.start, -item.end))


def _written(match: re.Match[str], year: str | None) -> str | None:
    parts = match.groupdict()
    month = MONTHS[parts["w"].lower()] if parts.get("w") else int(parts["m"])
    chosen = parts["y"] or year
    return None if chosen is None else _iso(int(chosen), month, int(parts["d"]))


def _numeric(match: re.Match[str], *, month_first: bool) -> str | None:
    first, second = int(match["a"]), int(match["b"])
    month, day = (first, second) if month_first and match["s"] == "/" else (second, first)
    return _iso(int(match["y"]), month, day)


def _iso(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def times(text: str) -> list[Found]:
    """All times of day as HH:MM, in their order; `7.30` counts only before `Uhr` or after `kl.`."""
    return sorted(_times(text), key=lambda item: item.start)


def _times(text: str) -> Iterator[Found]:
    for match in _CLOCK.finditer(text):
        dotted = "." in match[0].rstrip(".")[:3] and ":" not in match[0]
        if not dotted or match["u"] or text[: match.start()].rstrip().lower().endswith(("kl.", "kl")):
            yield Found(_hhmm(int(match["h"]), match["m"], match["p"]), match.start(), match.end())
    for match in _HOUR.finditer(text):
        yield Found(_hhmm(int(match["h"]), "00", match["p"]), match.start(), match.end())
    for match in _KL.finditer(text):
        yield Found(_hhmm(int(match["h"]), "00", None), match.start(), match.end())
    for match in _NOON.finditer(text):
        yield Found("12:00", match.start(), match.end())


def _hhmm(hour: int, minute: str, half: str | None) -> str:
    if half and hour <= 12:
        hour = hour % 12 + (12 if half[0].lower() == "p" else 0)
    return f"{hour:02d}:{minute}"


def moneys(text: str) -> list[Money]:
    """All amounts that stand beside a currency, in their order; `1.234,50` and `1,234.50` are both read right."""
    found: dict[int, Money] = {}
    for pattern in (_BEFORE, _AFTER):
        for match in pattern.finditer(text):
            key = match.start("n")
            found.setdefault(key, Money(number(match["n"]), CURRENCIES[match["u"].lower()], match.start(), match.end()))
    return [found[key] for key in sorted(found)]


def number(written: str) -> float:
    """A written number: the last separator before one or two digits is the decimal one, all others are dropped."""
    whole, _, rest = written.replace(",", ".").rpartition(".")
    if whole and len(rest) <= 2:
        return float(re.sub(r"\D", "", whole) + "." + rest)
    return float(re.sub(r"\D", "", written))
