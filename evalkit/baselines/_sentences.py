"""Sentences and words of a text, by their signs alone."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?…])[\"'”\u2019)\]]*\s+(?=[\"'“\u2018(\[]?[A-ZÀ-ÞА-Я0-9])")
_SHORT = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|No|vs|etc|e\.g|i\.e)|\b[A-Z])\.$")
_WORD = re.compile(r"\w+")


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, without outer space; lines end sentences, titles and initials do not."""
    found: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        start = 0
        for gap in _END.finditer(line):
            if not _SHORT.search(line[start : gap.start()]):
                found.append(line[start : gap.end()].strip())
                start = gap.end()
        found.append(line[start:].strip())
    return [sentence for sentence in found if sentence]


def words(text: str) -> list[str]:
    """The words of a text, case folded."""
    return [word.casefold() for word in _WORD.findall(text)]
