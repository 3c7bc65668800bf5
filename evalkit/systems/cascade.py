"""A cascade: cheap parts first; an answer that passes no gate goes on to the next, stronger one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.core.capabilities import conversing
from evalkit.core.errors import ErrorKind
from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Generation, Message, Response, Sample
from evalkit.systems._gates import Gate, gates, judge_floor, parsed, said
from evalkit.systems._handing import FINAL, broken, handed, several, why, words_of
from evalkit.systems._parts import Parts, System, known_roles, one_part, ready

JUDGING = (
    "You check an answer before it is used. Reply with one word: yes if the answer does what the task asks, no if it "
    "is wrong, incomplete, or no answer."
)
_YES = re.compile(r"\A\W*(yes|no)\b", re.IGNORECASE)
_SCORE = re.compile(r"\A\W*(?:score\W*)?([01](?:\.\d+)?)\W*\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Cascade(System):
    """Asks `steps` in order, cheap to strong, until an answer passes all `gates`.

    `gates` = list of `json_valid` (an object or a list), `no_refusal` (neither a refusal by its finish, nor empty, nor
    words such as "I cannot"), `finished` (not cut off), `{regex: pattern}`, `{min_length: characters}`,
    `{min_confidence: 0..1}` (meta.confidence, else the answer's JSON `confidence` or largest of `probabilities`, else
    exp of the mean log-probability; an answer that does not say fails), `judge` or `{judge: floor}` (the part `judge`
    says yes, or a score from the floor on). The last step is not judged: its answer stands. A failed call goes on too;
    when the last one fails, the latest answer that was refused by a gate stands, and without any the answer is a
    failure that names all.

    `meta.route` = `steps[n]`, `meta.escalated` = how many steps were left behind, `meta.gates` = why, one reason each.
    """

    gates: tuple[Any, ...] = ("no_refusal", "finished")
    instructions: str = JUDGING
    kind: ClassVar[str] = "cascade"
    _gates: tuple[Gate, ...] = field(init=False, repr=False, compare=False)
    _floor: float | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known_roles(self.parts, ("steps", "judge"), needed=("steps",))
        several(self.parts, "steps", 2)
        if not isinstance(self.gates, tuple) or not self.gates:
            raise ValueError("gates must be a list of at least one gate: without one the first answer always stands")
        object.__setattr__(self, "_gates", gates(self.gates))
        object.__setattr__(self, "_floor", judge_floor(self.gates))
        if (self._floor is not None) != ("judge" in self.parts):
            raise ValueError("the gate `judge` and the part `judge` belong together: name both or none")

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Climb until an answer stands."""
        steps = several(self.parts, "steps", 2)
        reasons: list[str] = []
        kept: tuple[int, Response] | None = None
        for place, part in enumerate(steps):
            response = await ctx.ask(part, sample, stage=f"steps[{place}]")
            last = place == len(steps) - 1
            if response.error is not None:
                reasons.append(why(response))
                if response.error.kind in FINAL:
                    return Response(error=response.error, meta={"gates": reasons})
                continue
            kept = (place, response)
            reason = None if last else await self._refused(sample, response, ctx)
            if reason is None:
                break
            reasons.append(reason)
        if kept is None:
            return broken("every step failed: " + "; ".join(f"steps[{n}]: {r}" for n, r in enumerate(reasons)),
                          ErrorKind.PROVIDER, gates=reasons)  # fmt: skip
        route = f"steps[{kept[0]}]"
        return handed(kept[1], route=route, escalated=min(len(reasons), len(steps) - 1), gates=reasons)

    async def _refused(self, sample: Sample, response: Response, ctx: Context) -> str | None:
        for gate in self._gates:
            reason = gate(response)
            if reason is not None:
                return reason
        return None if self._floor is None else await self._judged(sample, response, ctx)

    async def _judged(self, sample: Sample, response: Response, ctx: Context) -> str | None:
        task, answer = words_of(sample), said(response)
        messages: list[Message] = [
            {"role": "system", "content": self.instructions},
            {"role": "user", "content": f"Task:\n{task}\n\nAnswer:\n{answer}\n\nIs the answer right? yes or no"},
        ]
        judge = conversing(one_part(self.parts, "judge"), Generation(max_tokens=8))
        asked = Sample(sample.id, {"messages": messages, "text": task, "answer": answer})
        verdict = await ctx.ask(judge, asked, stage="judge")
        if verdict.error is not None:
            return f"the judge failed ({why(verdict)})"
        score = _score(verdict)
        if score is None:
            return f"the judge said neither yes nor no: {said(verdict)[:60]!r}"
        return None if score >= float(self._floor or 0) else f"the judge gave {score:g}"


def _score(verdict: Response) -> float | None:
    """yes = 1, no = 0, a number in 0..1, or the JSON field `score`; None for anything else."""
    words = said(verdict)
    if found := _YES.search(words):
        return float(found[1].lower() == "yes")
    if found := _SCORE.search(words):
        return float(found[1]) if float(found[1]) <= 1 else None
    try:
        value = parsed(verdict)
    except ValueError:
        return None
    score = value.get("score") if isinstance(value, dict) else value
    if isinstance(score, bool) or not isinstance(score, (int, float)):
        return None
    return float(score) if 0 <= score <= 1 else None


def make(parts: Parts, **options: Any) -> Candidate:
    """Roles `steps` (a list) and `judge`; options `gates`, `instructions`."""
    return ready(build(Cascade, {"parts": parts, **options}))
