"""A council: a writer drafts, reviewers read side by side, their remarks go back to the writer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from evalkit.core.capabilities import conversation, conversing
from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Generation, Message, Response, Sample
from evalkit.systems._gates import said
from evalkit.systems._handing import FINAL, handed, several, why, words_of
from evalkit.systems._parts import Parts, System, known_roles, one_part, ready

REVIEWING = (
    "You review an answer. If it is right and complete, reply with OK and nothing else. Otherwise say in one or two "
    "sentences what is wrong; do not write the answer yourself."
)
REVISING = (
    "Reviewers remarked on your answer:\n{remarks}\n\nWeigh the remarks: they may be wrong. Then give your final "
    "answer to the task, in the form that was asked for, and nothing else."
)
_AGREED = re.compile(r"\A\W*(?:ok(?:ay)?|no remarks?|approved?|lgtm|correct|fine)\W*\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Council(System):
    """Lets the part `writer` draft an answer, `reviewers` remark on it side by side, and the writer revise it.

    `rounds` = how often the remarks go back; a round in which every reviewer says OK is the last. `reviewing` is the
    reviewers' instruction, `revising` what the writer is told, with `{remarks}` in it; `remark_tokens` bounds a remark.
    A chat that writes goes on with the conversation of the suite's prompt; one that reviews gets the task's words, the
    answer and the instruction. What is no chat finds them in its input: `text`, `answer`, `remarks`.

    A failed draft is the answer's failure. A reviewer that fails has no remark; a revision that fails leaves the draft
    as it was; both stand in `meta.failed`. The output is the writer's latest. `meta.rounds` = how often it
    revised, `meta.remarks` = the remarks of each round, `meta.agreed` = whether the last one had none.
    """

    rounds: int = 1
    reviewing: str = REVIEWING
    revising: str = REVISING
    remark_tokens: int = 120
    kind: ClassVar[str] = "council"

    def __post_init__(self) -> None:
        known_roles(self.parts, ("writer", "reviewers"), needed=("writer", "reviewers"))
        one_part(self.parts, "writer")
        several(self.parts, "reviewers", 1)
        for name in ("rounds", "remark_tokens"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name}={value!r} must be a whole number from 1 on")
        if "{remarks}" not in self.revising:
            raise ValueError("revising must have {remarks} in it: that is where the remarks go")

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Draft, review, revise."""
        writer = one_part(self.parts, "writer")
        draft = await ctx.ask(writer, sample, stage="write")
        if draft.error is not None:
            return Response(error=draft.error)
        failed: list[str] = []
        rounds: list[list[str]] = []
        revised = 0
        for _ in range(self.rounds):
            remarks, final = await self._remarks(sample, draft, ctx, failed)
            if final is not None:
                return Response(error=final.error)
            rounds.append(remarks)
            if not remarks:
                break
            latest = await self._revision(sample, draft, remarks, ctx)
            if latest.error is not None and latest.error.kind in FINAL:
                return Response(error=latest.error)
            if latest.error is not None:
                failed.append(f"writer: {why(latest)}")
                break
            draft, revised = latest, revised + 1
        told = {"rounds": revised, "remarks": rounds, "agreed": not rounds[-1], "failed": failed}
        return handed(draft, **told)

    async def _remarks(
        self, sample: Sample, draft: Response, ctx: Context, failed: list[str]
    ) -> tuple[list[str], Response | None]:
        """What the reviewers object to, in their order; and a failure after which nobody may be asked."""
        reviewers = several(self.parts, "reviewers", 1)
        task, answer = words_of(sample), said(draft)
        messages: list[Message] = [
            {"role": "system", "content": self.reviewing},
            {"role": "user", "content": f"Task:\n{task}\n\nAnswer:\n{answer}\n\nYour review:"},
        ]
        asked = Sample(sample.id, {"messages": messages, "text": task, "answer": answer})
        bound = Generation(max_tokens=self.remark_tokens)
        calls = (ctx.ask(conversing(part, bound), asked, stage=f"reviewers[{n}]") for n, part in enumerate(reviewers))
        reviews = await asyncio.gather(*calls)
        for n, review in enumerate(reviews):
            if review.error is not None and review.error.kind in FINAL:
                return [], review
            if review.error is not None:
                failed.append(f"reviewers[{n}]: {why(review)}")
        spoken = [said(review).strip() for review in reviews if review.error is None]
        return [words for words in spoken if words and not _AGREED.search(words)], None

    async def _revision(self, sample: Sample, draft: Response, remarks: Sequence[str], ctx: Context) -> Response:
        writer = one_part(self.parts, "writer")
        before = conversation(writer, sample) or [{"role": "user", "content": words_of(sample)}]
        told = self.revising.replace("{remarks}", "\n".join(f"- {remark}" for remark in remarks))
        messages = [*before, {"role": "assistant", "content": said(draft)}, {"role": "user", "content": told}]
        given = {**sample.input, "messages": messages, "answer": said(draft), "remarks": list(remarks)}
        return await ctx.ask(conversing(writer), replace(sample, input=given), stage="revise")


def make(parts: Parts, **options: Any) -> Candidate:
    """Roles `writer` and `reviewers`; options `rounds`, `reviewing`, `revising`, `remark_tokens`."""
    return ready(build(Council, {"parts": parts, **options}))
