"""Checks that hold for one sample only: scorer specs in the sample itself, folded into one share of checks passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

from evalkit import registry
from evalkit.app.scoring import Prepared
from evalkit.core.keys import digest
from evalkit.core.types import Context, Metric, Response, Row, Sample, Score, Scorer

_METRIC = Metric("checks", kind="mean", bounds=(0.0, 1.0))


@lru_cache(maxsize=4096)
def _scorer(spec: str) -> Scorer:
    made: Scorer = registry.make("scorers", spec)
    return made


@dataclass(frozen=True, slots=True)
class Checks:
    """The share of a sample's own checks that hold; each is a row with its reason. A check holds at its best value."""

    takes: ClassVar[Literal["one", "pair", "repeats"]] = "one"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ()
    heavy: ClassVar[bool] = False

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`checks`, a mean of shares."""
        return (_METRIC,)

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """No check holds."""
        return {"checks": Score(0.0 if sample.checks else 1.0)}

    def problem(self, sample: Sample) -> str | None:
        """A check that is no scorer, or that cannot judge this sample."""
        for spec in sample.checks:
            try:
                scorer = _scorer(spec)
            except ValueError as error:
                return f"check {spec!r}: {error}"
            trouble = scorer.problem(sample) if hasattr(scorer, "problem") else None
            if trouble:
                return f"check {spec!r}: {trouble}"
        return None

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Run every check of the sample; a sample without checks holds all of them."""
        rows: list[Row] = []
        failed: list[str] = []
        for spec in sample.checks:
            scorer = _scorer(spec)
            main = scorer.metrics[0]
            score = (await scorer.score(sample, responses, ctx))[main.name]
            best = main.bounds[1] if main.higher_is_better else main.bounds[0]
            holds = score.value is not None and score.value == (1.0 if best is None else best)
            rows.append(Row(spec, None, float(holds)))
            if not holds:
                failed.append(f"{spec}: {score.reason or score.value}")
        share = sum(row.value or 0.0 for row in rows) / len(rows) if rows else 1.0
        return {"checks": Score(share, reason="; ".join(failed) or None, rows=tuple(rows))}


def per_sample(extract: str | None) -> Prepared:
    """The scorer of the samples' own checks."""
    scorer = Checks()
    return Prepared("checks", scorer, digest(["checks", scorer.version, extract]), {})
