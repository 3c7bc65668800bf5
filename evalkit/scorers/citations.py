"""Whether an answer cites the passages that hold it: precision, recall and F1 of the cited ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Row, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answered import said, wanted
from evalkit.scorers._answers import shown
from evalkit.scorers._base import OneAnswer, trouble, unscorable

_KEYS = ("tp", "fp", "fn")
_METRICS = (
    Metric("citation_f1", kind="ratio", bounds=(0.0, 1.0), fold=Fold(across=Sums(_folds.f1, _KEYS)), primary=True),
    Metric("citation_precision", kind="ratio", bounds=(0.0, 1.0), fold=Fold(across=Sums(_folds.precision, _KEYS))),
    Metric("citation_recall", kind="ratio", bounds=(0.0, 1.0), fold=Fold(across=Sums(_folds.recall, _KEYS))),
)


@dataclass(frozen=True, slots=True)
class Citations(OneAnswer):
    """Cited passages against the target's `passages`, pooled over the questions, with a row per passage.

    An id counts once, however often it is cited; one that names no passage is wrong. A question without an answer has
    no passages: whatever is cited there is wrong, and citing nothing counts neither way.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`citation_f1`, `citation_precision` and `citation_recall`, of sums."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Count hits, wrong and missing ids; an answer that cannot be read is not scorable."""
        gold = set(wanted(sample).passages)
        found = said(response)
        if isinstance(found, str):
            return unscorable(_METRICS, found)
        given = set(found.citations)
        tp, fp, fn = (float(len(one)) for one in (gold & given, given - gold, gold - given))
        parts = dict(zip(_KEYS, (tp, fp, fn), strict=True))
        nothing = float(not gold and not given)
        values = (
            2 * tp / (2 * tp + fp + fn) if gold or given else 1.0,
            tp / (tp + fp) if given else nothing,
            tp / (tp + fn) if gold else nothing,
        )
        rows, text = _rows(gold, given), shown(", ".join(found.citations) or "(none)")
        return {
            metric.name: Score(value, parts, text, _wrong(gold, given), rows)
            for metric, value in zip(_METRICS, values, strict=True)
        }

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """Every passage of the target missed; where there is none, a wrong one cited."""
        missed = 0 if self.problem(sample) else len(wanted(sample).passages)
        parts = {"tp": 0.0, "fp": float(not missed), "fn": float(missed)}
        return {metric.name: Score(0.0, parts) for metric in _METRICS}

    def problem(self, sample: Sample) -> str | None:
        """A target without `answer`, or whose `passages` are no ids."""
        return trouble(wanted, sample)


def _rows(gold: set[str], given: set[str]) -> tuple[Row, ...]:
    return tuple(
        Row(ident[:200], value=float(ident in gold and ident in given), parts={"cited": float(ident in given)})
        for ident in sorted(gold | given)[:50]
    )


def _wrong(gold: set[str], given: set[str]) -> str | None:
    notes = []
    for name, those in (("not cited", gold - given), ("wrongly cited", given - gold)):
        if those:
            more = f" and {len(those) - 3} more" if len(those) > 3 else ""
            notes.append(f"{name}: {', '.join(one[:60] for one in sorted(those)[:3])}{more}")
    return "; ".join(notes) or None


def make(**options: Any) -> Citations:
    """Build from options; raises ValueError naming the known ones."""
    return build(Citations, options)
