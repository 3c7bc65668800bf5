"""Entities by a gazetteer: the words that were marked in the training texts, and the patterns of their digits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.baselines._answering import Learner, Reader, as_json, fitted_fingerprint, text_of
from evalkit.core.options import build
from evalkit.core.types import Given, Sample

VERSION = 1
_TOKEN = re.compile(r"\w+(?:[:.,\u2019'-]\w+)*|[^\w\s]")
_CODE = re.compile(r"(?=.*\d)(?=.*[^\W\d_])[^\W_]+")
_DIGITS = re.compile(r"\d+")
_LONGEST = 12
_MOST = 20_000

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A word or sign of a text and where it stands, in characters."""

    text: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """Words (with the signs inside them) and single signs, in order."""
    return [Token(match[0], match.start(), match.end()) for match in _TOKEN.finditer(text)]


def exact(words: Iterable[str]) -> Key:
    """The words as they are looked up: case folded."""
    return tuple(word.casefold() for word in words)


def pattern(words: Sequence[str]) -> Key | None:
    """The words with every run of digits as #, codes that mix letters and digits as their length; None without digits.

    "14 June" gives ("#", "june"), "19:40" gives ("#:#",), "QX7RT2" gives ("code 6",).
    """
    if not any(map(_DIGITS.search, words)):
        return None
    return tuple(f"code {len(w)}" if _CODE.fullmatch(w) else _DIGITS.sub("#", w.casefold()) for w in words)


@dataclass(frozen=True)
class Gazetteer(Learner):
    """Marks what was marked in the training texts, the longest match first (`Fits`).

    Targets are lists of {type, start, end}. An entry is kept where at least `purity` of its places in the training
    texts are marked with its type; `patterns` learns shapes of numbers and codes too ("14 June" finds "3 June").
    `text` is the input field. Answers {"entities": [{type, start, end, text}]}.
    """

    patterns: bool = True
    purity: float = 0.5
    text: str = "text"
    kind: ClassVar[str] = "gazetteer"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if not 0 < self.purity <= 1:
            raise ValueError(f"purity={self.purity!r} must be above 0 and at most 1")

    def fit(self, given: Given, seed: int) -> FittedGazetteer:
        """Learn the entries. Raises ValueError when there is nothing to learn or a target is no list of entities."""
        lessons = [self._lesson(sample) for sample in sorted(given.train, key=lambda sample: sample.id)]
        if not lessons:
            raise ValueError("there is nothing to learn from: the training part of the split is empty")
        marked: dict[Key, Counter[str]] = {}
        for words, spans in lessons:
            for (first, last), of in spans.items():
                for key in self._keys([word.text for word in words[first:last]]):
                    marked.setdefault(key, Counter())[of] += 1
        if not marked:
            raise ValueError("no training text has an entity that covers whole words, so there is no gazetteer")
        longest = max(map(len, marked))
        places = Counter(
            key
            for words, _ in lessons
            for first, last in _stretches(len(words), longest)
            for key in self._keys([word.text for word in words[first:last]])
            if key in marked
        )
        entries = {key: min(types, key=lambda t: (-types[t], t)) for key, types in marked.items()}
        kept = {key: of for key, of in entries.items() if marked[key][of] >= self.purity * places[key]}
        fingerprint = fitted_fingerprint(self.fingerprint, given, seed)
        return FittedGazetteer(self.name, fingerprint, self.text, self, kept)

    def find(self, text: str, entries: Mapping[Key, str]) -> Iterator[dict[str, Any]]:
        """The entities of a text from left to right, the longest entry first at every word; words before patterns."""
        words = tokens(text[:_MOST])
        longest = max(map(len, entries), default=0)
        at = 0
        while at < len(words):
            step = 1
            for last in range(min(at + longest, len(words)), at, -1):
                found = (key for key in self._keys([w.text for w in words[at:last]]) if key in entries)
                key = next(found, None)
                if key is not None:
                    start, end = words[at].start, words[last - 1].end
                    yield {"type": entries[key], "start": start, "end": end, "text": text[start:end]}
                    step = last - at
                    break
            at += step

    def _keys(self, words: Sequence[str]) -> Iterator[Key]:
        # The mark in front keeps a word that looks like a pattern apart from the pattern.
        yield ("=", *exact(words))
        shape = pattern(words) if self.patterns else None
        if shape is not None:
            yield ("#", *shape)

    def _lesson(self, sample: Sample) -> tuple[list[Token], dict[tuple[int, int], str]]:
        words = tokens(text_of(sample, self.text)[:_MOST])
        starts = {word.start: place for place, word in enumerate(words)}
        ends = {word.end: place + 1 for place, word in enumerate(words)}
        spans: dict[tuple[int, int], str] = {}
        for item in _entities(sample):
            first, last = starts.get(item["start"]), ends.get(item["end"])
            if first is not None and last is not None and 0 < last - first <= _LONGEST:
                spans[first, last] = str(item["type"])
        return words, spans


def _entities(sample: Sample) -> list[Mapping[str, Any]]:
    items = sample.target.get("entities") if isinstance(sample.target, Mapping) else sample.target
    needed = {"type", "start", "end"}
    if not isinstance(items, (list, tuple)) or not all(isinstance(i, Mapping) and needed <= set(i) for i in items):
        raise ValueError(f"sample {sample.id!r}: the target must be a list of entities {{type, start, end}}")
    return list(items)


def _stretches(count: int, longest: int) -> Iterator[tuple[int, int]]:
    for first in range(count):
        for last in range(first + 1, min(first + longest, count) + 1):
            yield first, last


@dataclass(frozen=True)
class FittedGazetteer(Reader):
    """What `Gazetteer.fit` makes: the kept entries and their types."""

    name: str
    fingerprint: str
    text: str
    rules: Gazetteer = field(repr=False, compare=False)
    entries: Mapping[Key, str] = field(repr=False, compare=False)

    def reply(self, text: str) -> str:
        """A JSON object with the entities in the order of the text."""
        return as_json({"entities": list(self.rules.find(text, self.entries))})


def make(**options: Any) -> Gazetteer:
    """Options: `patterns`, `purity`, `text` (input field)."""
    return build(Gazetteer, options)
