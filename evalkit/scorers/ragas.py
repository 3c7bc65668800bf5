"""RAGAS 0.4's faithfulness, answer relevancy and context precision, with every call through the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from typing import Any, ClassVar

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers import _folds, _ragas
from evalkit.scorers._answered import Said, said, wanted
from evalkit.scorers._answers import shown
from evalkit.scorers._base import OneAnswer, Scores, trouble, unscorable
from evalkit.scorers._judging.showing import clean

NAMES = ("faithfulness", "answer_relevancy", "context_precision")
EXTRA = "ragas"
_SUMS = Sums(partial(_folds.ratio, numerator="sum", denominator="asked"), ("sum", "asked"))


@cache
def _metrics(name: str) -> tuple[Metric, ...]:
    return (Metric(name, kind="ratio", bounds=(0.0, 1.0), on_error="undefined", fold=Fold(across=_SUMS)),)


@dataclass(frozen=True, slots=True)
class Ragas(OneAnswer):
    """One of RAGAS' metrics (Es et al. 2024), 0..1, computed by its own classes from the verdicts of a judge.

    `name` = faithfulness (share of the answer's statements that follow from the shown passages), answer_relevancy
    (cosine of the question and `strictness` questions that the judge makes of the answer) or context_precision (average
    precision of the passages that helped to reach the target's answer). `judge` = candidate that is asked, `embeddings`
    = candidate that embeds, or hashed_words (words in common, no model). `query` = input field of the question,
    `max_tokens` bounds a verdict.
    Questions without an answer count nowhere; nor does an abstention for faithfulness. An abstention has answer
    relevancy 0 as in RAGAS, an unreadable answer 0, both unasked. A judge that fails, or says anything but what was
    asked for, makes the score an error, never 0.
    """

    name: str
    judge: str
    embeddings: str = _ragas.HASHED
    strictness: int = 3
    query: str = "question"
    max_tokens: int = 1024
    libraries: ClassVar[tuple[str, ...]] = ("ragas",)

    def __post_init__(self) -> None:
        for option in ("judge", "embeddings"):
            if not isinstance(getattr(self, option), str) or not getattr(self, option).strip():
                raise ValueError(f"{option}={getattr(self, option)!r} must name a candidate")
        for option in ("strictness", "max_tokens"):
            if type(getattr(self, option)) is not int or getattr(self, option) < 1:
                raise ValueError(f"{option}={getattr(self, option)!r} must be a whole number from 1 on")

    @property
    def needs(self) -> tuple[str, ...]:
        """Who is asked."""
        embeds = self.name == "answer_relevancy" and self.embeddings != _ragas.HASHED
        return (self.judge, self.embeddings) if embeds else (self.judge,)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """One, named after the scorer: a mean over the questions that it applies to."""
        return _metrics(self.name)

    def unavailable(self) -> str | None:
        """Why it cannot work here: RAGAS, or the old interface of langchain that it imports, is not installed."""
        missing = [name for name in ("ragas", "langchain_community") if find_spec(name) is None]
        return f"needs {', '.join(missing)}: pip install 'evalkit[ragas]'" if missing else None

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Ask the judge about an answer. Raises JudgeFailed when it gives no verdict."""
        response = responses[0]
        found = said(response)
        if response.error is not None:
            return unscorable(self.metrics, str(found))
        decided = self._unasked(sample, found, contexts_of(sample, response))
        if decided is not None:
            return decided
        assert isinstance(found, Said)
        asked = _ragas.Asked(ctx, sample, self.judge, self.embeddings, self.max_tokens)
        await asyncio.to_thread(_ragas.load)
        metric = _ragas.metric(self.name, asked, self.strictness)
        value = _ragas.finite((await metric.ascore(**self._fields(sample, found, contexts_of(sample, response)))).value)
        if value is None:
            return unscorable(self.metrics, f"{self.judge} found no statement in the answer")
        return self._scored(value, found, self._how())

    def problem(self, sample: Sample) -> str | None:
        """A target without `answer`, or an input without the question."""
        question = sample.input.get(self.query)
        if not isinstance(question, str) or not question.strip():
            return f"the input has no text in {self.query!r}: RAGAS needs the question"
        return trouble(wanted, sample)

    def _unasked(self, sample: Sample, found: Said | str, contexts: Sequence[str]) -> Scores | None:
        """What needs no judge: questions that do not count, answers that cannot be read, abstentions, no passages."""
        if not wanted(sample).answers:
            return self._left_out("the documents hold no answer to this question")
        if isinstance(found, str):
            return self._scored(0.0, None, f"{found}: 0, nobody was asked")
        if self.name == "context_precision":
            return None if contexts else self._scored(0.0, found, "nothing was retrieved: 0, nobody was asked")
        if found.answer is None:
            abstained = "an abstention makes no statement"
            return (
                self._left_out(abstained) if self.name == "faithfulness" else self._scored(0.0, found, "abstained: 0")
            )
        if self.name == "faithfulness" and not contexts:
            return self._scored(0.0, found, "no passage that it could follow from: 0, nobody was asked")
        return None

    def _fields(self, sample: Sample, found: Said, contexts: list[str]) -> dict[str, Any]:
        question, contexts = clean(sample.input[self.query]), list(map(clean, contexts))
        if self.name == "context_precision":
            return {
                "user_input": question,
                "reference": clean(wanted(sample).answers[0]),
                "retrieved_contexts": contexts,
            }
        answered = {"user_input": question, "response": clean(found.answer or "")}
        return {**answered, "retrieved_contexts": contexts} if self.name == "faithfulness" else answered

    def _how(self) -> str | None:
        if self.name != "answer_relevancy" or self.embeddings != _ragas.HASHED:
            return None
        return "similarity by hashed words, no embedding model"

    def _scored(self, value: float, found: Said | None, reason: str | None) -> Scores:
        text = None if found is None else shown(found.answer or "(no answer)")
        return {self.name: Score(value, {"sum": value, "asked": 1.0}, answer=text, reason=reason)}

    def _left_out(self, reason: str) -> Scores:
        return {self.name: Score(None, {"sum": 0.0, "asked": 0.0}, reason=reason)}


def contexts_of(sample: Sample, response: Response) -> list[str]:
    """The texts that an answer was made from: `passages` in the response's meta, its output, or the sample's input."""
    output = response.output if isinstance(response.output, Mapping) else {}
    listed: Any = next(
        (one for one in (response.meta.get("passages"), output.get("passages"), sample.input.get("passages")) if one),
        [],
    )
    texts = [one.get("text") if isinstance(one, Mapping) else one for one in listed] if _is_list(listed) else []
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def make(name: str, **options: Any) -> Ragas:
    """Build a metric by its name; raises ValueError naming the known options."""
    return build(Ragas, {"name": name, **options})
