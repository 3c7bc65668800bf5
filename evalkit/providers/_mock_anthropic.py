"""The mock server's Anthropic side: requests in neutral form, bodies and streams that the SDK's own types accept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from evalkit.providers._mock_openai import Turn, said, text_of
from evalkit.providers._mock_world import Answer, Ask, pieces, tokens

_STOP = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal", "filter": "refusal", "tool": "tool_use"}
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class MessagesRequest(msgspec.Struct):
    """What the mock reads of a Messages request; clouds put the model into the path."""

    messages: list[Turn]
    max_tokens: int
    model: str = ""
    system: Any = None
    stream: bool = False
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None


def messages_ask(request: MessagesRequest) -> Ask:
    """A Messages request in neutral form."""
    turns = [Turn("system", request.system), *request.messages] if request.system else request.messages
    prompt, last = said(turns)
    return Ask(
        "messages",
        request.model,
        prompt,
        last,
        stream=request.stream,
        thinks=(request.thinking or {}).get("type") in ("enabled", "adaptive") or "think" in request.model,
        limit=request.max_tokens,
        schema=((request.output_config or {}).get("format") or {}).get("schema"),
        tool=_forced(request),
        marked=_marked(request),
    )


def _forced(request: MessagesRequest) -> tuple[str, dict[str, Any]] | None:
    choice = request.tool_choice or {}
    if not request.tools or choice.get("type") not in ("any", "tool"):
        return None
    named = (tool for tool in request.tools if tool.get("name") == choice.get("name"))
    found = next(named, request.tools[0])
    return found.get("name", ""), found.get("input_schema") or {}


def _marked(request: MessagesRequest) -> str:
    """The text up to the last block that carries a cache mark."""
    seen, marked = "", ""
    for turn in [Turn("system", request.system), *request.messages]:
        for block in turn.content if isinstance(turn.content, list) else ():
            if isinstance(block, dict):
                seen += text_of([block])
                marked = seen if "cache_control" in block else marked
    return marked


def error_body(status: int, message: str) -> dict[str, Any]:
    """Anthropic's error envelope."""
    kind = _ERROR_TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_mock"}


def _blocks(ask: Ask, a: Answer) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if a.thought:
        blocks.append({"type": "thinking", "thinking": a.thought, "signature": "c2lnbmF0dXJl"})
    if a.finish == "tool" and ask.tool is not None:
        blocks.append({"type": "tool_use", "id": f"toolu_{a.id}", "name": ask.tool[0], "input": _json(a.text)})
    elif a.text:
        blocks.append({"type": "text", "text": a.text, "citations": None})
    return blocks


def _json(text: str) -> Any:
    value = msgspec.json.decode(text)
    return value if isinstance(value, dict) else {"value": value}


def _usage(ask: Ask, a: Answer, *, cached: bool) -> dict[str, Any]:
    kept = min(tokens(ask.marked), a.tokens_in)
    return {
        "input_tokens": a.tokens_in - kept,
        "cache_creation_input_tokens": 0 if cached else kept,
        "cache_read_input_tokens": kept if cached else 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0 if cached else kept, "ephemeral_1h_input_tokens": 0},
        "output_tokens": a.tokens_out + a.tokens_thought,
        "output_tokens_details": {"thinking_tokens": a.tokens_thought},
        "server_tool_use": None,
        "service_tier": "standard",
    }


def _details(a: Answer) -> dict[str, Any] | None:
    refused = a.finish in ("refusal", "filter")
    return {"type": "refusal", "category": None, "explanation": None} if refused else None


def messages_body(ask: Ask, a: Answer, *, cached: bool) -> dict[str, Any]:
    """A message."""
    return {
        "id": f"msg_{a.id}",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": _blocks(ask, a),
        "stop_reason": _STOP[a.finish],
        "stop_sequence": None,
        "stop_details": _details(a),
        "usage": _usage(ask, a, cached=cached),
    }


def messages_events(ask: Ask, a: Answer, *, cached: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a streamed message."""
    whole = messages_body(ask, a, cached=cached)
    ended = {name: whole[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    usage = whole["usage"]
    begun = {**usage, "output_tokens": 1, "output_tokens_details": None}
    start = {**whole, "content": [], "stop_reason": None, "stop_details": None, "usage": begun}
    yield _event("message_start", message=start)
    yield _event("ping")
    for index, block in enumerate(whole["content"]):
        opened, deltas = _streamed(block, a)
        yield _event("content_block_start", index=index, content_block=opened)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    counts = {name: usage[name] for name in (*names, "output_tokens_details", "server_tool_use")}
    yield _event("message_delta", delta=ended, usage=counts)
    yield _event("message_stop")


def _event(name: str, /, **fields: Any) -> tuple[str, dict[str, Any]]:
    return name, {"type": name, **fields}


def _streamed(block: dict[str, Any], a: Answer) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it starts, and what comes after."""
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
    if block["type"] == "tool_use":
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(a.text)]
    return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(a.text)]
