"""Gates of a cascade: what an answer must pass so that nobody stronger is asked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evalkit.core.errors import Finish
from evalkit.core.types import Response

Gate = Callable[[Response], str | None]
"""Why an answer does not pass, or None."""

_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)
_REFUSING = re.compile(
    r"\A\W*(?:i(?:'m| am) sorry\b|sorry,|i (?:can(?:not|'t)|am unable to|am not able to|do(?:n't| not) know)|"
    r"as an ai\b|unfortunately,? i\b|no idea\b|not sure\b|unknown\W*\Z)",
    re.IGNORECASE,
)
NAMES = ("json_valid", "no_refusal", "finished", "regex", "min_confidence", "min_length", "judge")


def said(response: Response) -> str:
    """An answer as text; JSON as it would be written."""
    output = response.output
    return output if isinstance(output, str) else "" if output is None else json.dumps(output, ensure_ascii=False)


def parsed(response: Response) -> Any:
    """An answer as JSON, also inside a fenced block. Raises ValueError when it is none."""
    if not isinstance(response.output, str):
        return response.output
    fenced = _FENCE.findall(response.output)
    return json.loads(fenced[-1] if fenced else response.output)


def confidence(response: Response) -> float | None:
    """How sure an answer says it is, 0..1; None when nothing tells.

    In this order: `meta.confidence`; the answer's JSON field `confidence`, else the largest of its `probabilities`; the
    geometric mean of its tokens' probabilities, exp(mean of the log-probabilities).
    """
    for told in (response.meta.get("confidence"), _written(response)):
        if isinstance(told, (int, float)) and _number(told):
            return float(told)
    if response.logprobs:
        return math.exp(sum(response.logprobs) / len(response.logprobs))
    return None


def _written(response: Response) -> Any:
    try:
        value = parsed(response)
    except ValueError:
        return None
    if not isinstance(value, Mapping):
        return None
    chances = value.get("probabilities")
    listed = [chance for chance in chances.values() if _number(chance)] if isinstance(chances, Mapping) else []
    return value.get("confidence", max(listed, default=None))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _json_valid(response: Response) -> str | None:
    try:
        value = parsed(response)
    except ValueError:
        return "no JSON"
    return None if isinstance(value, (Mapping, list)) else "no JSON object"


def _no_refusal(response: Response) -> str | None:
    if response.finish in (Finish.REFUSAL, Finish.CONTENT_FILTER):
        return f"finish {response.finish.value}"
    words = said(response)
    return "it says that it cannot" if not words.strip() or _REFUSING.search(words) else None


def _finished(response: Response) -> str | None:
    return "cut off" if response.finish is Finish.LENGTH else None


def _regex(value: Any) -> Gate:
    if not isinstance(value, str):
        raise ValueError("regex must be text")  # noqa: TRY004 - a wrong option is a ValueError
    try:
        pattern = re.compile(value, re.MULTILINE)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error
    return lambda response: None if pattern.search(said(response)) else f"nothing matches {value}"


def _min_confidence(value: Any) -> Gate:
    if not _number(value) or not 0 <= value <= 1:
        raise ValueError(f"min_confidence={value!r} must be a number from 0 to 1")

    def gate(response: Response) -> str | None:
        sure = confidence(response)
        if sure is None:
            return "it does not say how sure it is"
        return None if sure >= value else f"confidence {sure:.3g} below {value:g}"

    return gate


def _min_length(value: Any) -> Gate:
    if type(value) is not int or value < 1:
        raise ValueError(f"min_length={value!r} must be a number of characters from 1 on")
    return lambda response: None if len(said(response).strip()) >= value else f"shorter than {value} characters"


_PLAIN: Mapping[str, Gate] = {"json_valid": _json_valid, "no_refusal": _no_refusal, "finished": _finished}
_VALUED: Mapping[str, Callable[[Any], Gate]] = {
    "regex": _regex,
    "min_confidence": _min_confidence,
    "min_length": _min_length,
}


def gates(listed: Sequence[Any]) -> tuple[Gate, ...]:
    """Gates from their declarations: a name, or `{name: value}`; `judge` is left out, since it asks somebody.

    Raises ValueError that names the place.
    """
    found: list[Gate] = []
    for place, one in enumerate(listed):
        name, value = _named(place, one)
        try:
            if name in _PLAIN:
                found.append(_PLAIN[name])
            elif name in _VALUED:
                found.append(_VALUED[name](value))
        except ValueError as error:
            raise ValueError(f"gates[{place}]: {error}") from error
    return tuple(found)


def judge_floor(listed: Sequence[Any]) -> float | None:
    """The least score of the gate `judge`, 0..1 (0.5 where none is given); None where there is no such gate."""
    for place, one in enumerate(listed):
        name, value = _named(place, one)
        if name == "judge":
            if value is not None and (not _number(value) or not 0 <= value <= 1):
                raise ValueError(f"gates[{place}]: judge={value!r} must be a number from 0 to 1")
            return 0.5 if value is None else float(value)
    return None


def _named(place: int, one: Any) -> tuple[str, Any]:
    name, value = (one, None) if isinstance(one, str) else (None, None)
    if isinstance(one, Mapping) and len(one) == 1:
        name, value = next(iter(one.items()))
    if name not in NAMES:
        raise ValueError(f"gates[{place}]: {one!r} is no gate; known: {', '.join(NAMES)}")
    if name in _VALUED and value is None:
        raise ValueError(f"gates[{place}]: write {{{name}: value}}")
    return str(name), value
