"""What a scorer reads from a response: the answer as text or JSON, or the reason why there is none."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from evalkit.core.errors import Finish
from evalkit.core.types import Response

NO_ANSWER = "no_answer"
"""Key of `Response.meta`: why an extraction left no answer."""

RAW = "raw"
"""Key of `Response.meta`: the output as it was before an extraction."""

UNCLOSED = "unclosed think block"

# Bounded and without `<`, so that a long text of half tags costs linear time.
_TAG = re.compile(r"<(/?)(think|thinking|reasoning)(?:\s[^<>]{0,200})?>", re.IGNORECASE)
_NOT_ANSWERS = {Finish.REFUSAL: "refusal", Finish.CONTENT_FILTER: "content filter"}
_SHOWN = 256


def strip_thinking(text: str) -> str | None:
    """The text outside `<think>`, `<thinking>` and `<reasoning>` blocks; None when a block is never closed.

    A closing tag without an opening one ends a block that the prompt template opened: what precedes it is dropped.
    """
    if "<" not in text or _TAG.search(text) is None:
        return text
    kept: list[str] = []
    opened: str | None = None
    start = 0
    for tag in _TAG.finditer(text):
        closing, name = bool(tag[1]), tag[2].lower()
        if opened is None:
            if closing:
                kept.clear()
            else:
                kept.append(text[start : tag.start()])
            opened, start = (None if closing else name), tag.end()
        elif closing and name == opened:
            opened, start = None, tag.end()
    return None if opened else "".join([*kept, text[start:]]).strip()


def failure(response: Response) -> str | None:
    """Why a response holds no answer at all (error, refusal, content filter, nothing); None when it holds one."""
    if response.error is not None:
        return f"{response.error.kind.value}: {response.error.message}"
    if response.finish in _NOT_ANSWERS:
        return _NOT_ANSWERS[response.finish]
    if response.output is None:
        why = response.meta.get(NO_ANSWER) or ("only tool calls" if response.tool_calls else "no answer")
        return cut_off(str(why), response)
    return None


def cut_off(reason: str, response: Response) -> str:
    """The reason, with a word about truncation where the answer ended at the token limit."""
    return f"{reason} (the answer was cut off at the token limit)" if response.finish is Finish.LENGTH else reason


def answer_text(response: Response) -> tuple[str | None, str | None]:
    """The answer as text without think blocks, and the reason when there is none; JSON values become canonical JSON."""
    output = response.output
    if type(output) is str and response.error is None and response.finish not in _NOT_ANSWERS:
        text = strip_thinking(output)
        return (text, None) if text is not None else (None, cut_off(UNCLOSED, response))
    reason = failure(response)
    if reason is not None:
        return None, reason
    if isinstance(output, Mapping) and "$blob" in output:
        return None, f"the answer is a file ({output.get('type', 'unknown type')}), not text"
    return written(output), None


def answer_json(response: Response, *, strict: bool = False) -> tuple[Any, str | None]:
    """The answer as a JSON value and the reason when it is none; parsed values are used as they are.

    Text must be JSON as a whole, or (unless `strict`) hold it in its last fenced code block.
    """
    if response.output is not None and not isinstance(response.output, str):
        return response.output, failure(response)
    text, reason = answer_text(response)
    if text is None:
        return None, reason
    value, reason = parse_json(text)
    if reason is not None and not strict:
        block = last_fence(text)
        if block is not None:
            value, reason = parse_json(block)
    return value, None if reason is None else cut_off(reason, response)


def last_fence(text: str) -> str | None:
    """The body of the last closed ``` block, or None."""
    if "```" not in text:
        return None
    block: str | None = None
    lines: list[str] | None = None
    for line in text.splitlines():
        mark = line.strip()
        if lines is not None and mark == "```":
            block, lines = "\n".join(lines), None
        elif lines is None and mark.startswith("```"):
            lines = []
        elif lines is not None:
            lines.append(line)
    return block


def parse_json(text: str) -> tuple[Any, str | None]:
    """Parse strict JSON (no NaN, no infinity); a value and None, or None and what is wrong."""
    try:
        return json.loads(text, parse_constant=_no_constant), None
    except RecursionError:
        return None, "not JSON: nested too deeply"
    except ValueError as error:
        return None, f"not JSON: {error}"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def written(value: Any) -> str:
    """A value as text: text as it is, everything else as canonical JSON (sorted keys, no spaces)."""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def raw_response(response: Response) -> Response:
    """The response as it was before an extraction; for what measures the whole answer (length, refusal)."""
    if RAW not in response.meta:
        return response
    from dataclasses import replace

    return replace(response, output=response.meta[RAW])


def shown(text: str) -> str:
    """An answer to store beside its score: long text is cut and ends in its hash, so equal answers stay equal."""
    if len(text) <= _SHOWN:
        return text
    return f"{text[: _SHOWN - 24]}... #{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"
