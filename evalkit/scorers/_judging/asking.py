"""Asking a judge for one item of a menu, and reading its verdict; what is off the menu is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.core.capabilities import conversing
from evalkit.core.errors import EvalkitError
from evalkit.core.types import Context, Generation, Response, Sample
from evalkit.scorers._answers import answer_json, answer_text, shown

STAGE = "judge"


class JudgeFailed(EvalkitError):
    """The judge gave no answer at all: its provider failed, which says nothing about who was judged."""


@dataclass(frozen=True, slots=True)
class Menu:
    """What a judge may say: the `field` of its JSON answer and the allowed `items`; `reasons` asks for a reason too."""

    field: str
    items: tuple[str | int, ...]
    reasons: bool = True
    max_tokens: int = 300

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a verdict."""
        kind = "integer" if isinstance(self.items[0], int) else "string"
        properties: dict[str, Any] = {"reason": {"type": "string"}} if self.reasons else {}
        properties[self.field] = {"type": kind, "enum": list(self.items)}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    @property
    def words(self) -> str:
        """How the answer is asked for in the prompt."""
        listed = ", ".join(f'"{item}"' if isinstance(item, str) else str(item) for item in self.items)
        first = '"reason": one short sentence, then ' if self.reasons else ""
        return f'Answer with one JSON object and nothing else: {first}"{self.field}": one of {listed}.'

    def read(self, response: Response) -> Verdict:
        """The verdict in a judge's answer: its JSON field, or a text that is a menu item and nothing else."""
        value, reason = answer_json(response)
        if reason is not None or not isinstance(value, Mapping):
            text, _ = answer_text(response)
            found = None if text is None else self._item(text.strip().strip('."'))
            return Verdict(found, None, text)
        why = value.get("reason")
        return Verdict(self._item(value.get(self.field)), why if isinstance(why, str) else None, str(dict(value)))

    def _item(self, said: Any) -> str | int | None:
        if isinstance(said, float) and said.is_integer():
            said = int(said)
        if isinstance(said, bool) or not isinstance(said, (str, int)):
            return None
        return next((item for item in self.items if str(item) == str(said).strip().lower()), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said: an item of the menu or None, its reason, and its answer as it stands."""

    item: str | int | None
    reason: str | None
    said: str | None

    def off_menu(self, judge: str, menu: Menu) -> str:
        """Why there is no verdict."""
        said = "nothing" if self.said is None else repr(shown(self.said)[:120])
        return f"off the menu: {judge} said {said}, not one of {', '.join(map(str, menu.items))}"


@dataclass(frozen=True, slots=True)
class Question:
    """What is said to a judge: the system and user message, and the same as fields for a judge that is no chat."""

    system: str
    user: str
    fields: Mapping[str, Any]

    def sample(self, about: Sample) -> Sample:
        """The question as a sample about another one."""
        messages = [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]
        return Sample(f"judged {about.id}"[:256], {**self.fields, "messages": messages})


async def ask(ctx: Context, judge: str, about: Sample, question: Question, menu: Menu) -> Verdict:
    """Ask a judge. Raises JudgeFailed when no answer came; an answer that is no verdict has item None."""
    candidate = conversing(ctx.candidate(judge), Generation(max_tokens=menu.max_tokens, schema=menu.schema))
    response = await ctx.ask(candidate, question.sample(about), stage=STAGE)
    if response.error is not None:
        raise JudgeFailed(f"judge {judge}: {response.error.kind.value}: {response.error.message}")
    return menu.read(response)


def because(reasons: Sequence[str | None]) -> str | None:
    """The judge's reasons as one text to keep."""
    kept = [" ".join(reason.split())[:250] for reason in reasons if reason]
    return " | ".join(kept) or None
