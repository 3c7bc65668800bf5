"""The mock server's OpenAI side: requests in neutral form, bodies and streams that the SDK's own types accept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from evalkit.providers._mock_world import Answer, Ask, embedding, logprob, pieces, tokens

CREATED = 1_700_000_000
_FINISH = {"stop": "stop", "length": "length", "refusal": "stop", "filter": "content_filter", "tool": "tool_calls"}
_ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}


class Turn(msgspec.Struct):
    """A message or an input item."""

    role: str = ""
    content: Any = None
    output: Any = None


class ChatRequest(msgspec.Struct):
    """What the mock reads of a Chat Completions request."""

    model: str
    messages: list[Turn]
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    logprobs: bool | None = False
    reasoning_effort: str | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None


class ResponsesRequest(msgspec.Struct):
    """What the mock reads of a Responses request."""

    model: str
    input: str | list[Turn]
    instructions: str | None = None
    stream: bool = False
    include: list[str] | None = None
    reasoning: dict[str, Any] | None = None
    max_output_tokens: int | None = None
    text: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None


class EmbeddingsRequest(msgspec.Struct):
    """What the mock reads of an embeddings request."""

    model: str
    input: str | list[Any]
    dimensions: int | None = None


def text_of(content: Any) -> str:
    """The text in a message's content, media left out."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(text_of(p.get("text") or p.get("content")) for p in content if isinstance(p, dict))


def said(turns: list[Turn]) -> tuple[str, str]:
    """All text of a conversation, and the last user text."""
    texts = [(turn.role, text_of(turn.content if turn.content is not None else turn.output)) for turn in turns]
    last = next((text for role, text in reversed(texts) if role == "user"), "")
    return "\x1e".join(f"{role}:{text}" for role, text in texts), last


def chat_ask(request: ChatRequest) -> Ask:
    """A Chat Completions request in neutral form."""
    prompt, last = said(request.messages)
    form = request.response_format or {}
    loose: dict[str, Any] | None = {"properties": {"answer": {}}} if form.get("type") == "json_object" else None
    thinks = request.reasoning_effort is not None or "think" in request.model
    return Ask(
        "chat",
        request.model,
        prompt,
        last,
        stream=request.stream,
        include_usage=bool((request.stream_options or {}).get("include_usage")),
        logprobs=bool(request.logprobs),
        thinks=thinks,
        limit=request.max_completion_tokens or request.max_tokens,
        schema=(form.get("json_schema") or {}).get("schema", loose),
        tool=_forced(request.tools, request.tool_choice),
    )


def responses_ask(request: ResponsesRequest) -> Ask:
    """A Responses request in neutral form."""
    turns = [Turn("user", request.input)] if isinstance(request.input, str) else request.input
    if request.instructions:
        turns = [Turn("system", request.instructions), *turns]
    prompt, last = said(turns)
    return Ask(
        "responses",
        request.model,
        prompt,
        last,
        stream=request.stream,
        logprobs="message.output_text.logprobs" in (request.include or ()),
        thinks=request.reasoning is not None or "think" in request.model,
        limit=request.max_output_tokens,
        schema=((request.text or {}).get("format") or {}).get("schema"),
        tool=_forced(request.tools, request.tool_choice),
    )


def _forced(tools: list[dict[str, Any]] | None, choice: Any) -> tuple[str, dict[str, Any]] | None:
    """The tool that must be called, as name and parameter schema; None when the model may just answer."""
    if not tools or choice in (None, "auto", "none"):
        return None
    flat = [tool.get("function") or tool for tool in tools]
    wanted = (choice.get("function") or choice).get("name") if isinstance(choice, dict) else None
    found = next((tool for tool in flat if tool.get("name") == wanted), flat[0])
    return found.get("name", ""), found.get("parameters") or {}


def error_body(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """OpenAI's error envelope."""
    kind, usual = _ERROR_TYPES.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code or usual}}


def _token(piece: str) -> dict[str, Any]:
    return {"token": piece, "logprob": logprob(piece), "bytes": list(piece.encode()), "top_logprobs": []}


def _chat_usage(a: Answer) -> dict[str, Any]:
    out = a.tokens_out + a.tokens_thought
    return {
        "prompt_tokens": a.tokens_in,
        "completion_tokens": out,
        "total_tokens": a.tokens_in + out,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": a.tokens_thought,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def chat_body(ask: Ask, a: Answer) -> dict[str, Any]:
    """A chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": a.text, "refusal": None, "annotations": []}
    if a.finish == "refusal":
        message.update(content=None, refusal=a.text)
    elif a.finish == "tool" and ask.tool is not None:
        call = {"id": f"call_{a.id}", "type": "function", "function": {"name": ask.tool[0], "arguments": a.text}}
        message.update(content=None, tool_calls=[call])
    if a.thought and "think" in ask.model:
        # A field of vLLM and DeepSeek, not of OpenAI: only where the model's name asks for it.
        message["reasoning_content"] = a.thought
    logprobs = {"content": [_token(piece) for piece in pieces(a.text)], "refusal": None} if ask.logprobs else None
    return {
        "id": f"chatcmpl-{a.id}",
        "object": "chat.completion",
        "created": CREATED,
        "model": ask.model,
        "choices": [{"index": 0, "message": message, "logprobs": logprobs, "finish_reason": _FINISH[a.finish]}],
        "usage": _chat_usage(a),
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
    }


def chat_events(ask: Ask, a: Answer) -> Iterator[tuple[str, dict[str, Any]]]:
    """The chunks of a streamed chat completion, without the closing `[DONE]`."""
    base = {"object": "chat.completion.chunk", "created": CREATED, "model": ask.model, "system_fingerprint": "fp_mock"}

    def chunk(delta: dict[str, Any], finish: str | None = None, piece: str | None = None) -> tuple[str, dict[str, Any]]:
        logprobs = {"content": [_token(piece)], "refusal": None} if ask.logprobs and piece is not None else None
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        usage = {"usage": None} if ask.include_usage else {}
        return "", {"id": f"chatcmpl-{a.id}", **base, "choices": [choice], **usage}

    yield chunk({"role": "assistant", "content": None if a.finish == "tool" else "", "refusal": None})
    if "think" in ask.model:
        for piece in pieces(a.thought):
            yield chunk({"reasoning_content": piece})
    if a.finish == "tool" and ask.tool is not None:
        call = {"id": f"call_{a.id}", "type": "function", "function": {"name": ask.tool[0], "arguments": ""}}
        yield chunk({"tool_calls": [{"index": 0, **call}]})
        for piece in pieces(a.text):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    else:
        field = "refusal" if a.finish == "refusal" else "content"
        for piece in pieces(a.text):
            yield chunk({field: piece}, piece=piece)
    yield chunk({}, _FINISH[a.finish])
    if ask.include_usage:
        yield "", {"id": f"chatcmpl-{a.id}", **base, "choices": [], "usage": _chat_usage(a)}


def models_body() -> dict[str, Any]:
    """The list of models."""
    names = ("mock-perfect", "mock-p90", "mock-p75", "mock-p50", "mock-think-p90", "mock-refuses", "mock-filters")
    models = [{"id": name, "object": "model", "created": CREATED, "owned_by": "evalkit"} for name in names]
    return {"object": "list", "data": models}


def embeddings_body(request: EmbeddingsRequest, dim: int) -> dict[str, Any]:
    """Embeddings of one or many texts."""
    value = request.input
    many = value if isinstance(value, list) and not (value and isinstance(value[0], int)) else [value]
    texts = [item if isinstance(item, str) else str(item) for item in many]
    count = sum(map(tokens, texts))
    size = request.dimensions or dim
    return {
        "object": "list",
        "model": request.model,
        "data": [{"object": "embedding", "index": i, "embedding": embedding(t, size)} for i, t in enumerate(texts)],
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }
