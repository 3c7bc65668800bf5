"""Reading without a model: the best sentence of the shown passages, cut to what the question did not say itself."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from evalkit.baselines._answering import Named, failed, respond
from evalkit.baselines._sentences import sentences
from evalkit.core.options import build
from evalkit.core.types import Context, Response, Sample

VERSION = 1
_TOKEN = re.compile(r"[^\W_]+(?:[_.'*][^\W_]+)*")
_CLAUSE = re.compile(r"(?<=[,;:.!?])\s+|\s+--?\s+|\s*[()]\s*|\s+(?=(?:and|or|but|which|where|because|so|if|unless)\s)")
_EXCEPTION = re.compile(r"\b[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Iteration|Exit|Full|Empty)\b")
_NUMBER = re.compile(
    r"[-+]?\d[\d.,*-]*\d\b|\b\d\b|\b(?:zero|one|two|three|four|five|ten|hundred|thousand|million)\b(?: million)?"
)
_ASKS_EXCEPTION = re.compile(r"\b(exception|error|warning)\b", re.IGNORECASE)
_ASKS_NUMBER = re.compile(
    r"\bhow (many|much|long|often|high|low|far|wide|large|big)\b|\bwhat (number|range)\b|\bwhich (release|version)\b",
    re.IGNORECASE,
)
_DEFAULT = re.compile(r"\bdefault(?:s)?(?: (?:is|to|value))*[: ]+['\"(]?([^\s,;()]+)", re.IGNORECASE)
_ASKS_DEFAULT = re.compile(r"\b(default|unless|nobody|no \w+ is|left out|given no)\b", re.IGNORECASE)
_FILLER = """
a about after again all an and any are as at be because been before being by can could did do does doing down each else
every for from get give given gives had has have having he her here how i if in into is it its itself just let made make
may me might more most must my no not of off on once one only or other our out over own really same she should so some
still such take than that the their them then there these they this those through to too turn under until up upon us
very was we were what when where which while who whom whose why will with would you your
"""
_COMMON = frozenset(_FILLER.split())
_STEM = 5


class Found(NamedTuple):
    """A sentence with the number of its passage, from 1 on, and the share of the question that it covers, 0..1."""

    covered: float
    number: int
    sentence: str


@dataclass(frozen=True)
class ExtractiveReader(Named):
    """Answers a `question` from `passages` by words alone, and cites the passage; abstains where too little matches.

    Each sentence, with its passage's title, covers a share of the question: the sum of the inverse document frequencies
    of the stems that both have, over that of all stems of the question; later passages lose `fade` each. Below `floor`
    (0..1) the answer is null. `longest` = words of an answer; 0 gives whole sentences. A short answer is an exception,
    a number or a default where the question asks for one, else the nearest clause without the question's words.
    """

    floor: float = 0.25
    longest: int = 8
    fade: float = 0.03
    kind: ClassVar[str] = "extractive_reader"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 1 or not 0 <= self.fade <= 1:
            raise ValueError(f"floor={self.floor!r} and fade={self.fade!r} must be from 0 to 1")
        if type(self.longest) is not int or self.longest < 0:
            raise ValueError(f"longest={self.longest!r} must be a number of words, 0 for whole sentences")

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """`{"answer": text or null, "citations": [number]}`; a sample without question or passages is a failure."""
        question: Any = sample.input.get("question")
        shown: Any = sample.input.get("passages")
        if not isinstance(question, str) or not _are_passages(shown):
            there = ", ".join(sorted(sample.input)) or "nothing"
            return failed(
                f"sample {sample.id!r} has no `question` with `passages` to read (its input has: {there}); "
                "this is a reader for the system `rag`"
            )
        return respond(question + "".join(one["text"] for one in shown), lambda: self.read(question, shown))

    def read(self, question: str, shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The answer and its citation; null and none where no sentence reaches the floor."""
        best = self._best(question, shown)
        if best is None or best.covered < self.floor:
            return {"answer": None, "citations": [], "confidence": round(best.covered, 4) if best else 0.0}
        text = self._short(question, best.sentence) if self.longest else best.sentence
        return {"answer": text, "citations": [best.number], "confidence": round(best.covered, 4)}

    def _best(self, question: str, shown: Sequence[Mapping[str, Any]]) -> Found | None:
        parts = [
            (number, sentence, stems(sentence), stems(str(one.get("title", ""))))
            for number, one in enumerate(shown, 1)
            for sentence in sentences(one["text"])
        ]
        asked = stems(question)
        if not parts or not asked:
            return None
        known = Counter(stem for _, _, own, _ in parts for stem in own)
        weight = {stem: math.log(1 + len(parts) / (1 + known[stem])) for stem in asked}
        total = sum(weight.values())
        found = []
        for number, sentence, own, title in parts:
            covered = sum(weight[stem] for stem in asked if stem in own or stem in title) / total
            found.append(Found(covered - self.fade * (number - 1), number, sentence))
        return max(found, key=lambda one: (one.covered, -one.number))

    def _short(self, question: str, sentence: str) -> str:
        asked = stems(question)
        for asks, pattern in ((_ASKS_EXCEPTION, _EXCEPTION), (_ASKS_NUMBER, _NUMBER), (_ASKS_DEFAULT, _DEFAULT)):
            said = pattern.search(sentence) if asks.search(question) else None
            if said is not None:
                return said[said.lastindex or 0].strip(".,")
        clauses = [clause for clause in _CLAUSE.split(sentence) if clause and stems(clause) - asked]
        if not clauses:
            return " ".join(sentence.split()[: self.longest])
        nearest = max(range(len(clauses)), key=lambda place: (_near(clauses, place, asked), -place))
        return self._trimmed(clauses[nearest], asked)

    def _trimmed(self, clause: str, asked: frozenset[str]) -> str:
        """The longest run of words that the question does not have, at most `longest` of them."""
        runs: list[list[str]] = [[]]
        for word in clause.split():
            own = stems(word)
            if own and own <= asked:
                runs.append([])
            else:
                runs[-1].append(word)
        best = max(runs, key=lambda run: len(stems(" ".join(run))))
        while best and not stems(best[0]):
            best = best[1:]
        return " ".join(best[: self.longest]).strip(" .,;:")


def _near(clauses: Sequence[str], place: int, asked: frozenset[str]) -> float:
    """How much of the question a clause has, and half of what its neighbours have."""
    beside = [clauses[at] for at in (place - 1, place + 1) if 0 <= at < len(clauses)]
    return len(stems(clauses[place]) & asked) + 0.5 * sum(len(stems(other) & asked) for other in beside)


def _are_passages(shown: Any) -> bool:
    return isinstance(shown, (list, tuple)) and all(
        isinstance(one, Mapping) and isinstance(one.get("text"), str) for one in shown
    )


def stems(text: str) -> frozenset[str]:
    """The first five letters of the words that carry meaning; names with dots and underscores also by their parts."""
    words = [part for token in _TOKEN.findall(text.casefold()) for part in (token, *re.split(r"[_.'*]", token))]
    return frozenset(word[:_STEM] for word in words if word and word not in _COMMON)


def make(**options: Any) -> ExtractiveReader:
    """Options: `floor`, `longest`, `fade`."""
    return build(ExtractiveReader, options)
