"""Classification by label: accuracy, macro and micro F1, Matthews correlation, from one set of confusion counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import answer_json, answer_text, shown
from evalkit.scorers._base import OneAnswer, choose, trouble, unscorable
from evalkit.scorers._normalise import NORMALISERS
from evalkit.scorers._paths import MISSING, get, steps
from evalkit.scorers._targets import field as field_of
from evalkit.scorers._targets import kind, label

_LONGEST = 64


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
class Classification(OneAnswer):
    """The predicted label against the target's: accuracy, macro F1, micro F1, MCC; the parts are the confusion counts.

    `labels` = all classes; without it the classes are the targets that occur. `field` = path of the label in a JSON
    answer (and in an object target); an object answer without `field` is read by its `label`, else by the largest of
    its `probabilities` (equal ones: the first in alphabetical order). `normaliser` is applied to answers and labels.
    An answer that is none of `labels` (without them: no short line) is not scorable: it counts as no prediction for a
    sample of the true class.
    """

    labels: tuple[str, ...] = ()
    field: str | None = None
    normaliser: str = "strip"

    def __post_init__(self) -> None:
        if not isinstance(self.labels, tuple):
            raise ValueError(f"labels={self.labels!r} must be a list")  # noqa: TRY004 - a wrong option is a ValueError
        choose("normaliser", self.normaliser, NORMALISERS)
        named = _known(self._names, self.normaliser)
        if len(named) != len(self.labels):
            raise ValueError(f"labels {', '.join(map(str, self.labels))} are not all different")
        if self.field is not None:
            steps(self.field)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(label(name, "a label") for name in self.labels)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`accuracy`, `macro_f1`, `micro_f1`, `mcc`."""
        return _metrics(self._names or None)

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Compare labels."""
        truth = self._truth(sample)
        said, reason = self._said(response)
        guess = None if said is None else self._canonical(said)
        if said is not None and guess is None:
            reason = f"{said[:_LONGEST]!r} {self._why_not}"
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
        parts = {"n": 1.0} if self.problem(sample) else {"n": 1.0, f"t:{self._truth(sample)}": 1.0}
        return {m.name: Score(0.0, parts if isinstance(m.fold.across, Sums) else {}) for m in self.metrics}

    def problem(self, sample: Sample) -> str | None:
        """A target that is no label, or none of `labels`."""
        return trouble(self._truth, sample)

    def _truth(self, sample: Sample) -> str:
        said = label(field_of(sample.target, self.field))
        found = self._canonical(said)
        if found is None:
            raise ValueError(f"the target {said[:_LONGEST]!r} {self._why_not}")
        return found

    @property
    def _why_not(self) -> str:
        if self.labels:
            return f"is not one of the labels {', '.join(self._names)}"
        return f"is no label: empty, longer than {_LONGEST} characters or more than one line"

    def _canonical(self, said: str) -> str | None:
        """The label as it is written in `labels`, or None; without them, any short line."""
        normal = NORMALISERS[self.normaliser](said)
        if self.labels:
            return _known(self._names, self.normaliser).get(normal)
        # Every answer becomes a column of the fold: essays instead of labels must not.
        return normal if 0 < len(normal) <= _LONGEST and "\n" not in normal else None

    def _said(self, response: Response) -> tuple[str | None, str | None]:
        output = response.output
        if self.field is None and not isinstance(output, Mapping):
            text, reason = answer_text(response)
            return (label(output), None) if text is not None and isinstance(output, (int, float)) else (text, reason)
        value, reason = answer_json(response)
        if reason is not None:
            return None, reason
        found = get(value, steps(self.field)) if self.field is not None else _own_label(value)
        if found is MISSING or found is None:
            return None, f"the answer has no {self.field or 'label'}"
        if not isinstance(found, (str, int, float)):
            return None, f"{self.field or 'label'} is {kind(found)}; a label is needed"
        return label(found), None


def _own_label(value: Mapping[str, Any]) -> Any:
    if "label" in value:
        return value["label"]
    chances = value.get("probabilities")
    if not isinstance(chances, Mapping) or not all(isinstance(p, (int, float)) for p in chances.values()):
        return MISSING
    return min(chances, key=lambda name: (-chances[name], name)) if chances else MISSING


@lru_cache(maxsize=64)
def _known(labels: tuple[str, ...], normaliser: str) -> dict[str, str]:
    return {NORMALISERS[normaliser](name): name for name in labels}


def make(**options: Any) -> Classification:
    """Build from options; raises ValueError naming the known ones and for labels that are the same once normalised."""
    return build(Classification, options)
