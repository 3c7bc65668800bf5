"""Filling a tool's parameters from a text by patterns: enums, numbers, times, dates, codes, quotations and names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.baselines._numbers_in_text import found_numbers

_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_QUOTED = re.compile(r"(?<!\w)[\"'\u201c]([^\"\u201d]+?)[\"'\u201d](?!\w)")
_CODE = re.compile(r"\b(?=[\w.-]*[A-Z\d])[A-Z]{2,}[\w-]*\b|\b[\w-]+\.(?:png|jpg|gif)\b")
_NAME = re.compile(r"(?<=[\w,:;\"'] )[A-Z][\w'-]+(?: [A-Z][\w'-]+)*")
_CAPITALS = "[A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)*"
_CURRENCIES = {
    "EUR": "euros?|eur", "USD": "dollars?|usd", "GBP": "pounds?|sterling|gbp", "CHF": "francs?|chf", "JPY": "yen|jpy",
    "NOK": "norwegian|nok", "PLN": "zloty|pln",
}  # fmt: skip
_LANGUAGES = "english french german spanish italian polish greek turkish finnish danish dutch swedish norwegian latin"
_UNITS = "mile miles km kilometre kilometres kilometers metre metres foot feet inch inches kg kilos pound pounds"
_FROM = ("origin", "source", "start", "from")
_TO = ("destination", "target", "end", "to", "recipient", "language")


@dataclass
class Text:
    """A text and what has been taken from it, so that two parameters do not get the same value."""

    text: str
    used: set[str] = field(default_factory=set)

    def first(self, found: Iterator[str]) -> str | None:
        """The first value that is not taken yet."""
        for value in found:
            if value not in self.used:
                self.used.add(value)
                return value
        return None

    def number(self, *, whole: bool) -> float | int | None:
        """The next number that is neither part of a time, of a date nor of a code."""
        bare = _CODE.sub(" ", _DATE.sub(" ", _TIME.sub(" ", self.text)))
        for value, start, _ in found_numbers(bare):
            name = f"number at {start}"
            if name in self.used or (whole and value.denominator != 1):
                continue
            self.used.add(name)
            return value.numerator if value.denominator == 1 else float(value)
        return None


def fill(text: str, tool: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Arguments for a tool, and which required parameters the text does not give."""
    schema = tool.get("parameters") or {}
    required = schema.get("required") or []
    properties = schema.get("properties") or {}
    source, arguments = Text(text), dict[str, Any]()
    for name in sorted(properties, key=lambda one: one not in required):
        value = _value(source, name, properties[name], needed=name in required)
        if value is not None:
            arguments[name] = value
    return arguments, [name for name in required if name not in arguments]


def _value(source: Text, name: str, schema: Mapping[str, Any], *, needed: bool) -> Any:
    kind, words = schema.get("type"), source.text.lower()
    if "enum" in schema:
        return _one_of(schema["enum"], words)
    if kind in ("integer", "number"):
        named = name.split("_", maxsplit=1)[0] in words
        return source.number(whole=kind == "integer") if needed or named or not source.used else None
    if kind == "boolean":
        return _switch(name, words, needed=needed)
    if kind == "array":
        return _several(source, schema.get("items") or {})
    return _string(source, name, str(schema.get("description", "")), needed=needed) if kind == "string" else None


def _one_of(options: list[Any], words: str) -> Any:
    return next((option for option in options if re.search(rf"\b{re.escape(str(option).lower())}", words)), None)


def _switch(name: str, words: str, *, needed: bool) -> bool | None:
    if needed:
        return re.search(r"\boff\b|\bout\b", words) is None
    return True if name in words else None


def _several(source: Text, items: Mapping[str, Any]) -> list[Any] | None:
    if "enum" in items:
        return [one for one in items["enum"] if re.search(rf"\b{one}", source.text.lower())] or None
    if items.get("type") == "integer":
        found = [source.number(whole=True), source.number(whole=True)]
        return [one for one in found if one is not None] or None
    listed = re.match(r"(?:\w+ )?((?:[\w' ]+, )*[\w' ]+ and [\w ']+?)(?: on| onto| must| for| to)\b", source.text)
    return [one.strip() for one in re.split(r", | and ", listed[1])] if listed else None


def _string(source: Text, name: str, told: str, *, needed: bool) -> str | None:
    found = _by_form(source.text, name, told)
    if found is not None:
        return source.first(found)
    if re.search(r"message|translate|broken|word|what it is|song|playlist", told) and _QUOTED.search(source.text):
        return source.first(m[1] for m in _QUOTED.finditer(source.text)) if needed or name in source.text else None
    return source.first(_names(source.text, name)) if needed else None


def _by_form(text: str, name: str, told: str) -> Iterator[str] | None:
    """The values that have the form that a description asks for; None where it asks for none."""
    if "HH:MM" in told:
        return (f"{int(m[1]):02d}:{m[2]}" for m in _TIME.finditer(text))
    if "YYYY" in told:
        return (m[0] for m in _DATE.finditer(text))
    if "language" in name:
        return _in_order(text, {one.title(): one for one in _LANGUAGES.split()})
    if re.search(r"number|symbol|file|article", told):
        return (m[0] for m in _CODE.finditer(text))
    words = _CURRENCIES if "4217" in told else {one: one for one in _UNITS.split()} if "unit" in told else None
    return None if words is None else _in_order(text, words)


def _in_order(text: str, patterns: Mapping[str, str]) -> Iterator[str]:
    found = [
        (match.start(), name)
        for name, pattern in patterns.items()
        for match in re.finditer(rf"\b(?:{pattern})\b", text.lower())
    ]
    return (name for _, name in sorted(found))


def _names(text: str, parameter: str) -> Iterator[str]:
    """Names behind the preposition that a parameter suggests, then all capitalised names."""
    for prepositions, words in ((_FROM, "from"), (_TO, "to|into")):
        if parameter in prepositions:
            yield from (m[1] for m in re.finditer(rf"\b(?:{words}) ({_CAPITALS})", text))
    yield from (m[0] for m in _NAME.finditer(text) if not _DATE.search(m[0]))
