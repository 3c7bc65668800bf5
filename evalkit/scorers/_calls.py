"""Tool calls: reading them from an answer, and holding them against a schema and the values that are allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from evalkit.core.types import Response
from evalkit.scorers._answers import answer_text, last_fence, parse_json

OMITTED = ""
"""In a list of allowed values: the parameter may be left out."""

_BLOCK = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_ATTEMPT = re.compile(r"\A\s*[\[{]|<tool_call|<function|\"(?:name|arguments|tool_calls)\"\s*:|```json")
_DROPPED = str.maketrans("", "", " ,./-_*^")
_LISTS = ("tool_calls", "calls")
_ARGUMENTS = ("arguments", "parameters", "input")


class Call(NamedTuple):
    """A call; `arguments` is None when they are no JSON object."""

    name: str
    arguments: Mapping[str, Any] | None


class Said(NamedTuple):
    """What an answer says: calls, words beside them, and why an attempt at a call cannot be read."""

    calls: tuple[Call, ...] = ()
    words: str = ""
    broken: str | None = None


def said(response: Response, tools: Sequence[str] = ()) -> tuple[Said | None, str | None]:
    """The calls and words of an answer, and the reason when there is no answer at all.

    Calls come as the API's own, or as JSON in the text: an object with `name` and `arguments`, a list of them (empty =
    none), `{"tool_calls": [...]}`, in a fenced block or in <tool_call> tags. `tools` are the names that are known.
    """
    if response.tool_calls and response.error is None:
        words = response.output if isinstance(response.output, str) else ""
        calls = tuple(_call(call) for call in response.tool_calls)
        bad = next((call.name for call in calls if call.arguments is None), None)
        return Said(calls, words, None if bad is None else f"the arguments of {bad} are no JSON object"), None
    text, reason = answer_text(response)
    if text is None:
        return None, reason
    return _from_text(text, tools), None


def _from_text(text: str, tools: Sequence[str]) -> Said:
    blocks = _BLOCK.findall(text)
    if blocks:
        return _from_values([parse_json(block) for block in blocks])
    value, wrong = parse_json(text)
    if wrong is not None and (block := last_fence(text)) is not None:
        value, wrong = parse_json(block)
    if wrong is None and isinstance(value, (list, Mapping)):
        return _from_values([(value, None)])
    tried = _ATTEMPT.search(text) or next((name for name in tools if f"{name}(" in text), None)
    return Said(words=text.strip(), broken="the call cannot be read: " + (wrong or "no JSON") if tried else None)


def _from_values(parsed: Sequence[tuple[Any, str | None]]) -> Said:
    calls: list[Call] = []
    for value, wrong in parsed:
        inner = value
        if isinstance(value, Mapping):
            inner = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), [value])
        if wrong is not None or not isinstance(inner, list):
            return Said(broken=f"the call cannot be read: {wrong or 'no object'}")
        for one in inner:
            if not isinstance(one, Mapping) or not isinstance(_named(one).get("name"), str):
                return Said(tuple(calls), broken="the call cannot be read: it has no name")
            calls.append(_call(one))
    bad = next((call.name for call in calls if call.arguments is None), None)
    broken = None if bad is None else f"the arguments of {bad} are no JSON object"
    return Said(tuple(calls), "" if calls else "[]", broken)


def _named(call: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = call.get("function")
    return inner if isinstance(inner, Mapping) else call


def _call(call: Mapping[str, Any]) -> Call:
    source = _named(call)
    value: Any = next((source[key] for key in _ARGUMENTS if key in source), {})
    if isinstance(value, str):
        value = {} if not value.strip() else parse_json(value)[0]
    return Call(str(source.get("name") or ""), value if isinstance(value, Mapping) else None)


def same_text(one: str, other: str) -> bool:
    """Equality of texts as in the Berkeley Function Calling Leaderboard: case, spaces and `, . / - _ * ^` apart."""
    return _folded(one) == _folded(other)


def _folded(text: str) -> str:
    return text.translate(_DROPPED).lower().replace("'", '"')


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value has the type of a schema: an integer is a number, a whole number with a point no integer."""
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return _fits(value, kinds, schema)
    return not isinstance(kinds, list) or any(_fits(value, kind, schema) for kind in kinds)


def _fits(value: Any, kind: str, schema: Mapping[str, Any]) -> bool:
    if kind == "array":
        items = schema.get("items")
        of = items if isinstance(items, Mapping) else {}
        return isinstance(value, (list, tuple)) and all(fits(one, of) for one in value)
    if kind == "object":
        inner = schema.get("properties") or {}
        return isinstance(value, Mapping) and all(fits(one, inner.get(name) or {}) for name, one in value.items())
    if kind in ("integer", "number"):
        return isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
    return {"string": isinstance(value, str), "boolean": isinstance(value, bool), "null": value is None}.get(kind, True)


def allowed(value: Any, options: Sequence[Any]) -> bool:
    """Whether a value is one of the allowed ones; `""` allows leaving it out, not an empty text."""
    return any(option != OMITTED and _same(value, option) for option in options)


def _same(value: Any, option: Any) -> bool:
    if isinstance(option, str):
        return isinstance(value, str) and same_text(value, option)
    if isinstance(option, bool) or isinstance(value, bool):
        return value is option
    if isinstance(option, Mapping):
        return isinstance(value, Mapping) and _object(value, option) is None
    if isinstance(option, (list, tuple)):
        alike = isinstance(value, (list, tuple)) and len(value) == len(option)
        return alike and all(_same(one, other) for one, other in zip(value, option, strict=True))
    return bool(value == option)


def _object(value: Mapping[str, Any], options: Mapping[str, Any]) -> str | None:
    """Why an object is not allowed: each of its fields has a list of allowed values. None when it is."""
    for name, found in value.items():
        if name not in options:
            return f"unknown parameter {name!r}"
        if not allowed(found, _many(options[name])):
            return f"{name} = {str(found)[:60]!r} is not allowed"
    missing = next((name for name, given in options.items() if name not in value and OMITTED not in _many(given)), None)
    return None if missing is None else f"{missing!r} is missing"


def _many(options: Any) -> Sequence[Any]:
    return options if isinstance(options, (list, tuple)) else (options,)


def objection(call: Call, gold: Mapping[str, Any], tools: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Why a call is not the wanted one: name, required and unknown parameters, types, values. None when it is."""
    if call.name != gold["name"]:
        return f"{call.name} is not {gold['name']}"
    if call.arguments is None:
        return f"the arguments of {call.name} are no JSON object"
    schema: Mapping[str, Any] = tools.get(call.name, {}).get("parameters") or {}
    properties = schema.get("properties") or {}
    missing = next((name for name in schema.get("required") or () if name not in call.arguments), None)
    if missing is not None:
        return f"{call.name}: {missing!r} is missing"
    for name, value in call.arguments.items():
        if name not in properties:
            return f"{call.name}: unknown parameter {name!r}"
        if not fits(value, properties[name]):
            return f"{call.name}: {name} = {str(value)[:60]!r} is no {properties[name].get('type')}"
    wrong = _object(call.arguments, gold.get("arguments") or {})
    return None if wrong is None else f"{call.name}: {wrong}"


def matching(calls: Sequence[Call], golds: Sequence[Mapping[str, Any]], tools: Mapping[str, Any]) -> dict[int, int]:
    """Gold index -> call index, a maximum matching whatever the order (Kuhn's augmenting paths)."""
    edges = [[j for j, call in enumerate(calls) if objection(call, gold, tools) is None] for gold in golds]
    owner: dict[int, int] = {}

    def placed(gold: int, seen: set[int]) -> bool:
        for call in edges[gold]:
            if call not in seen:
                seen.add(call)
                if call not in owner or placed(owner[call], seen):
                    owner[call] = gold
                    return True
        return False

    for gold in range(len(golds)):
        placed(gold, set())
    return {gold: call for call, gold in owner.items()}
