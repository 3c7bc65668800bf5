"""A judge's preference between an answer and an opponent's, asked in both orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

from evalkit.core.fold import Fold, Sums
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Row, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import answer_text
from evalkit.scorers._base import OneAnswer, Scores, choose, unscorable
from evalkit.scorers._judging.asking import Menu, Question, Verdict, ask, because
from evalkit.scorers._judging.showing import clean, fenced, task_of

ORDERS = ("both", "one")
RUBRIC = (
    "Which answer does better what the instruction asks? What counts is that it is correct and complete, invents "
    "nothing and fits the asked form. Length and position do not count."
)
_PREFERENCE = {"first": 1.0, "tie": 0.5, "second": 0.0}
_SAME = "identical answers: a tie, nobody was asked"


def _share(numerator: str, denominator: str) -> Fold:
    return Fold(
        across=Sums(partial(_folds.ratio, numerator=numerator, denominator=denominator), (numerator, denominator))
    )


_METRICS = (
    Metric("win_rate", bounds=(0.0, 1.0), on_error="undefined", primary=True),
    Metric("conflict_rate", kind="ratio", higher_is_better=False, bounds=(0.0, 1.0), on_error="undefined",
           fold=_share("conflicts", "pairs")),
    Metric("first_slot_rate", kind="ratio", higher_is_better=False, bounds=(0.0, 1.0), on_error="undefined",
           fold=_share("first", "decided")),
    Metric("primacy", kind="corpus", higher_is_better=False, bounds=(-1.0, 1.0), on_error="undefined",
           fold=_share("lean", "pairs")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class JudgePair(OneAnswer):
    """How often a judge prefers the answer to that of an opponent: 1 win, 0.5 tie, 0 loss, the mean over the samples.

    `judge` = candidate that is asked, `against` = the opponent, a candidate of the same run, `rubric` = what better
    means, `ties` allows a tie, `reasons` asks for a reason, `max_tokens` bounds the verdict. `orders` both asks twice
    with the answers swapped, and verdicts that disagree are a tie; one asks once, the order being a hash of sample,
    judge and seed. The judge sees the input fields `instruction` and `source`, with `reference` also the target, all
    fenced as data. Beside the win rate stand the share of pairs whose verdicts disagree, the share of verdicts for the
    first slot, and the primacy effect (both orders first - both second). Identical answers are a tie unasked, a refusal
    loses unasked. A verdict off the menu is not scorable and never a loss; a judge that cannot be reached makes the
    score an error.
    """

    judge: str
    against: str
    orders: str = "both"
    rubric: str = RUBRIC
    ties: bool = True
    reasons: bool = True
    reference: bool = False
    source: str = "text"
    instruction: str = "instruction"
    max_tokens: int = 300
    takes: ClassVar[Literal["one", "pair", "repeats"]] = "pair"

    def __post_init__(self) -> None:
        choose("orders", self.orders, ORDERS)
        for option in ("judge", "against", "rubric"):
            if not isinstance(getattr(self, option), str) or not getattr(self, option).strip():
                raise ValueError(f"{option}={getattr(self, option)!r} must be text")

    @property
    def needs(self) -> tuple[str, ...]:
        """Who is asked."""
        return (self.judge,)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`win_rate`, with `conflict_rate`, `first_slot_rate` and `primacy` of the judge beside it."""
        return _METRICS

    @property
    def menu(self) -> Menu:
        """The verdicts."""
        items = ("first", "second", "tie") if self.ties else ("first", "second")
        return Menu("verdict", items, self.reasons, self.max_tokens)

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Ask the judge about the candidate's and the opponent's answer; raises JudgeFailed without a reply."""
        for response in responses[:2]:
            if response.error is not None:
                return unscorable(_METRICS, answer_text(response)[1])
        (mine, why), (other, other_why) = (answer_text(response) for response in responses[:2])
        if mine is None or other is None:
            return self._unasked(mine, other, why or f"the opponent: {other_why}")
        if mine.strip() == other.strip():
            return _scores(0.5, (), "tie", _SAME)
        places = (True, False) if self.orders == "both" else (self.candidate_first(sample, ctx.seed),)
        shown = (clean(mine), clean(other))
        verdicts = [await self._ask(ctx, sample, shown if first else shown[::-1]) for first in places]
        wrong = next((verdict for verdict in verdicts if verdict.item is None), None)
        if wrong is not None:
            return unscorable(_METRICS, wrong.off_menu(self.judge, self.menu))
        return _judged(places, verdicts)

    def candidate_first(self, sample: Sample, seed: int) -> bool:
        """Whether the candidate's answer is shown first where only one order is asked: a fair coin of the three."""
        return int(digest(["order", sample.id, self.judge, seed])[:8], 16) % 2 == 0

    async def _ask(self, ctx: Context, sample: Sample, answers: tuple[str, str]) -> Verdict:
        return await ask(ctx, self.judge, sample, self.question(sample, answers), self.menu)

    def question(self, sample: Sample, answers: tuple[str, str]) -> Question:
        """What the judge is asked about two answers, in this order."""
        task = task_of(sample, source=self.source, instruction=self.instruction, reference=self.reference)
        data, warning = fenced({**task, "first answer": answers[0], "second answer": answers[1]})
        system = f"You compare two answers to a task. {warning}"
        user = f"{data}\n\n{self.rubric.strip()}\n{self.menu.words}"
        fields = {**task, "a": answers[0], "b": answers[1], "rubric": self.rubric, "ties": self.ties}
        return Question(system, user, fields)

    def _unasked(self, mine: str | None, other: str | None, why: str) -> Scores:
        value = 0.5 if mine is None and other is None else float(mine is not None)
        return _scores(value, (), _word(value), f"{why}: nobody was asked")


def _judged(places: Sequence[bool], verdicts: Sequence[Verdict]) -> Scores:
    said = [str(verdict.item) for verdict in verdicts]
    values = [_PREFERENCE[item] if first else 1 - _PREFERENCE[item] for first, item in zip(places, said, strict=True)]
    disagree = len(set(values)) > 1
    value = 0.5 if disagree else values[0]
    rows = tuple(
        Row(
            "candidate shown first" if first else "candidate shown second",
            value=won,
            parts={"first": float(s == "first")},
        )
        for first, won, s in zip(places, values, said, strict=True)
    )
    reason = because([verdict.reason for verdict in verdicts])
    if disagree:
        reason = f"conflict: {' and '.join(said)} in the two orders" + (f" | {reason}" if reason else "")
    return _scores(value, rows, _word(value), reason, said)


def _scores(value: float, rows: tuple[Row, ...], answer: str, reason: str | None, said: Sequence[str] = ()) -> Scores:
    both = len(said) == 2
    clash = both and (rows[0].value != rows[1].value)
    first, decided = float(said.count("first")), float(len(said) - said.count("tie"))
    lean = float(said.count("first") - said.count("second")) / 2 if both and len(set(said)) == 1 else 0.0
    pairs = {"pairs": float(both)}
    return {
        "win_rate": Score(value, answer=answer, reason=reason, rows=rows),
        "conflict_rate": Score(float(clash), {"conflicts": float(clash), **pairs}, reason=reason),
        "first_slot_rate": Score(first / decided if decided else 0.5, {"first": first, "decided": decided}),
        "primacy": Score(lean, {"lean": lean, **pairs}),
    }


def _word(value: float) -> str:
    return {1.0: "win", 0.0: "loss"}.get(value, "tie")


def make(**options: Any) -> JudgePair:
    """Build from options; raises ValueError naming the known ones."""
    return build(JudgePair, options)
