"""Named text normalisers; the name is part of a score's signature."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NOT_ASCII_ALNUM = re.compile(r"[^0-9a-z]+")


def whitespace(text: str) -> str:
    """Runs of white space become one space; the ends are stripped."""
    return " ".join(text.split())


def casefold(text: str) -> str:
    """NFC, white space collapsed, case folded."""
    return whitespace(text if text.isascii() else unicodedata.normalize("NFC", text)).casefold()


def alnum(text: str) -> str:
    """NFKC, case folded, only letters, marks and digits kept (marks are vowels in Indic scripts)."""
    if text.isascii():
        return _NOT_ASCII_ALNUM.sub("", text.lower())
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if unicodedata.category(char)[0] in "LMN")


def squad(text: str) -> str:
    """The SQuAD rule: lower case; no ASCII punctuation, no English articles; spaces collapsed (Rajpurkar 2018)."""
    return whitespace(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)))


NORMALISERS: dict[str, Callable[[str], str]] = {
    "none": str,
    "strip": str.strip,
    "whitespace": whitespace,
    "casefold": casefold,
    "alnum": alnum,
    "squad": squad,
}
