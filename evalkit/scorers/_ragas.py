"""RAGAS' own metric classes, with a language model and embeddings that ask candidates through the context."""

from __future__ import annotations

import base64
import math
import re
import struct
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

from evalkit.core.capabilities import conversing
from evalkit.core.errors import MissingComponent
from evalkit.core.types import Context, Generation, Sample
from evalkit.scorers._answers import answer_json, answer_text, shown
from evalkit.scorers._judging.asking import STAGE, JudgeFailed
from evalkit.scorers._judging.showing import clean

CLASSES = {
    "faithfulness": ("faithfulness", "Faithfulness"),
    "answer_relevancy": ("answer_relevancy", "AnswerRelevancy"),
    "context_precision": ("context_precision", "ContextPrecision"),
}
HASHED = "hashed_words"
DIMENSIONS = 4096
MENUS = {"verdict": (0, 1), "noncommittal": (0, 1)}
"""Fields of verdicts that are whole numbers on a menu; RAGAS itself takes any number and goes beyond 1."""

_WORD = re.compile(r"\w+")
_LOADING = Lock()


@dataclass(frozen=True)
class Asked:
    """Who is asked about which sample, and how."""

    ctx: Context
    about: Sample
    judge: str
    embeddings: str
    max_tokens: int


def load() -> dict[str, Any]:
    """RAGAS' metric classes by name, and its base classes under `llm` and `embedding`; the first time takes seconds.

    Its usage reporting is switched off before anything is built. Raises MissingComponent that names the extra.
    """
    with _LOADING:
        return _load()


@cache
def _load() -> dict[str, Any]:
    with warnings.catch_warnings():
        # It tells its users that one of its dependencies is being retired, which nobody here can change.
        warnings.simplefilter("ignore")
        try:
            analytics = import_module("ragas._analytics")
            _report_nothing(analytics)
            found = {
                name: getattr(import_module(f"ragas.metrics.collections.{module}"), kind)
                for name, (module, kind) in CLASSES.items()
            }
            found["llm"] = import_module("ragas.llms.base").InstructorBaseRagasLLM
            found["embedding"] = import_module("ragas.embeddings.base").BaseRagasEmbedding
        except ImportError as error:
            raise MissingComponent(f"RAGAS cannot be used ({error}): pip install 'evalkit[ragas]'") from error
    return found


def _report_nothing(analytics: Any) -> None:
    """Switch reporting off from inside: the environment, where it asks for its own switch, is not a scorer's to set."""
    analytics.do_not_track = lambda: True
    analytics._analytics_batcher.shutdown()  # noqa: SLF001 - its thread would poll for as long as the process lives


def metric(name: str, asked: Asked, strictness: int) -> Any:
    """One of RAGAS' metrics that asks as told."""
    found = load()
    llm = _language_model(found["llm"], asked)
    if name != "answer_relevancy":
        return found[name](llm=llm)
    return found[name](llm=llm, embeddings=_embedding(found["embedding"], asked), strictness=strictness)


def _language_model(base: Any, asked: Asked) -> Any:
    class ThroughContext(base):  # type: ignore[misc]
        def generate(self, prompt: str, response_model: Any) -> Any:
            raise NotImplementedError("RAGAS is run asynchronously here")

        async def agenerate(self, prompt: str, response_model: Any) -> Any:
            return await verdict(asked, prompt, response_model)

    return ThroughContext()


def _embedding(base: Any, asked: Asked) -> Any:
    class ThroughContext(base):  # type: ignore[misc]
        def embed_text(self, text: str, **_: Any) -> Any:
            raise NotImplementedError("RAGAS is run asynchronously here")

        async def aembed_text(self, text: str, **_: Any) -> list[float]:
            return (await vectors(asked, [text]))[0]

        async def aembed_texts(self, texts: list[str], **_: Any) -> list[list[float]]:
            return await vectors(asked, texts)

    return ThroughContext()


async def verdict(asked: Asked, prompt: str, model: Any) -> Any:
    """Ask the judge for an object of RAGAS' model. Raises JudgeFailed where none, or another one, comes back."""
    generation = Generation(max_tokens=asked.max_tokens, schema=closed(model.model_json_schema()))
    judge = conversing(asked.ctx.candidate(asked.judge), generation)
    said = {"messages": [{"role": "user", "content": clean(prompt)}], "wanted": model.__name__}
    response = await asked.ctx.ask(judge, Sample(f"judged {asked.about.id}"[:256], said), stage=STAGE)
    if response.error is not None:
        raise JudgeFailed(f"judge {asked.judge}: {response.error.kind.value}: {response.error.message}")
    value, reason = answer_json(response)
    wrong = reason or off_menu(value)
    if wrong is None:
        try:
            return model.model_validate(value)
        except ValueError as error:
            wrong = f"not what was asked for: {_first(error)}"
    text = answer_text(response)[0]
    raise JudgeFailed(f"judge {asked.judge}: {wrong}; it said {shown(text or 'nothing')[:160]!r}")


def off_menu(value: Any) -> str | None:
    """The first verdict in a judge's answer that is not on its menu, in words; None where all are."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in MENUS and str(inner).strip() not in map(str, (*MENUS[name], *map(bool, MENUS[name]))):
                return f"{name} {str(inner)[:40]!r} is not one of {', '.join(map(str, MENUS[name]))}"
            wrong = off_menu(inner)
            if wrong is not None:
                return wrong
    elif isinstance(value, (list, tuple)):
        return next((wrong for inner in value if (wrong := off_menu(inner)) is not None), None)
    return None


def closed(schema: Any) -> Any:
    """A JSON Schema whose objects take no other fields and whose verdicts have a menu, as strict endpoints want it."""
    if isinstance(schema, list):
        return [closed(inner) for inner in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {name: closed(inner) for name, inner in schema.items() if name not in ("title", "description")}
    if found.get("type") == "object":
        found["additionalProperties"] = False
        for name, menu in MENUS.items():
            if name in found.get("properties", {}):
                found["properties"][name] = {"type": "integer", "enum": list(menu)}
    return found


async def vectors(asked: Asked, texts: list[str]) -> list[list[float]]:
    """A vector per text: hashed words, or what the named candidate answers. Raises JudgeFailed where it fails."""
    if asked.embeddings == HASHED:
        return [hashed(text) for text in texts]
    name = asked.embeddings
    sample = Sample(f"embedded {asked.about.id}"[:256], {"texts": [clean(text) for text in texts]})
    response = await asked.ctx.ask(asked.ctx.candidate(name), sample, stage="embed")
    if response.error is not None:
        raise JudgeFailed(f"embeddings {name}: {response.error.kind.value}: {response.error.message}")
    found = response.output.get("vectors") if isinstance(response.output, Mapping) else None
    if not isinstance(found, list) or len(found) != len(texts):
        raise JudgeFailed(f"embeddings {name}: not {len(texts)} `vectors`; is it an embedding model?")
    try:
        read = [numbers(one) for one in found]
    except ValueError as error:
        raise JudgeFailed(f"embeddings {name}: {error}") from error
    if len(set(map(len, read))) > 1:
        raise JudgeFailed(f"embeddings {name}: vectors of different lengths")
    return read


def numbers(vector: Any) -> list[float]:
    """A vector from numbers, or the base64 of little-endian float32. Raises ValueError for one without direction."""
    if isinstance(vector, str):
        packed = base64.b64decode(vector, validate=True)
        vector = [one for (one,) in struct.iter_unpack("<f", packed)] if len(packed) % 4 == 0 else None
    if not isinstance(vector, list) or not all(isinstance(one, (int, float)) and math.isfinite(one) for one in vector):
        raise ValueError("a vector is no list of finite numbers, nor their base64")
    if not any(vector):
        raise ValueError("a vector of zeros, or an empty one; a cosine needs a direction")
    return [float(one) for one in vector]


def hashed(text: str) -> list[float]:
    """Counts of the words of a text and of their first five letters, each hashed (CRC-32) to one of 4,096 places.

    Two texts are near where they share words. This is no embedding model: other words for the same thing are far.
    """
    found = [0.0] * DIMENSIONS
    for word in map(str.casefold, _WORD.findall(text)):
        for token in {word, word[:5]}:
            found[zlib.crc32(token.encode("utf-8", "replace")) % DIMENSIONS] += 1.0
    # A text without a word has a direction of its own.
    return found if any(found) else [1.0, *found[1:]]


def finite(value: Any) -> float | None:
    """RAGAS' value in 0..1; None where it has none (NaN)."""
    number = float(value)
    return min(1.0, max(0.0, number)) if math.isfinite(number) else None


def _first(error: ValueError) -> str:
    errors: Any = getattr(error, "errors", list)()
    if not errors:
        return str(error)[:200]
    return f"{'.'.join(map(str, errors[0]['loc']))}: {errors[0]['msg']}"[:200]
