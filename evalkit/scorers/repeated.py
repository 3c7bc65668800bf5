"""Reliability over repeats: how often all of k tries pass, and whether the most frequent answer is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.core.fold import Fold, Majority, PassAll
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers._inner import Resting, checked

NAMES = ("pass_all", "majority")


@dataclass(frozen=True, slots=True)
class PassAllOf(Resting):
    """The chance that `k` tries of a sample all pass: C(c, k) / C(n, k) of n repeats with c passes (pass^k, tau-bench).

    `of` = the scorer that judges one try; a try passes when it gives 1. The repeats of a sample are one observation,
    never pooled. A suite needs at least `k` repeats.
    """

    of: str
    k: int

    def __post_init__(self) -> None:
        if not (type(self.k) is int and self.k > 0):
            raise ValueError(f"k={self.k!r} must be a whole number above 0, as in pass_all@4(of='numeric')")
        checked(self)

    @property
    def spec(self) -> str:
        """The scorer that judges one try."""
        return self.of

    @property
    def min_repeats(self) -> int:
        """How many repeats a suite must have."""
        return self.k

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`pass_all@k`, a mean over samples; a failed try is one that did not pass."""
        return (Metric(f"pass_all@{self.k}", bounds=(0.0, 1.0), fold=Fold(within=PassAll(self.k))),)

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """The other scorer's score of one try."""
        return {f"pass_all@{self.k}": await self.verdict(sample, responses, ctx)}


@dataclass(frozen=True, slots=True)
class MajorityOf(Resting):
    """Whether the most frequent answer of a sample's repeats is right (maj@n); ties count their right share.

    `of` = the scorer that judges one answer and says what the answer was (numeric, math_equal, exact_match...); answers
    that could not be extracted win only when there is no other.
    """

    of: str

    def __post_init__(self) -> None:
        checked(self)

    @property
    def spec(self) -> str:
        """The scorer that judges one answer."""
        return self.of

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`majority`, a mean over samples."""
        return (Metric("majority", bounds=(0.0, 1.0), fold=Fold(within=Majority())),)

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """The other scorer's score of one answer, and the answer as a vote."""
        found = await self.verdict(sample, responses, ctx)
        return {"majority": replace(found, answer=_vote(found.answer))}


def _vote(answer: str | None) -> str | None:
    """Equal numbers are one vote, however they are written: 4, 4.0 and 4.00."""
    try:
        return None if answer is None else f"{float(answer):.12g}"
    except ValueError:
        return answer


def make(*, name: str, **options: Any) -> PassAllOf | MajorityOf:
    """Build from options; raises ValueError naming the known ones."""
    return build(PassAllOf, options) if name == "pass_all" else build(MajorityOf, options)
