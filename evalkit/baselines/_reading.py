"""What rules make of a page that an OCR engine has read: fields by cue words, answers to questions, its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from evalkit.baselines._answering import as_json
from evalkit.baselines._asking import answer
from evalkit.baselines._facts import CURRENCIES, dates, number
from evalkit.baselines._layout import Sheet

CUES: Mapping[str, tuple[str, ...]] = {
    "total": ("total due", "grand total", "amount due", "balance due", "to pay", "total", "summe", "a payer", "i alt"),
    "tax": ("vat", "tax", "mwst", "iva", "tva", "moms"),
    "net": ("net amount", "net", "netto"),
    "number": (
        "invoice no", "receipt no", "order", "ticket", "documento", "bon", "ref", "slip", "transaction", "factura",
    ),
    "due_date": ("due date", "due", "payable"),
    "customer": ("bill to",),
    "reference": ("our reference", "reference"),
}  # fmt: skip
_SUM = re.compile(r"(?<![\w*])\d{1,3}(?:[ .,]\d{3})*[.,]\d{2}(?!\d)|(?<![\w*/.-])\d+(?![\w/%-])")
_CODE = re.compile(r"(?=[\w/-]*\d)[A-Z0-9][\w/-]*\d[\w/-]*")
_CURRENCY = re.compile(r"\b(EUR|GBP|USD|CHF|DKK|SEK|NOK|PLN|JPY)\b|([€£$¥])")
_TICKED = re.compile(r"ticked among ([^;]+)")
_WORD = re.compile(r"[^\W\d_]{3,}")
# What engines make of a box with a cross in it.
_CROSS = re.compile(r"(?:^|\s)(?:[xX&@*✓☑☒]|[bk]4|[@&]\S?|Xx)\s*$")


def reply(sheet: Sheet, asked: Mapping[str, Any]) -> str:
    """The answer to what is asked: the `fields` as JSON, the answer to the `question`, or the whole text."""
    wanted = asked.get("fields")
    if isinstance(wanted, Mapping):
        return as_json({str(name): field(sheet, str(name), str(wish)) for name, wish in wanted.items()})
    question = asked.get("question")
    return answer(sheet, question) if isinstance(question, str) else sheet.text


def field(sheet: Sheet, name: str, wish: str) -> Any:
    """One field by its name and description; None where no rule fires."""
    if not sheet.rows:
        return None
    ticked = _TICKED.search(wish)
    if ticked:
        return _ticked(sheet, [option.strip() for option in ticked[1].split(",")])
    if name in _PLACES:
        return _PLACES[name](sheet)
    if "date" in wish:
        return _day(sheet, name, wish)
    text = _labelled(sheet, name, wish)
    if "number" in wish.rpartition(";")[2] and "as printed" not in wish:
        return _amount(text)
    return _code(text) if "as printed" in wish and text else text


def _labelled(sheet: Sheet, name: str, wish: str) -> str | None:
    """What stands behind the first label that fits: the rest of its row, else the row below."""
    labels = (*CUES.get(name, ()), wish.partition(";")[0].strip().lower(), name.replace("_", " "))
    for label in labels:
        for place, line in enumerate(sheet.lines):
            found = re.match(rf"\W*{re.escape(label)}\b[\s.:%]*(.*)", line, re.IGNORECASE)
            if found and found[1].strip():
                return found[1].strip()
            if found and place + 1 < len(sheet.rows):
                return sheet.rows[place + 1][0].text
    for label in CUES.get(name, ()):
        for line in sheet.lines:
            found = re.search(rf"\b{re.escape(label)}\b[\s.:]*(.*)", line, re.IGNORECASE)
            if found and found[1].strip():
                return found[1].strip()
    return None


def _amount(text: str | None) -> float | int | None:
    found = _SUM.findall(text or "")
    if not found:
        return None
    value = number(found[-1])
    return int(value) if value.is_integer() else value


def _code(text: str) -> str | None:
    found = _CODE.search(text)
    return found[0] if found else None


def _day(sheet: Sheet, name: str, wish: str) -> str | None:
    """The date behind the field's label, else the first date of the page that is not behind another label."""
    text = _labelled(sheet, name, wish)
    for place in (text or "", *(line for line in sheet.lines if "due" not in line.lower())):
        found = dates(place)
        if found:
            return found[0].value
    return None


def _ticked(sheet: Sheet, options: Sequence[str]) -> Any:
    """The options with something like a cross before them; the first where none has one."""
    chosen = []
    for option in options:
        for line in sheet.lines:
            at = line.find(option)
            if at >= 0 and _CROSS.search(line[:at]):
                chosen.append(option)
                break
    return chosen[0] if len(chosen) == 1 else chosen or options[0]


def _currency(sheet: Sheet) -> str | None:
    found = _CURRENCY.search(sheet.text)
    return None if found is None else found[1] or CURRENCIES[found[2]]


def _first(sheet: Sheet) -> str:
    return sheet.lines[0]


def _payment(sheet: Sheet) -> str:
    return "card" if re.search(r"\bcard|\*{3}", sheet.text, re.IGNORECASE) else "cash"


def _recipient(sheet: Sheet) -> str | None:
    """What stands beside or above the first date."""
    for row in sheet.rows:
        if dates(" ".join(cell.text for cell in row)):
            return row[0].text if len(row) > 1 else None
    return None


def _subject(sheet: Sheet) -> str | None:
    """The row below the one with the reference."""
    lines = sheet.lines
    return next((below for line, below in pairwise(lines) if "reference" in line.lower()), None)


def _signature(sheet: Sheet) -> str | None:
    """The last short row of capitalised words."""
    for line in reversed(sheet.lines):
        words = _WORD.findall(line)
        if 2 <= len(words) <= 3 and all(word[0].isupper() for word in words):
            return line
    return None


_PLACES: Mapping[str, Callable[[Sheet], Any]] = {
    "merchant": _first, "supplier": _first, "sender": _first, "currency": _currency, "payment": _payment,
    "recipient": _recipient, "subject": _subject, "signed_by": _signature,
}  # fmt: skip
