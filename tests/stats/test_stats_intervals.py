"""Closed-form intervals against statsmodels, scipy and exact arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats.fold import Additive, pass_all, pass_at
from evalkit.stats.intervals import (
    Clusters,
    clopper_pearson,
    cluster_mean,
    cluster_wilson,
    linearised,
    mean_t,
    wilson,
)

CASES = Path(__file__).parent.parent / "cases" / "stats"


def load(name: str) -> list[dict]:
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_case_files_say_what_made_them(name):
    made = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))["made_by"]
    assert all(made[key] for key in ("library", "version", "command"))


@pytest.mark.parametrize(("name", "method"), [("wilson", wilson), ("clopper_pearson", clopper_pearson)])
def test_proportions_match_statsmodels(name, method):
    for case in load(name):
        found = method(case["successes"], case["n"], case["level"])
        assert found == pytest.approx((case["low"], case["high"]), rel=1e-10, abs=1e-12), case


def test_t_matches_statsmodels():
    for case in load("mean_t"):
        found = mean_t(np.array(case["values"]), case["level"])
        assert (found.low, found.high) == pytest.approx((case["low"], case["high"]), rel=1e-12)


def test_cluster_robust_matches_statsmodels_and_the_matrix_form():
    methods = set()
    for case in load("cluster_mean"):
        clusters = Clusters.of(np.array(case["values"]), np.array(case["cluster"]))
        assert np.sqrt(clusters.variance()) == pytest.approx(case["se"], rel=1e-10)
        assert np.sqrt(clusters.variance_cr2()) == pytest.approx(case["cr2_se"], rel=1e-10)
        assert clusters.df_cr2() == pytest.approx(case["cr2_df"], rel=1e-9)
        found = cluster_mean(clusters)
        methods.add(found.method)
        if found.method == "cluster-t":
            assert (found.low, found.high) == pytest.approx((case["low"], case["high"]), rel=1e-10)
        else:
            assert (found.se, found.df) == pytest.approx((case["cr2_se"], case["cr2_df"]), rel=1e-9)
    assert methods == {"cluster-t", "cluster-cr2"}


def test_linearised_ratio_matches_the_weighted_regression():
    for case in load("ratio"):
        cluster = np.array(case["cluster"])
        sums = np.stack([np.bincount(cluster, weights=case[name]) for name in ("errors", "words")], axis=1)
        found = linearised(Additive(sums, lambda t: t[:, 0] / t[:, 1]))
        assert found.se == pytest.approx(case["se"], rel=1e-7)
        assert (found.low, found.high) == pytest.approx((case["low"], case["high"]), rel=1e-7)


def test_pass_at_and_pass_all_match_exact_fractions():
    for case in load("pass_at"):
        n, c, k = np.array([case["n"]]), np.array([case["c"]]), case["k"]
        assert pass_at(n, c, k)[0] == pytest.approx(case["pass_at"], rel=1e-12, abs=1e-14)
        assert pass_all(n, c, k)[0] == pytest.approx(case["pass_all"], rel=1e-12, abs=1e-300)


def test_clusters_of_one_equal_t_exactly():
    values = np.random.default_rng(1).normal(size=40)
    alone = cluster_mean(Clusters.of(values, np.arange(40)))
    plain = mean_t(values)
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high), rel=1e-13)


def test_duplicating_rows_inside_clusters_leaves_the_cluster_error_and_shrinks_the_naive_one():
    values, cluster = np.random.default_rng(2).normal(size=60), np.repeat(np.arange(30), 2)
    once, twice = Clusters.of(values, cluster), Clusters.of(np.repeat(values, 2), np.repeat(cluster, 2))
    assert twice.variance() == pytest.approx(once.variance(), rel=1e-12)
    assert mean_t(np.repeat(values, 2)).se < 0.75 * mean_t(values).se


def test_fewer_than_two_clusters_have_no_bounds():
    one = Clusters.of(np.array([0.0, 1.0, 1.0]), np.zeros(3, dtype=np.int64))
    sums = Additive(np.array([[1.0, 2.0]]), lambda t: t[:, 0] / t[:, 1])
    for found in (cluster_mean(one), cluster_wilson(one), linearised(sums), mean_t(np.array([3.0]))):
        assert (found.low, found.high, found.se) == (None, None, None)


def test_linearised_gives_no_bounds_where_the_gradient_is_not_finite():
    sums = Additive(np.array([[1.0, 0.0], [2.0, 0.0]]), lambda t: t[:, 0] / np.maximum(t[:, 1], 0.0))
    assert linearised(sums).low is None


@pytest.mark.parametrize("ends", [0.0, 1.0])
def test_clustered_proportion_at_an_end_is_clopper_on_the_clusters(ends):
    found = cluster_wilson(Clusters.of(np.full(20, ends), np.repeat(np.arange(5), 4)))
    assert (found.low, found.high) == pytest.approx(clopper_pearson(5 * ends, 5))
    assert found.method == "cluster-clopper"


def test_clustered_proportion_without_variation_uses_all_samples():
    found = cluster_wilson(Clusters.of(np.tile([0.0, 1.0], 10), np.repeat(np.arange(10), 2)))
    assert found.low < 0.35
    assert found.high > 0.65


@given(
    st.lists(st.floats(-50, 50), min_size=3, max_size=30),
    st.floats(-10, 10),
    st.floats(0.1, 10),
    st.integers(2, 5),
)
@settings(max_examples=40, deadline=None)
def test_means_are_affine_equivariant(values, shift, scale, size):
    y, cluster = np.array(values), np.arange(len(values)) // size
    if cluster.max() < 1:
        cluster = np.arange(len(values))
    first, second = (cluster_mean(Clusters.of(v, cluster)) for v in (y, shift + scale * y))
    assert second.low == pytest.approx(shift + scale * first.low, rel=1e-6, abs=1e-6)
    assert second.high == pytest.approx(shift + scale * first.high, rel=1e-6, abs=1e-6)


@given(st.integers(1, 400), st.data())
@settings(max_examples=50, deadline=None)
def test_proportion_intervals_hold_the_value_and_are_never_of_zero_width(n, data):
    successes = data.draw(st.integers(0, n))
    for low, high in (wilson(successes, n), clopper_pearson(successes, n)):
        assert 0 <= low <= successes / n <= high <= 1
        assert high > low
