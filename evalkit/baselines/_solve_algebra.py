"""Equations in one or two unknowns, read out of a text and solved exactly; values of a given function."""

from __future__ import annotations

import re
from fractions import Fraction
from math import isqrt

Poly = dict[tuple[str, ...], Fraction]
"""Monomial (sorted letters) -> coefficient; the empty monomial is the constant."""

_LETTER = r"(?<![A-Za-z])[a-z](?![A-Za-z])"
_SIDE = rf"(?:[-\u2212+*/^().\d\s]|{_LETTER}|(?<=\d)[a-z](?![A-Za-z]))*?"
_EQUATION = re.compile(
    rf"(?<![\w(])((?:[-\d(]|{_LETTER}){_SIDE})=\s*({_SIDE}(?:[\d)]|(?<![A-Za-z])[a-z]))(?=[\s.,;?]*(?:\Z|[A-Za-z]{{2}}|[,.;?]))"
)
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]|[-+*/^()]")
_FUNCTION = re.compile(r"\bf\(([a-z])\)\s*=\s*([-+*/^().\da-z\s]+?)[.,;]\s")
_VALUE = re.compile(r"\bf\(\s*([-\u2212]?\d{1,18}(?:\.\d{1,18})?)\s*\)")
_MOST = 6
_DEEPEST = 50


def _plus(a: Poly, b: Poly, sign: int = 1) -> Poly:
    out = dict(a)
    for mono, coefficient in b.items():
        out[mono] = out.get(mono, Fraction()) + sign * coefficient
    return {mono: coefficient for mono, coefficient in out.items() if coefficient}


def _by(a: Poly, b: Poly) -> Poly:
    out: Poly = {}
    for left, one in a.items():
        for right, other in b.items():
            mono = tuple(sorted(left + right))
            if len(mono) > _MOST:
                raise ValueError("the degree is too high")
            out[mono] = out.get(mono, Fraction()) + one * other
    return {mono: coefficient for mono, coefficient in out.items() if coefficient}


class _Reader:
    """A parser of sums, products and powers; multiplication signs may be left out."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = _TOKEN.findall(text.replace("\u2212", "-"))
        self.at = 0
        self.depth = 0

    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def sum(self) -> Poly:
        sign = -1 if self.next() == "-" else 1
        if self.next() in ("-", "+"):
            self.take()
        total = _plus({}, self.product(), sign)
        while self.next() in ("-", "+"):
            sign = -1 if self.take() == "-" else 1
            total = _plus(total, self.product(), sign)
        return total

    def product(self) -> Poly:
        total = self.power()
        while self.next() and self.next() not in ")+-":
            if self.next() in "*/":
                divides = self.take() == "/"
                total = _by(total, _inverse(self.power()) if divides else self.power())
            else:
                total = _by(total, self.power())
        return total

    def power(self) -> Poly:
        base = self.atom()
        if self.next() != "^":
            return base
        self.take()
        exponent = self.take()
        if not exponent.isdigit() or int(exponent) > _MOST:
            raise ValueError(f"exponent {exponent}")
        out: Poly = {(): Fraction(1)}
        for _ in range(int(exponent)):
            out = _by(out, base)
        return out

    def atom(self) -> Poly:
        if not self.next():
            raise ValueError("the expression ends early")
        found = self.take()
        if found == "(":
            self.depth += 1
            if self.depth > _DEEPEST:
                raise ValueError("the brackets are nested too deeply")
            inner = self.sum()
            if self.next() != ")":
                raise ValueError("a bracket is not closed")
            self.take()
            return inner
        if found.isalpha():
            return {(found,): Fraction(1)}
        if found[0].isdigit():
            return {(): Fraction(found)} if Fraction(found) else {}
        raise ValueError(f"{found!r} is not expected")


def _inverse(poly: Poly) -> Poly:
    if set(poly) != {()}:
        raise ValueError("only numbers divide")
    return {(): 1 / poly[()]}


def polynomial(text: str) -> Poly:
    """An expression as a polynomial. Raises ValueError for anything else."""
    reader = _Reader(text)
    found = reader.sum()
    if reader.next():
        raise ValueError(f"{reader.next()!r} is not expected")
    return found


def equations(text: str) -> list[Poly]:
    """All equations of a text as polynomials that are zero."""
    found: list[Poly] = []
    for left, right in _EQUATION.findall(text):
        try:
            poly = _plus(polynomial(left), polynomial(right), -1)
        except ValueError:
            continue
        if any(poly_letters(poly)):
            found.append(poly)
    return found


def poly_letters(poly: Poly) -> list[str]:
    """The unknowns of a polynomial."""
    return sorted({letter for mono in poly for letter in mono})


def roots(poly: Poly) -> list[str]:
    """The real solutions of an equation of degree one or two, smaller first, in exact form."""
    letter = poly_letters(poly)[0]
    a, b, c = (poly.get((letter,) * degree, Fraction()) for degree in (2, 1, 0))
    if max(map(len, poly)) > 2:
        return []
    if not a:
        return [str(-c / b)] if b else []
    under = b * b - 4 * a * c
    if under < 0:
        return []
    whole = isqrt(under.numerator) ** 2 == under.numerator and isqrt(under.denominator) ** 2 == under.denominator
    if whole:
        root = Fraction(isqrt(under.numerator), isqrt(under.denominator))
        return [str(value) for value in sorted({(-b - root) / (2 * a), (-b + root) / (2 * a)})]
    middle, inside = -b / (2 * a), under / (4 * a * a)
    return [f"{middle}-\\sqrt{{{inside}}}", f"{middle}+\\sqrt{{{inside}}}"]


def pair(first: Poly, second: Poly) -> dict[str, Fraction] | None:
    """The solution of two linear equations in two unknowns, or None."""
    letters = sorted(set(poly_letters(first)) | set(poly_letters(second)))
    if len(letters) != 2 or any(len(mono) > 1 for mono in (*first, *second)):
        return None
    (a, b, c), (d, e, f) = (
        [poly.get((letters[0],), Fraction()), poly.get((letters[1],), Fraction()), -poly.get((), Fraction())]
        for poly in (first, second)
    )
    size = a * e - b * d
    return {letters[0]: (c * e - b * f) / size, letters[1]: (a * f - c * d) / size} if size else None


def solve(text: str) -> str | None:
    """The answer to a text with an equation, a pair of them, or a function to be evaluated; None when there is none."""
    function, value = _FUNCTION.search(text), _VALUE.search(text)
    if function and value:
        return _evaluated(function[2], function[1], Fraction(value[1].replace("\u2212", "-")))
    found = equations(text)
    if len(found) == 2:
        both = pair(*found)
        asked = re.search(r"(?:value of|find|what is|compute)\s+([a-z])\b(?!\s*[-+*^=])", text, re.IGNORECASE)
        return str(both[asked[1]]) if both and asked and asked[1] in both else None
    if len(found) != 1 or len(poly_letters(found[0])) != 1:
        return None
    values = roots(found[0])
    if not values:
        return None
    return values[0] if re.search(r"smaller|negative", text) else values[-1]


def _evaluated(body: str, letter: str, at: Fraction) -> str | None:
    try:
        poly = polynomial(body)
    except ValueError:
        return None
    if set(poly_letters(poly)) - {letter}:
        return None
    return str(sum((coefficient * at ** len(mono) for mono, coefficient in poly.items()), Fraction()))
