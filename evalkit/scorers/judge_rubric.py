"""A judge's grade of an answer under a rubric, from a menu of whole numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers._answers import answer_text
from evalkit.scorers._base import OneAnswer, Scores, unscorable
from evalkit.scorers._judging.asking import Menu, Question, ask, because
from evalkit.scorers._judging.showing import clean, fenced, task_of

RUBRIC = (
    "How well does the answer do what the instruction asks? Give the highest grade where it is correct, complete and "
    "fits the asked form, a low one where facts are wrong, missing or invented, and 1 where it is useless."
)


@lru_cache(maxsize=32)
def _metrics(name: str, scale: int) -> tuple[Metric, ...]:
    unit = f"of {scale}"
    return (Metric(name, bounds=(1.0, float(scale)), on_error="undefined", unit=unit, primary=True),)


@dataclass(frozen=True, slots=True)
class JudgeRubric(OneAnswer):
    """A judge's grade from 1 to `scale`, the mean over the samples, with the judge's reason kept.

    `judge` = candidate that is asked, `rubric` = what the grades mean, `reasons` asks for a reason before the grade.
    The judge sees the input fields `instruction` and `source`, with `reference` also the target, all fenced as data.
    `metric` names the score, `max_tokens` bounds the verdict. A refusal or an empty answer gets grade 1 unasked. A
    verdict off the menu is not scorable and never a low grade; a judge that cannot be reached makes the score an error.
    """

    judge: str
    rubric: str = RUBRIC
    scale: int = 5
    reasons: bool = True
    reference: bool = False
    source: str = "text"
    instruction: str = "instruction"
    metric: str = "judge_score"
    max_tokens: int = 300

    def __post_init__(self) -> None:
        if not isinstance(self.scale, int) or isinstance(self.scale, bool) or not 2 <= self.scale <= 100:
            raise ValueError(f"scale={self.scale!r} must be a whole number from 2 to 100")
        for option in ("judge", "rubric", "metric"):
            if not isinstance(getattr(self, option), str) or not getattr(self, option).strip():
                raise ValueError(f"{option}={getattr(self, option)!r} must be text")

    @property
    def needs(self) -> tuple[str, ...]:
        """Who is asked."""
        return (self.judge,)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The mean grade; undefined where a grade is missing."""
        return _metrics(self.metric, self.scale)

    @property
    def menu(self) -> Menu:
        """The grades."""
        return Menu("score", tuple(range(1, self.scale + 1)), self.reasons, self.max_tokens)

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Ask the judge about the answer. Raises JudgeFailed when it gives none."""
        text, reason = answer_text(responses[0])
        if responses[0].error is not None:
            return unscorable(self.metrics, reason)
        if text is None or not text.strip():
            return self._said(1.0, f"{reason or 'an empty answer'}: the lowest grade, nobody was asked")
        verdict = await ask(ctx, self.judge, sample, self.question(sample, clean(text)), self.menu)
        if verdict.item is None:
            return unscorable(self.metrics, verdict.off_menu(self.judge, self.menu))
        return self._said(float(verdict.item), because([verdict.reason]))

    def question(self, sample: Sample, answer: str) -> Question:
        """What the judge is asked."""
        task = task_of(sample, source=self.source, instruction=self.instruction, reference=self.reference)
        data, warning = fenced({**task, "answer": answer})
        system = f"You grade the answer to a task with a whole number from 1 (worst) to {self.scale} (best). {warning}"
        user = f"{data}\n\n{self.rubric.strip()}\n{self.menu.words}"
        fields = {**task, "answer": answer, "rubric": self.rubric, "scale": self.scale}
        return Question(system, user, fields)

    def _said(self, grade: float, reason: str | None) -> Scores:
        return {self.metric: Score(grade, answer=f"{grade:g}", reason=reason)}


def make(**options: Any) -> JudgeRubric:
    """Build from options; raises ValueError naming the known ones."""
    return build(JudgeRubric, options)
