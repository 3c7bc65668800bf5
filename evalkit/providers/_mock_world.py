"""What the mock server says and when it fails: pure functions of (seed, model, prompt, attempt), never of arrival."""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

CHARS_PER_TOKEN = 4
_SUM = re.compile(r"(-?\d+)\s*([+*-])\s*(\d+)")
_RATE = re.compile(r"-p(\d{1,3})(?=$|[-_:/.])")
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Ask:
    """A request of any API in neutral form; `prompt` is all its text, `last` the last user text."""

    api: str
    model: str
    prompt: str
    last: str
    stream: bool = False
    include_usage: bool = True
    logprobs: bool = False
    thinks: bool = False
    limit: int | None = None
    schema: Mapping[str, Any] | None = None
    tool: tuple[str, Mapping[str, Any]] | None = None
    marked: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says; `finish` = stop, length, refusal, filter or tool (then `text` is the tool's JSON input)."""

    text: str
    finish: str
    thought: str
    id: str
    tokens_in: int
    tokens_out: int
    tokens_thought: int


def mix(*parts: str) -> bytes:
    """16 bytes that depend on every part."""
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def uniforms(digest: bytes) -> tuple[float, float, float, float]:
    """Four numbers in (0, 1) from 16 bytes."""
    a, b, c, d = struct.unpack("<4I", digest)
    return (a + 0.5) / 2**32, (b + 0.5) / 2**32, (c + 0.5) / 2**32, (d + 0.5) / 2**32


def gauss(u: float, v: float) -> float:
    """A standard normal number from two uniform ones (Box and Muller 1958)."""
    return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)


@lru_cache(maxsize=1024)
def skill(model: str) -> float:
    """The share of sums that a model gets right, in 0..1: `-p85` in its name, 1 for `perfect`, else from its name."""
    found = _RATE.search(model)
    if found:
        return min(int(found[1]), 100) / 100
    return 1.0 if "perfect" in model else 0.55 + 0.4 * uniforms(mix("skill", model))[0]


def answer(seed: str, ask: Ask) -> Answer:
    """The answer to a request."""
    number = _number(seed, ask)
    ident = mix(seed, ask.api, ask.model, ask.prompt)
    thought = f"The question has {len(ask.last)} characters." if ask.thinks else ""
    finish = "stop"
    if ask.tool is not None or ask.schema is not None:
        schema = {"type": "object", **ask.tool[1]} if ask.tool is not None else ask.schema or {}
        text = msgspec.json.encode(instance(schema, ident.hex(), number)).decode()
        finish = "tool" if ask.tool is not None else "stop"
    elif "refuses" in ask.model:
        text, finish = "I cannot help with that.", "refusal"
    elif "filters" in ask.model:
        text, finish = "", "filter"
    else:
        text = f"echo {ident.hex()[:12]}" if number is None else str(number)
    if ask.limit is not None and tokens(text) > ask.limit:
        text, finish = text[: ask.limit * CHARS_PER_TOKEN], "length"
    return Answer(text, finish, thought, ident.hex(), tokens(ask.prompt) + 8, tokens(text), tokens(thought))


def _number(seed: str, ask: Ask) -> int | None:
    last = None
    for last in _SUM.finditer(ask.last):  # noqa: B007 - the last match is what is wanted
        pass
    if last is None:
        return None
    left, sign, right = int(last[1]), last[2], int(last[3])
    true = left + right if sign == "+" else left - right if sign == "-" else left * right
    u, v, _, _ = uniforms(mix(seed, "answer", ask.model, ask.prompt))
    return true if u < skill(ask.model) else true + 1 + int(v * 9)


def tokens(text: str) -> int:
    """Tokens of a text, at four characters each."""
    return (len(text) + CHARS_PER_TOKEN - 1) // CHARS_PER_TOKEN


def pieces(text: str) -> list[str]:
    """A text as its tokens; nothing for no text."""
    return [text[i : i + CHARS_PER_TOKEN] for i in range(0, len(text), CHARS_PER_TOKEN)]


def logprob(piece: str) -> float:
    """A made-up natural log-probability of a token, in (-2, 0)."""
    return round(-2 * uniforms(mix("logprob", piece))[0], 6)


def instance(schema: Any, salt: str, number: int | None = None, depth: int = 0) -> Any:
    """A value that satisfies a simple JSON Schema; numbers in it are `number` when there is one.

    Understands type, enum, const, properties, required, items, minItems, minLength, minimum, anyOf, oneOf, allOf[0].
    """
    if not isinstance(schema, Mapping):
        return None
    if "const" in schema or schema.get("enum"):
        known = schema.get("enum") or [schema["const"]]
        return known[mix("enum", salt)[0] % len(known)]
    several = next((schema[name] for name in ("anyOf", "oneOf", "allOf") if schema.get(name)), None)
    if several is not None:
        return instance(several[0], salt, number, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        return _object(schema, salt, number, depth)
    return _array(schema, salt, number, depth) if kind == "array" else _scalar(kind, schema, salt, number)


def _array(schema: Mapping[str, Any], salt: str, number: int | None, depth: int) -> list[Any]:
    count = int(schema.get("minItems", 1)) if depth < _DEEPEST else 0
    return [instance(schema.get("items", {}), f"{salt}{i}", number, depth + 1) for i in range(count)]


def _object(schema: Mapping[str, Any], salt: str, number: int | None, depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    wanted = properties if depth < _DEEPEST else schema.get("required", ())
    return {name: instance(properties.get(name, {}), salt + name, number, depth + 1) for name in wanted}


def _scalar(kind: Any, schema: Mapping[str, Any], salt: str, number: int | None) -> Any:
    if kind == "null":
        return None
    if kind == "boolean":
        return mix("boolean", salt)[0] % 2 == 0
    if kind in ("integer", "number"):
        value = mix("integer", salt)[0] if number is None else number
        value = max(value, schema.get("minimum", value))
        return min(value, schema.get("maximum", value))
    text = f"text {mix('text', salt).hex()[:8]}" if number is None else str(number)
    return text.ljust(int(schema.get("minLength", 0)), "x")[: schema.get("maxLength")]


def embedding(text: str, dim: int) -> list[float]:
    """A unit vector of `dim` >= 1 numbers that depends on the text only."""
    raw: list[float] = []
    while len(raw) < dim:
        block = hashlib.blake2b(f"{len(raw)}\x1f{text}".encode("utf-8", "surrogatepass"), digest_size=64).digest()
        raw += [value / 2**31 for value in struct.unpack("<16i", block)]
    norm = math.sqrt(sum(value * value for value in raw[:dim])) or 1.0
    return [value / norm for value in raw[:dim]]


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one attempt: `kind` = ok, error, cut, malformed, stall or report; `status` of an error."""

    kind: str
    delay_s: float
    status: int = 200


def fate(settings: Any, ask: Ask, attempt: int) -> Fate:
    """The fate of an attempt by the settings' rates; from attempt `attempt_faults` on nothing fails, if that is set."""
    delay = settings.latency_ms / 1000
    u, v, w, x = uniforms(mix(str(settings.seed), "fate", ask.model, ask.prompt, str(attempt)))
    if settings.jitter:
        delay *= math.exp(settings.jitter * gauss(w, x))
    if settings.attempt_faults and attempt >= settings.attempt_faults:
        return Fate("ok", delay)
    for kind, rate in (
        ("error", settings.error_rate),
        ("cut", settings.disconnect_rate),
        ("malformed", settings.malformed_rate),
        ("stall", settings.stall_rate),
        ("report", settings.stream_error_rate if ask.stream else 0.0),
    ):
        if u < rate:
            status = _status(settings.error_mix, v) if kind == "error" else 200
            return Fate(kind, settings.error_latency_ms / 1000 if kind == "error" else delay, status)
        u -= rate
    return Fate("ok", delay)


@lru_cache(maxsize=64)
def _weights(spec: str) -> tuple[tuple[int, float], ...]:
    pairs = (part.partition(":") for part in spec.split(","))
    return tuple((int(status), float(weight or 1)) for status, _, weight in pairs)


def _status(spec: str, u: float) -> int:
    weights = _weights(spec)
    u *= sum(weight for _, weight in weights)
    for status, weight in weights:
        if u < weight:
            return status
        u -= weight
    return weights[-1][0]
