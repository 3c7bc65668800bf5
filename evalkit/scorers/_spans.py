"""Entities in a text: spans by character offsets, by their words, or as IOB2 tags, from targets and answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from evalkit.scorers._targets import kind

TAGGINGS = ("strict", "lenient")
_LONGEST_TYPE = 64


class Span(NamedTuple):
    """An entity: its type and its half-open range, in characters of the text or in tags."""

    type: str
    start: int
    end: int


def decode(tags: Sequence[str], tagging: str) -> list[Span]:
    """The entities of a sequence of B-, I- and O tags, as seqeval finds them.

    `strict` = IOB2: an entity begins with B-, and an I- that continues none of its type is no entity. `lenient` = the
    conlleval rule: such an I- begins one. Raises ValueError for anything that is no such tag.
    """
    spans: list[Span] = []
    open_at: int | None = None
    current = ""
    for place, tag in enumerate((*tags, "O")):
        mark, of = _tag(tag)
        goes_on = mark == "I" and open_at is not None and of == current
        if open_at is not None and not goes_on:
            spans.append(Span(current, open_at, place))
            open_at = None
        if mark == "B" or (mark == "I" and not goes_on and tagging == "lenient"):
            open_at, current = place, of
    return spans


def _tag(tag: Any) -> tuple[str, str]:
    if tag == "O":
        return "O", ""
    if not isinstance(tag, str) or tag[:2] not in ("B-", "I-") or not 2 < len(tag) <= _LONGEST_TYPE:
        raise ValueError(f"{str(tag)[:40]!r} is no IOB2 tag (O, B-type or I-type)")
    return tag[0], tag[2:]


def gold(target: Any, text: str | None, tagging: str) -> list[Span]:
    """The entities of a target: a list of {type, start, end}, or a list of IOB2 tags. Raises ValueError for others."""
    if isinstance(target, Mapping) and set(target) & {"entities", "tags"}:
        target = target.get("entities", target.get("tags"))
    if not isinstance(target, (list, tuple)):
        raise ValueError(f"the target is {kind(target)}; a list of entities {{type, start, end}} or of tags is needed")  # noqa: TRY004 - bad data is a ValueError
    if target and all(isinstance(item, str) for item in target):
        return decode(target, tagging)
    return [_exact(item, text) for item in target]


def _exact(item: Any, text: str | None) -> Span:
    if not isinstance(item, Mapping):
        raise ValueError(f"an entity of the target is {kind(item)}; {{type, start, end}} is needed")  # noqa: TRY004 - bad data is a ValueError
    span = _span(item)
    if span is None:
        raise ValueError(f"the entity {str(dict(item))[:80]} of the target has no type, start and end")
    if text is not None and span.end > len(text):
        raise ValueError(f"the entity {span.type} at {span.start}-{span.end} ends behind the text ({len(text)} long)")
    if text is not None and isinstance(item.get("text"), str) and text[span.start : span.end] != item["text"]:
        raise ValueError(f"the entity {item['text'][:40]!r} does not stand at {span.start}-{span.end} of the text")
    return span


def _type(item: Mapping[str, Any]) -> str | None:
    for name in ("type", "entity_group", "label", "entity"):
        if isinstance(item.get(name), str) and 0 < len(item[name]) <= _LONGEST_TYPE:
            return str(item[name])
    return None


def _span(item: Mapping[str, Any]) -> Span | None:
    of, start, end = _type(item), item.get("start"), item.get("end")
    for place in (start, end):
        if not isinstance(place, int) or isinstance(place, bool):
            return None
    if of is None or not 0 <= start < end:  # type: ignore[operator]
        return None
    return Span(of, start, end)  # type: ignore[arg-type]


def answered(value: Any, text: str | None, tagging: str) -> tuple[list[Span], list[str]]:
    """The entities of an answer, and those that stand nowhere (each by its type): they can only be wrong.

    Read are a list, or the `entities` or `tags` of an object. An item has a type (`type`, `entity_group`, `label`) and
    `start` and `end`, or the entity's words (`text`, `word`), which are looked for in the text from left to right, each
    place once; `entity` with B- and I- before the type joins the pieces. Raises ValueError for anything else.
    """
    if isinstance(value, Mapping):
        value = next((value[name] for name in ("entities", "tags") if name in value), value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if not isinstance(value, list):
        raise ValueError(f"the answer is {kind(value)}; a list of entities or of tags is needed")  # noqa: TRY004 - a bad answer
    if value and all(isinstance(item, str) for item in value):
        return decode(value, tagging), []
    items = [item if isinstance(item, Mapping) else {} for item in value]
    return _placed(_joined(items, tagging), text or "")


def _joined(items: Sequence[Mapping[str, Any]], tagging: str) -> list[Mapping[str, Any]]:
    """Token classifications {entity: B-type, index, start, end} as entities; other items as they are."""
    pieces = [item for item in items if str(item.get("entity", ""))[:2] in ("B-", "I-")]
    if not pieces or len(pieces) < len(items):
        return list(items)
    tags: list[str] = []
    owners: list[Mapping[str, Any] | None] = []
    for item in pieces:
        index = item.get("index")
        # A gap in the token numbers is a token that is no entity.
        before = owners[-1].get("index") if owners and owners[-1] is not None else None
        if isinstance(index, int) and isinstance(before, int) and index > before + 1:
            tags.append("O")
            owners.append(None)
        tags.append(item["entity"])
        owners.append(item)
    found: list[Mapping[str, Any]] = []
    for span in decode(tags, tagging):
        first, last = owners[span.start] or {}, owners[span.end - 1] or {}
        found.append({"type": span.type, "start": first.get("start"), "end": last.get("end")})
    return found


def _placed(items: Iterable[Mapping[str, Any]], text: str) -> tuple[list[Span], list[str]]:
    spans: list[Span] = []
    nowhere: list[str] = []
    taken: dict[tuple[str, str], int] = {}
    for item in items:
        span = _span(item) or _found(item, text, taken)
        if span is None:
            nowhere.append(_type(item) or "?")
        else:
            spans.append(span)
    return spans, nowhere


def _found(item: Mapping[str, Any], text: str, taken: dict[tuple[str, str], int]) -> Span | None:
    of = _type(item)
    words = next((item[name] for name in ("text", "word") if isinstance(item.get(name), str)), "")
    if of is None or not words or "start" in item or "end" in item:
        return None
    at = text.find(words, taken.get((of, words), 0))
    if at < 0:
        return None
    taken[of, words] = at + len(words)
    return Span(of, at, at + len(words))
