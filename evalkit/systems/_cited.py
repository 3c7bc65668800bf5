"""Reading what a reader said: an answer or its absence, and citations as ids of the passages that it was shown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)
_MARK = re.compile(r"\s*\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_NUMBER = re.compile(r"\d{1,3}")
_CITED = re.compile(r"\[?\s*(\d{1,3})\s*\]?")
FIELDS = ("citations", "citation", "sources", "cited")


def understood(output: Any, ids: Sequence[str]) -> Any:
    """`{"answer": text or null, "citations": ids}`; an output that says neither comes back as it is.

    Read are JSON, alone, in a fenced block or after some words, and prose. `[2]`, 2 and "2" cite the second passage, an
    id cites itself; what points to no passage is kept as it was written, so that it counts as a wrong citation. Prose
    is an answer whose citations are its marks; an unclosed think block, half a JSON object and nothing are none.
    """
    value = _json(output) if isinstance(output, str) else output
    if isinstance(value, Mapping):
        if "answer" not in value:
            return output
        answer = value["answer"]
        if answer is not None and not isinstance(answer, (str, int, float, bool)):
            return output
        text = None if answer is None else answer if isinstance(answer, str) else json.dumps(answer)
        listed: Any = next((value[name] for name in FIELDS if name in value), [])
        found = _listed(listed, ids)
        if text is not None:
            text, marks = _marked(text, ids)
            found = found or marks
        return {"answer": text, "citations": found}
    if not isinstance(value, str):
        return output
    text = value.strip()
    if not text or text[0] in "{[<":
        return output
    text, marks = _marked(text, ids)
    return {"answer": text, "citations": marks}


def _json(text: str) -> Any:
    """The JSON object in a text, else the text without its think blocks."""
    plain = _THINKING.sub("", text).strip()
    fenced = _FENCE.findall(plain)
    for candidate in (plain, *reversed(fenced)):
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, Mapping):
            return found
    start = plain.find('{"answer"')
    if start > 0:
        try:
            return json.JSONDecoder().raw_decode(plain, start)[0]
        except (ValueError, RecursionError):
            return plain
    return plain


def _listed(listed: Any, ids: Sequence[str]) -> list[str]:
    """Different ids in the order of their first mention."""
    items = listed if isinstance(listed, (list, tuple)) else [] if listed is None else [listed]
    found: list[str] = []
    for item in items:
        if isinstance(item, Mapping):
            item = item.get("id", item.get("passage", "?"))  # noqa: PLW2901 - a citation may be an object
        text = str(item).strip()
        marks = [text] if text in ids else [_one(n, ids) for n in _NUMBER.findall(text)] if _all_marks(text) else [text]
        found += [mark for mark in marks if mark and mark not in found]
    return found


def _all_marks(text: str) -> bool:
    return _CITED.fullmatch(text) is not None or (_MARK.sub("", text).strip(" ,;") == "" and text != "")


def _one(number: str, ids: Sequence[str]) -> str:
    place = int(number)
    return ids[place - 1] if 1 <= place <= len(ids) else f"[{place}]"


def _marked(text: str, ids: Sequence[str]) -> tuple[str, list[str]]:
    """A text without its marks, and what they cite. A mark that points to no passage is part of the text."""
    found: list[str] = []

    def take(mark: re.Match[str]) -> str:
        numbers = _NUMBER.findall(mark[1])
        if not all(1 <= int(number) <= len(ids) for number in numbers):
            return mark[0]
        found.extend(_one(number, ids) for number in numbers)
        return ""

    left = _MARK.sub(take, text)
    return left.strip(), list(dict.fromkeys(found))
