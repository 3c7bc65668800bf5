"""Numbers in a text, written in digits or in words, and the operations that its words ask for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from fractions import Fraction
from math import factorial, gcd, lcm
from typing import NamedTuple

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_WORDS = {word: number for number, word in enumerate(_UNITS.split())}
_TENS = {
    word: 10 * n
    for n, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)
}
_WORDS |= _TENS | {"dozen": 12, "hundred": 100, "thousand": 1000}
_NUMBER = re.compile(
    r"(?<![\w.:])(minus |[-\u2212])?(\d+(?:\.\d+)?(?:/\d+)?(?![\w/:]|\.\d)|[A-Za-z]+(?:-[a-z]+)?(?!\s+o'clock))"
)
_LONGEST = 60
_LOCAL = (
    ("+", r"\b(?:rose|gained?|gives?|gets|found|added|adds?|plus|more|rises)\b"),
    ("-", r"\b(?:sells?|sold|fell|falls|loses|lost|gave|reduced|minus|less|spends?|pays|takes|drops)\b"),
    ("/", r"\b(?:divided|split|shared|into (?:teams|groups|boxes)|an? (?:third|half) of)\b"),
    ("*", r"\b(?:each|every|times|per)\b"),
)
_CUES = tuple((sign, re.compile(pattern, re.IGNORECASE)) for sign, pattern in _LOCAL)
_ALL = (
    ("/", r"\bevenly\b|\bdivided\b|\bsplit\b|\baverage speed\b"),
    ("*", r"\beach\b|\bapiece\b|\bper\b|\btimes\b|\barea\b|\bvolume\b|\bevery\b|\bdifferent\b"),
    ("-", r"\bleft\b|\bremain|\bchange\b|\bfewer\b|\bless\b|\bdifference\b|\bhigher than\b|\bthird\b"),
    ("+", r"\btotal\b|\baltogether\b|\bin all\b|\bsum\b|\btogether\b|\bmore\b|\badd\b"),
)
_WHOLE = tuple((sign, re.compile(pattern, re.IGNORECASE)) for sign, pattern in _ALL)


class Found(NamedTuple):
    """A number and where it stands."""

    value: Fraction
    start: int
    end: int


def found_numbers(text: str) -> list[Found]:
    """All numbers of a text in their order; `six`, `twenty-five`, `3/8` and `minus 7` are numbers, times of day not."""
    found: list[Found] = []
    for match in _NUMBER.finditer(text):
        value = _value(match[2])
        if value is not None:
            found.append(Found(-value if match[1] else value, match.start(), match.end()))
    return found


def numbers(text: str) -> list[Fraction]:
    """The values of `found_numbers`."""
    return [found.value for found in found_numbers(text)]


def _value(token: str) -> Fraction | None:
    if token[-1].isdigit():
        if len(token) > _LONGEST:
            return None
        top, _, bottom = token.partition("/")
        return Fraction(top) / int(bottom or 1) if int(bottom or 1) else None
    first, _, second = token.lower().partition("-")
    if first in _TENS and second in _WORDS:
        return Fraction(_TENS[first] + _WORDS[second])
    return Fraction(_WORDS[first]) if first in _WORDS and not second else None


def _whole(values: list[Fraction]) -> list[int]:
    if any(value.denominator != 1 or not 0 < value < 10**6 for value in values):
        raise ValueError("whole numbers are needed")
    return [value.numerator for value in values]


def _factorial(values: list[Fraction]) -> Fraction:
    (number,) = _whole(values[:1])
    if number > 100:
        raise ValueError("too large")
    return Fraction(factorial(number))


_NAMED: tuple[tuple[re.Pattern[str], Callable[[list[Fraction]], Fraction]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), compute)
    for pattern, compute in (
        (r"greatest common (?:divisor|factor)", lambda v: Fraction(gcd(*_whole(v)))),
        (r"least common multiple", lambda v: Fraction(lcm(*_whole(v)))),
        (r"\bremainder\b|\bmodulo\b", lambda v: v[0] % v[1]),
        (r"\b(?:average|mean)\b(?! speed)", lambda v: sum(v, Fraction()) / len(v)),
        (r"in how many (?:different )?orders", _factorial),
    )
)


def reckoned(text: str) -> Fraction | None:
    """What the operation words of a text make of its numbers; None where there is no operation or no number for it.

    A named operation (remainder, average, least common multiple...) takes all numbers. Otherwise numbers are taken from
    left to right; the cue in front of a number, in its own clause, decides, else the cue of the whole text.
    """
    found = found_numbers(text)
    values = [number.value for number in found]
    for pattern, compute in _NAMED:
        if pattern.search(text):
            try:
                return compute(values)
            except (ValueError, IndexError, ZeroDivisionError, TypeError):
                return None
    return _in_order(text, found) if len(found) > 1 else None


def _in_order(text: str, found: list[Found]) -> Fraction | None:
    general = next((sign for sign, cue in _WHOLE if cue.search(text)), None)
    result = found[0].value
    for before, number in itertools.pairwise(found):
        clause = re.split(r"[,.;?!:]\s", text[before.end : number.start])[-1]
        sign = next((sign for sign, cue in _CUES if cue.search(clause)), general)
        if sign is None:
            return None
        result = _applied(result, sign, number.value)
    return result


def _applied(result: Fraction, sign: str, number: Fraction) -> Fraction:
    if sign == "+":
        return result + number
    if sign == "-":
        return result - number
    if sign == "*":
        return result * number
    return result / number if number else result


def shown(value: Fraction) -> str:
    """A number as an answer: a whole or short decimal number as such, everything else as a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return f"{float(value):g}" if rest == 1 and value.denominator <= 1000 else f"{value.numerator}/{value.denominator}"
