"""A seeded mock candidate: answers rightly with a given probability, with faults and usage, without a network."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Context, Failure, Response, Sample, Tools

VERSION = 1
_RIGHT = re.compile(r"-p(\d{1,3})\b")
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Options:
    """How the mock behaves.

    `p` = share of right answers in 0..1; `error_rate` and `timeout_rate` = shares of failed ones, together at most 1.
    `latency_ms` = how long an answer takes. `wrong` = what a wrong answer says (None: "not " and the right one).
    """

    p: float = 1.0
    error_rate: float = 0.0
    timeout_rate: float = 0.0
    latency_ms: float = 0.0
    seed: int = 0
    wrong: str | None = None


@dataclass(frozen=True)
class MockCandidate:
    """Answers by hash of (seed, name, sample id, repeat), so two runs say the same.

    Right = the sample's target (text, or JSON of it); a sample without a target gets its input echoed.
    """

    name: str
    options: Options
    fingerprint: str

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """One answer; `seconds` is the declared latency, not the clock's."""
        options = self.options
        if options.latency_ms > 0:
            await asyncio.sleep(options.latency_ms / 1000)
        seconds = options.latency_ms / 1000
        fault, luck = _draws(f"{options.seed}\x1f{self.name}\x1f{sample.id}\x1f{ctx.repeat}")
        if fault < options.error_rate:
            failure = Failure(ErrorKind.PROVIDER, "the mock failed on purpose", retryable=True, status=500)
            return Response(error=failure, seconds=seconds)
        if fault < options.error_rate + options.timeout_rate:
            failure = Failure(ErrorKind.TIMEOUT, "the mock timed out on purpose", retryable=True)
            return Response(error=failure, seconds=seconds)
        output = self._output(sample, luck)
        usage = {"requests": 1, "input_tokens": _tokens(sample.input), "output_tokens": _tokens(output)}
        return Response(output=output, finish=Finish.STOP, usage=usage, seconds=seconds, model=self.name)

    def _output(self, sample: Sample, luck: float) -> str:
        right = _text(sample.input.get("text", sample.input) if sample.target is None else sample.target)
        if luck < self.options.p:
            return right
        return f"not {right}" if self.options.wrong is None else self.options.wrong


def make(tools: Tools, model: str | None = None, **options: Any) -> MockCandidate:  # noqa: ARG001 - a provider's signature
    """A mock by name: `x-p85` is right 85 % of the time; the option `p` says the same and wins."""
    name = model or "mock"
    chosen = build(Options, options)
    named = _RIGHT.search(name)
    if named and "p" not in options:
        chosen = replace(chosen, p=int(named[1]) / 100)
    for rate in ("p", "error_rate", "timeout_rate"):
        if not 0 <= getattr(chosen, rate) <= 1:
            raise ValueError(f"{rate} must be in 0..1: {getattr(chosen, rate)}")
    if chosen.error_rate + chosen.timeout_rate > 1 or chosen.latency_ms < 0:
        raise ValueError("error_rate + timeout_rate must be at most 1, latency_ms at least 0")
    return MockCandidate(name, chosen, digest(["mock", VERSION, name, asdict(chosen)]))


def _draws(text: str) -> tuple[float, float]:
    drawn = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(drawn[:7], "big") / (1 << 56), int.from_bytes(drawn[7:14], "big") / (1 << 56)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=dict)


def _tokens(value: Any) -> int:
    return -(-len(_text(value)) // _CHARACTERS_PER_TOKEN)
