"""From an answer to journaled scores: extraction, every scorer of the suite, the declared worst for what failed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from evalkit import registry
from evalkit.core.errors import ErrorKind
from evalkit.core.keys import digest
from evalkit.core.spec import Spec
from evalkit.core.types import Blobs, Context, Metric, Response, Sample, Score, Scorer
from evalkit.engine.records import Scores

SCORED, UNSCORABLE, ERRORED = "scored", "unscorable", "errored"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scorer with its canonical spec, the signature of its scores, and how answers are extracted for it."""

    spec: str
    scorer: Scorer
    sig: str
    libraries: Mapping[str, str]
    extract: str | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that it emits."""
        return self.scorer.metrics


def prepare(spec: str, *, extract: str | None, schema: Mapping[str, Any] | None = None) -> Prepared:
    """Build a scorer. Its signature covers canonical spec, version, extraction and the libraries it declares.

    Raises ValueError that says what is wrong with the spec.
    """
    parsed = Spec.parse(spec)
    options = dict(parsed.options)
    if parsed.name == "json_valid" and "schema" not in options and schema:
        options["schema"] = dict(schema)
    scorer: Scorer = registry.make("scorers", Spec(parsed.name, parsed.at, options))
    libraries = {name: _version(name) for name in scorer.libraries}
    canonical = str(parsed)
    sig = digest([canonical, options, scorer.version, libraries, extract])
    return Prepared(canonical, scorer, sig, libraries, extract)


@cache
def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


@dataclass(frozen=True, slots=True)
class Apart:
    """What a heavy scorer has of a context in its own process: files, repeat and seed; it can ask nobody."""

    blobs: Blobs
    repeat: int
    seed: int


@dataclass
class Scoring:
    """Scores answers with a suite's scorers; heavy scorers run in worker processes, never on the event loop.

    Scorers of all repeats or of pairs are left out here: they see answers after the run (`app/grouped.py`).
    """

    prepared: Sequence[Prepared]
    extract: Callable[[Response], Response] | None = None
    processes: int = 2
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)

    async def records(
        self, sample: Sample, digest_of_sample: str, answer: tuple[str, Response], ctx: Context
    ) -> list[Scores]:
        """One journal record per scorer for one answer (call id, response)."""
        call_id, response = answer
        if response.error is None and self.extract is not None:
            response = self.extract(response)
        return [
            Scores(call_id, digest_of_sample, one.sig, await self.lines(one, sample, (response,), ctx))
            for one in self.prepared
            if one.scorer.takes == "one"
        ]

    async def lines(
        self, one: Prepared, sample: Sample, responses: Sequence[Response], ctx: Context
    ) -> list[list[Any]]:
        """What a scorer says of answers, a journal line per metric; an answer that is an error counts as the worst."""
        failure = next((response.error for response in responses if response.error is not None), None)
        if failure is not None:
            return _failed(one, sample, ERRORED, f"{failure.kind.value}: {failure.message}")
        try:
            if one.scorer.heavy:
                scores = await self._in_process(one.scorer, sample, responses, ctx)
            else:
                scores = await one.scorer.score(sample, responses, ctx)
        except Exception as error:  # noqa: BLE001 - a scorer may be the user's code: its crash is one errored score
            return _failed(one, sample, ERRORED, f"{ErrorKind.SCORER.value}: {type(error).__name__}: {error}")
        return [_line(one, metric, scores.get(metric.name), sample) for metric in one.metrics]

    async def _in_process(
        self, scorer: Scorer, sample: Sample, responses: Sequence[Response], ctx: Context
    ) -> Mapping[str, Score]:
        if self._pool is None:
            from multiprocessing import get_context

            self._pool = ProcessPoolExecutor(self.processes, mp_context=get_context("spawn"))
        apart = Apart(ctx.blobs, ctx.repeat, ctx.seed)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, score_apart, scorer, sample, tuple(responses), apart)

    def close(self) -> None:
        """Stop the worker processes, if any were started."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def score_apart(scorer: Scorer, sample: Sample, responses: Sequence[Response], apart: Apart) -> Mapping[str, Score]:
    """Score in this process; heavy scorers make no calls."""
    return asyncio.run(scorer.score(sample, responses, apart))  # type: ignore[arg-type]


def _line(one: Prepared, metric: Metric, score: Score | None, sample: Sample) -> list[Any]:
    if score is None:
        return _missing(one, metric, sample)
    if score.value is not None and not math.isfinite(score.value):
        return _worst_line(one, metric, sample, ERRORED, f"scorer_error: {metric.name} gave {score.value}")
    if score.value is None and not score.parts:
        line = _worst_line(one, metric, sample, UNSCORABLE, score.reason or "not scorable")
        line[6] = score.answer
        return line
    detail = [[row.unit, row.group, row.value, dict(row.parts)] for row in score.rows] or None
    parts = dict(score.parts) or None
    return [metric.name, SCORED, score.value, parts, None, None, score.answer, score.reason, detail, score.blob]


def _missing(one: Prepared, metric: Metric, sample: Sample) -> list[Any]:
    return _worst_line(one, metric, sample, ERRORED, f"scorer_error: {one.spec} gave no {metric.name}")


def _failed(one: Prepared, sample: Sample, status: str, reason: str) -> list[list[Any]]:
    return [_worst_line(one, metric, sample, status, reason) for metric in one.metrics]


def _worst_line(one: Prepared, metric: Metric, sample: Sample, status: str, reason: str) -> list[Any]:
    worst = one.scorer.worst(sample).get(metric.name, Score(None))
    return [metric.name, status, None, None, worst.value, dict(worst.parts) or None, None, reason, None, None]
