"""The Responses API: how requests are written and replies read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from evalkit.core.errors import Finish
from evalkit.core.types import Generation, Message, Response
from evalkit.providers._failures import ErrorBody
from evalkit.providers._messages import (
    blob_ref,
    calls_of,
    given,
    is_strict,
    json_text,
    parts_of,
    refuse,
    role_of,
    tools_of,
)
from evalkit.providers._openai_chat import TokenLogprob
from evalkit.providers._openai_usage import ResponsesUsage, responses_units
from evalkit.providers._wire import NO_TIMES, Malformed, Reported, Times

_ENDS = ("response.completed", "response.incomplete", "response.failed")
_DELTAS = (
    "response.output_text.delta",
    "response.refusal.delta",
    "response.reasoning_text.delta",
    "response.reasoning_summary_text.delta",
    "response.function_call_arguments.delta",
)


class Part(msgspec.Struct):
    """A piece of a message: text or a refusal; or of a reasoning item: text."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    logprobs: list[TokenLogprob] | None = None


class Item(msgspec.Struct):
    """One item of the output: a message, reasoning or a function call."""

    type: str
    content: list[Part] | None = None
    summary: list[Part] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Any = None


class Incomplete(msgspec.Struct):
    """Why an answer stopped early."""

    reason: str | None = None


class ResponsesReply(msgspec.Struct):
    """A response object."""

    output: list[Item]
    id: str | None = None
    model: str | None = None
    status: str | None = None
    error: Any = None
    incomplete_details: Incomplete | None = None
    usage: ResponsesUsage | None = None


class ResponsesEvent(msgspec.Struct):
    """One event of a stream; the last one carries the whole response."""

    type: str = ""
    delta: Any = None
    response: Any = None
    message: Any = None
    code: Any = None
    error: Any = None


class ResponsesCodec:
    """Writes and reads the Responses API; asks the server not to keep the conversation (`store: false`)."""

    path = "/responses"
    reply_type = ResponsesReply
    event_type = ResponsesEvent

    def body(self, model: str, messages: Sequence[Message], generation: Generation) -> dict[str, Any]:
        """The exact JSON body; raises ValueError for what the API cannot express."""
        g = generation
        refuse(g, ("seed", "stop"), "Responses", "use api='chat'")
        refuse(g, ("thinking_tokens",), "Responses", "use `effort`")
        parameters = given(
            {
                "temperature": g.temperature,
                "top_p": g.top_p,
                "max_output_tokens": g.max_tokens,
                "reasoning": {"effort": g.effort} if g.effort is not None else None,
                "text": None if g.schema is None else {"format": _format(g.schema)},
                "include": ["message.output_text.logprobs"] if g.logprobs else None,
                "stream": g.stream or None,
                "tools": [_tool(tool) for tool in tools_of(g)] or None,
                "tool_choice": _tool_choice(g.tool_choice),
            }
        )
        items = [item for message in messages for item in _items(message)]
        return {"model": model, "input": items, "store": False, **parameters, **g.extra}

    def read(self, reply: ResponsesReply, times: Times = NO_TIMES) -> Response:
        """What a whole reply means. Raises Malformed, and Reported for a response that failed."""
        if reply.error is not None or reply.status == "failed":
            raise Reported(ErrorBody.of({"error": reply.error or "the response failed without saying why"}))
        if not reply.output and reply.incomplete_details is None:
            raise Malformed("a response without output")
        said = [part for item in reply.output if item.type == "message" for part in item.content or ()]
        texts = [part.text for part in said if part.text is not None]
        refusal = "".join(part.refusal for part in said if part.refusal)
        calls = tuple(
            {"id": item.call_id or "", "name": item.name or "", "arguments": json_text(item.arguments)}
            for item in reply.output
            if item.type == "function_call"
        )
        logprobs = [token.logprob for part in said for token in part.logprobs or ()]
        return Response(
            output=refusal or ("".join(texts) if texts else None),
            finish=_finish(reply, refusal=bool(refusal), calls=bool(calls)),
            usage=responses_units(reply.usage),
            logprobs=tuple(logprobs) or None,
            reasoning=_reasoning(reply.output),
            model=reply.model,
            tool_calls=calls,
            meta=given({"id": reply.id}),
            seconds=times.seconds,
            first_token_s=times.first_token_s,
        )

    def collector(self) -> ResponsesCollector:
        """A fresh collector for one stream."""
        return ResponsesCollector()


class ResponsesCollector:
    """Waits for the event that carries the whole response."""

    def __init__(self) -> None:
        self._last: ResponsesReply | None = None

    def take(self, event: ResponsesEvent) -> bool:
        """Add one event; whether it carries a piece of the answer. Raises Reported for an error event."""
        if event.type == "error" or (not event.type and event.error is not None):
            said = event.error or {"message": event.message or "", "code": event.code or ""}
            raise Reported(ErrorBody.of({"error": said}))
        if event.type in _ENDS:
            self._last = msgspec.convert(event.response, ResponsesReply)
        return event.type in _DELTAS and bool(event.delta)

    def reply(self) -> ResponsesReply:
        """The whole reply. Raises Malformed for a stream that ended before the model did."""
        if self._last is None:
            raise Malformed("the stream ended before the model did")
        return self._last


def _items(message: Message) -> list[dict[str, Any]]:
    role = role_of(message)
    if role == "tool":
        said = "".join(str(part.get("text", "")) for part in parts_of(message))
        return [{"type": "function_call_output", "call_id": message.get("tool_call_id", ""), "output": said}]
    calls = [
        {"type": "function_call", "call_id": c["id"], "name": c["name"], "arguments": c["arguments"]}
        for c in calls_of(message)
    ]
    content: Any = message.get("content")
    if content is not None and not isinstance(content, str):
        content = [_part(part, role) for part in parts_of(message)]
    return [{"role": role, "content": content}, *calls] if content or not calls else [*calls]


def _part(part: Mapping[str, Any], role: str) -> dict[str, Any]:
    if part["type"] == "image":
        return {"type": "input_image", "image_url": blob_ref(part["image"]), "detail": part.get("detail", "auto")}
    if part["type"] == "audio":
        raise ValueError("the Responses API takes no audio in messages; use api='chat'")
    return {"type": "output_text" if role == "assistant" else "input_text", "text": part["text"]}


def _format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "name": "answer", "schema": dict(schema), "strict": is_strict(schema)}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    return tool if "type" in tool else {"type": "function", "strict": False, **tool}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, Mapping) and set(choice) == {"name"}:
        return {"type": "function", "name": choice["name"]}
    return choice


def _finish(reply: ResponsesReply, *, refusal: bool, calls: bool) -> Finish:
    if refusal:
        return Finish.REFUSAL
    if reply.incomplete_details is not None and reply.incomplete_details.reason is not None:
        filtered = reply.incomplete_details.reason == "content_filter"
        return Finish.CONTENT_FILTER if filtered else Finish.LENGTH
    return Finish.TOOL_CALLS if calls else Finish.STOP


def _reasoning(output: Sequence[Item]) -> str | None:
    """The reasoning text where the model shows it, else its summary."""
    found = []
    for item in output:
        if item.type == "reasoning":
            parts = item.content or item.summary or ()
            found.append("\n\n".join(part.text for part in parts if part.text))
    return "\n\n".join(filter(None, found)) or None
