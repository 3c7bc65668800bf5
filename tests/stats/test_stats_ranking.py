"""Rank intervals: what they promise together, for every fold; and tests over many data sets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from honesty import REPLICATIONS, at_least, source

from evalkit.core.fold import Fold, Majority, PassAt, Sums, Whole
from evalkit.core.types import Metric
from evalkit.stats.fold import Observations, Row, observations
from evalkit.stats.ranking import better, friedman, holm_ranks, rank_intervals, ranks, wilcoxon_holm, wins

FOLDER = Path(__file__).parent.parent / "cases" / "stats"
ACCURACY = Metric("accuracy", kind="mean01")
F1 = Metric("f1", kind="corpus", fold=Fold(across=Sums(lambda c: 2 * c["tp"] / (2 * c["tp"] + c["fp"] + c["fn"]))))
RMSE = Metric(
    "rmse", kind="corpus", higher_is_better=False, fold=Fold(across=Sums(lambda c: np.sqrt(c["sq"] / c["n"])))
)
SPREAD = Metric("spread", kind="quantile", fold=Fold(across=Whole(lambda c, w: w @ c["value"] / w.sum(axis=1))))


def entry(values, cluster=None, parts=None):
    n = len(values)
    codes = np.arange(n) if cluster is None else np.asarray(cluster)
    return Observations(np.arange(n), np.zeros(n, dtype=np.int64), codes, np.asarray(values, dtype=float), parts or {})


def graded(n=400, count=5, step=0.08, seed=0):
    drawn = np.random.default_rng(seed)
    return [entry((drawn.random(n) < 0.4 + step * k).astype(float)) for k in range(count)]


def test_one_entry_has_the_first_rank():
    assert rank_intervals(ACCURACY, graded(count=1), seed=1) == ((1, 1),)


def test_clear_differences_give_clear_ranks_and_direction_turns_them():
    entries = [entry(np.r_[np.ones(k), np.zeros(200 - k)]) for k in (20, 80, 140)]
    assert rank_intervals(ACCURACY, entries, seed=1) == ((3, 3), (2, 2), (1, 1))
    lower = Metric("errors", higher_is_better=False)
    assert rank_intervals(lower, entries, seed=1) == ((1, 1), (2, 2), (3, 3))


def test_identical_entries_tie_whatever_surrounds_them():
    good, bad = np.r_[np.ones(150), np.zeros(50)], np.r_[np.ones(40), np.zeros(160)]
    assert rank_intervals(ACCURACY, [entry(good), entry(bad), entry(good)], seed=1) == ((1, 2), (3, 3), (1, 2))
    assert rank_intervals(ACCURACY, [entry(good)] * 4, seed=1) == ((1, 4),) * 4


def test_a_difference_without_variation_is_claimed_when_a_sign_test_would():
    few, many = 5, 12
    for n, found in ((few, ((1, 2), (1, 2))), (many, ((1, 1), (2, 2)))):
        assert rank_intervals(ACCURACY, [entry(np.ones(n)), entry(np.zeros(n))], seed=1) == found


def test_few_discordant_samples_are_judged_by_their_number():
    """Three against none of 400: the normal distribution would believe it at 5 %, an exact test (p = 1/8) would not."""
    base = np.r_[np.ones(200), np.zeros(200)]
    more = base.copy()
    more[200:203] = 1
    assert rank_intervals(ACCURACY, [entry(more), entry(base)], seed=1) == ((1, 2), (1, 2))
    more[200:230] = 1
    assert rank_intervals(ACCURACY, [entry(more), entry(base)], seed=1) == ((1, 1), (2, 2))


def test_one_cluster_allows_no_claim():
    entries = [entry(np.ones(20), np.zeros(20, dtype=np.int64)), entry(np.zeros(20), np.zeros(20, dtype=np.int64))]
    assert rank_intervals(ACCURACY, entries, seed=1) == ((1, 2), (1, 2))


def test_clusters_make_ranks_wider():
    drawn = np.random.default_rng(5)
    blocks = [np.repeat((drawn.random(20) < p).astype(float), 20) for p in (0.35, 0.6)]
    alone = rank_intervals(ACCURACY, [entry(b) for b in blocks], seed=1)
    grouped = rank_intervals(ACCURACY, [entry(b, np.repeat(np.arange(20), 20)) for b in blocks], seed=1)
    assert alone == ((2, 2), (1, 1))
    assert grouped == ((1, 2), (1, 2))


@pytest.mark.parametrize(
    ("metric", "parts"),
    [
        (F1, lambda d, k: {"tp": d.poisson(3 + 2 * k, 120), "fp": d.poisson(3, 120), "fn": d.poisson(3, 120)}),
        (RMSE, lambda d, k: {"sq": d.chisquare(2, 120) * (9 - 4 * k), "n": np.ones(120)}),
        (SPREAD, lambda _d, _k: {}),
        (Metric("k", fold=Fold(PassAt(1))), lambda _d, _k: {}),
    ],
)
def test_every_fold_is_ranked(metric, parts):
    drawn = np.random.default_rng(6)
    entries = [
        entry(
            (drawn.random(120) < 0.2 + 0.3 * k).astype(float),
            parts={n: c.astype(float) for n, c in parts(drawn, k).items()},
        )
        for k in range(3)
    ]
    assert rank_intervals(metric, entries, seed=1) == ((3, 3), (2, 2), (1, 1))


def test_a_majority_counts_answers_as_differences():
    def votes(answers, right):
        return observations(
            Row(f"s{i:02d}", None, r, float(a in right), answer=a) for i in range(20) for r, a in enumerate(answers)
        )

    one, other = votes("aab", "a"), votes("abc", "a")
    metric = Metric("vote", fold=Fold(Majority()))
    assert rank_intervals(metric, [one, other, one], seed=1) == ((1, 2), (3, 3), (1, 2))


def test_entries_of_different_repeats_are_compared():
    drawn = np.random.default_rng(8)

    def repeated(p, repeats):
        return observations(
            Row(f"s{i:03d}", None, r, float(drawn.random() < p)) for i in range(100) for r in range(repeats)
        )

    found = rank_intervals(ACCURACY, [repeated(0.2, 3), repeated(0.7, 2)], seed=1)
    assert found == ((2, 2), (1, 1))


def test_the_order_of_the_entries_decides_nothing():
    entries = graded(step=0.1)
    straight = rank_intervals(ACCURACY, entries, seed=3)
    assert straight == rank_intervals(ACCURACY, entries, seed=3)
    assert rank_intervals(ACCURACY, entries[::-1], seed=3)[::-1] == straight


def test_resamples_without_a_value_allow_no_claim():
    rare = Metric("rare", fold=Fold(across=Sums(lambda c: c["hit"] / c["seen"])))
    seen = np.r_[1.0, np.zeros(59)]
    entries = [entry(np.zeros(60), parts={"hit": seen * k, "seen": seen}) for k in (0, 1)]
    assert rank_intervals(rare, entries, seed=1) == ((1, 2), (1, 2))


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([], "no entries"),
        ([entry([1, 0, 1]), entry([1, np.nan, 1])], "entry 1: 1 scores are missing"),
        ([entry([1, 0, 1]), entry([1, 0])], "entry 1 has other samples or clusters"),
        ([entry([1, 0, 1]), entry([1, 0, 1], [0, 0, 1])], "entry 1 has other samples or clusters"),
    ],
)
def test_what_cannot_be_ranked_is_refused_in_words(entries, told):
    with pytest.raises(ValueError, match=told):
        rank_intervals(ACCURACY, entries, seed=1)


def test_an_undefined_metric_names_its_entry():
    empty = {"tp": np.zeros(5), "fp": np.zeros(5), "fn": np.zeros(5)}
    full = {"tp": np.ones(5), "fp": np.zeros(5), "fn": np.zeros(5)}
    with pytest.raises(ValueError, match="entry 1: f1 is not defined"):
        rank_intervals(F1, [entry(np.zeros(5), parts=full), entry(np.zeros(5), parts=empty)], seed=1)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10_000))
def test_intervals_hold_their_own_rank_and_are_consistent(count, seed):
    entries = graded(n=80, count=count, seed=seed)
    beats = better(ACCURACY, entries, seed=1, resamples=400)
    found = ranks(beats)
    order = np.argsort([-e.value.mean() for e in entries], kind="stable")
    for place, k in enumerate(order, start=1):
        assert 1 <= found[k][0] <= place <= found[k][1] <= count
    assert not (beats & beats.T).any()


def marginal(metric, entries, seed):
    """What is done wrongly: percentiles of each entry's own bootstrap rank."""
    drawn = np.random.default_rng(seed)
    values = np.stack([e.value for e in entries])
    n = values.shape[1]
    draws = np.stack([values[:, drawn.integers(0, n, n)].mean(axis=1) for _ in range(200)])
    placed = 1 + (draws[:, None, :] > draws[:, :, None]).sum(axis=2)
    return [tuple(np.quantile(placed[:, k], [0.025, 0.975])) for k in range(len(entries))]


@pytest.mark.parametrize("n", REPLICATIONS)
def test_all_ranks_hold_at_once_and_marginal_ranks_do_not(n, request):
    """Five equal candidates and two worse ones: every true rank, ties included, lies in its interval."""
    drawn = source(request.node.name)
    truth = [(1, 5)] * 5 + [(6, 7)] * 2
    held = wrong = 0
    for k in range(n):
        item = drawn.normal(size=60)
        score = item + drawn.normal(size=(7, 60)) < np.sqrt(2) * np.array([0.253] * 5 + [-0.126] * 2)[:, None]
        entries = [entry(row.astype(float)) for row in score]
        found = rank_intervals(ACCURACY, entries, seed=k, resamples=400)
        held += all(low <= a and b <= high for (low, high), (a, b) in zip(found, truth, strict=True))
        if k < 300:
            naive = marginal(ACCURACY, entries, k)
            wrong += all(low <= a and b <= high for (low, high), (a, b) in zip(naive, truth, strict=True))
    assert at_least(held, n, 0.95)
    assert not at_least(wrong, 300, 0.95)


def test_holm_ranks_follow_the_covariance():
    spread = np.diag([0.01, 0.01, 0.01])
    assert holm_ranks([0.0, 1.0, 1.05], spread) == ((3, 3), (1, 2), (1, 2))
    assert holm_ranks([0.0, 1.0, 1.05], spread, df=2) == ((1, 3), (1, 3), (1, 3))
    together = np.full((2, 2), 0.01) + np.diag([1e-5, 1e-5])
    assert holm_ranks([0.0, 0.05], together) == ((2, 2), (1, 1))
    assert holm_ranks([0.0, 0.05], np.full((2, 2), 0.01)) == ((1, 2), (1, 2))


@pytest.mark.parametrize("case", json.loads((FOLDER / "friedman.json").read_text())["cases"])
def test_friedman_and_wilcoxon_match_scipy(case):
    table = np.array(case["table"])
    found = friedman(table)
    assert found.mean_ranks == pytest.approx(case["mean_ranks"])
    assert found.statistic == pytest.approx(case["statistic"])
    n, k = table.shape
    f = (n - 1) * found.statistic / (n * (k - 1) - found.statistic)
    from scipy.stats import f as fisher

    assert found.p_value == pytest.approx(float(fisher.sf(f, k - 1, (k - 1) * (n - 1))))
    p = wilcoxon_holm(table)
    assert p[0, 1] >= case["wilcoxon_01"]
    assert (p == p.T).all()
    assert (np.diag(p) == 1).all()


def test_nemenyis_distance_is_demsars():
    q = json.loads((FOLDER / "printed.json").read_text())["cases"][1]["q"]
    for count, value in q.items():
        k = int(count)
        table = np.random.default_rng(k).random((10, k))
        assert friedman(table).critical == pytest.approx(value * np.sqrt(k * (k + 1) / 60), abs=1e-3)


def test_equal_and_perfectly_ordered_tables_are_the_ends():
    assert friedman(np.ones((5, 3))).p_value == 1.0
    ordered = friedman(np.tile([1.0, 2.0, 3.0], (6, 1)))
    assert (ordered.p_value, ordered.mean_ranks) == (0.0, (3.0, 2.0, 1.0))
    assert (wilcoxon_holm(np.ones((5, 3))) == 1).all()


def test_wins_share_ties():
    assert wins(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist() == [[0.5, 0.75], [0.25, 0.5]]


@pytest.mark.parametrize("table", [np.ones((1, 3)), np.ones((3, 1)), np.ones(3)])
def test_small_tables_are_refused(table):
    with pytest.raises(ValueError, match="at least two data sets"):
        friedman(table)
    with pytest.raises(ValueError, match="a value is missing"):
        wins(np.array([[1.0, np.nan], [1.0, 2.0]]))
