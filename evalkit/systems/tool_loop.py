"""An agent loop: a policy calls the tools of an environment until it answers in words; the final state is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.capabilities import conversing
from evalkit.core.errors import Finish
from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Message, Response, Sample
from evalkit.systems._parts import Parts, System, known_roles, one_part, ready
from evalkit.systems._world import World, tools

ENVIRONMENTS = ("shop",)
POLICY = (
    "You work for a shop and act through tools, one or several calls at a time. Only open orders can be changed or "
    "cancelled, only delivered ones returned. A tool that refuses says why; do not try to get around it. Do exactly "
    "what is asked. When all is done, answer the customer in one or two sentences and name what was asked for."
)
_TAGGED = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


@dataclass(frozen=True)
class ToolLoop(System):
    """Lets the part `policy` work on a task in an environment, for at most `max_steps` turns.

    `environment` = shop, made from `seed`: every task begins in the same state. A chat policy is asked with the
    conversation so far and the environment's tools; any other candidate finds `messages`, `tools` and `text` in its
    input and answers with calls as JSON (`{"name": ..., "arguments": {...}}` or a list) or with words. `instructions`
    is the system message; with `show_tools` it lists the tools in words and asks for calls as JSON, for models whose
    chat template leaves tools out.

    The output is `{"answer", "state", "steps", "calls"}`: the last words, the hash of the final state, how many calls
    were made and which. A policy that never answers in words ends with finish `length`; a failed call to it is a failed
    answer.
    """

    environment: str = "shop"
    seed: int = 7
    max_steps: int = 10
    instructions: str = POLICY
    show_tools: bool = False
    kind: ClassVar[str] = "tool_loop"

    def __post_init__(self) -> None:
        if self.environment not in ENVIRONMENTS:
            raise ValueError(f"environment={self.environment!r} is unknown; known: {', '.join(ENVIRONMENTS)}")
        if self.max_steps < 1:
            raise ValueError(f"max_steps={self.max_steps} must be 1 or more")
        known_roles(self.parts, ("policy",), needed=("policy",))

    @property
    def policy(self) -> Candidate:
        """Who decides what to do."""
        return conversing(one_part(self.parts, "policy"))

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Play one task."""
        world, policy = World(self.seed), self.policy
        text = str(sample.input.get("text", ""))
        told = self.instructions + (_listed() if self.show_tools else "")
        messages: list[Message] = [{"role": "system", "content": told}, {"role": "user", "content": text}]
        calls: list[dict[str, Any]] = []
        for _ in range(self.max_steps):
            turn = Sample(sample.id, {"text": text, "messages": list(messages), "tools": tools()})
            response = await ctx.ask(policy, turn, stage="policy")
            if response.error is not None:
                return Response(error=response.error)
            wanted = wanted_calls(response)
            if not wanted:
                return _ended(world, response.output, calls, response.finish or Finish.STOP)
            wanted = [{**call, "id": call["id"] or f"call_{len(calls) + n}"} for n, call in enumerate(wanted)]
            said = response.output if response.tool_calls else None
            # A server refuses a conversation in which arguments are no JSON; what was wrong stands in the result.
            tidy = [{**call, "arguments": _object(call["arguments"]) or {}} for call in wanted]
            messages.append({"role": "assistant", "content": said, "tool_calls": tidy})
            for call in wanted:
                result = world.call(call["name"], _object(call["arguments"]))
                calls.append({"name": call["name"], "arguments": _object(call["arguments"]), "result": result})
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})
        return _ended(world, None, calls, Finish.LENGTH)


def _listed() -> str:
    lines = [f"- {t['name']}({', '.join(t['parameters']['properties'])}): {t['description']}" for t in tools()]
    form = 'Call a tool by answering with nothing but JSON: {"name": "...", "arguments": {...}}'
    return "\n\nTools:\n" + "\n".join(lines) + f"\n\n{form}"


def _ended(world: World, words: Any, calls: list[dict[str, Any]], finish: Finish) -> Response:
    answer = words if isinstance(words, str) or words is None else json.dumps(words)
    output = {"answer": answer, "state": world.hash, "steps": len(calls), "calls": calls}
    return Response(output=output, finish=finish)


def wanted_calls(response: Response) -> list[dict[str, Any]]:
    """The calls of a turn as `{id, name, arguments}`: the API's own, else JSON in the text; none for words."""
    if response.tool_calls:
        return [
            {"id": str(call.get("id") or ""), "name": str(call.get("name") or ""), "arguments": call.get("arguments")}
            for call in response.tool_calls
        ]
    value = _json(response.output) if isinstance(response.output, str) else response.output
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(call, Mapping) and isinstance(call.get("name"), str) for call in listed):
        return []
    return [{"id": "", "name": call["name"], "arguments": call.get("arguments", {})} for call in listed]


def _json(text: str) -> Any:
    inner = _TAGGED.findall(text) or _FENCED.findall(text)[-1:] or [text]
    try:
        values = [json.loads(one) for one in inner]
    except ValueError:
        return None
    return values[0] if len(values) == 1 else values


def _object(arguments: Any) -> Mapping[str, Any] | None:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError:
            return None
    return arguments if isinstance(arguments, Mapping) else None


def make(parts: Parts, **options: Any) -> Candidate:
    """Build from a policy and options; raises ValueError naming the known ones."""
    return ready(build(ToolLoop, {"parts": parts, **options}))
