"""The mock server's Responses API: bodies and streams that the SDK's own types accept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from evalkit.providers._mock_openai import CREATED
from evalkit.providers._mock_world import Answer, Ask, logprob, pieces

Event = tuple[str, dict[str, Any]]


def _token(piece: str) -> dict[str, Any]:
    return {"token": piece, "logprob": logprob(piece), "bytes": list(piece.encode()), "top_logprobs": []}


def _content(ask: Ask, a: Answer) -> dict[str, Any]:
    if a.finish == "refusal":
        return {"type": "refusal", "refusal": a.text}
    logprobs = [_token(piece) for piece in pieces(a.text)] if ask.logprobs else []
    return {"type": "output_text", "text": a.text, "annotations": [], "logprobs": logprobs}


def _status(a: Answer) -> str:
    return "incomplete" if a.finish in ("length", "filter") else "completed"


def _items(ask: Ask, a: Answer) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if a.thought:
        items.append(
            {"type": "reasoning", "id": f"rs_{a.id}", "summary": [{"type": "summary_text", "text": a.thought}]}
        )
    if a.finish == "tool" and ask.tool is not None:
        call = {"call_id": f"call_{a.id}", "name": ask.tool[0], "arguments": a.text}
        items.append({"type": "function_call", "id": f"fc_{a.id}", **call, "status": "completed"})
    else:
        message = {"type": "message", "id": f"msg_{a.id}", "role": "assistant", "status": _status(a)}
        items.append({**message, "content": [_content(ask, a)]})
    return items


def responses_body(ask: Ask, a: Answer) -> dict[str, Any]:
    """A response object."""
    reasons = {"length": "max_output_tokens", "filter": "content_filter"}
    out = a.tokens_out + a.tokens_thought
    return {
        "id": f"resp_{a.id}",
        "object": "response",
        "created_at": float(CREATED),
        "status": _status(a),
        "error": None,
        "incomplete_details": {"reason": reasons[a.finish]} if a.finish in reasons else None,
        "instructions": None,
        "metadata": {},
        "model": ask.model,
        "output": _items(ask, a),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "max_output_tokens": ask.limit,
        "usage": {
            "input_tokens": a.tokens_in,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": out,
            "output_tokens_details": {"reasoning_tokens": a.tokens_thought},
            "total_tokens": a.tokens_in + out,
        },
    }


def responses_events(ask: Ask, a: Answer) -> Iterator[Event]:
    """The events of a streamed response, numbered in order."""
    whole = responses_body(ask, a)
    numbers = count()

    def event(name: str, /, **fields: Any) -> Event:
        return name, {"type": name, "sequence_number": next(numbers), **fields}

    started = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield event("response.created", response=started)
    yield event("response.in_progress", response=started)
    for index, item in enumerate(whole["output"]):
        opened = {**item, **({"summary": []} if item["type"] == "reasoning" else {"status": "in_progress"})}
        opened.update({"content": []} if item["type"] == "message" else {})
        opened.update({"arguments": ""} if item["type"] == "function_call" else {})
        yield event("response.output_item.added", output_index=index, item=opened)
        for name, fields in _inside(ask, a, item):
            yield event(name, item_id=item["id"], output_index=index, **fields)
        yield event("response.output_item.done", output_index=index, item=item)
    last = "response.incomplete" if whole["status"] == "incomplete" else "response.completed"
    yield event(last, response=whole)


def _inside(ask: Ask, a: Answer, item: dict[str, Any]) -> Iterator[Event]:
    if item["type"] == "reasoning":
        at = {"summary_index": 0}
        part = item["summary"][0]
        yield "response.reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
        for piece in pieces(a.thought):
            yield "response.reasoning_summary_text.delta", {**at, "delta": piece}
        yield "response.reasoning_summary_text.done", {**at, "text": a.thought}
        yield "response.reasoning_summary_part.done", {**at, "part": part}
    elif item["type"] == "function_call":
        for piece in pieces(a.text):
            yield "response.function_call_arguments.delta", {"delta": piece}
        yield "response.function_call_arguments.done", {"arguments": a.text, "name": item["name"]}
    else:
        yield from _spoken(ask, a, item["content"][0])


def _spoken(ask: Ask, a: Answer, part: dict[str, Any]) -> Iterator[Event]:
    at = {"content_index": 0}
    refused = part["type"] == "refusal"
    empty = {**part, "refusal": ""} if refused else {**part, "text": "", "logprobs": []}
    yield "response.content_part.added", {**at, "part": empty}
    for piece in pieces(a.text):
        if refused:
            yield "response.refusal.delta", {**at, "delta": piece}
        else:
            found = [_bare(piece)] if ask.logprobs else []
            yield "response.output_text.delta", {**at, "delta": piece, "logprobs": found}
    if refused:
        yield "response.refusal.done", {**at, "refusal": a.text}
    else:
        found = [_bare(piece) for piece in pieces(a.text)] if ask.logprobs else []
        yield "response.output_text.done", {**at, "text": a.text, "logprobs": found}
    yield "response.content_part.done", {**at, "part": part}


def _bare(piece: str) -> dict[str, Any]:
    return {"token": piece, "logprob": logprob(piece), "top_logprobs": []}
