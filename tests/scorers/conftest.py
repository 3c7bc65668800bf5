"""What the tests of scorers share: building answers, scoring them, and a plain fold to check against."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evalkit import registry
from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.fold import Mean, Sums
from evalkit.core.keys import digest_bytes
from evalkit.core.types import Failure, Metric, Response, Sample, Score, Step
from evalkit.sandbox.sandbox import Sandbox

CASES = Path(__file__).parents[1] / "cases" / "scorers"


MEDIA = Path(__file__).parents[1] / "cases" / "media"
TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".json": "application/json",
}


class Files:
    """Blobs in memory; a file of tests/cases/media is put when a case names it."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    def put(self, data: bytes, media_type: str) -> dict[str, str]:
        name = digest_bytes(data)
        self.data[name] = data
        return {"$blob": name, "type": media_type}

    def get(self, ref: Any) -> bytes:
        return self.data[ref if isinstance(ref, str) else ref["$blob"]]

    def attached(self, value: Any) -> Any:
        """A case's value with blob references in place of {"$file": name}."""
        if isinstance(value, dict) and set(value) == {"$file"}:
            path = MEDIA / value["$file"]
            return self.put(path.read_bytes(), TYPES.get(path.suffix, "application/octet-stream"))
        if isinstance(value, dict):
            return {key: self.attached(inner) for key, inner in value.items()}
        return [self.attached(inner) for inner in value] if isinstance(value, list) else value


SANDBOX = Sandbox()


class Priced:
    """A context that knows one price: an output token costs a thousandth of a dollar; usage without one has no price."""

    repeat = 0
    seed = 0

    def __init__(self) -> None:
        self.blobs = Files()
        self.sandbox = SANDBOX
        self.script: list[Any] = []
        self.asked: list[tuple[str, Sample, str]] = []

    def money(self, response: Response) -> float | None:
        tokens = response.usage.get("output_tokens")
        return None if tokens is None else tokens / 1000

    def candidate(self, name: str) -> Any:
        """A judge by name; it answers what the case scripts under `judge`, in turn."""
        return SimpleNamespace(name=name)

    async def ask(self, candidate: Any, sample: Sample, stage: str = "") -> Response:
        self.asked.append((candidate.name, sample, stage))
        told = self.script[(len(self.asked) - 1) % len(self.script)]
        return response_of(told if isinstance(told, dict) and set(told) & {"output", "error"} else {"output": told})


def sample_of(item: dict[str, Any]) -> Sample:
    return Sample("s1", item.get("input", {}), item.get("target"), meta=item.get("meta", {}))


def response_of(item: dict[str, Any]) -> Response:
    finish = Finish(item["finish"]) if item.get("finish") else None
    error = Failure(ErrorKind(item["error"]), "said the test") if item.get("error") else None
    keys = ("seconds", "first_token_s")
    return Response(
        output=item.get("output"),
        finish=finish,
        error=error,
        usage=item.get("usage", {}),
        tool_calls=tuple(item.get("tool_calls", ())),
        trace=tuple(Step(**step) for step in item.get("trace", ())),
        meta=item.get("response_meta", {}),
        **{k: item.get(k) for k in keys},
    )


def score(scorer: Any, item: dict[str, Any]) -> dict[str, Score]:
    """Scores of one item; scorers of repeats or of a pair find the other answers under `more` (a list of items)."""
    ctx = Priced()
    ctx.script = item.get("judge", [])
    item = ctx.blobs.attached(item)
    responses = [response_of(item), *(response_of({**item, **other}) for other in item.get("more", ()))]
    return dict(asyncio.run(scorer.score(sample_of(item), responses, ctx)))


def one(spec: str, output: Any, target: Any = None, **more: Any) -> Score:
    """The main score of one answer."""
    scorer = registry.make("scorers", spec)
    return score(scorer, {"output": output, "target": target, **more})[scorer.metrics[0].name]


def fold(metric: Metric, scores: list[Score], weights: Any = None) -> np.ndarray:
    """A fold by its definition, without cleverness; weights [B, n] or None for once each."""
    kept = [s for s in scores if s.value is not None]
    weight = np.ones((1, len(scores))) if weights is None else np.asarray(weights, dtype=float)
    weight = weight[:, [i for i, s in enumerate(scores) if s.value is not None]]
    value = np.array([s.value for s in kept], dtype=float)
    names = {name for s in kept for name in s.parts}
    across = metric.fold.across
    if isinstance(across, Mean):
        total = weight.sum(axis=1)
        return np.array([w @ value / t if t else np.nan for w, t in zip(weight, total, strict=True)])
    if isinstance(across, Sums):
        parts = {name: np.array([s.parts.get(name, 0.0) for s in kept]) for name in names | set(across.keys)}
        return across.fn({name: weight @ column for name, column in parts.items()})
    columns = {name: np.array([s.parts.get(name, np.nan) for s in kept]) for name in names}
    return across.fn({"value": value, **columns}, weight)


def load(name: str) -> dict[str, Any]:
    return json.loads((CASES / f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    return SimpleNamespace(
        score=score,
        one=one,
        fold=fold,
        load=load,
        folder=CASES,
        sample=lambda item: sample_of(Files().attached(item)),
        response=response_of,
        priced=Priced(),
    )
