"""Anthropic's Messages API: how requests are written and replies read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from evalkit.core.errors import Finish
from evalkit.core.types import Generation, Message, Response
from evalkit.core.units import Usage
from evalkit.providers._failures import ErrorBody
from evalkit.providers._messages import blob_ref, calls_of, given, json_text, parts_of, refuse, role_of, tools_of
from evalkit.providers._wire import NO_TIMES, Malformed, Reported, Times

ANSWER_TOOL = "answer"
EPHEMERAL: Mapping[str, str] = {"type": "ephemeral"}
FINISH: Mapping[str, Finish] = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "refusal": Finish.REFUSAL,
}


class OutputDetails(msgspec.Struct):
    """What the answer's tokens were."""

    thinking_tokens: int | None = None


class MessageUsage(msgspec.Struct):
    """Token counts; `input_tokens` leaves cached tokens out already."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class Block(msgspec.Struct):
    """A content block: text, thinking or tool use; blocks of other kinds carry no answer."""

    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None


class StopDetails(msgspec.Struct):
    """Why the model refused."""

    category: str | None = None
    explanation: str | None = None


class MessageReply(msgspec.Struct):
    """A message."""

    content: list[Block]
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: MessageUsage | None = None


class Delta(msgspec.Struct):
    """What an event adds: text, thinking or JSON to a block, or the end of the message."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class MessageEvent(msgspec.Struct):
    """One event of a stream."""

    type: str = ""
    index: int = 0
    message: Any = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: MessageUsage | None = None
    error: Any = None


class MessagesCodec:
    """Writes and reads Messages.

    `max_tokens` >= 1 is sent when the generation names none, since the API demands one; a thinking budget comes on top.
    `structured` says how a response schema is asked for: `format` (output_config) or `tool` (a forced tool).
    """

    path = "/v1/messages"
    reply_type = MessageReply
    event_type = MessageEvent

    def __init__(self, max_tokens: int, structured: str) -> None:
        self._max_tokens = max_tokens
        self._by_tool = structured == "tool"

    def body(self, model: str, messages: Sequence[Message], generation: Generation) -> dict[str, Any]:
        """The exact JSON body; raises ValueError for what the API cannot express."""
        g = generation
        refuse(g, ("seed", "logprobs"), "Messages")
        system = [_part(part) for m in messages if role_of(m) == "system" for part in parts_of(m)]
        turns = _turns(messages)
        if g.cache_prompt:
            _mark(system, turns)
        forced = self._by_tool and g.schema is not None
        tools = [_tool(tool) for tool in tools_of(g)]
        if forced:
            tools.append({"name": ANSWER_TOOL, "description": "Give the answer.", "input_schema": dict(g.schema or {})})
        thinking = None if g.thinking_tokens is None else {"type": "enabled", "budget_tokens": g.thinking_tokens}
        parameters = given(
            {
                "system": _plain(system) or None,
                "temperature": g.temperature,
                "top_p": g.top_p,
                "stop_sequences": list(g.stop) or None,
                "thinking": thinking,
                "output_config": _output_config(g, None if forced else g.schema),
                "stream": g.stream or None,
                "tools": tools or None,
                "tool_choice": {"type": "tool", "name": ANSWER_TOOL} if forced else _tool_choice(g.tool_choice),
            }
        )
        limit = g.max_tokens if g.max_tokens is not None else self._max_tokens + (g.thinking_tokens or 0)
        return {"model": model, "max_tokens": limit, "messages": turns, **parameters, **g.extra}

    def read(self, reply: MessageReply, times: Times = NO_TIMES) -> Response:
        """What a whole reply means. Raises Malformed for a message that never ended."""
        if reply.stop_reason is None:
            raise Malformed("a message without stop_reason")
        texts = [block.text for block in reply.content if block.type == "text" and block.text is not None]
        used = [block for block in reply.content if block.type == "tool_use"]
        finish = FINISH.get(reply.stop_reason, Finish.STOP)
        if self._by_tool and len(used) == 1 and used[0].name == ANSWER_TOOL:
            texts, used = [json_text(used[0].input)], []
            finish = Finish.STOP if finish is Finish.TOOL_CALLS else finish
        if not texts and reply.stop_details is not None and reply.stop_details.explanation:
            texts = [reply.stop_details.explanation]
        thought = "\n\n".join(block.thinking for block in reply.content if block.thinking)
        return Response(
            output="".join(texts) if texts or not used else None,
            finish=finish,
            usage=_units(reply.usage),
            reasoning=thought or None,
            model=reply.model,
            tool_calls=tuple({"id": b.id or "", "name": b.name or "", "arguments": json_text(b.input)} for b in used),
            meta=_meta(reply),
            seconds=times.seconds,
            first_token_s=times.first_token_s,
        )

    def collector(self) -> MessageCollector:
        """A fresh collector for one stream."""
        return MessageCollector()


class MessageCollector:
    """Puts the events of a stream together."""

    def __init__(self) -> None:
        self._reply: MessageReply | None = None
        self._blocks: dict[int, Block] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}

    def take(self, event: MessageEvent) -> bool:
        """Add one event; whether it carries a piece of the answer. Raises Reported for an error event."""
        if event.type == "error":
            raise Reported(ErrorBody.of({"error": event.error}))
        if event.type == "message_start":
            self._reply = msgspec.convert(event.message, MessageReply)
        elif event.type == "content_block_start" and event.content_block is not None:
            self._blocks[event.index] = event.content_block
            return bool(event.content_block.text or event.content_block.thinking)
        elif event.type == "content_block_delta" and event.delta is not None:
            return self._delta(event.index, event.delta)
        elif event.type == "message_delta" and event.delta is not None:
            self._end(event.delta, event.usage)
        return False

    def _delta(self, index: int, delta: Delta) -> bool:
        if index not in self._blocks:
            raise Malformed(f"a piece of block {index}, which never started")
        found = False
        for name, piece in (("text", delta.text), ("thinking", delta.thinking), ("input", delta.partial_json)):
            if piece:
                self._pieces.setdefault((index, name), []).append(piece)
                found = True
        return found

    def _end(self, delta: Delta, usage: MessageUsage | None) -> None:
        if self._reply is None:
            raise Malformed("the end of a message that never started")
        self._reply.stop_reason = delta.stop_reason
        self._reply.stop_sequence = delta.stop_sequence
        self._reply.stop_details = delta.stop_details
        if usage is not None:
            self._reply.usage = _later(self._reply.usage or MessageUsage(), usage)

    def reply(self) -> MessageReply:
        """The whole reply. Raises Malformed for a stream that ended before the model did."""
        if self._reply is None or self._reply.stop_reason is None:
            raise Malformed("the stream ended before the model did")
        for (index, name), pieces in self._pieces.items():
            block, text = self._blocks[index], "".join(pieces)
            if name == "input":
                block.input = _json_or_text(text)
            else:
                setattr(block, name, (getattr(block, name) or "") + text)
        self._reply.content = [self._blocks[index] for index in sorted(self._blocks)]
        return self._reply


def _json_or_text(text: str) -> Any:
    """Truncation may cut the JSON of a tool's input: then it stays the text that it is."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _later(first: MessageUsage, last: MessageUsage) -> MessageUsage:
    """Counts in `message_delta` are cumulative and replace those of `message_start` where they are given."""
    for name in MessageUsage.__struct_fields__:
        if getattr(last, name) is not None:
            setattr(first, name, getattr(last, name))
    return first


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """User and assistant turns; neighbours of one role are joined, as tool results must stand in one user turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = role_of(message)
        if role == "system":
            continue
        blocks = [_result(message)] if role == "tool" else [_part(part) for part in parts_of(message)]
        blocks += [_use(call) for call in calls_of(message)]
        speaker = "user" if role == "tool" else role
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": speaker, "content": blocks})
    return turns


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "image":
        ref = blob_ref(part["image"])
        return {"type": "image", "source": {"type": "base64", "media_type": ref["type"], "data": ref}}
    if part["type"] == "audio":
        raise ValueError("the Messages API takes no audio")
    return {"type": "text", "text": part["text"]}


def _result(message: Message) -> dict[str, Any]:
    content = [_part(part) for part in parts_of(message)]
    return {"type": "tool_result", "tool_use_id": message.get("tool_call_id", ""), "content": content}


def _use(call: Mapping[str, str]) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(call["arguments"] or "{}")
    except msgspec.DecodeError:
        raise ValueError(f"the arguments of tool call {call['name']!r} are not JSON") from None
    return {"type": "tool_use", "id": call["id"], "name": call["name"], "input": value}


def _mark(system: list[dict[str, Any]], turns: list[dict[str, Any]]) -> None:
    """Mark the ends of what requests share: the system prompt, and the turns before the last (few-shot examples)."""
    shared = [system] if system else []
    if len(turns) > 1:
        shared.append(turns[-2]["content"])
    for blocks in shared:
        blocks[-1] = {**blocks[-1], "cache_control": dict(EPHEMERAL)}


def _plain(system: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """One unmarked text needs no block."""
    return system[0]["text"] if len(system) == 1 and set(system[0]) == {"type", "text"} else system


def _output_config(generation: Generation, schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    form = None if schema is None else {"type": "json_schema", "schema": dict(schema)}
    return given({"effort": generation.effort, "format": form}) or None


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if "type" in tool:
        return tool
    rest = {name: value for name, value in tool.items() if name not in ("parameters", "strict")}
    return {**rest, "input_schema": tool["parameters"]}


def _tool_choice(choice: Any) -> Any:
    if choice in ("auto", "none", "any", "required"):
        return {"type": "any" if choice == "required" else choice}
    if isinstance(choice, Mapping) and set(choice) == {"name"}:
        return {"type": "tool", "name": choice["name"]}
    return choice


def _units(usage: MessageUsage | None) -> Usage:
    units: dict[str, float] = {"requests": 1}
    if usage is None:
        return units
    details = usage.output_tokens_details
    thought = (details.thinking_tokens or 0) if details is not None else 0
    if usage.input_tokens is not None:
        units["input_tokens"] = usage.input_tokens
    if usage.output_tokens is not None:
        units["output_tokens"] = max(0, usage.output_tokens - thought)
    rest = {
        "cached_read_tokens": usage.cache_read_input_tokens,
        "cached_write_tokens": usage.cache_creation_input_tokens,
        "reasoning_tokens": thought,
    }
    units.update({name: count for name, count in rest.items() if count})
    return units


def _meta(reply: MessageReply) -> dict[str, Any]:
    odd = reply.stop_reason if reply.stop_reason not in FINISH else None
    category = reply.stop_details.category if reply.stop_details is not None else None
    return given(
        {
            "id": reply.id,
            "stop_sequence": reply.stop_sequence,
            "finish_reason": odd,
            "refusal_category": category,
        }
    )
