"""Whether comparisons keep their word: coverage, edges and power in simulations, each beside a method that fails.

Every simulation also runs a deliberately wrong estimator and must reject it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parent))
from honesty import REPLICATIONS, at_least, at_most, source
from pairs import ACCURACY, AUC, F1, RMSE, SCORE, TOKENS, WER, asked, entry

from evalkit.core.types import Metric
from evalkit.stats.fold import Observations
from evalkit.stats.paired import against, unpaired
from evalkit.stats.summary import estimate

Drawn = tuple[Metric, Observations, Observations, float]
Bounds = tuple[float, float]
Z = 1.959964


def binary(drawn: np.random.Generator) -> Drawn:
    """60 pairs, 10 to 30 % discordant; the truth varies, since one truth is covered in steps."""
    discordant, truth = drawn.uniform(0.1, 0.3), drawn.uniform(-0.08, 0.08)
    gained, lost = (discordant + truth) / 2, (discordant - truth) / 2
    where, base = drawn.random(60), drawn.random(60) < 0.6
    theirs = np.where(where < gained, 0, np.where(where < gained + lost, 1, base))
    ours = np.where(where < gained, 1, np.where(where < gained + lost, 0, base))
    return ACCURACY, entry(ours), entry(theirs), truth


def rare(drawn: np.random.Generator) -> Drawn:
    """40 pairs of which few differ: where Wald's interval fails."""
    truth, n = drawn.uniform(0.02, 0.08), 40
    theirs = drawn.random(n) < 0.9
    return ACCURACY, entry(np.where(drawn.random(n) < truth, 1, 0)), entry(np.zeros(n) * theirs), truth


def bounded(drawn: np.random.Generator) -> Drawn:
    base = drawn.beta(2, 2, 25)
    return SCORE, entry(base), entry(0.5 * drawn.beta(2, 1, 25) + 0.5 * base), 0.5 - 7 / 12


def skewed(drawn: np.random.Generator) -> Drawn:
    base = drawn.lognormal(0, 0.8, 40)
    truth = np.exp(0.32) * (np.exp(0.08) - np.exp(0.045))
    return TOKENS, entry(base * drawn.lognormal(0, 0.4, 40)), entry(base * drawn.lognormal(0, 0.3, 40)), float(truth)


def clustered(drawn: np.random.Generator) -> Drawn:
    cluster = np.repeat(np.arange(20), 5)
    ours = 0.9 * drawn.normal(size=20)[cluster] + drawn.normal(size=100)
    theirs = 0.4 * drawn.normal(size=20)[cluster] + drawn.normal(size=100)
    return TOKENS, entry(ours, cluster), entry(theirs, cluster), 0.0


def uneven(drawn: np.random.Generator) -> Drawn:
    cluster = np.repeat(np.arange(24), drawn.integers(1, 12, 24))
    ours = 0.9 * drawn.normal(size=24)[cluster] + drawn.normal(size=cluster.size)
    return TOKENS, entry(ours, cluster), entry(drawn.normal(size=cluster.size), cluster), 0.0


def repeated(drawn: np.random.Generator) -> Drawn:
    """30 samples, asked five times by each side; what is hard for one is not what is hard for the other."""
    ours, theirs = (drawn.random(150) < np.repeat(drawn.beta(0.7, 0.7, 30), 5) for _ in range(2))
    return ACCURACY, entry(ours, repeats=5), entry(theirs, repeats=5), 0.0


def ratio(drawn: np.random.Generator) -> Drawn:
    """20 speakers of 4 recordings; how many words go wrong varies between speakers, on each side on its own."""
    words, cluster = drawn.integers(5, 30, 80), np.repeat(np.arange(20), 4)
    sides = []
    for _ in range(2):
        errors = drawn.binomial(words, drawn.beta(2, 8, 20)[cluster]).astype(float)
        sides.append(entry(errors / words, cluster, {"errors": errors, "words": words.astype(float)}))
    return WER, sides[0], sides[1], 0.0


def area(drawn: np.random.Generator) -> Drawn:
    positive = np.arange(80) % 3 == 0
    score = drawn.normal(size=80)
    ours, theirs = score + 1.2 * positive, 0.8 * score + 0.6 * drawn.normal(size=80) + positive
    truth = float(norm.cdf(1.2 / np.sqrt(2)) - norm.cdf(1.0 / np.sqrt(2)))
    parts = {"positive": positive.astype(float)}
    return AUC, entry(ours, parts=parts), entry(theirs, parts=parts), truth


def corpus(drawn: np.random.Generator) -> Drawn:
    """60 documents of 3 answers, which are right or wrong together."""
    true, document = drawn.random(60).repeat(3) < 0.4, np.repeat(np.arange(60), 3)

    def side(hit: float, false: float) -> Observations:
        said = drawn.random(60).repeat(3) < np.where(true, hit, false)
        parts = {"tp": true & said, "fp": ~true & said, "fn": true & ~said}
        return entry(said, document, {name: column.astype(float) for name, column in parts.items()})

    f1 = [0.8 * hit / (0.4 * hit + 0.06 + 0.4) for hit in (0.8, 0.7)]
    return F1, side(0.8, 0.1), side(0.7, 0.1), f1[0] - f1[1]


def squares(drawn: np.random.Generator) -> Drawn:
    """60 series of 3 forecasts with one error each."""
    error, series = drawn.normal(size=60).repeat(3), np.repeat(np.arange(60), 3)
    noisy = error + 0.5 * drawn.normal(size=60).repeat(3)
    one, other = ({"se": values**2, "n": np.ones(180)} for values in (noisy, error))
    return RMSE, entry(np.abs(noisy), series, one), entry(np.abs(error), series, other), np.sqrt(1.25) - 1


def ours(metric: Metric, candidate: Observations, baseline: Observations) -> Bounds:
    found = asked(metric, candidate, baseline, resamples=200)
    return found.low, found.high


def wald(metric: Metric, candidate: Observations, baseline: Observations) -> Bounds:
    apart = candidate.value - baseline.value
    half = Z * apart.std() / np.sqrt(apart.size)
    return apart.mean() - half, apart.mean() + half


def alone(side: Observations) -> Observations:
    """Every row as a sample and a cluster of its own: what a naive analysis does."""
    places = np.arange(side.sample.size)
    return Observations(places, np.zeros_like(places), places, side.value, side.parts)


def as_if_independent(metric: Metric, candidate: Observations, baseline: Observations) -> Bounds:
    return ours(metric, alone(candidate), alone(baseline))


def without_pairs(metric: Metric, candidate: Observations, baseline: Observations) -> Bounds:
    found = unpaired(metric, candidate, baseline, seed=1, resamples=200)
    return found.low, found.high


# The case, what fails on it, and by how much a resampled interval may miss 95 %.
CASES: dict[str, tuple[Callable[..., Drawn], Callable[..., Bounds], float]] = {
    "binary": (binary, without_pairs, 0.0),
    "bounded": (bounded, without_pairs, 0.0),
    "skewed": (skewed, without_pairs, 0.0),
    "clustered": (clustered, as_if_independent, 0.0),
    "uneven": (uneven, as_if_independent, 0.0),
    "repeated": (repeated, as_if_independent, 0.0),
    "ratio": (ratio, as_if_independent, 0.0),
    "area": (area, without_pairs, 0.0),
    "corpus": (corpus, as_if_independent, 0.015),
    "squares": (squares, as_if_independent, 0.015),
}


def covered(name: str, make: Callable[..., Drawn], replications: int, bounds: Callable[..., Bounds]) -> int:
    drawn, hits = source(name), 0
    for _ in range(replications):
        metric, candidate, baseline, truth = make(drawn)
        low, high = bounds(metric, candidate, baseline)
        hits += low <= truth <= high
    return hits


def keeps(hits: int, replications: int, slack: float = 0.0) -> bool:
    """Whether 95 %, give or take, may have given these hits."""
    return at_least(hits, replications, 0.95 - slack) and at_most(hits, replications, 0.95 + slack)


@pytest.mark.parametrize("replications", REPLICATIONS)
@pytest.mark.parametrize("case", CASES)
def test_intervals_cover(case, replications):
    make, wrong, slack = CASES[case]
    name = f"test_intervals_cover[{case}]"
    assert keeps(covered(name, make, replications, ours), replications, slack)
    assert not keeps(covered(name, make, replications, wrong), replications, slack)


@pytest.mark.parametrize("replications", REPLICATIONS)
def test_rare_changes_are_covered_where_wald_is_not(replications):
    name = "test_rare_changes_are_covered_where_wald_is_not"
    assert at_least(covered(name, rare, replications, ours), replications, 0.95)
    assert not at_least(covered(name, rare, replications, wald), replications, 0.95)


@pytest.mark.parametrize("replications", REPLICATIONS)
def test_errors_at_their_worst_are_covered_where_dropped_ones_are_not(replications):
    """A candidate that fails on hard samples: left out, they make it look better than it is."""

    def failing(drawn: np.random.Generator) -> Drawn:
        rate = drawn.random(120)
        errored = drawn.random(120) < 0.4 * (1 - rate)
        right = np.where(errored, 0, drawn.random(120) < rate)
        # What a sample scores on average: half of it, less what fails.
        truth = -0.4 * (0.5 - 1 / 3)
        return ACCURACY, entry(np.where(errored, -1, right)), entry(drawn.random(120) < rate), truth

    def worst(metric: Metric, candidate: Observations, baseline: Observations) -> Bounds:
        return ours(metric, entry(np.maximum(candidate.value, 0)), baseline)

    def dropped(metric: Metric, candidate: Observations, baseline: Observations) -> Bounds:
        kept = candidate.value >= 0
        return ours(metric, candidate.keep(kept), baseline.keep(kept))

    name = "test_errors_at_their_worst_are_covered_where_dropped_ones_are_not"
    assert keeps(covered(name, failing, replications, worst), replications)
    assert not keeps(covered(name, failing, replications, dropped), replications)


@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.98, 1.0])
def test_edges_have_width_and_stay_in_range(rate, n):
    drawn, flat = source(f"test_edges_have_width_and_stay_in_range[{n}-{rate}]"), 0
    for _ in range(40):
        one, other = drawn.random(n) < rate, drawn.random(n) < rate
        for metric, cluster in ((ACCURACY, None), (SCORE, None), (ACCURACY, np.arange(n) // 2)):
            sides = entry(one, cluster), entry(other, cluster)
            found = asked(metric, *sides), unpaired(metric, *sides, seed=1)
            assert all(-1 <= each.low < each.high <= 1 for each in found)
            # Fewer than five clusters cannot reach a one-sided 5 % by flipping signs.
            bounds = [each for each in found if each.groups > 4 or not each.paired or each.lower is not None]
            assert all(each.low <= each.lower < each.upper <= each.high for each in bounds)
            floor, single = against(metric, sides[0], 0.5, seed=1), estimate(metric, sides[0], seed=1)
            assert -0.5 <= floor.low < floor.high <= 0.5
            assert 0 <= single.low < single.high <= 1
        low, high = wald(ACCURACY, *sides)
        flat += low == high or low < -1 or high > 1
    assert flat > 0 or 0 < rate < 1


@pytest.mark.parametrize("replications", REPLICATIONS)
@pytest.mark.parametrize("case", ["binary", "bounded", "skewed", "repeated"])
def test_pairing_has_more_power_than_none(case, replications):
    """A change that every sample feels, on samples that differ a lot."""
    drawn, paired, alone_found = source(f"test_pairing_has_more_power_than_none[{case}]"), 0, 0
    for _ in range(replications):
        rate, noise = drawn.beta(0.5, 0.5, 60), drawn.normal(0, 0.15, 60)
        sides = {
            "binary": (ACCURACY, drawn.random(60) < 0.2 * rate + 0.8 * (rate > 0.4), rate > 0.6),
            "bounded": (SCORE, np.clip(rate + noise + 0.06, 0, 1), rate),
            "skewed": (TOKENS, np.exp(4 * rate + noise), np.exp(4 * rate + 0.1)),
            "repeated": (ACCURACY, drawn.random(180) < np.repeat(np.minimum(1, rate + 0.12), 3),
                         drawn.random(180) < np.repeat(rate, 3)),
        }  # fmt: skip
        metric, one, other = sides[case]
        repeats = 3 if case == "repeated" else 1
        pair = entry(one, repeats=repeats), entry(other, repeats=repeats)
        paired += asked(metric, *pair).p_value < 0.05
        alone_found += unpaired(metric, *pair, seed=1).p_value < 0.05
    assert paired > alone_found
    assert paired > 0.3 * replications


@pytest.mark.parametrize("replications", REPLICATIONS)
@pytest.mark.parametrize("case", ["binary", "clustered", "repeated", "ratio", "area", "corpus", "squares"])
def test_entries_of_equal_worth_are_rarely_told_apart(case, replications):
    """Both p-values against 5 %, with the sides of a case exchanged at random so that nothing is there to be found.

    Wrong: to look at both one-sided bounds of 10 % and believe the one that says something.
    """
    name = f"test_entries_of_equal_worth_are_rarely_told_apart[{case}]"
    drawn, told, failed, naive = source(name), 0, 0, 0
    for _ in range(replications):
        metric, one, other, _ = CASES[case][0](drawn)
        mixed = exchanged(one, other, drawn)
        found = asked(metric, *mixed, alpha=0.1)
        told, failed = told + (found.p_value <= 0.05), failed + (found.p_fail <= 0.05)
        naive += not found.lower <= 0 <= found.upper
    assert at_most(told, replications, 0.05)
    assert at_most(failed, replications, 0.05)
    assert not at_most(naive, replications, 0.05)


def exchanged(one: Observations, other: Observations, drawn: np.random.Generator) -> tuple[Observations, ...]:
    """Both sides with a coin deciding for each cluster which is which."""
    turned = (drawn.random(one.groups) < 0.5)[one.cluster]

    def mixed(first: Observations, second: Observations) -> Observations:
        parts = {name: np.where(turned, second.parts[name], column) for name, column in first.parts.items()}
        return replace(first, value=np.where(turned, second.value, first.value), parts=parts)

    return mixed(one, other), mixed(other, one)
