"""Selective classification: what is wrong when only the confident answers are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from evalkit.core.fold import Fold, Sums, Whole
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import answer_json, shown
from evalkit.scorers._base import unscorable
from evalkit.scorers._labelled import LabelScorer, is_number, standard
from evalkit.scorers._paths import MISSING, get, steps
from evalkit.scorers._targets import kind

_KEPT = {"kept": 1.0, "hits": 0.0}


def area(columns: _folds.Columns, weights: _folds.Floats) -> _folds.Floats:
    """Area under the risk-coverage curve of columns `value` (1 = wrong) and `confidence`, [B]; NaN without weight.

    Risk at coverage c = share of wrong answers among the c most confident (Geifman and El-Yaniv 2017). Answers of equal
    confidence come in every order equally often, and each spreads over its share of the coverage, so that doubling the
    data changes nothing.
    """
    wrong, confidence = columns["value"], columns.get("confidence")
    if confidence is None or not wrong.size:
        return np.full(weights.shape[0], np.nan)
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
    mass = np.add.reduceat(weights[:, order], starts, axis=1)
    errors = np.add.reduceat(weights[:, order] * wrong[order], starts, axis=1)
    after, total = np.cumsum(mass, axis=1), mass.sum(axis=1)
    before, before_errors = after - mass, np.cumsum(errors, axis=1) - errors
    rate = np.nan_to_num(_folds.divide(errors, mass))
    # Inside a block errors grow evenly: risk(c) = (E0 + rate (c - C0)) / c, which has this integral.
    inside = rate * mass
    old = (before > 0) & (mass > 0)
    growth = np.log(np.where(old, after, 1.0) / np.where(old, before, 1.0))
    return _folds.divide((inside + (before_errors - rate * before) * growth).sum(axis=1), total)


@lru_cache(maxsize=16)
def _metrics(floor: float) -> tuple[Metric, ...]:
    kept = partial(_folds.ratio, numerator="hits", denominator="kept")
    unit = f"confidence >= {floor:g}"
    return (
        Metric("aurc", kind="rank", higher_is_better=False, bounds=(0.0, 1.0), fold=Fold(across=Whole(area)),
               on_error=1.0, primary=True),
        Metric("coverage_at_floor", kind="mean01", bounds=(0.0, 1.0), unit=unit),
        Metric("accuracy_at_floor", kind="ratio", bounds=(0.0, 1.0), unit=unit,
               fold=Fold(across=Sums(kept, ("hits", "kept")))),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RiskCoverage(LabelScorer):
    """Area under the risk-coverage curve, and coverage and accuracy of the answers at or above a confidence floor.

    `floor` = least confidence (0..1) that is kept. The confidence of an answer is its `confidence` (option: a path into
    the JSON answer), else the probability of its label, else the largest probability. `labels`, `field` and
    `normaliser` are those of `classification`. An answer without a label or a confidence is not scorable: it counts as
    wrong with full confidence.
    """

    floor: float = 0.5
    confidence: str = "confidence"
    labels: tuple[str, ...] = ()
    field: str | None = None
    normaliser: str = "strip"

    def __post_init__(self) -> None:
        LabelScorer.__post_init__(self)
        steps(self.confidence)
        if not is_number(self.floor) or not 0 <= self.floor <= 1:
            raise ValueError(f"floor={self.floor!r} must be a number from 0 to 1")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`aurc`, lower is better; `coverage_at_floor` and `accuracy_at_floor`, undefined where nothing is kept."""
        return _metrics(float(self.floor))

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Compare the label and read the confidence."""
        truth = self.truth(sample)
        value, reason = answer_json(response)
        if reason is None:
            guess, reason = self.guess(replace(response, output=value))
        if reason is not None or guess is None:
            return unscorable(self.metrics, reason)
        sure = self._confidence(standard(value), guess)
        if isinstance(sure, str):
            return unscorable(self.metrics, sure)
        wrong, kept = float(guess != truth), float(sure >= self.floor)
        answer = f"{shown(guess)} ({sure:.3g})"
        parts = {"kept": kept, "hits": kept * (1 - wrong)}
        return {
            "aurc": Score(wrong, {"confidence": sure}, answer, f"not {truth}" if wrong else None),
            "coverage_at_floor": Score(kept, answer=answer),
            "accuracy_at_floor": Score(1 - wrong, parts, answer),
        }

    def worst(self, sample: Sample) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """Wrong with full confidence, and nothing gained in coverage."""
        return {
            "aurc": Score(1.0, {"confidence": 1.0}),
            "coverage_at_floor": Score(0.0),
            "accuracy_at_floor": Score(0.0, _KEPT),
        }

    def _confidence(self, value: Any, guess: str) -> float | str:
        found = get(value, steps(self.confidence))
        if found is MISSING:
            found = self._probability(value, guess)
        if not is_number(found):
            return f"the confidence is {kind(found)}; a number is needed"
        return float(found) if 0 <= found <= 1 else f"the confidence {found} is not in 0..1"

    def _probability(self, value: Any, guess: str) -> Any:
        chances = value.get("probabilities") if isinstance(value, Mapping) else None
        if not isinstance(chances, Mapping) or not chances:
            return None
        own = [p for name, p in chances.items() if self.canonical(str(name)) == guess]
        return own[0] if own else max((p for p in chances.values() if is_number(p)), default=None)


def make(**options: Any) -> RiskCoverage:
    """Build from options; raises ValueError naming the known ones."""
    return build(RiskCoverage, options)
