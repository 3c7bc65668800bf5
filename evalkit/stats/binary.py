"""Paired and independent proportions: Tango's score interval, McNemar's tests, Newcombe's square-and-add interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.findings import LEVEL, Asked, Finding
from evalkit.stats.intervals import wilson
from evalkit.stats.quantiles import binomial_probability, normal_probability, normal_quantile

FEW_DISCORDANT = 25
STEPS = 60


@dataclass(frozen=True, slots=True)
class Discordant:
    """How many of n pairs only the candidate won (`gained`), and only the baseline (`lost`)."""

    gained: int
    lost: int
    n: int

    @property
    def benefit(self) -> float:
        """The difference of the two rates."""
        return (self.gained - self.lost) / self.n

    @property
    def se(self) -> float:
        """Wald's standard error, for planning only: 0 without a discordant pair."""
        apart = self.gained + self.lost - (self.gained - self.lost) ** 2 / self.n
        return math.sqrt(max(0.0, apart)) / self.n


def tango_score(pairs: Discordant, difference: float) -> float:
    """The score statistic of "the rates differ by `difference`", standard normal when they do (Tango 1998).

    `difference` in (-1, 1); 0 where nothing speaks for either side.
    """
    n, gained, lost = pairs.n, pairs.gained, pairs.lost
    b = -gained - lost + (2 * n - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    share = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    above = gained - lost - n * difference
    if variance <= 0:
        return 0.0 if above == 0 else math.copysign(math.inf, above)
    return above / math.sqrt(variance)


def tango(pairs: Discordant, error: float) -> tuple[float, float]:
    """Bounds of the difference of two paired rates, each with the given one-sided error; inverts `tango_score`."""
    wide = normal_quantile(1 - error)
    low = _crossing(lambda d: tango_score(pairs, d) > wide, -1.0, pairs.benefit)
    high = _crossing(lambda d: tango_score(pairs, d) >= -wide, pairs.benefit, 1.0)
    return low, high


def _crossing(before: Callable[[float], bool], low: float, high: float) -> float:
    """Where `before` turns from true to false, by bisection."""
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if before(middle) else (low, middle)
    return (low + high) / 2


def mcnemar(gained: int, lost: int, *, mid: bool = False) -> float:
    """Two-sided exact p of McNemar's test; `mid` counts only half of what was seen (Fagerland et al. 2013).

    1 when the discordant pairs fall evenly, or where there is none.
    """
    n, k = gained + lost, min(gained, lost)
    if gained == lost:
        return 1.0
    tail = binomial_probability(k, n, 0.5)
    if mid:
        tail -= (tail - (binomial_probability(k - 1, n, 0.5) if k else 0.0)) / 2
    return min(1.0, 2 * tail)


def paired(pairs: Discordant, asked: Asked) -> Finding:
    """The benefit of paired 0/1 scores: Tango's bounds and one-sided test, McNemar's two-sided p.

    McNemar is exact below 25 discordant pairs; from there on it is the score test at 0, whose bounds are Tango's.
    """
    discordant = pairs.gained + pairs.lost
    exact = discordant < FEW_DISCORDANT
    score = abs(tango_score(pairs, 0.0))
    return Finding(
        "tango, exact mcnemar" if exact else "tango",
        two=tango(pairs, (1 - LEVEL) / 2),
        one=tango(pairs, asked.alpha),
        p_value=mcnemar(pairs.gained, pairs.lost) if exact else min(1.0, 2 * float(normal_probability(-score))),
        p_fail=_below(pairs, asked.null),
        se=pairs.se if discordant else None,
    )


def _below(pairs: Discordant, null: float) -> float:
    """p of "the benefit is at least null"; 1 where nothing speaks against it, also without a discordant pair."""
    if null <= -1 or (null <= 0 and not pairs.gained + pairs.lost):
        return 1.0
    return float(normal_probability(tango_score(pairs, null))) if null < 1 else 0.0


def newcombe(won: tuple[float, int], lost: tuple[float, int], level: float) -> tuple[float, float]:
    """The difference of two independent rates, each (successes, n): square and add of Wilson limits (Newcombe 1998)."""
    first, second = won[0] / won[1], lost[0] / lost[1]
    return square_and_add((first, *wilson(*won, level)), (second, *wilson(*lost, level)))


def square_and_add(one: tuple[float, float, float], other: tuple[float, float, float]) -> tuple[float, float]:
    """Bounds of one - other from each one's (value, low, high), independent (Zou and Donner 2008)."""
    (first, low, high), (second, below, above) = one, other
    apart = first - second
    return apart - math.hypot(first - low, above - second), apart + math.hypot(high - first, second - below)


def missingness(errored_candidate: npt.ArrayLike, errored_baseline: npt.ArrayLike) -> float:
    """Exact McNemar p that the same samples fail as often on both sides: small = failures are differential.

    One flag per sample, in the same order. Raises ValueError when the lengths differ.
    """
    ours, theirs = np.asarray(errored_candidate, dtype=np.bool_), np.asarray(errored_baseline, dtype=np.bool_)
    if ours.shape != theirs.shape:
        raise ValueError(f"{ours.size} flags of the candidate, {theirs.size} of the baseline; a pair has one of each")
    return mcnemar(int((ours & ~theirs).sum()), int((theirs & ~ours).sum()))
