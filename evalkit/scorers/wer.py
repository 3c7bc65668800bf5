"""Error rates of transcripts: of words (WER), of characters (CER), match error rate and word information lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Row, Sample, Score
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, choose, trouble
from evalkit.scorers._edits import Edits, aligned, editops
from evalkit.scorers._folds import Columns, Floats, divide
from evalkit.scorers._targets import texts
from evalkit.scorers._transcripts import LIBRARIES, normaliser

NAMES = ("wer", "cer", "mer", "wil")
EXTRA = "text"

_KEYS = ("s", "d", "i", "h", "n")
_SHOWN_ROWS = 60
_LONGEST_UNIT = 40
_KINDS = {"substitutions": "s", "deletions": "d", "insertions": "i"}
_SHARES = {name: tuple(f"{name}_{kind}" for kind in _KINDS) for name in ("wer", "cer")}


def _reference(columns: Columns) -> Floats:
    return np.asarray(columns["s"] + columns["d"] + columns["h"])


def error_rate(columns: Columns, *, errors: str) -> Floats:
    """Sum of the parts that `errors` names (of "sdi") / words of the references, [B].

    Where no reference has a word: that sum per utterance (jiwer 4's rule for one utterance), finite. NaN for nothing.
    """
    wrong = sum(columns[part] for part in errors)
    words = _reference(columns)
    return divide(wrong, np.where(words > 0, words, columns["n"]))


def match_error_rate(columns: Columns) -> Floats:
    """(S + D + I) / (S + D + I + H), [B]; 0 where neither reference nor hypothesis has a word."""
    wrong = columns["s"] + columns["d"] + columns["i"]
    every = wrong + columns["h"]
    return np.where(columns["n"] > 0, divide(wrong, np.where(every > 0, every, 1.0)), np.nan)


def information_lost(columns: Columns) -> Floats:
    """1 - (H / reference words) (H / hypothesis words), [B]; 0 where there are neither, 1 where one side has none."""
    words, said = _reference(columns), columns["s"] + columns["i"] + columns["h"]
    kept = divide(columns["h"] ** 2, np.where(words * said > 0, words * said, 1.0))
    return np.where(columns["n"] > 0, np.where(words + said > 0, 1.0 - kept, 0.0), np.nan)


def _mer(edits: Edits) -> float:
    return edits.errors / ((edits.errors + edits.hits) or 1)


def _wil(edits: Edits) -> float:
    if not edits.reference + edits.hypothesis:
        return 0.0
    return 1.0 - edits.hits**2 / ((edits.reference * edits.hypothesis) or 1)


def _metric(name: str, fold: Callable[[Columns], Floats], *, kind: Any, top: float | None, primary: bool) -> Metric:
    across = Fold(across=Sums(fold, _KEYS))
    return Metric(name, kind, higher_is_better=False, bounds=(0.0, top), fold=across, on_error=1.0, primary=primary)


@cache
def _metrics(name: str) -> tuple[Metric, ...]:
    if name == "mer":
        return (_metric("mer", match_error_rate, kind="ratio", top=1.0, primary=True),)
    if name == "wil":
        return (_metric("wil", information_lost, kind="corpus", top=1.0, primary=True),)
    whole = _metric(name, partial(error_rate, errors="sdi"), kind="ratio", top=None, primary=True)
    kinds = [
        _metric(told, partial(error_rate, errors=part), kind="ratio", top=None, primary=False)
        for told, part in zip(_SHARES[name], _KINDS.values(), strict=True)
    ]
    return (whole, *kinds)


@dataclass(frozen=True, slots=True)
class ErrorRate(TextScorer):
    """Edits of a transcript against its reference, pooled over the corpus: sums of S, D, I over reference words.

    The mean of the utterances' rates is another number, which short utterances rule; it is never reported under this
    name. An utterance's own rate is its value. `normaliser` = none, basic (lower case, no punctuation),
    whisper_english, whisper_basic, whitespace (capitals and punctuation count, as OCR needs); it is applied to both
    sides and belongs to the signature, with its library's
    version. Units are words between white space (characters for `cer`: ends stripped, inner spaces count). Several
    references: the one with the lowest rate counts. An empty reference (silence) with an empty transcript has no
    error; every unit said there is an insertion. A failed answer counts as one that deletes all (on silence: that
    says one unit too many). Equal to jiwer 4. `name` = wer, cer, mer or wil.
    """

    name: str = "wer"
    normaliser: str = "basic"

    def __post_init__(self) -> None:
        choose("name", self.name, NAMES)
        choose("normaliser", self.normaliser, LIBRARIES)
        editops()
        normaliser(self.normaliser)

    @property
    def libraries(self) -> tuple[str, ...]:  # type: ignore[override]
        """rapidfuzz, and the normaliser's package."""
        return ("rapidfuzz", *LIBRARIES[self.normaliser])

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The rate, lower is better; for `wer` and `cer` also its share of substitutions, deletions, insertions."""
        return _metrics(self.name)

    def units(self, text: str) -> Sequence[str]:
        """What is counted of a text: words, or for `cer` characters."""
        plain = normaliser(self.normaliser)(text)
        if self.name != "cer":
            return plain.split()
        return plain.strip() if self.normaliser == "none" else " ".join(plain.split())

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """Align with the nearest reference."""
        said = self.units(text)
        golds = texts(sample)
        gold, edits, operations = self._aligned(golds[0], said) if len(golds) == 1 else self._nearest(golds, said)
        answer = shown(said if isinstance(said, str) else " ".join(said))
        parts = _parts(edits)
        if self.name in ("mer", "wil"):
            return {self.name: Score(self._value(edits), parts, answer, _told(edits))}
        rows = _rows(gold, said, operations) if edits.errors else ()
        scores = {self.name: Score(self._value(edits), parts, answer, _told(edits), rows)}
        length = edits.reference or 1
        for metric, errors in zip(_SHARES[self.name], edits, strict=False):
            scores[metric] = Score(errors / length, parts)
        return scores

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """Everything deleted; on silence, one unit too many."""
        try:
            words = min((len(self.units(gold)) for gold in texts(sample)), default=0)
        except ValueError:
            words = 0
        parts = _parts(Edits(0, words, 0, 0) if words else Edits(0, 0, 1, 0))
        return {metric.name: Score(metric.on_error, parts) for metric in self.metrics}  # type: ignore[arg-type]

    def problem(self, sample: Sample) -> str | None:
        """A target that is neither text nor a list of texts."""
        return trouble(texts, sample)

    def _value(self, edits: Edits) -> float:
        if self.name == "mer":
            return _mer(edits)
        return _wil(edits) if self.name == "wil" else edits.errors / (edits.reference or 1)

    def _aligned(self, reference: str, said: Sequence[str]) -> tuple[Sequence[str], Edits, Any]:
        gold = self.units(reference)
        return gold, *aligned(gold, said)

    def _nearest(self, golds: Sequence[str], said: Sequence[str]) -> tuple[Sequence[str], Edits, Any]:
        found = [self._aligned(gold, said) for gold in golds]
        return min(found, key=lambda one: self._value(one[1]))


def _parts(edits: Edits) -> dict[str, float]:
    substituted, deleted, inserted, hits = edits
    return {"s": float(substituted), "d": float(deleted), "i": float(inserted), "h": float(hits), "n": 1.0}


def _told(edits: Edits) -> str | None:
    if not edits.errors:
        return None
    return f"S {edits.substitutions}, D {edits.deletions}, I {edits.insertions} of {edits.reference}"


def _rows(gold: Sequence[str], said: Sequence[str], operations: Any) -> tuple[Row, ...]:
    """One row per edit: its kind and units, in the order of the reference; after 60, how many more there are."""
    listed = operations.as_list()
    rows = [_row(*one, gold=gold, said=said) for one in listed[:_SHOWN_ROWS]]
    if len(listed) > _SHOWN_ROWS:
        rows.append(Row("more edits", value=float(len(listed) - _SHOWN_ROWS)))
    return tuple(rows)


def _row(tag: str, at: int, place: int, *, gold: Sequence[str], said: Sequence[str]) -> Row:
    if tag == "replace":
        return Row(f"S {gold[at][:_LONGEST_UNIT]} → {said[place][:_LONGEST_UNIT]}", None, 1.0)
    if tag == "delete":
        return Row(f"D {gold[at][:_LONGEST_UNIT]}", None, 1.0)
    return Row(f"I {said[place][:_LONGEST_UNIT]}", None, 1.0)


def make(name: str = "wer", **options: Any) -> ErrorRate:
    """Build from options; raises ValueError naming the known ones, MissingComponent without rapidfuzz."""
    return build(ErrorRate, {**options, "name": name})
