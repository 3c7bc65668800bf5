"""Labels by weighted key words: what a help desk's routing rules did before models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar

from evalkit.baselines._answering import Named, Reader, as_json
from evalkit.core.errors import did_you_mean
from evalkit.core.keys import digest
from evalkit.core.options import build

VERSION = 1

Rules = Mapping[str, Mapping[str, Any]]
Phrases = tuple[tuple[re.Pattern[str], float], ...]
Choice = tuple[str, str, tuple[tuple[str, Phrases], ...]]
_GAP = r"\s+"


@dataclass(frozen=True)
class Keyword(Reader, Named):
    """Adds the weights of the phrases that stand in the text; the label with the most wins, the first one on a tie.

    `lexicon` names one that ships with evalkit (`support`) or is one: {field: {"default": label, "labels": {label:
    {phrase: weight}}}}. A phrase matches whole words in any case; `*` at a word's end stands for any ending. A phrase
    counts once, however often it stands there; weights are finite and may be negative. Raises ValueError otherwise.
    """

    lexicon: str | Rules = "support"
    text: str = "text"
    kind: ClassVar[str] = "keyword"
    version: ClassVar[int] = VERSION
    _fields: tuple[Choice, ...] = field(init=False, repr=False, compare=False)
    _content: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rules = bundled(self.lexicon) if isinstance(self.lexicon, str) else self.lexicon
        object.__setattr__(self, "_fields", tuple(_compile(name, rule) for name, rule in rules.items()))
        object.__setattr__(self, "_content", digest(rules))

    @property
    def fingerprint(self) -> str:
        """Hash of name, version, the lexicon's content and the text field."""
        return digest([self.kind, self.version, self._content, self.text])

    def reply(self, text: str) -> str:
        """A JSON object: one label per field of the lexicon."""
        return as_json(self.labels(text))

    def labels(self, text: str) -> dict[str, str]:
        """The label of each field for a text."""
        found: dict[str, str] = {}
        for name, default, labels in self._fields:
            best, best_weight = default, 0.0
            for label, phrases in labels:
                weight = sum(weight for pattern, weight in phrases if pattern.search(text))
                if weight > best_weight:
                    best, best_weight = label, weight
            found[name] = best
        return found


@cache
def bundled(name: str) -> Rules:
    """A lexicon that ships with evalkit. Raises ValueError naming the known ones."""
    folder = files("evalkit.baselines") / "lexicons"
    known = {entry.name.removesuffix(".json"): entry for entry in folder.iterdir() if entry.name.endswith(".json")}
    if name not in known:
        hint = did_you_mean(name, known) or f"known: {', '.join(sorted(known))}"
        raise ValueError(f"there is no lexicon {name!r}; {hint}")
    rules: Rules = json.loads(known[name].read_text("utf-8"))
    return rules


def _compile(name: str, rule: Mapping[str, Any]) -> Choice:
    if not isinstance(rule, Mapping) or set(rule) != {"default", "labels"} or not isinstance(rule["labels"], Mapping):
        raise ValueError(f'lexicon field {name!r} needs exactly {{"default": label, "labels": {{label: phrases}}}}')
    labels = []
    for label, phrases in rule["labels"].items():
        if not isinstance(phrases, Mapping) or not all(_is_weight(weight) for weight in phrases.values()):
            raise ValueError(f"lexicon field {name!r}, label {label!r}: every phrase needs a number as its weight")
        labels.append((label, tuple((_pattern(phrase), float(weight)) for phrase, weight in phrases.items())))
    return name, rule["default"], tuple(labels)


def _is_weight(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def _pattern(phrase: str) -> re.Pattern[str]:
    words = [re.escape(word.rstrip("*")) + (r"\w*" if word.endswith("*") else "") for word in phrase.split()]
    if not words:
        raise ValueError("a lexicon has an empty phrase")
    return re.compile(rf"(?<!\w){_GAP.join(words)}(?!\w)", re.IGNORECASE)


def make(**options: Any) -> Keyword:
    """Options: `lexicon` (name or mapping, default `support`), `text` (input field, default `text`)."""
    return build(Keyword, options)
