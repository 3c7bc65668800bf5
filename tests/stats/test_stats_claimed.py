"""Claimed values against own data: agreement with closed forms, error rates, and what cannot be tested."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.core.types import Metric
from evalkit.stats.claimed import Claimed, Departure, value_claim
from evalkit.stats.fold import Observations

RATE = Metric("accuracy", kind="mean01", bounds=(0.0, 1.0))
SCORE = Metric("score")


def seen(values, cluster=None) -> Observations:
    n = np.arange(len(values), dtype=np.int64)
    groups = n if cluster is None else np.asarray(cluster, dtype=np.int64)
    return Observations(n, np.zeros(len(values), dtype=np.int64), groups, np.asarray(values, dtype=np.float64))


def rate(hits: int, n: int) -> Observations:
    return seen([1.0] * hits + [0.0] * (n - hits))


def departure(metric, rows, claimed) -> Departure:
    found = value_claim(metric, rows, claimed, seed=0)
    assert isinstance(found, Departure)
    return found


def test_a_fixed_value_is_tested_as_by_students_t():
    values = np.random.default_rng(3).normal(5.0, 2.0, 40)
    found = departure(SCORE, seen(values), Claimed(4.6, 1.0))
    oracle = stats.ttest_1samp(values, 4.6)
    interval = oracle.confidence_interval()
    assert found.p_against == pytest.approx(oracle.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low - 4.6, interval.high - 4.6), rel=1e-9)
    low = stats.ttest_1samp(values, 4.6 - 1.0, alternative="greater").pvalue
    high = stats.ttest_1samp(values, 4.6 + 1.0, alternative="less").pvalue
    assert found.p_for == pytest.approx(max(low, high), rel=1e-9)


def test_the_interval_of_a_rate_is_wilsons_and_agrees_with_its_p():
    found = departure(RATE, rate(90, 100), Claimed(0.95, 0.02))
    low, high = stats.binomtest(90, 100).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((low - 0.95, high - 0.95), abs=1e-9)
    edge = departure(RATE, rate(90, 100), Claimed(high, 0.02))
    assert edge.p_against == pytest.approx(0.05, abs=1e-9)
    edge = departure(RATE, rate(90, 100), Claimed(low, 0.02))
    assert edge.p_against == pytest.approx(0.05, abs=1e-9)


def test_the_claims_own_uncertainty_widens_the_interval():
    alone, vague = (departure(RATE, rate(80, 100), Claimed(0.9, 0.02, se)) for se in (None, 0.03))
    assert alone.claimed_se == 0.0
    assert vague.claimed_se == 0.03
    assert vague.low < alone.low
    assert vague.high > alone.high
    assert vague.p_against > alone.p_against
    counted = departure(RATE, rate(80, 100), Claimed(0.9, 0.02, n=200))
    assert counted.claimed_se == pytest.approx(math.sqrt(0.9 * 0.1 / 200), rel=0.03)
    assert departure(RATE, rate(80, 100), Claimed(1.0, 0.02, n=50)).claimed_se > 0
    values = np.random.default_rng(1).normal(0, 1, 64)
    own = departure(SCORE, seen(values), Claimed(0.0, 0.1))
    same_size = departure(SCORE, seen(values), Claimed(0.0, 0.1, n=64))
    assert same_size.high - same_size.low == pytest.approx(math.sqrt(2) * (own.high - own.low), rel=1e-9)


def test_samples_needed_show_equality_in_most_cases():
    found = departure(RATE, rate(180, 200), Claimed(0.9, 0.05))
    assert 300 < found.needed < 340
    assert departure(RATE, rate(180, 200), Claimed(0.9, 0.05, se=0.05)).needed is None
    rng = np.random.default_rng(zlib.crc32(b"claimed"))
    shown = [
        departure(RATE, rate(int(rng.binomial(found.needed, 0.9)), found.needed), Claimed(0.9, 0.05))
        for _ in range(300)
    ]
    share = float(np.mean([one.p_for <= 0.05 for one in shown]))
    assert 0.7 < share < 0.9


@pytest.mark.parametrize("clustered", [False, True])
def test_a_true_claim_is_excluded_in_one_of_twenty(clustered):
    rng = np.random.default_rng(zlib.crc32(b"claims hold"))
    found = []
    for _ in range(300):
        if clustered:
            effect = np.repeat(rng.normal(0, 1, 30), 5)
            rows = seen(3 + effect + rng.normal(0, 1, 150), np.repeat(np.arange(30), 5))
        else:
            rows = seen(rng.normal(3, 1, 50))
        found.append(departure(SCORE, rows, Claimed(3.0, 0.1)).p_against <= 0.05)
    low, high = stats.binomtest(int(sum(found)), 300).proportion_ci(0.999)
    assert low <= 0.05 <= high
    if clustered:
        naive = [
            stats.ttest_1samp(3 + np.repeat(rng.normal(0, 1, 30), 5) + rng.normal(0, 1, 150), 3).pvalue
            for _ in range(300)
        ]
        low, _ = stats.binomtest(int((np.array(naive) <= 0.05).sum()), 300).proportion_ci(0.999)
        assert low > 0.05, "an estimator that ignores the clusters must be noticed"


def test_what_has_no_interval_is_said():
    assert "no value" in str(value_claim(SCORE, seen([np.nan, 1.0]), Claimed(1.0, 0.1), seed=0))
    assert "no interval" in str(value_claim(SCORE, seen([1.0]), Claimed(1.0, 0.1), seed=0))


@settings(max_examples=40, deadline=None)
@given(hits=st.integers(0, 40), claimed=st.floats(0, 1), tolerance=st.floats(0.001, 0.3))
def test_numbers_agree_with_each_other(hits, claimed, tolerance):
    found = departure(RATE, rate(hits, 40), Claimed(claimed, tolerance))
    assert found.low <= found.delta <= found.high
    assert found.delta == pytest.approx(hits / 40 - claimed)
    assert 0 <= found.p_for <= 1
    assert (found.p_against < 0.05) == (not found.low <= 0 <= found.high) or found.p_against == pytest.approx(0.05)
    wider = departure(RATE, rate(hits, 40), Claimed(claimed, tolerance * 2))
    assert wider.p_for <= found.p_for + 1e-12
    assert replace(wider, p_for=0.0, needed=0) == replace(found, p_for=0.0, needed=0)


def test_scores_without_spread_leave_no_doubt_where_the_bounds_do_not():
    rows = seen([0.0] * 30)
    found = departure(RATE, rows, Claimed(0.0, 0.05))
    assert found.low == 0.0
    assert found.high > 0.0
    assert found.p_against == 1.0
    assert departure(RATE, rows, Claimed(0.6, 0.05)).p_against < 1e-6
    assert departure(RATE, seen([1.0] * 30), Claimed(0.0, 0.05)).p_for > 0.99
