"""What a picture's prompt asks for, by rules: quoted words, colours with shares, counted shapes with places, edits."""

from __future__ import annotations

import re
from dataclasses import dataclass

Rgb = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 30, 30),
    "green": (30, 150, 50),
    "blue": (40, 80, 210),
    "yellow": (245, 220, 40),
    "orange": (245, 140, 30),
    "purple": (130, 50, 160),
    "pink": (245, 150, 190),
    "brown": (120, 75, 40),
    "turquoise": (50, 190, 190),
    "navy": (20, 30, 90),
}
_NUMBERS = {
    word: number
    for number, words in enumerate(
        [
            "",
            "a an one single",
            "two pair",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
    for word in words.split()
}
_SHARES = {
    "three quarters": 0.75,
    "two thirds": 2 / 3,
    "four fifths": 0.8,
    "half": 0.5,
    "third": 1 / 3,
    "quarter": 0.25,
    "fifth": 0.2,
    "tenth": 0.1,
    "mostly": 0.9,
}
_SIDES = {"left": "left", "right": "right", "top": "top", "upper": "top", "bottom": "bottom", "lower": "bottom"}
_SHAPES = ("circle", "square", "triangle", "rectangle")

_QUOTED = re.compile(r"(?<!\w)'([^']{1,120})'(?!\w)|\"([^\"]{1,120})\"")
_COLOUR = re.compile(rf"\b({'|'.join(COLOURS)})\b", re.IGNORECASE)
_SHAPE = re.compile(
    rf"\b({'|'.join(_NUMBERS)}|\d+)\s+(?:of\s+)?(?:\w+\s+){{0,2}}?({'|'.join(COLOURS)})\s+(?:\w+\s+)?({'|'.join(_SHAPES)})s?\b",
    re.IGNORECASE,
)
_GROUND = re.compile(
    rf"\bon\s+(?:\w+\s+){{0,2}}?({'|'.join(COLOURS)})\b|\b({'|'.join(COLOURS)})\s+ground\b", re.IGNORECASE
)
_SHARE = re.compile(rf"(\d+)\s?%|\b({'|'.join(_SHARES)})\b", re.IGNORECASE)
_SIDE = re.compile(rf"\b(?:({'|'.join(_SIDES)})\s+)?({'|'.join(_SIDES)}|centre|middle)\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[,.;:]|\band\b")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Shapes of one kind: how many, which colour, and where ("" = anywhere, else words such as "top left")."""

    count: int
    colour: Rgb
    shape: str
    where: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a prompt asks for, as far as rules can tell; `bands` are colours with their shares, which sum to 1."""

    lines: tuple[str, ...]
    shapes: tuple[Wanted, ...]
    bands: tuple[tuple[Rgb, float], ...]
    ground: Rgb
    ink: Rgb
    columns: bool


def wish(prompt: str) -> Wish:
    """Read a prompt."""
    lines = tuple(one or other for one, other in _QUOTED.findall(prompt))
    rest = _QUOTED.sub(" ", prompt)
    shapes = _shapes(rest)
    ground = _ground(rest)
    named = [COLOURS[word.lower()] for word in _COLOUR.findall(rest)]
    ink = next((colour for colour in named if colour != ground), (0, 0, 0) if sum(ground) > 380 else (255, 255, 255))
    bands = () if shapes or (lines and not _SHARE.search(rest)) else _bands(rest)
    columns = re.search(r"\b(?:left|right|vertical)\b", rest, re.IGNORECASE) is not None
    return Wish(lines, shapes, bands, ground, ink, columns)


def _ground(text: str) -> Rgb:
    found = _GROUND.findall(text)
    name = next((one or other for one, other in reversed(found)), "white")
    return COLOURS[name.lower()]


def _shapes(text: str) -> tuple[Wanted, ...]:
    found = []
    for match in _SHAPE.finditer(text):
        word, colour, shape = (part.lower() for part in match.groups())
        count = int(word) if word.isdigit() else _NUMBERS[word]
        before = _CLAUSE.split(text[: match.start()])[-1]
        after = _CLAUSE.split(text[match.end() :])[0]
        side = _SIDE.search(after) or _SIDE.search(before)
        found.append(Wanted(min(count, 40), COLOURS[colour], shape, _where(side)))
    return tuple(found)


def _where(side: re.Match[str] | None) -> str:
    if side is None:
        return ""
    words = [_SIDES.get(word.lower(), "centre") for word in side.groups() if word]
    return " ".join(dict.fromkeys(words))


def _bands(text: str) -> tuple[tuple[Rgb, float], ...]:
    """Colours in the order of naming; a share stands before its colour or after it, the others divide the rest."""
    found: list[tuple[Rgb, float | None]] = []
    end = 0
    for match in _COLOUR.finditer(text):
        near = _SHARE.findall(text[end : match.start()])
        said = None if not near else int(near[-1][0]) / 100 if near[-1][0] else _SHARES[near[-1][1].lower()]
        found.append((COLOURS[match[1].lower()], said))
        end = match.end()
    left = 1.0 - sum(said for _, said in found if said is not None)
    free = sum(said is None for _, said in found)
    shares = [(colour, max(0.0, left) / free if said is None else said) for colour, said in found]
    total = sum(share for _, share in shares)
    return tuple((colour, share / total) for colour, share in shares) if total > 0 else ()
