"""A policy for the shop environment by patterns: it looks up names, then calls the tool whose verb the task has."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._answering import Named, as_json, failed, respond, text_of
from evalkit.baselines._numbers_in_text import numbers
from evalkit.core.options import build
from evalkit.core.types import Context, Response, Sample

VERSION = 1

_ORDER = re.compile(r"\bA\d{3}\b")
_NAME = re.compile(r"\b[A-Z][a-z]+ [A-Z][a-z]+\b")
_TOWN = re.compile(r"\bto ([A-Z][a-z]+)\b")
_VERBS = (
    ("cancel_order", r"\bcancel"),
    ("return_order", r"\breturn|send back|take .* back|comes back"),
    ("change_town", r"(?:go|sent|send|travel|ship)\b.* to [A-Z]"),
    ("give_credit", r"\bcredit\b"),
    ("open_ticket", r"\bticket\b|hand (?:that|it) over"),
    ("change_quantity", r"\binstead of\b|\bmake it\b|\bonly want\b"),
    ("place_order", r"\bput\b.*\bway\b|\bwould like\b|\bget\b|\bneeds\b|\border\b.*\bfor me\b"),
)
_THINGS = ("kettle", "teapot", "reading lamp", "desk lamp", "notebook", "sketchbook", "rug", "chair", "mug", "towel")


@dataclass(frozen=True)
class ScriptedPolicy(Named):
    """Plays one round: find the customer and product that the task names, then one call, then the last result in words.

    It reads `messages` as an agent loop keeps them. With `looks_up` false it only acts on orders that the task names.
    """

    looks_up: bool = True
    kind: ClassVar[str] = "scripted_policy"
    version: ClassVar[int] = VERSION

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """The next call as JSON, or the last words; a sample without a text is a failure."""
        try:
            text = text_of(sample)
        except ValueError as error:
            return failed(str(error))
        messages = sample.input.get("messages") or ()
        return respond(text, lambda: self.reply(text, _done(messages)))

    def reply(self, text: str, done: Sequence[tuple[str, Any]]) -> str:
        """What to do or say after the calls that were made, each with its result."""
        made = [name for name, _ in done]
        known = {key: value for _, result in done if isinstance(result, Mapping) for key, value in result.items()}
        person, thing = _NAME.search(text), next((one for one in _THINGS if one in text.lower()), None)
        if self.looks_up and person and "find_customer" not in made:
            return _call("find_customer", name=person[0])
        if self.looks_up and thing and "find_product" not in made:
            return _call("find_product", name=thing)
        tool = next((name for name, verb in _VERBS if re.search(verb, text, re.IGNORECASE)), None)
        if tool is None and _ORDER.search(text):
            tool = "get_order"
        if tool is None or tool in made:
            return _words(done)
        arguments = _arguments(tool, text, known)
        return _words(done) if arguments is None else _call(tool, **arguments)


def _done(messages: Sequence[Any]) -> list[tuple[str, Any]]:
    """Calls and results so far, in their order."""
    names = [call["name"] for message in messages for call in message.get("tool_calls") or ()]
    results = [json.loads(message["content"]) for message in messages if message.get("role") == "tool"]
    return list(zip(names, results, strict=False))


def _arguments(tool: str, text: str, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of a call as far as patterns give them; None when one is missing."""
    order, town = _ORDER.search(text), _TOWN.search(text)
    counts = [int(n) for n in numbers(_ORDER.sub(" ", text)) if n.denominator == 1]
    customer = next((key for key in known if re.fullmatch(r"C\d+", key)), None)
    sku = next((key for key in known if re.fullmatch(r"[A-Z]{2}-\d", key)), None)
    topic = next((one for one in ("damage", "invoice", "delivery") if one in text.lower()), "other")
    values: dict[str, Any] = {
        "order_id": order[0] if order else None,
        "town": town[1] if town else None,
        "customer_id": customer,
        "sku": sku,
        "topic": topic,
        "quantity": counts[0] if counts else None,
        "amount": counts[0] if counts else None,
    }
    found = {name: values[name] for name in _TAKES[tool]}
    return None if None in found.values() else found


_TAKES = {
    "cancel_order": ("order_id",),
    "return_order": ("order_id",),
    "get_order": ("order_id",),
    "change_town": ("order_id", "town"),
    "give_credit": ("customer_id", "amount"),
    "open_ticket": ("customer_id", "topic"),
    "change_quantity": ("order_id", "sku", "quantity"),
    "place_order": ("customer_id", "sku", "quantity"),
}


def _call(tool: str, **arguments: Any) -> str:
    return as_json([{"name": tool, "arguments": arguments}])


def _words(done: Sequence[tuple[str, Any]]) -> str:
    return f"Done. {json.dumps(done[-1][1])}" if done else "I am sorry, I do not know how to do that."


def make(**options: Any) -> ScriptedPolicy:
    """Build from options; raises ValueError naming the known ones."""
    return build(ScriptedPolicy, options)
