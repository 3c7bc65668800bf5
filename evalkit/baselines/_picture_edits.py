"""Edits of a picture that a prompt names, by rules: light, crop, turn, mirror, grey, negative, recolour."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from evalkit.baselines._prompt_rules import COLOURS, Rgb

Image = Any
_NAMES = "|".join(COLOURS)
_CLOSE = 40


def edited(image: Image, prompt: str) -> Image:
    """The picture after every edit that a rule recognises, in the order in which the prompt names them."""
    found: list[tuple[int, Callable[[Image], Image]]] = []
    for pattern, make in _RULES:
        found += [(match.start(), make(match)) for match in pattern.finditer(prompt)]
    for _, edit in sorted(found, key=lambda pair: pair[0]):
        image = edit(image)
    return image


def _rule(pattern: str, make: Callable[[re.Match[str]], Callable[[Image], Image]]) -> Any:
    return re.compile(pattern, re.IGNORECASE), make


def _light(factor: float) -> Callable[[Image], Image]:
    return lambda image: _of(np.clip(np.rint(np.asarray(image) * factor), 0, 255))


def _of(pixels: Any) -> Image:
    from PIL import Image as Pillow

    return Pillow.fromarray(pixels.astype(np.uint8))


def _by(match: re.Match[str]) -> Callable[[Image], Image]:
    up = match[1].lower() in ("increase", "raise")
    amount = int(match[3]) / 100
    if match[2].lower() == "to":
        return _light(amount)
    return _light(1 + amount if up else 1 - amount)


def _cropped(match: re.Match[str]) -> Callable[[Image], Image]:
    words = match[1].lower()

    def crop(image: Image) -> Image:
        wide, high = image.size
        left = wide // 2 if "right" in words else 0
        top = high // 2 if "bottom" in words else 0
        right = wide // 2 if "left" in words else wide
        bottom = high // 2 if "top" in words else high
        return image.crop((left, top, right, bottom))

    return crop


def _turned(degrees: int) -> Callable[[Image], Image]:
    def turn(image: Image) -> Image:
        from PIL.Image import Transpose

        ways = {90: Transpose.ROTATE_270, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_90}
        return image.transpose(ways[degrees])

    return turn


def _mirrored(match: re.Match[str]) -> Callable[[Image], Image]:
    upright = match[0].lower().startswith("flip")

    def mirror(image: Image) -> Image:
        from PIL import ImageOps

        return ImageOps.flip(image) if upright else ImageOps.mirror(image)

    return mirror


def _negative(image: Image) -> Image:
    return _of(255 - np.asarray(image))


def _grey(image: Image) -> Image:
    return image.convert("L").convert("RGB")


def _recoloured(match: re.Match[str]) -> Callable[[Image], Image]:
    old, new = COLOURS[match[1].lower()], COLOURS[match[2].lower()]
    return lambda image: _swapped(image, old, new)


def _swapped(image: Image, old: Rgb, new: Rgb) -> Image:
    pixels = np.asarray(image).copy()
    pixels[np.abs(pixels.astype(int) - old).sum(axis=-1) < _CLOSE] = new
    return _of(pixels)


_RULES = (
    _rule(r"half as bright", lambda _: _light(0.5)),
    _rule(r"(increase|raise|reduce|lower)\w* the brightness (by|to) (\d+)\s?%", _by),
    _rule(r"(?:crop|keep)\b.{0,20}?\b((?:top|bottom)?\s?(?:left|right)?) (?:half|quarter)", _cropped),
    _rule(r"(?:rotate|turn)\b.{0,30}?\b(?:90 degrees clockwise|quarter turn to the right)", lambda _: _turned(90)),
    _rule(r"(?:rotate|turn)\b.{0,30}?\b(?:90 degrees counter|quarter turn to the left)", lambda _: _turned(270)),
    _rule(r"rotate\b.{0,20}?\b180 degrees|upside down", lambda _: _turned(180)),
    _rule(r"\bmirror\b|\bflip\b(?=.{0,12}vertical)", _mirrored),
    _rule(r"gr[ea]y-?scale|black and white", lambda _: _grey),
    _rule(r"\bnegative\b", lambda _: _negative),
    _rule(rf"\b({_NAMES})\b(?: \w+)? (?:to|by|into) ({_NAMES})\b", _recoloured),
)
