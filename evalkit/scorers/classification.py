"""Classification by label: accuracy, macro and micro F1, Matthews correlation, from one set of confusion counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import shown
from evalkit.scorers._base import unscorable
from evalkit.scorers._labelled import LabelScorer


@lru_cache(maxsize=64)
def _metrics(labels: tuple[str, ...] | None) -> tuple[Metric, ...]:
    def sums(fn: Any) -> Fold:
        return Fold(across=Sums(partial(fn, labels=labels), ("n",)))

    return (
        Metric("accuracy", kind="mean01", bounds=(0.0, 1.0), primary=True),
        Metric("macro_f1", kind="corpus", bounds=(0.0, 1.0), fold=sums(_folds.macro_f1)),
        Metric("micro_f1", kind="ratio", bounds=(0.0, 1.0), fold=sums(_folds.micro_f1)),
        Metric("mcc", kind="corpus", bounds=(-1.0, 1.0), fold=sums(_folds.mcc)),
    )


@dataclass(frozen=True, slots=True)
class Classification(LabelScorer):
    """The predicted label against the target's: accuracy, macro F1, micro F1, MCC; the parts are the confusion counts.

    `labels` = all classes; without it the classes are the targets that occur. `field` = path of the label in a JSON
    answer (and in an object target); an object answer (or its JSON text) without `field` is read by its `label`, else
    by the largest of its `probabilities` (equal ones: the first in alphabetical order). `normaliser` is applied to
    answers and labels. An answer that is none of `labels` (without them: no short line) is not scorable: it counts as
    no prediction for a sample of the true class.
    """

    labels: tuple[str, ...] = ()
    field: str | None = None
    normaliser: str = "strip"
    version: ClassVar[int] = 2

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`accuracy`, `macro_f1`, `micro_f1`, `mcc`."""
        return _metrics(self.names or None)

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Compare labels."""
        truth = self.truth(sample)
        guess, reason = self.guess(response)
        if guess is None:
            return unscorable(self.metrics, reason)
        hit = float(guess == truth)
        parts = {"n": 1.0, f"t:{truth}": 1.0, f"p:{guess}": 1.0, **({f"tp:{truth}": 1.0} if hit else {})}
        reason = None if hit else f"{shown(guess)} instead of {truth}"
        return {
            "accuracy": Score(hit, answer=shown(guess), reason=reason),
            "macro_f1": Score(hit, parts),
            "micro_f1": Score(hit, parts),
            "mcc": Score(hit, parts),
        }

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """The true class without a prediction."""
        parts = {"n": 1.0} if self.problem(sample) else {"n": 1.0, f"t:{self.truth(sample)}": 1.0}
        return {m.name: Score(0.0, parts if isinstance(m.fold.across, Sums) else {}) for m in self.metrics}


def make(**options: Any) -> Classification:
    """Build from options; raises ValueError naming the known ones and for labels that are the same once normalised."""
    return build(Classification, options)
