"""What the vendors' message builders share: parts, blobs, tools, tool calls and schemas in their neutral form."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import msgspec

from evalkit.core.media import MAX_PIXELS, picture
from evalkit.core.types import Blobs, Generation, Message

ROLES = ("system", "user", "assistant", "tool")
MAX_MEDIA_BYTES = 50_000_000
"""A larger file is not sent: no vendor takes it, and as base64 it would stand in memory several times."""
AUDIO_FORMATS: Mapping[str, str] = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}


def role_of(message: Message) -> str:
    """The message's role. Raises ValueError for one that no API knows."""
    role = message.get("role")
    if role not in ROLES:
        raise ValueError(f"message role {role!r} is not one of {', '.join(ROLES)}")
    return str(role)


def parts_of(message: Message) -> list[Mapping[str, Any]]:
    """The message's content as a list of parts; text alone is one part, no content is none."""
    content = message.get("content")
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, Sequence):
        return [_part(part) for part in content]
    raise ValueError(f"message content must be text or a list of parts, not {type(content).__name__}")


def _part(part: Any) -> Mapping[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return dict(part)
    if kind in ("image", "audio") and is_blob(part.get(kind)):
        return dict(part)
    raise ValueError(f"a message part must be text, or an image or audio with a blob reference; got {str(part)[:80]!r}")


def is_blob(value: Any) -> bool:
    """Whether a value is a reference to stored bytes."""
    return isinstance(value, Mapping) and isinstance(value.get("$blob"), str)


def media_type(blob: Mapping[str, Any]) -> str:
    """The media type of a blob reference. Raises ValueError when it names none."""
    kind = blob.get("type")
    if not isinstance(kind, str) or "/" not in kind:
        raise ValueError(f"blob {str(blob.get('$blob'))[:12]} names no media type such as image/png")
    return kind


def blob_ref(blob: Mapping[str, Any]) -> dict[str, str]:
    """The reference as it stands in a request: hash and media type, nothing else."""
    return {"$blob": str(blob["$blob"]), "type": media_type(blob)}


def holds_media(value: Any) -> bool:
    """Whether a blob reference stands anywhere in a JSON value."""
    if isinstance(value, Mapping):
        if "$blob" in value:
            return True
        value = value.values()
    elif isinstance(value, (str, int, float)) or value is None:
        return False
    # Most of a body is text: it is told apart here, without a call for each.
    return any(type(item) is not str and holds_media(item) for item in value)


def materialise(value: Any, blobs: Blobs, key: str = "") -> Any:
    """The same JSON with every blob reference replaced: by base64 under the key `data`, by a data: URI elsewhere.

    Raises KeyError for a blob that is not stored, ValueError for one that is too large to be sent.
    """
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, Mapping):
        if "$blob" in value and is_blob(value):
            text = base64.b64encode(_sendable(value, blobs.get(value))).decode("ascii")
            return text if key == "data" else f"data:{media_type(value)};base64,{text}"
        return {name: materialise(item, blobs, name) for name, item in value.items()}
    return [materialise(item, blobs, key) for item in value]


def _sendable(blob: Mapping[str, Any], data: bytes) -> bytes:
    named = f"the {media_type(blob)} file {str(blob['$blob'])[:12]}"
    if len(data) > MAX_MEDIA_BYTES:
        raise ValueError(f"{named} has {len(data):,} bytes; more than {MAX_MEDIA_BYTES:,} are not sent")
    try:
        found = picture(data)
    except ValueError:
        # Sound, or a format that only the vendor can judge.
        return data
    if found.pixels > MAX_PIXELS:
        raise ValueError(
            f"{named} declares {found.width} x {found.height} pixels; more than {MAX_PIXELS:,} are not sent"
        )
    return data


def tools_of(generation: Generation) -> list[dict[str, Any]]:
    """The tools as `{name, description?, parameters}`; a vendor's own tool (another `type`) stays as it is."""
    neutral = []
    for tool in generation.tools:
        inner = tool.get("function") if tool.get("type") == "function" else None
        found = dict(inner if isinstance(inner, Mapping) else tool)
        if found.get("type", "function") == "function":
            found.pop("type", None)
            if not isinstance(found.get("name"), str):
                raise ValueError(f"a tool needs a name; got {str(tool)[:80]!r}")
            found.setdefault("parameters", {"type": "object", "properties": {}})
        neutral.append(found)
    return neutral


def calls_of(message: Message) -> list[dict[str, str]]:
    """The tool calls of an assistant message as `{id, name, arguments}`, arguments as JSON text."""
    return [tool_call(call) for call in message.get("tool_calls") or ()]


def tool_call(call: Mapping[str, Any]) -> dict[str, str]:
    """One tool call in neutral form, from the neutral or the Chat Completions form."""
    inner = call.get("function")
    source = inner if isinstance(inner, Mapping) else call
    return {
        "id": str(call.get("id") or ""),
        "name": str(source.get("name") or ""),
        "arguments": json_text(source.get("arguments")),
    }


def json_text(value: Any) -> str:
    """A value as JSON text; text is taken for JSON already, None is empty."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def is_strict(schema: Any) -> bool:
    """Whether every object in a JSON Schema is closed and needs all its properties, as strict modes demand."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "object" or "properties" in schema:
            names = set(schema.get("properties") or ())
            if schema.get("additionalProperties") is not False or set(schema.get("required") or ()) != names:
                return False
        return all(is_strict(item) for item in schema.values())
    return all(is_strict(item) for item in schema) if isinstance(schema, (list, tuple)) else True


_UNSET = {f.name: f.default for f in fields(Generation)}


def refuse(generation: Generation, unsupported: Iterable[str], api: str, hint: str = "") -> None:
    """Raise ValueError for a parameter that is set although the API has none of the kind: it is never dropped."""
    for name in unsupported:
        if getattr(generation, name) not in (None, _UNSET[name]):
            raise ValueError(
                f"the {api} API has no parameter for {name!r}; leave it out{f' or {hint}' if hint else ''}"
            )


def given(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are set: None is left out."""
    return {name: value for name, value in pairs.items() if value is not None}
