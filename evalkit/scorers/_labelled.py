"""Reading a label, with its probabilities or confidence, from an answer; the shapes of common classifiers included."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from evalkit.core.types import Response, Sample
from evalkit.scorers._answers import answer_json, answer_text, parse_json
from evalkit.scorers._base import OneAnswer, choose, trouble
from evalkit.scorers._normalise import NORMALISERS
from evalkit.scorers._paths import MISSING, get, steps
from evalkit.scorers._targets import field as field_of
from evalkit.scorers._targets import kind, label

LONGEST = 64
SUM_TOLERANCE = 0.02


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def standard(value: Any) -> Any:
    """The classifier shapes `[{label, score}]`, that in a list of one, and `{labels, scores}`, as one object.

    Scores that sum to 1 become `probabilities`, others the `confidence` of the best label; any other value comes back
    as it is.
    """
    scores = _scores(value)
    if not scores:
        return value
    best = min(scores, key=lambda name: (-scores[name], name))
    if len(scores) > 1 and abs(math.fsum(scores.values()) - 1) <= SUM_TOLERANCE and min(scores.values()) >= 0:
        return {"label": best, "probabilities": scores}
    return {"label": best, "confidence": scores[best]}


def _scores(value: Any) -> dict[str, float] | None:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if isinstance(value, Mapping) and isinstance(value.get("labels"), list) and isinstance(value.get("scores"), list):
        if len(value["labels"]) != len(value["scores"]):
            return None
        value = [{"label": n, "score": s} for n, s in zip(value["labels"], value["scores"], strict=True)]
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        return None
    found: dict[str, float] = {}
    for item in value:
        name, score = item.get("label"), item.get("score")
        if not isinstance(name, str) or not is_number(score) or name in found:
            return None
        found[name] = float(score)
    return found if all(map(math.isfinite, found.values())) else None


class LabelScorer(OneAnswer):
    """Base of scorers of a predicted label; a subclass is a dataclass with `labels`, `field` and `normaliser`."""

    __slots__ = ()
    labels: tuple[str, ...]
    field: str | None
    normaliser: str

    def __post_init__(self) -> None:
        if not isinstance(self.labels, tuple):
            raise ValueError(f"labels={self.labels!r} must be a list")  # noqa: TRY004 - a wrong option is a ValueError
        choose("normaliser", self.normaliser, NORMALISERS)
        named = _known(self.names, self.normaliser)
        if len(named) != len(self.labels):
            raise ValueError(f"labels {', '.join(map(str, self.labels))} are not all different")
        if self.field is not None:
            steps(self.field)

    @property
    def names(self) -> tuple[str, ...]:
        """The given labels as text."""
        return tuple(label(name, "a label") for name in self.labels)

    def problem(self, sample: Sample) -> str | None:
        """A target that is no label, or none of `labels`."""
        return trouble(self.truth, sample)

    def truth(self, sample: Sample) -> str:
        """The true label. Raises ValueError for a target that is none."""
        said = label(field_of(sample.target, self.field))
        found = self.canonical(said)
        if found is None:
            raise ValueError(f"the target {said[:LONGEST]!r} {self._why_not}")
        return found

    def guess(self, response: Response) -> tuple[str | None, str | None]:
        """The predicted label as it is written in `labels`, or None and why there is none."""
        said, reason = self._said(response)
        found = None if said is None else self.canonical(said)
        if said is not None and found is None:
            reason = f"{said[:LONGEST]!r} {self._why_not}"
        return found, reason

    def canonical(self, said: str) -> str | None:
        """The label as it is written in `labels`, or None; without them, any short line."""
        normal = NORMALISERS[self.normaliser](said)
        if self.labels:
            return _known(self.names, self.normaliser).get(normal)
        # Every answer becomes a column of the fold: essays instead of labels must not.
        return normal if 0 < len(normal) <= LONGEST and "\n" not in normal else None

    @property
    def _why_not(self) -> str:
        if self.labels:
            return f"is not one of the labels {', '.join(self.names)}"
        return f"is no label: empty, longer than {LONGEST} characters or more than one line"

    def _said(self, response: Response) -> tuple[str | None, str | None]:
        output = response.output
        if self.field is None and not isinstance(standard(output), Mapping):
            text, reason = answer_text(response)
            value = None if text is None or not text.lstrip().startswith("{") else parse_json(text)[0]
            if not isinstance(value, Mapping):
                number = text is not None and isinstance(output, (int, float))
                return (label(output), None) if number else (text, reason)
        else:
            value, reason = answer_json(response)
            if reason is not None:
                return None, reason
        value = standard(value)
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
