"""The cluster bootstrap: weights, BCa, collapse, determinism."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evalkit.stats import resample
from evalkit.stats.fold import Additive, Full
from evalkit.stats.resample import Weights, affordable, bca, bootstrap, collapse, interval, jackknife

CASES = Path(__file__).parent.parent / "cases" / "stats"


def mean_of(values) -> Additive:
    y = np.asarray(values, dtype=float)
    return Additive(np.stack([y, np.ones_like(y)], axis=1), lambda t: t[:, 0] / t[:, 1])


def whole_mean(values) -> Full:
    y = np.asarray(values, dtype=float)
    return Full({"value": y}, np.arange(y.size), np.ones(y.size), y.size, lambda c, w: (w @ c["value"]) / w.sum(axis=1))


@pytest.mark.parametrize("groups", [8, 49, 50, 3000])
def test_weights_average_one_and_multinomial_rows_sum_to_the_clusters(groups):
    weights = Weights(np.ones(groups, dtype=np.int64), 500, 7)
    drawn = np.concatenate(list(weights))
    assert drawn.shape == (500, groups)
    assert drawn.mean() == pytest.approx(1.0, abs=5 / np.sqrt(drawn.size))
    assert drawn.var() == pytest.approx(1.0 - (groups < 50) / groups, abs=0.12)
    if groups < 50:
        assert (drawn.sum(axis=1) == groups).all()


def test_collapsed_rows_are_drawn_as_often_as_they_count():
    few = np.concatenate(list(Weights(np.array([300, 100]), 2000, 1)))
    assert (few.sum(axis=1) == 400).all()
    assert few.mean(axis=0) == pytest.approx([300, 100], rel=0.02)
    many = np.concatenate(list(Weights(np.arange(1, 81), 2000, 1)))
    assert many.mean(axis=0) == pytest.approx(np.arange(1, 81), rel=0.15)


def test_chunks_depend_on_seed_and_index_alone():
    weights = Weights(np.ones(200, dtype=np.int64), 1000, 42)
    forward = [weights.chunk(i) for i in range(weights.chunks)]
    backward = [Weights(np.ones(200, dtype=np.int64), 1000, 42).chunk(i) for i in reversed(range(weights.chunks))]
    assert weights.chunks > 3
    assert all((a == b).all() for a, b in zip(forward, reversed(backward), strict=True))
    assert not (forward[0] == Weights(np.ones(200, dtype=np.int64), 1000, 43).chunk(0)).all()
    assert not (forward[0] == forward[1]).all()


def test_chunks_of_many_clusters_stay_small():
    weights = Weights(np.ones(1_000_000, dtype=np.int64), 5, 0)
    assert weights.step == 2
    assert weights.chunks == 3


def test_the_poisson_table_has_the_poisson_moments():
    table = resample._POISSON.astype(float)
    assert table.mean() == pytest.approx(1.0, abs=1e-3)
    assert table.var() == pytest.approx(1.0, abs=3e-3)


def test_statistics_under_one_matrix_are_paired():
    values = np.random.default_rng(0).normal(size=80)
    first, second = bootstrap([mean_of(values), mean_of(values + 3)], Weights(np.ones(80, dtype=np.int64), 300, 5))
    assert second - first == pytest.approx(np.full(300, 3.0))


def test_collapse_keeps_the_statistic_and_counts_every_cluster():
    values = np.random.default_rng(1).integers(0, 3, 500)
    one, counts = collapse(mean_of(values))
    assert one.groups == 3
    assert counts.sum() == 500
    assert one.evaluate(counts[None, :].astype(float))[0] == pytest.approx(values.mean())


def test_additive_and_whole_statistics_agree():
    values = np.random.default_rng(2).random(30)
    weights = np.concatenate(list(Weights(np.ones(30, dtype=np.int64), 50, 5)))
    assert mean_of(values).evaluate(weights) == pytest.approx(whole_mean(values).evaluate(weights))
    assert jackknife(mean_of(values)) == pytest.approx(jackknife(whole_mean(values)))


def test_bca_matches_scipy_on_the_same_draws():
    for case in json.loads((CASES / "bca.json").read_text(encoding="utf-8"))["cases"]:
        values = np.array(case["values"])
        out = jackknife(mean_of(values))
        found = bca(np.array(case["draws"]), values.mean(), out, case["level"])
        assert found == pytest.approx((case["low"], case["high"]), rel=1e-9)


def test_bca_with_draws_on_one_side_falls_back_to_the_percentile():
    draws = np.linspace(1, 2, 101)
    assert bca(draws, 0.0, np.array([1.0, 2.0]), 0.9) == pytest.approx((1.05, 1.95))


def test_bca_without_spread_in_the_jackknife_has_no_acceleration():
    draws = np.random.default_rng(3).normal(size=999)
    low, high = bca(draws, float(np.median(draws)), np.zeros(5), 0.95)
    assert (low, high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.05)


def test_interval_agrees_with_the_t_interval_of_a_large_sample():
    values = np.random.default_rng(4).normal(5, 2, 2000)
    found = interval(mean_of(values), seed=1, resamples=2000)
    assert found.method == "bootstrap-bca (B=2000)"
    assert found.se == pytest.approx(values.std(ddof=1) / np.sqrt(2000), rel=0.06)
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - 1.96 * found.se, values.mean() + 1.96 * found.se), abs=0.015
    )


def test_a_costly_jackknife_gives_the_percentile_interval(monkeypatch):
    monkeypatch.setattr(resample, "JACKKNIFE_ELEMENTS", 10)
    assert interval(whole_mean(np.arange(60.0)), seed=1, resamples=100).method == "bootstrap-percentile (B=100)"


def test_undefined_resamples_are_told_and_many_of_them_leave_no_bounds():
    def where_defined(limit):
        return Additive(
            np.stack([np.arange(60.0), np.ones(60)], axis=1),
            lambda t: np.where(t[:, 1] < limit, np.nan, t[:, 0] / t[:, 1]),
        )

    few = interval(where_defined(42), seed=3, resamples=2000)
    assert "undefined)" in few.method
    assert few.low is not None
    many = interval(where_defined(60), seed=3, resamples=200)
    assert many.low is None
    assert many.high is None
    assert "undefined)" in many.method


def test_one_cluster_has_no_bounds():
    assert interval(mean_of([1.0]), seed=1, resamples=100).low is None


def test_resamples_are_fewer_for_very_many_clusters_and_never_more_than_asked():
    assert affordable(2000, 100) == 2000
    assert affordable(2000, 10_000_000) == 400
    assert affordable(100, 10_000_000) == 100
