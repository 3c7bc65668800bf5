"""Precision, recall and F1 of entities: type and both ends must be exactly right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Row, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import answer_json, shown
from evalkit.scorers._base import OneAnswer, choose, trouble, unscorable
from evalkit.scorers._spans import TAGGINGS, Span, answered, gold

_KEYS = ("tp", "fp", "fn")
_BOUNDS = (0.0, 1.0)


def macro(columns: _folds.Columns) -> _folds.Floats:
    """Mean of the F1 of each type that occurs in targets or answers, [B]; NaN where none does."""
    types = {name.partition(":")[2] for name in columns if ":" in name}
    empty = np.zeros_like(columns["tp"])
    each = [_folds.f1({key: columns.get(f"{key}:{name}", empty) for key in _KEYS}) for name in sorted(types)]
    if not each:
        return np.full(empty.shape, np.nan)
    values = np.stack(each)
    return _folds.divide(np.nansum(values, axis=0), (~np.isnan(values)).sum(axis=0))


_METRICS = (
    Metric("entity_f1", kind="ratio", bounds=_BOUNDS, fold=Fold(across=Sums(_folds.f1, _KEYS)), primary=True),
    Metric("entity_precision", kind="ratio", bounds=_BOUNDS, fold=Fold(across=Sums(_folds.precision, _KEYS))),
    Metric("entity_recall", kind="ratio", bounds=_BOUNDS, fold=Fold(across=Sums(_folds.recall, _KEYS))),
    Metric("entity_macro_f1", kind="corpus", bounds=_BOUNDS, fold=Fold(across=Sums(macro, _KEYS))),
)


@dataclass(frozen=True, slots=True)
class EntityF1(OneAnswer):
    """Entities with exactly the target's type, start and end, pooled over the samples, with a row per type.

    `tags` reads sequences of IOB2 tags as seqeval does: strict (its strict mode: an I- without its B- is no entity) or
    lenient (its default, the conlleval rule). `text` = input field that the offsets count in; an entity that is
    answered by its words is looked for there, from left to right. The same entity twice counts once; one that stands
    nowhere in the text is wrong.
    """

    tags: str = "strict"
    text: str = "text"

    def __post_init__(self) -> None:
        choose("tags", self.tags, TAGGINGS)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Micro F1, precision and recall over all entities; macro F1 over the types."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Match the entities; an answer that is no list of them is not scorable."""
        wanted = set(self._gold(sample))
        value, reason = answer_json(response)
        if reason is not None:
            return unscorable(_METRICS, reason)
        text = self._text(sample)
        try:
            spans, nowhere = answered(value, text, self.tags)
        except ValueError as error:
            return unscorable(_METRICS, str(error))
        rows = _rows(wanted, set(spans), nowhere)
        return _scores(rows, shown("; ".join(_said(sorted(set(spans), key=_place), text))), _wrong(wanted, spans, text))

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """Every entity of the target missed."""
        spans = set() if self.problem(sample) else set(self._gold(sample))
        parts = _parts(_rows(spans, set(), ()))
        return {m.name: Score(0.0, parts) for m in _METRICS}

    def problem(self, sample: Sample) -> str | None:
        """A target that is no list of entities or tags, or whose entities do not stand in the text."""
        return trouble(self._gold, sample)

    def _gold(self, sample: Sample) -> list[Span]:
        return gold(sample.target, self._text(sample), self.tags)

    def _text(self, sample: Sample) -> str | None:
        text = sample.input.get(self.text)
        return text if isinstance(text, str) else None


def _place(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.type


def _said(spans: Iterable[Span], text: str | None) -> list[str]:
    return [f"{s.type} {text[s.start : s.end] if text else f'{s.start}-{s.end}'}" for s in spans]


def _wrong(wanted: set[Span], spans: Iterable[Span], text: str | None) -> str | None:
    given = set(spans)
    notes = []
    for name, those in (("missed", wanted - given), ("wrong", given - wanted)):
        if those:
            listed = _said(sorted(those, key=_place)[:4], text)
            more = f" and {len(those) - 4} more" if len(those) > 4 else ""
            notes.append(f"{name}: {', '.join(item[:60] for item in listed)}{more}")
    return "; ".join(notes) or None


def _rows(wanted: set[Span], given: set[Span], nowhere: Iterable[str]) -> tuple[Row, ...]:
    tp, asked, said = (Counter(s.type for s in spans) for spans in (wanted & given, wanted, given))
    said.update(nowhere)
    rows = []
    for name in sorted({*asked, *said}):
        parts = {"tp": float(tp[name]), "fp": float(said[name] - tp[name]), "fn": float(asked[name] - tp[name])}
        rows.append(Row(name, value=2 * tp[name] / (asked[name] + said[name]), parts=parts))
    return tuple(rows)


def _parts(rows: Iterable[Row]) -> dict[str, float]:
    parts = dict.fromkeys(_KEYS, 0.0)
    for row in rows:
        for key in _KEYS:
            parts[key] += row.parts[key]
            if row.parts[key]:
                parts[f"{key}:{row.unit}"] = row.parts[key]
    return parts


def _scores(rows: tuple[Row, ...], answer: str, reason: str | None) -> dict[str, Score]:
    parts = _parts(rows)
    tp, fp, fn = (parts[key] for key in _KEYS)
    nothing = 1.0 if not fp and not fn else 0.0
    return {
        "entity_f1": Score(2 * tp / (2 * tp + fp + fn) if rows else 1.0, parts, answer, reason, rows),
        "entity_precision": Score(tp / (tp + fp) if tp + fp else nothing, parts),
        "entity_recall": Score(tp / (tp + fn) if tp + fn else nothing, parts),
        "entity_macro_f1": Score(sum(row.value or 0.0 for row in rows) / len(rows) if rows else 1.0, parts),
    }


def make(**options: Any) -> EntityF1:
    """Build from options; raises ValueError naming the known ones."""
    return build(EntityF1, options)
