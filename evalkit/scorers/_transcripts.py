"""Named normalisers of transcripts: what counts as the same words. The name belongs to a rate like its unit."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from importlib import import_module

from evalkit.core.errors import MissingComponent
from evalkit.scorers._normalise import whitespace

Normaliser = Callable[[str], str]

_WHISPER = "whisper-normalizer"
LIBRARIES: dict[str, tuple[str, ...]] = {
    "none": (),
    "basic": (),
    "whisper_english": (_WHISPER,),
    "whisper_basic": (_WHISPER,),
    "whitespace": (),
}
"""Normaliser -> the packages whose versions its numbers depend on."""

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'"})
_LOOSE_APOSTROPHE = re.compile(r"(?<![^\W_])'|'(?![^\W_])")


def basic(text: str) -> str:
    """NFC and lower case; punctuation and symbols (Unicode P and S) become spaces, but for apostrophes in a word."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).translate(_APOSTROPHES)
    plain = text.lower().translate(_spaces())
    return " ".join((_LOOSE_APOSTROPHE.sub(" ", plain) if "'" in plain else plain).split())


@cache
def _spaces() -> dict[int, str]:
    # Made once: the table of all characters takes half a second.
    kinds = ((code, unicodedata.category(chr(code))[0]) for code in range(sys.maxunicode + 1))
    return {code: " " for code, kind in kinds if kind in "PS" and code != ord("'")}


@cache
def normaliser(name: str) -> Normaliser:
    """The normaliser of a name in `LIBRARIES`. Raises MissingComponent when its package is absent.

    `none` leaves the text alone; `whitespace` only makes one space of every run of white space, so that capitals and
    punctuation count. `whisper_english` and `whisper_basic` are those of OpenAI's Whisper (Radford et al.
    2022, appendix C) from the package whisper-normalizer.
    """
    if name == "none":
        return str
    if name == "basic":
        return basic
    if name == "whitespace":
        return whitespace
    try:
        english = import_module("whisper_normalizer.english")
        plain = import_module("whisper_normalizer.basic")
    except ImportError as error:
        raise MissingComponent(
            f"the normaliser {name} needs whisper-normalizer: pip install 'evalkit[text]'"
        ) from error
    made: Normaliser = english.EnglishTextNormalizer() if name == "whisper_english" else plain.BasicTextNormalizer()
    return made
