"""How right the answer of a system that may say "there is none" is: token F1 and exact match, abstention included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers._answered import PHRASES, said, wanted
from evalkit.scorers._answers import shown
from evalkit.scorers._base import OneAnswer, Scores, listed, trouble, unscorable
from evalkit.scorers._normalise import squad as normalise
from evalkit.scorers.squad import token_f1

_METRICS = (
    Metric("rag_f1", bounds=(0.0, 1.0), primary=True),
    Metric("rag_em", kind="mean01", bounds=(0.0, 1.0)),
    Metric("rag_holds", kind="mean01", bounds=(0.0, 1.0)),
)


@dataclass(frozen=True, slots=True)
class RagAnswer(OneAnswer):
    """Best token F1 and exact match of the answer over the target's answers, by SQuAD's rules of version 2.

    `rag_holds` = whether the answer holds a target's answer word for word, which long answers do without a fine. Where
    the target's answer is null, only a stated abstention is right and has 1; elsewhere an abstention has 0. What cannot
    be read is never an abstention. `phrases` are read as one, beside null.
    """

    phrases: tuple[str, ...] = PHRASES

    def __post_init__(self) -> None:
        listed(self, "phrases")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`rag_f1`, `rag_em` and `rag_holds`, means over all questions."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Compare with every accepted answer."""
        golds = tuple(map(normalise, wanted(sample).answers))
        found = said(response, self.phrases)
        if isinstance(found, str):
            return unscorable(_METRICS, found)
        if found.answer is None or not golds:
            right = float(found.answer is None and not golds)
            why = None if right else "abstained, and there is an answer" if golds else "answered where nothing answers"
            return self._said((right, right, right), found.answer, why)
        text = normalise(found.answer)
        holds = any(f" {gold} " in f" {text} " for gold in golds)
        f1 = max(token_f1(text, gold) for gold in golds)
        return self._said((f1, float(text in golds), float(holds)), found.answer, None)

    def problem(self, sample: Sample) -> str | None:
        """A target without `answer`."""
        return trouble(wanted, sample)

    def _said(self, values: tuple[float, float, float], answer: str | None, reason: str | None) -> Scores:
        text = "(no answer)" if answer is None else shown(answer)
        pairs = zip(_METRICS, values, strict=True)
        return {metric.name: Score(value, answer=text, reason=reason) for metric, value in pairs}


def make(**options: Any) -> RagAnswer:
    """Build from options; raises ValueError naming the known ones."""
    return build(RagAnswer, options)
