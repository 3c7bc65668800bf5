"""Chat Completions: how requests are written and replies read (OpenAI, Azure, vLLM, Ollama, OpenRouter, llama.cpp)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from evalkit.core.errors import Finish
from evalkit.core.types import Generation, Message, Response
from evalkit.providers._failures import ErrorBody
from evalkit.providers._messages import (
    AUDIO_FORMATS,
    blob_ref,
    calls_of,
    given,
    is_strict,
    json_text,
    media_type,
    parts_of,
    refuse,
    role_of,
    tools_of,
)
from evalkit.providers._openai_usage import ChatUsage, chat_units
from evalkit.providers._wire import NO_TIMES, Malformed, Reported, Times

_ROLE_AND_CONTENT = 2

FINISH: Mapping[str, Finish] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "content_filter": Finish.CONTENT_FILTER,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
}


class TokenLogprob(msgspec.Struct):
    """One token's natural log-probability."""

    logprob: float


class Logprobs(msgspec.Struct):
    """The log-probabilities of the answer's tokens."""

    content: list[TokenLogprob] | None = None


class Function(msgspec.Struct):
    """What a tool call calls."""

    name: str | None = None
    arguments: Any = None


class ToolCall(msgspec.Struct):
    """A tool call, or a piece of one in a stream."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Audio(msgspec.Struct):
    """A spoken answer; its transcript is its text."""

    transcript: str | None = None


class Said(msgspec.Struct):
    """An assistant message, or a piece of one in a stream. `content` may be parts (Mistral)."""

    content: Any = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[ToolCall] | None = None
    audio: Audio | None = None


class Choice(msgspec.Struct):
    """One answer."""

    message: Said
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class ChatReply(msgspec.Struct):
    """A chat completion."""

    choices: list[Choice] = []
    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    usage: ChatUsage | None = None
    error: Any = None


class Piece(msgspec.Struct):
    """One choice of a chunk."""

    delta: Said = msgspec.field(default_factory=Said)
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    index: int = 0


class Chunk(msgspec.Struct):
    """One event of a stream."""

    choices: list[Piece] | None = None
    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    usage: ChatUsage | None = None
    error: Any = None


class ChatCodec:
    """Writes and reads Chat Completions. `max_tokens_field` is what the server calls the answer's token limit."""

    path = "/chat/completions"
    reply_type = ChatReply
    event_type = Chunk

    def __init__(self, max_tokens_field: str) -> None:
        self._max_tokens_field = max_tokens_field
        self._written: tuple[Generation, dict[str, Any]] | None = None

    def body(self, model: str, messages: Sequence[Message], generation: Generation) -> dict[str, Any]:
        """The exact JSON body; raises ValueError for what the API cannot express."""
        written = self._written
        # One generation asks for thousands of samples: what it says is the same in each body.
        if written is None or written[0] is not generation:
            written = self._written = generation, self._parameters(generation)
        return {"model": model, "messages": [_message(m) for m in messages], **written[1]}

    def _parameters(self, g: Generation) -> dict[str, Any]:
        refuse(g, ("thinking_tokens",), "Chat Completions", "use `effort`")
        parameters = given(
            {
                "temperature": g.temperature,
                "top_p": g.top_p,
                self._max_tokens_field: g.max_tokens,
                "stop": list(g.stop) or None,
                "seed": g.seed,
                "reasoning_effort": g.effort,
                "response_format": None if g.schema is None else _response_format(g.schema),
                "logprobs": g.logprobs or None,
                "stream": g.stream or None,
                "stream_options": {"include_usage": True} if g.stream else None,
                "tools": [_tool(tool) for tool in tools_of(g)] or None,
                "tool_choice": _tool_choice(g.tool_choice),
            }
        )
        return {**parameters, **g.extra}

    def read(self, reply: ChatReply, times: Times = NO_TIMES) -> Response:
        """What a whole reply means. Raises Malformed, and Reported for an error under a success status."""
        if not reply.choices:
            if reply.error is not None:
                raise Reported(ErrorBody.of({"error": reply.error}))
            raise Malformed("a chat completion without choices")
        choice = reply.choices[0]
        said = choice.message
        text, thought = _text_and_thought(said)
        calls = tuple(_called(said.tool_calls)) if said.tool_calls else ()
        if text is None and not said.refusal and not calls and choice.finish_reason is None:
            raise Malformed("a choice with neither content nor finish_reason")
        return Response(
            output=said.refusal or text,
            finish=Finish.REFUSAL if said.refusal else FINISH.get(choice.finish_reason or "stop", Finish.STOP),
            usage=chat_units(reply.usage),
            logprobs=_logprobs(choice.logprobs),
            reasoning=thought,
            model=reply.model,
            tool_calls=calls,
            meta=_meta(reply, choice.finish_reason),
            seconds=times.seconds,
            first_token_s=times.first_token_s,
        )

    def collector(self) -> ChatCollector:
        """A fresh collector for one stream."""
        return ChatCollector()


class ChatCollector:
    """Puts the chunks of a stream together."""

    def __init__(self) -> None:
        self._reply = ChatReply(choices=[])
        self._text: list[str] = []
        self._thought: list[str] = []
        self._refusal: list[str] = []
        self._spoken: list[str] = []
        self._calls: dict[int, ToolCall] = {}
        self._logprobs: list[TokenLogprob] | None = None
        self._finish: str | None = None

    def take(self, event: Chunk) -> bool:
        """Add one chunk; whether it carries a piece of the answer. Raises Reported for an error event."""
        if event.error is not None:
            raise Reported(ErrorBody.of({"error": event.error}))
        reply = self._reply
        reply.id = reply.id or event.id
        reply.model = event.model or reply.model
        reply.system_fingerprint = event.system_fingerprint or reply.system_fingerprint
        reply.usage = event.usage or reply.usage
        found = False
        for piece in event.choices or ():
            found |= piece.index == 0 and self._piece(piece)
        return found

    def _piece(self, piece: Piece) -> bool:
        self._finish = piece.finish_reason or self._finish
        if piece.logprobs is not None and piece.logprobs.content is not None:
            self._logprobs = (self._logprobs or []) + piece.logprobs.content
        delta = piece.delta
        text, thought = _text_and_thought(delta)
        for kept, new in ((self._text, text), (self._thought, thought), (self._refusal, delta.refusal)):
            if new:
                kept.append(new)
        for number, call in enumerate(delta.tool_calls or ()):
            self._call(call, number if call.index is None else call.index)
        return bool(text or thought or delta.refusal or delta.tool_calls)

    def _call(self, call: ToolCall, index: int) -> None:
        kept = self._calls.setdefault(index, ToolCall(function=Function(arguments="")))
        kept.id = call.id or kept.id
        if call.function is not None and kept.function is not None:
            kept.function.name = call.function.name or kept.function.name
            kept.function.arguments += json_text(call.function.arguments)

    def reply(self) -> ChatReply:
        """The whole reply. Raises Malformed for a stream that ended before the model did."""
        if self._finish is None:
            raise Malformed("the stream ended before the model did")
        said = Said(
            content="".join(self._text) if self._text or not (self._calls or self._refusal) else None,
            refusal="".join(self._refusal) or None,
            reasoning_content="".join(self._thought) or None,
            tool_calls=[self._calls[index] for index in sorted(self._calls)] or None,
        )
        logprobs = None if self._logprobs is None else Logprobs(self._logprobs)
        self._reply.choices = [Choice(said, self._finish, logprobs)]
        return self._reply


def _called(calls: Sequence[ToolCall]) -> Iterator[dict[str, str]]:
    for call in calls:
        if (function := call.function) is not None:
            yield {"id": call.id or "", "name": function.name or "", "arguments": json_text(function.arguments)}


def _message(message: Message) -> dict[str, Any]:
    role = role_of(message)
    content: Any = message.get("content")
    if len(message) == _ROLE_AND_CONTENT and type(content) is str and role != "tool":
        return {"role": role, "content": content}
    if content is not None and not isinstance(content, str):
        content = [_part(part) for part in parts_of(message)]
    written: dict[str, Any] = {"role": role, "content": content}
    if calls := calls_of(message):
        written["tool_calls"] = [
            {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
            for c in calls
        ]
    if role == "tool":
        written["tool_call_id"] = message.get("tool_call_id", "")
    if "name" in message:
        written["name"] = message["name"]
    return written


def _part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if part["type"] == "image":
        return {"type": "image_url", "image_url": given({"url": blob_ref(part["image"]), "detail": part.get("detail")})}
    if part["type"] == "audio":
        kind = media_type(part["audio"])
        if kind not in AUDIO_FORMATS:
            raise ValueError(f"audio must be WAV or MP3 for this API, not {kind}")
        return {"type": "input_audio", "input_audio": {"data": blob_ref(part["audio"]), "format": AUDIO_FORMATS[kind]}}
    return {"type": "text", "text": part["text"]}


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    inner = {"name": "answer", "schema": dict(schema), "strict": is_strict(schema)}
    return {"type": "json_schema", "json_schema": inner}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    return tool if "type" in tool else {"type": "function", "function": tool}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, Mapping) and set(choice) == {"name"}:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice


def _text_and_thought(said: Said) -> tuple[str | None, str | None]:
    """The answer and the reasoning, wherever the server puts them."""
    thoughts = [t for t in (said.reasoning_content or said.reasoning,) if isinstance(t, str) and t]
    text = said.content
    if isinstance(text, list):
        thoughts += [_inner_text(part.get("thinking")) for part in text if isinstance(part, Mapping)]
        text = "".join(str(part.get("text") or "") for part in text if isinstance(part, Mapping))
    if text is not None and not isinstance(text, str):
        raise Malformed(f"message content is {type(text).__name__}, not text")
    if text is None and said.audio is not None:
        text = said.audio.transcript
    return text, "".join(thoughts) or None


def _inner_text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(str(part.get("text") or "") for part in value if isinstance(part, Mapping))
    return value if isinstance(value, str) else ""


def _logprobs(found: Logprobs | None) -> tuple[float, ...] | None:
    return None if found is None or found.content is None else tuple(token.logprob for token in found.content)


def _meta(reply: ChatReply, finish: str | None) -> dict[str, Any]:
    odd = finish if finish is not None and finish not in FINISH else None
    return given({"id": reply.id, "system_fingerprint": reply.system_fingerprint, "finish_reason": odd})
