"""Samples that answer differently from run to run: found by their flips, quarantined with an end, never dropped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from evalkit.gate import say
from evalkit.gate.model import Verdict

FEWEST_RUNS = 5
"""Below this, nothing is called flaky: two runs that differ are no pattern."""
CERTAIN = 0.95


@dataclass(frozen=True, slots=True)
class Flaky:
    """A sample with its passes: `flip_rate` = chance that two of its runs differ, unbiased, 0..1 (0 for one run).

    `unstable` = probability, given the runs and a uniform prior, that its pass rate lies between 0.05 and 0.95.
    """

    sample_id: str
    passes: int
    runs: int
    flip_rate: float
    unstable: float
    flaky: bool


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A sample that is reported apart from `since` to `until`, both included; after that it counts as any other."""

    sample_id: str
    since: date
    until: date
    reason: str


def flip_rate(passes: int, runs: int) -> float:
    """2c(n-c) / (n(n-1)): the unbiased chance that two different runs of a sample disagree; 0 for fewer than two."""
    return 2 * passes * (runs - passes) / (runs * (runs - 1)) if runs > 1 else 0.0


def flaky(counts: Iterable[tuple[str, int, int]]) -> list[Flaky]:
    """Judge samples by (id, passes, runs), the most flipping first; runs may be repeats or runs of different days.

    Flagged from 5 runs on, where the pass rate lies between 0.05 and 0.95 with 95 % posterior probability.
    Raises ValueError for counts that cannot be.
    """
    found = []
    for ident, passes, runs in counts:
        if not 0 <= passes <= runs:
            raise ValueError(f"sample {ident!r}: {passes} passes of {runs} runs cannot be")
        between = _between(passes, runs)
        flag = runs >= FEWEST_RUNS and between >= CERTAIN
        found.append(Flaky(ident, passes, runs, flip_rate(passes, runs), between, flag))
    return sorted(found, key=lambda one: (-one.flip_rate, one.sample_id))


def noise(samples: Sequence[Flaky]) -> float | None:
    """The suite's own noise: mean flip rate of the samples with at least two runs; None where there is none."""
    known = [one.flip_rate for one in samples if one.runs > 1]
    return math.fsum(known) / len(known) if known else None


def active(quarantine: Iterable[Quarantine], today: date) -> list[Quarantine]:
    """Those in force on a day, by sample id; of several for one sample the longest."""
    longest: dict[str, Quarantine] = {}
    for one in quarantine:
        if one.since <= today <= one.until:
            other = longest.get(one.sample_id)
            longest[one.sample_id] = one if other is None or one.until > other.until else other
    return [longest[ident] for ident in sorted(longest)]


def beside(verdict: Verdict, without: Verdict, quarantined: Sequence[str]) -> Verdict:
    """The verdict, with a warning for every rule that would end differently `without` the quarantined samples.

    The verdict itself stands on all samples: a quarantine explains an outcome and never makes one.
    """
    if not quarantined:
        return verdict
    found = [
        f"{one.rule.name} is {say.TITLES[one.outcome]} with all samples, {say.TITLES[other.outcome]} without the "
        f"{len(quarantined)} quarantined: all samples decide"
        for one, other in zip(verdict.judged, without.judged, strict=True)
        if one.outcome != other.outcome
    ]
    return replace(verdict, warnings=(*verdict.warnings, *found))


def _between(passes: int, runs: int) -> float:
    """P(0.05 < p < 0.95) under the posterior Beta(passes + 1, runs - passes + 1) of a uniform prior."""
    return max(0.0, _at_least(passes + 1, runs + 1, 0.95) - _at_least(passes + 1, runs + 1, 0.05))


def _at_least(successes: int, trials: int, p: float) -> float:
    """P(Binomial(trials, p) >= successes), which is the beta posterior's distribution function at p (DLMF 8.17.5)."""
    whole = math.lgamma(trials + 1)
    return math.fsum(
        math.exp(
            whole - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * math.log(p) + (trials - k) * math.log1p(-p)
        )
        for k in range(successes, trials + 1)
    )
