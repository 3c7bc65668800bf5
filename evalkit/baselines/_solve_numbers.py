"""Number theory, geometry, counting, probability, rates and sequences by the formula that key words name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import comb, factorial, isqrt, pi, prod

from evalkit.baselines._numbers_in_text import numbers, shown

Formula = Callable[[str, list[Fraction]], Fraction | str | None]
MOST = 10**6
FEW = 1000


def _whole(values: Sequence[Fraction], count: int, most: int = MOST) -> list[int]:
    if len(values) < count or any(v.denominator != 1 or abs(v) > most for v in values[:count]):
        raise ValueError("whole numbers are needed")
    return [v.numerator for v in values[:count]]


def _prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, isqrt(n) + 1))


def _root(square: Fraction) -> Fraction | str:
    whole = Fraction(isqrt(square.numerator), isqrt(square.denominator))
    return whole if whole * whole == square else f"\\sqrt{{{square}}}"


def _primes_between(_: str, v: list[Fraction]) -> Fraction:
    low, high = _whole(v, 2, MOST // 10)
    return Fraction(sum(map(_prime, range(low, high + 1))))


def _prime_factor(text: str, v: list[Fraction]) -> Fraction:
    (n,) = _whole(v, 1)
    factors = [d for d in range(2, n + 1) if n % d == 0 and _prime(d)]
    return Fraction(min(factors) if "smallest" in text else max(factors))


def _divisors(_: str, v: list[Fraction]) -> Fraction:
    (n,) = _whole(v, 1)
    return Fraction(sum(n % d == 0 for d in range(1, n + 1)))


def _digits(_: str, v: list[Fraction]) -> Fraction:
    ints = _whole(v, min(len(v), 2))
    n = ints[0] if len(ints) == 1 else ints[0] ** min(ints[1], 1000)
    return Fraction(sum(map(int, str(n))))


def _binary(text: str, _: list[Fraction]) -> Fraction | None:
    found = re.search(r"\b[01]{3,64}\b", text)
    return Fraction(int(found[0], 2)) if found else None


def _last_digit(text: str, _: list[Fraction]) -> Fraction | None:
    found = re.search(r"(\d+)\^(\d+)(?:\D*(?:modulo|divided by|mod|by)\D*(\d+))?", text)
    return None if found is None else Fraction(pow(int(found[1]), int(found[2]), int(found[3] or 10)))


def _third_angle(_: str, v: list[Fraction]) -> Fraction:
    return 180 - v[-2] - v[-1]


def _hypotenuse(_: str, v: list[Fraction]) -> Fraction | str:
    return _root(v[0] ** 2 + v[1] ** 2)


def _ladder(_: str, v: list[Fraction]) -> Fraction | str:
    return _root(abs(v[0] ** 2 - v[1] ** 2))


def _circle(text: str, v: list[Fraction]) -> str:
    radius = v[0] / 2 if "diameter" in text else v[0]
    factor = radius * radius if "area" in text else 2 * radius
    return f"{shown(factor)}\\pi" if "exact" in text or "terms of pi" in text else f"{float(factor) * pi:g}"


def _polygon(_: str, v: list[Fraction]) -> Fraction:
    return Fraction(180 * (v[-1] - 2), v[-1])


def _square_around(_: str, v: list[Fraction]) -> Fraction:
    return 4 * v[-1]


def _committee(_: str, v: list[Fraction]) -> Fraction:
    a, b = _whole(v, 2, FEW)
    return Fraction(comb(max(a, b), min(a, b)))


def _handshakes(_: str, v: list[Fraction]) -> Fraction:
    return Fraction(comb(*_whole([v[0], Fraction(2)], 2)))


def _letters(text: str, _: list[Fraction]) -> Fraction | None:
    found = re.search(r"\b[A-Z]{3,20}\b", text)
    if found is None:
        return None
    word = found[0]
    return Fraction(factorial(len(word)), prod(factorial(word.count(letter)) for letter in set(word)))


def _round_table(_: str, v: list[Fraction]) -> Fraction:
    return Fraction(factorial(min(_whole(v, 1)[0], 100) - 1))


def _urn(text: str, _: list[Fraction]) -> Fraction | None:
    colours = re.findall(r"(\d+) (red|blue|white|black|green|yellow)", text)
    asked = re.search(r"(?:it is|both are|is) (red|blue|white|black|green|yellow)|a (\w+) (?:ball|marble) is", text)
    if not colours or asked is None:
        return None
    total, hits = sum(int(n) for n, _colour in colours), sum(int(n) for n, colour in colours if colour == asked[1])
    both = "both" in text
    return Fraction(hits * (hits - 1), total * (total - 1)) if both else Fraction(hits, total)


def _die(_: str, v: list[Fraction]) -> Fraction:
    return Fraction(sum(face > v[-1] for face in range(1, 7)), 6)


def _dice_sum(_: str, v: list[Fraction]) -> Fraction:
    return Fraction(sum(a + b == v[-1] for a in range(1, 7) for b in range(1, 7)), 36)


def _coins(text: str, v: list[Fraction]) -> Fraction:
    n, k = _whole([v[0], v[-1]], 2, FEW)
    wins = range(k, n + 1) if "at least" in text else range(k, k + 1)
    return Fraction(sum(comb(n, heads) for heads in wins), 2**n)


def _workers(_: str, v: list[Fraction]) -> Fraction:
    return 1 / (1 / v[0] + 1 / v[1])


def _there_and_back(_: str, v: list[Fraction]) -> Fraction:
    return 2 / (1 / v[0] + 1 / v[1])


def _portions(_: str, v: list[Fraction]) -> Fraction:
    return v[1] * v[2] / v[0]


_LENGTHS = {"kilomet": Fraction(1000), "centimet": Fraction(1, 100), "millimet": Fraction(1, 1000), "met": Fraction(1)}
_SPANS = {"hour": Fraction(3600), "minute": Fraction(60), "second": Fraction(1), "day": Fraction(86400)}
_WEIGHTS = {"kilogram": Fraction(1000), "gram": Fraction(1), "ton": Fraction(10**6)}


def _converted(text: str, v: list[Fraction]) -> Fraction | None:
    if re.search(r"kilomet\w+ per hour to met\w+ per second", text):
        return v[0] / Fraction(36, 10)
    for table in (_LENGTHS, _SPANS, _WEIGHTS):
        units = re.findall(rf"\b({'|'.join(table)})", text)
        if len(v) == 1 and len(units) == 2:
            given = re.search(rf"\d\s*({'|'.join(table)})", text)
            first = given[1] if given else units[0]
            other = units[1] if units[0] == first else units[0]
            return v[0] * table[first] / table[other]
    return None


_FORMULAS: tuple[tuple[str, Formula], ...] = (
    (r"prime numbers? .*between", _primes_between),
    (r"prime factor", _prime_factor),
    (r"divisors", _divisors),
    (r"digits of|sum of (?:the|its) digits of", _digits),
    (r"\bbinary\b", _binary),
    (r"\d\^\d+.*(?:modulo|divided|end|last digit)|(?:modulo|divided|end|last digit).*\d\^\d+", _last_digit),
    (r"two angles of a triangle", _third_angle),
    (r"hypotenuse", _hypotenuse),
    (r"\bladder\b", _ladder),
    (r"\b(?:area|circumference) of a circle", _circle),
    (r"angle of a regular", _polygon),
    (r"square.*(?:fence|perimeter)|perimeter.*square\b", _square_around),
    (r"committees?|can be chosen from", _committee),
    (r"shakes? hands|handshakes", _handshakes),
    (r"arrangements?.*letters|letters.*arrange", _letters),
    (r"round table", _round_table),
    (r"\b(?:urn|bag|box)\b.*(?:probability|chance|likely)", _urn),
    (r"\bdie\b.*greater than", _die),
    (r"two (?:fair )?dice.*sum", _dice_sum),
    (r"\bcoins\b.*heads", _coins),
    (r"alone.*(?:together|side by side)", _workers),
    (r"same (?:path|way).*average speed|average speed.*same way", _there_and_back),
    (r"\bfor \d+ people\b.*\bfor \d+ people\b", _portions),
    (r"\bconvert\b|\bexpress\b|\bhow many \w+ are \d", _converted),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE | re.DOTALL), formula) for pattern, formula in _FORMULAS)


def solve(text: str) -> str | None:
    """The answer by the first formula whose key words a text has; None where none has all that it needs."""
    values = numbers(text)
    for pattern, formula in _COMPILED:
        if pattern.search(text) is None:
            continue
        try:
            found = formula(text, values)
        except (ValueError, IndexError, ZeroDivisionError):
            continue
        if found is not None:
            return found if isinstance(found, str) else shown(found)
    return None


_MEMBER = r"(?:[-\u2212]?\d{1,18}(?:\.\d{1,18})?|\?)"
_ROW = re.compile(rf"{_MEMBER}(?:,\s*{_MEMBER}){{3,}}")
_LETTER_ROW = re.compile(r"\b[A-Z](?:, [A-Z]){2,}\b")
_TERM = re.compile(
    r"\b(\d+)(?:st|nd|rd|th) (?:term|member)|\b(tenth|twelfth|twentieth|thirtieth|fiftieth|hundredth) (?:term|member)"
)
_ORDINALS = {"tenth": 10, "twelfth": 12, "twentieth": 20, "thirtieth": 30, "fiftieth": 50, "hundredth": 100}


def solve_sequence(text: str) -> str | None:
    """The next, missing or n-th member of a row of numbers or letters; None without one, or where no rule fits."""
    letters = _LETTER_ROW.search(text)
    if letters:
        codes = [Fraction(ord(letter)) for letter in letters[0].split(", ")]
        following = _polynomial(codes, 1)
        return chr(following.numerator) if following is not None and 65 <= following <= 90 else None
    row = _ROW.search(text)
    if row is None:
        return None
    members = re.split(r",\s*", row[0])
    if "?" in members:
        return _gap(members)
    given = [Fraction(member.replace("\u2212", "-")) for member in members]
    term = _TERM.search(text)
    if term:
        place = int(term[1]) if term[1] else _ORDINALS[term[2]]
        same = {b - a for a, b in itertools.pairwise(given)}
        return shown(given[0] + (place - 1) * same.pop()) if len(same) == 1 else None
    found = following_member(given)
    return None if found is None else shown(found)


def following_member(row: list[Fraction]) -> Fraction | None:
    """The member after a row: equal differences, equal ratios, two terms added, a times the last plus b, two rows."""
    for rule in (_polynomial, _geometric, _added, _affine, _growing):
        found = rule(row, 1)
        if found is not None:
            return found
    if len(row) >= 6:
        other = row[len(row) % 2 :: 2]
        return next((f for rule in (_polynomial, _geometric) if (f := rule(other, 1)) is not None), None)
    return None


def _gap(members: list[str]) -> str | None:
    """The whole number that makes differences of the row change evenly."""
    for guess in range(-1000, 1001):
        row = [Fraction(guess) if member == "?" else Fraction(member.replace("\u2212", "-")) for member in members]
        steps = [b - a for a, b in itertools.pairwise(row)]
        if len({b - a for a, b in itertools.pairwise(steps)}) == 1:
            return str(guess)
    return None


def _polynomial(row: list[Fraction], _: int) -> Fraction | None:
    """By differences of the first, second or third order, as long as two of them agree."""
    level, ends = row, [row[-1]]
    while len(level) > 2:
        level = [b - a for a, b in itertools.pairwise(level)]
        ends.append(level[-1])
        if len(set(level)) == 1:
            return sum(ends, Fraction())
    return None


def _geometric(row: list[Fraction], _: int) -> Fraction | None:
    if 0 in row:
        return None
    ratios = {b / a for a, b in itertools.pairwise(row)}
    return row[-1] * ratios.pop() if len(ratios) == 1 else None


def _added(row: list[Fraction], _: int) -> Fraction | None:
    fits = all(a + b == c for a, b, c in zip(row, row[1:], row[2:], strict=False))
    return row[-2] + row[-1] if fits and len(row) > 3 else None


def _affine(row: list[Fraction], _: int) -> Fraction | None:
    if len(row) < 4 or row[0] == row[1]:
        return None
    a = (row[2] - row[1]) / (row[1] - row[0])
    b = row[1] - a * row[0]
    fits = all(a * x + b == y for x, y in itertools.pairwise(row))
    return a * row[-1] + b if fits else None


def _growing(row: list[Fraction], _: int) -> Fraction | None:
    """By ratios with equal differences, such as factorials."""
    if 0 in row:
        return None
    following = _polynomial([b / a for a, b in itertools.pairwise(row)], 1)
    return None if following is None else row[-1] * following
