"""SQuAD exact match and token F1 with the no-answer rule of version 2."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, listed, trouble
from evalkit.scorers._normalise import squad as normalise
from evalkit.scorers._targets import texts

_METRICS = (
    Metric("squad_f1", bounds=(0.0, 1.0), primary=True),
    Metric("squad_em", kind="mean01", bounds=(0.0, 1.0)),
)


@dataclass(frozen=True, slots=True)
class Squad(TextScorer):
    """Best exact match and best token F1 over the targets, both in 0..1 (Rajpurkar et al. 2018, evaluation script 2.0).

    Tokens are counted as multisets. An empty target or an empty list means that the question has no answer: then only
    an empty answer is right. `no_answer` = phrases that count as an empty answer ("unanswerable").
    """

    no_answer: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        listed(self, "no_answer")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`squad_f1` and `squad_em`."""
        return _METRICS

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """The best of all targets."""
        answer = normalise(text)
        if answer in map(normalise, self.no_answer):
            answer = ""
        golds = _golds(sample)
        em = 1.0 if answer in golds else 0.0
        seen = shown(answer)
        return {
            "squad_f1": Score(max(token_f1(answer, gold) for gold in golds), answer=seen),
            "squad_em": Score(em, answer=seen),
        }

    def problem(self, sample: Sample) -> str | None:
        """A target that is neither text nor a list of texts."""
        return trouble(_golds, sample)


def _golds(sample: Sample) -> tuple[str, ...]:
    if isinstance(sample.target, (list, tuple)) and not sample.target:
        return ("",)
    return tuple(filter(None, map(normalise, texts(sample)))) or ("",)


def token_f1(answer: str, gold: str) -> float:
    """F1 of the token multisets of two normalised texts, 0..1; both empty is 1, one empty is 0."""
    given, wanted = answer.split(), gold.split()
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2.0 * common / (len(given) + len(wanted))


def make(**options: Any) -> Squad:
    """Build from options; raises ValueError naming the known ones."""
    return build(Squad, options)
