"""Function calling: whether exactly the wanted calls were made, with precision and recall over single calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Row, Sample, Score
from evalkit.scorers._answers import cut_off, shown, written
from evalkit.scorers._base import OneAnswer, trouble, unscorable
from evalkit.scorers._calls import OMITTED, Call, Said, allowed, fits, matching, objection, said
from evalkit.scorers._folds import precision, recall

_KEYS = ("tp", "fp", "fn")
_METRICS = (
    Metric("tool_match", kind="mean01", bounds=(0.0, 1.0), primary=True),
    Metric("tool_precision", kind="corpus", bounds=(0.0, 1.0), fold=Fold(across=Sums(precision, keys=_KEYS))),
    Metric("tool_recall", kind="corpus", bounds=(0.0, 1.0), fold=Fold(across=Sums(recall, keys=_KEYS))),
)
MOST_CALLS = 64


@dataclass(frozen=True, slots=True)
class ToolCalls(OneAnswer):
    """1 when the calls are exactly the wanted ones, by the rules of the Berkeley Function Calling Leaderboard.

    The sample offers `input.tools` (name, description, parameters as JSON Schema). Its target is `{"calls": [...]}`
    with a list of allowed values per argument ("" among them = may be left out), in any order: a maximum matching
    decides; `{"calls": []}` where no tool helps: any call fails, and so does an attempt at one that cannot be read; or
    `{"ask": [parameters]}` where the user left something out: no call, but a question. Precision and recall count
    single calls.
    """

    libraries: ClassVar[tuple[str, ...]] = ("jsonschema",)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`tool_match`, a rate; `tool_precision` and `tool_recall` over all calls."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Read the calls and match them."""
        tools = _tools(sample)
        found, reason = said(response, tuple(tools))
        if found is None:
            return unscorable(_METRICS, reason)
        golds = wanted(sample)
        calls = found.calls[:MOST_CALLS]
        pairs = matching(calls, golds, tools)
        hits = len(pairs)
        attempts = max(len(found.calls), 1 if found.broken else 0)
        parts = {"tp": float(hits), "fp": float(attempts - hits), "fn": float(len(golds) - hits)}
        why = cut_off(found.broken, response) if found.broken else _why(sample, found, pairs, tools)
        answer = shown(written([call._asdict() for call in found.calls]) if found.calls else found.words)
        rows = tuple(Row(gold["name"], value=float(i in pairs)) for i, gold in enumerate(golds))
        exact = Score(0.0 if why else 1.0, answer=answer, reason=why, rows=rows)
        share = 1.0 if not golds and not attempts else hits / max(1, attempts)
        missed = 1.0 if not golds else hits / len(golds)
        return {"tool_match": exact, "tool_precision": Score(share, parts), "tool_recall": Score(missed, parts)}

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """No call was made: every wanted one is missed."""
        try:
            missed = {"tp": 0.0, "fp": 0.0, "fn": float(len(wanted(sample)))}
        except ValueError:
            missed = {"tp": 0.0, "fp": 0.0, "fn": 0.0}
        return {"tool_match": Score(0.0), "tool_precision": Score(0.0, missed), "tool_recall": Score(0.0, missed)}

    def problem(self, sample: Sample) -> str | None:
        """Tools without a valid schema, or a target that these tools cannot reach."""
        return trouble(_check, sample)


def wanted(sample: Sample) -> list[Mapping[str, Any]]:
    """The wanted calls; none where no tool helps or something has to be asked. Raises ValueError for another target."""
    target = sample.target
    if not isinstance(target, Mapping) or not ({"calls", "ask"} & set(target)):
        raise ValueError('the target must be {"calls": [...]} or {"ask": [...]}')
    calls = target.get("calls", [])
    if not isinstance(calls, list) or not all(isinstance(c, Mapping) and isinstance(c.get("name"), str) for c in calls):
        raise ValueError("the target's calls must be a list of objects with a name and arguments")
    return calls


def _why(sample: Sample, found: Said, pairs: Mapping[int, int], tools: Mapping[str, Any]) -> str | None:
    golds = wanted(sample)
    if not golds:
        return _silent(sample, found)
    if len(found.calls) > len(golds) == len(pairs):
        return f"calls made: {len(found.calls)}, wanted: {len(golds)}"
    missing = next((i for i in range(len(golds)) if i not in pairs), None)
    if missing is None:
        return None
    left = [call for j, call in enumerate(found.calls) if j not in pairs.values()]
    same = next((call for call in left if call.name == golds[missing]["name"]), left[0] if left else None)
    return f"{golds[missing]['name']} was not called" if same is None else objection(same, golds[missing], tools)


def _silent(sample: Sample, found: Said) -> str | None:
    """Why an answer without a wanted call is wrong."""
    if found.calls:
        return f"{found.calls[0].name} was called; no call is wanted"
    asked = sample.target.get("ask") or ()
    if asked:
        words = found.words.lower()
        named = any(str(name).replace("_", " ").lower() in words for name in asked)
        return None if "?" in words or named else f"nothing is asked; {', '.join(map(str, asked))} must be known first"
    return None if found.words.strip() else "the answer says nothing"


def _tools(sample: Sample) -> dict[str, Mapping[str, Any]]:
    tools = sample.input.get("tools")
    if not isinstance(tools, (list, tuple)) or not all(isinstance(t, Mapping) and "name" in t for t in tools):
        raise ValueError("input.tools must be a list of tools with name and parameters")
    return {str(tool["name"]): tool for tool in tools}


def _check(sample: Sample) -> None:
    tools = _tools(sample)
    if len(tools) != len(sample.input["tools"]):
        raise ValueError("input.tools: two tools have one name")
    for name, tool in tools.items():
        _valid_schema(name, written(tool.get("parameters")))
    for gold in wanted(sample):
        _reachable(gold, tools)
    unknown = [name for name in sample.target.get("ask", ()) if not any(name in _properties(t) for t in tools.values())]
    if unknown:
        raise ValueError(f"the target asks for {unknown[0]!r}, which no tool has as a parameter")


def _properties(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (tool.get("parameters") or {}).get("properties") or {}
    return found


@lru_cache(maxsize=1024)
def _valid_schema(name: str, schema: str) -> None:
    import json

    from jsonschema import Draft202012Validator, SchemaError

    parsed = json.loads(schema)
    if not isinstance(parsed, Mapping) or parsed.get("type") != "object":
        raise ValueError(f"tool {name!r}: `parameters` must be a JSON Schema of type object")
    try:
        Draft202012Validator.check_schema(parsed)
    except SchemaError as error:
        where = error.json_path.replace("$", "parameters", 1)
        raise ValueError(f"tool {name!r} has no valid schema: {where}: {error.message[:200]}") from None
    lost = [one for one in parsed.get("required", ()) if one not in parsed.get("properties", {})]
    if lost:
        raise ValueError(f"tool {name!r} requires {lost[0]!r}, which is none of its parameters")


def _reachable(gold: Mapping[str, Any], tools: Mapping[str, Mapping[str, Any]]) -> None:
    tool = tools.get(gold["name"])
    if tool is None:
        raise ValueError(f"the target calls {gold['name']!r}, which is not offered")
    arguments = gold.get("arguments") or {}
    for name, options in arguments.items():
        if name not in _properties(tool):
            raise ValueError(f"the target gives {gold['name']} an unknown parameter {name!r}")
        if not isinstance(options, list) or not options:
            raise ValueError(f"{gold['name']}: {name} needs a list of allowed values in the target")
        first = example(options)
        if first is not None and not (fits(first, _properties(tool)[name]) and allowed(first, options)):
            raise ValueError(f"{gold['name']}: the allowed value {first!r} of {name} has the wrong type")
    needed = (tool.get("parameters") or {}).get("required") or ()
    lacking = next((name for name in needed if name not in arguments or OMITTED in arguments[name]), None)
    if lacking is not None:
        raise ValueError(f"the target gives {gold['name']} no {lacking!r}, which it requires")


def example(options: Sequence[Any]) -> Any:
    """A value that the options allow; None where only leaving it out is allowed."""
    option = next((one for one in options if one != OMITTED), None)
    if isinstance(option, Mapping):
        return {name: value for name, inner in option.items() if (value := example(inner)) is not None}
    return option


def example_call(gold: Mapping[str, Any]) -> Call:
    """A right call for a wanted one."""
    arguments = {name: value for name, options in gold["arguments"].items() if (value := example(options)) is not None}
    return Call(gold["name"], arguments)


def make(**options: Any) -> ToolCalls:
    """Build from options; raises ValueError naming the known ones."""
    return build(ToolCalls, options)
