"""E-processes and confidence sequences against their definitions, and what they hold under constant peeking."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

sys.path.insert(0, str(Path(__file__).parent))
from honesty import REPLICATIONS, at_least, at_most, source

from evalkit.stats import anytime
from evalkit.stats.anytime import (
    Band,
    asymptotic,
    betting,
    discordant,
    discordant_one_sided,
    empirical_bernstein,
    msprt,
    proportion,
)

UNIT = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (7, 3), (3, 7), (40, 20)])
def test_discordant_pairs_are_mixtures_of_likelihoods(better, worse):
    def likelihood(q):
        return (2 * q) ** better * (2 * (1 - q)) ** worse

    assert discordant(better, worse) == pytest.approx(math.log(quad(likelihood, 0, 1)[0]), abs=1e-9)
    assert discordant_one_sided(better, worse) == pytest.approx(math.log(2 * quad(likelihood, 0.5, 1)[0]), abs=1e-9)


def test_discordant_evidence_is_elementwise_and_for_one_side():
    two, one = discordant([5, 0], [0, 5]), discordant_one_sided([5, 0], [0, 5])
    assert two[0] == two[1]
    assert one[0] > two[0] > one[1]
    assert discordant_one_sided(0, 5000) == -np.inf or discordant_one_sided(0, 5000) < -5
    with pytest.raises(ValueError, match="cannot be negative"):
        discordant(-1, 3)


@settings(max_examples=30)
@given(st.integers(0, 30), st.integers(0, 30))
def test_evidence_is_a_fair_game_under_the_null(better, worse):
    for how in (discordant, discordant_one_sided):
        now = math.exp(how(better, worse))
        then = (math.exp(how(better + 1, worse)) + math.exp(how(better, worse + 1))) / 2
        assert then == pytest.approx(now, rel=1e-9)


@settings(max_examples=40)
@given(st.integers(0, 200), st.integers(0, 200))
def test_proportion_ends_lie_on_the_threshold(k, misses):
    n = k + misses
    band = proportion(k, n)
    low, high = float(band.low[0]), float(band.high[0])
    if n:
        assert low <= k / n <= high
    mixture = math.lgamma(k + 1) + math.lgamma(misses + 1) - math.lgamma(n + 2)
    for end, edge in ((low, 0.0), (high, 1.0)):
        if end == edge:
            continue
        log = mixture - k * math.log(end) - misses * math.log1p(-end)
        assert log == pytest.approx(math.log(20), abs=1e-6)


def test_before_the_first_trial_a_proportion_may_be_anything():
    band = proportion([0], [0])
    assert (band.low[0], band.high[0]) == (0.0, 1.0)
    with pytest.raises(ValueError, match="between 0 and the number of trials"):
        proportion(5, 3)


def naive_betting(values, alpha, means):
    """The definition, value by value and mean by mean."""
    kept = []
    for m in means:
        up = down = 1.0
        total, squares, variance = 0.0, 0.0, 0.25
        for t, x in enumerate(values, start=1):
            bet = math.sqrt(2 * math.log(2 / alpha) / (variance * t * math.log(t + 1)))
            up *= 1 + min(bet, 0.5 / m if m else math.inf) * (x - m)
            down *= 1 - min(bet, 0.5 / (1 - m) if m < 1 else math.inf) * (x - m)
            total += x
            squares += (x - (0.5 + total) / (t + 1)) ** 2
            variance = (0.25 + squares) / (t + 1)
        kept.append(max(0.5 * up, 0.5 * down) < 1 / alpha)
    return kept


@settings(max_examples=20, deadline=None)
@given(UNIT)
def test_betting_is_the_definition_one_grid_point_wider(values):
    means = np.linspace(0, 1, 21)
    kept = np.flatnonzero(naive_betting(values, 0.05, means))
    band = betting(values, grid=21)
    if kept.size:
        assert band.low[-1] == means[max(kept[0] - 1, 0)]
        assert band.high[-1] == means[min(kept[-1] + 1, 20)]
    assert (band.low <= band.high).all()


def test_betting_in_slices_is_betting_at_once(monkeypatch):
    values = np.random.default_rng(1).random(300)
    whole = betting(values)
    monkeypatch.setattr(anytime, "SLICE", 7)
    parts = betting(values)
    assert parts.low == pytest.approx(whole.low)
    assert parts.high == pytest.approx(whole.high)


def test_a_set_between_two_points_of_the_grid_is_still_an_interval_around_the_mean():
    band = betting(np.full(4000, 0.55), grid=11)
    assert band.low[-1] <= 0.55 <= band.high[-1]
    assert np.isfinite(band.low).all()


@pytest.mark.parametrize("method", [betting, empirical_bernstein])
def test_values_outside_the_unit_interval_are_refused(method):
    with pytest.raises(ValueError, match=r"paired differences d as \(d \+ 1\)/2"):
        method([0.5, 1.2])
    assert method([]).low.size == 0


@settings(max_examples=30, deadline=None)
@given(UNIT)
def test_bernstein_is_the_definition(values):
    band = empirical_bernstein(values)
    total = weight = price = before = 0.0
    mean, variance, squares = 0.5, 0.25, 0.0
    for t, x in enumerate(values, start=1):
        bet = min(math.sqrt(2 * math.log(40) / (variance * t * math.log(t + 1))), 0.5)
        weight += bet
        total += bet * x
        price += (x - mean) ** 2 * (-math.log(1 - bet) - bet)
        before += x
        mean = (0.5 + before) / (t + 1)
        squares += (x - mean) ** 2
        variance = (0.25 + squares) / (t + 1)
    half = (math.log(40) + price) / weight
    assert band.low[-1] == pytest.approx(max(0, total / weight - half), abs=1e-9)
    assert band.high[-1] == pytest.approx(min(1, total / weight + half), abs=1e-9)


def test_betting_is_narrower_than_bernstein_in_the_end():
    values = np.random.default_rng(2).beta(2, 8, 1500)
    bet, closed = betting(values), empirical_bernstein(values)
    assert bet.high[-1] - bet.low[-1] < closed.high[-1] - closed.low[-1]


def test_asymptotic_needs_fifty_values_that_vary():
    values = np.random.default_rng(3).normal(7, 2, 400)
    band = asymptotic(values)
    assert np.isnan(band.low[:49]).all()
    n, ratio = 400, (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / 500
    half = values.std(ddof=1) * math.sqrt(
        2 * (n * ratio + 1) / (n**2 * ratio) * math.log(math.sqrt(n * ratio + 1) / 0.05)
    )
    assert band.high[-1] == pytest.approx(values.mean() + half)
    assert band.low[-1] == pytest.approx(values.mean() - half)
    assert np.isnan(asymptotic(np.full(80, 3.3)).low).all()
    assert asymptotic([]).low.size == 0


def test_the_running_intersection_only_narrows():
    band = Band(np.array([np.nan, 0.1, 0.0, 0.2]), np.array([np.nan, 0.8, 0.9, 0.7])).intersected()
    assert band.low[1:].tolist() == [0.1, 0.1, 0.2]
    assert band.high[1:].tolist() == [0.8, 0.8, 0.7]


def test_msprt_is_the_normal_mixture():
    total, n, variance, prior = 30.0, 100, 2.0, 0.04

    def likelihood(mean):
        return math.exp((mean * total - n * mean**2 / 2) / variance) * stats.norm.pdf(mean, scale=math.sqrt(prior))

    assert msprt(total, n, variance=variance, prior=prior) == pytest.approx(math.log(quad(likelihood, -3, 3)[0]))
    assert msprt(0.0, 0, variance=2.0, prior=0.1) == 0.0


def peeked(values, truth):
    """Whether a plain 95 % t interval leaves out the truth at any look from the 20th value on."""
    n = np.arange(1, values.shape[1] + 1)
    mean = np.cumsum(values, axis=1) / n
    spread = np.sqrt(np.maximum(np.cumsum(values**2, axis=1) / n - mean**2, 1e-12) * n / np.maximum(n - 1, 1))
    return (np.abs(mean - truth) > 1.96 * spread / np.sqrt(n))[:, 20:].any(axis=1)


@pytest.mark.parametrize("n", REPLICATIONS)
def test_bands_hold_under_constant_peeking_and_a_naive_interval_does_not(n, request):
    drawn = source(request.node.name)
    values, truth = drawn.beta(1, 3, (n, 250)), 0.25
    for method in (lambda x: betting(x, grid=101), empirical_bernstein, asymptotic):
        bands = [method(row) for row in values]
        missed = sum(bool(((band.low > truth) | (band.high < truth)).any()) for band in bands)
        assert at_most(missed, n, 0.05)
    assert not at_most(int(peeked(values, truth).sum()), n, 0.05)


@pytest.mark.parametrize("n", REPLICATIONS)
def test_discordant_pairs_and_proportions_hold_under_constant_peeking(n, request):
    drawn = source(request.node.name)
    better = np.cumsum(drawn.random((n, 400)) < 0.5, axis=1)
    seen = np.arange(1, 401)
    for how in (discordant, discordant_one_sided):
        assert at_most(int((how(better, seen - better) >= math.log(20)).any(axis=1).sum()), n, 0.05)
    z = (better - seen / 2) / np.sqrt(seen / 4)
    assert not at_most(int((z > 1.645)[:, 20:].any(axis=1).sum()), n, 0.05)
    rare = np.cumsum(drawn.random((n, 200)) < 0.05, axis=1)
    bands = [proportion(row, np.arange(1, 201)) for row in rare]
    assert at_most(sum(bool(((b.low > 0.05) | (b.high < 0.05)).any()) for b in bands), n, 0.05)


@pytest.mark.parametrize("n", REPLICATIONS)
def test_a_large_effect_is_found_early(n, request):
    better = np.cumsum(source(request.node.name).random((n, 200)) < 0.8, axis=1)
    evidence = discordant_one_sided(better, np.arange(1, 201) - better)
    assert at_least(int((evidence >= math.log(20)).any(axis=1).sum()), n, 0.99)
