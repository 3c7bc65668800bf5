"""Which method is picked when, what is refused, and whether the intervals cover."""

from __future__ import annotations

import subprocess
import sys
import zlib

import numpy as np
import pytest
from scipy import stats as reference

from evalkit.core.fold import Fold, Majority, PassAt, Sums, Whole
from evalkit.core.types import Metric
from evalkit.stats.fold import Observations, Row, observations
from evalkit.stats.intervals import wilson
from evalkit.stats.summary import estimate, headline, headline_and_dropped, skewness
from evalkit.stats.variance import decompose

ACCURACY = Metric("accuracy", "mean01", bounds=(0.0, 1.0))
SCORE = Metric("score", "mean", bounds=(0.0, 1.0))
TOKENS = Metric("tokens", "mean", higher_is_better=False)
WER = Metric("wer", "ratio", False, (0.0, None), Fold(across=Sums(lambda c: c["errors"] / c["words"])), 1.0)
RATE = Metric("rate", "ratio", True, (0.0, 1.0), Fold(across=Sums(lambda c: c["errors"] / c["words"])))
F1 = Metric(
    "f1", "corpus", True, (0.0, 1.0), Fold(across=Sums(lambda c: 2 * c["tp"] / (2 * c["tp"] + c["fp"] + c["fn"])))
)
RMSE = Metric("rmse", "corpus", False, (0.0, None), Fold(across=Sums(lambda c: np.sqrt(c["sq"] / c["n"]))), "undefined")


def _median(columns, weights):
    order = np.argsort(columns["value"], kind="stable")
    total = np.cumsum(weights[:, order], axis=1)
    return columns["value"][order][(total < 0.5 * total[:, -1:]).sum(axis=1).clip(0, order.size - 1)]


MEDIAN = Metric("p50", "quantile", False, (0.0, None), Fold(across=Whole(_median)))


def seen(values, cluster=None, parts=None) -> Observations:
    y = np.asarray(values, dtype=float)
    places = np.arange(y.size)
    return Observations(
        places, np.zeros_like(places), places if cluster is None else np.asarray(cluster), y, parts or {}
    )


def get(metric, data, **more):
    return estimate(metric, data, seed=7, resamples=more.pop("resamples", 400), **more)


def seed_of(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def test_binary_unclustered_is_wilson():
    found = get(ACCURACY, seen([1] * 81 + [0] * 19))
    assert (found.low, found.high) == pytest.approx(wilson(81, 100))
    assert (found.value, found.n, found.groups, found.method) == (0.81, 100, 100, "wilson")


def test_binary_in_clusters_is_cluster_robust_away_from_the_ends_and_wilson_near_them():
    rng = np.random.default_rng(1)
    middle, cluster = rng.random(400) < 0.5, np.repeat(np.arange(80), 5)
    assert get(ACCURACY, seen(middle, cluster)).method == "cluster-t"
    assert get(ACCURACY, seen(rng.random(400) < 0.98, cluster)).method == "cluster-wilson"
    assert get(ACCURACY, seen(np.ones(400), cluster)).method == "cluster-clopper"


def test_fractions_of_repeats_are_not_taken_for_a_binary_score():
    rng = np.random.default_rng(2)
    data = [Row(f"s{i}", repeat=r, value=float(rng.random() < 0.5)) for i in range(200) for r in range(3)]
    found = get(ACCURACY, observations(data))
    assert (found.method, found.n) == ("t", 200)


def test_plain_means_are_t_and_skewed_small_ones_bca():
    rng = np.random.default_rng(3)
    assert get(TOKENS, seen(rng.normal(100, 5, 50))).method == "t"
    assert get(TOKENS, seen(rng.exponential(100, 50) ** 2)).method == "bootstrap-bca (B=400)"
    assert get(TOKENS, seen(rng.exponential(100, 500) ** 2)).method == "t"
    assert get(TOKENS, seen(rng.exponential(100, 50), np.arange(50) // 5)).method == "cluster-t"
    assert get(TOKENS, seen(rng.exponential(100, 50), np.arange(50) ** 2 // 100)).method == "cluster-cr2"


def test_ratios_are_linearised_and_other_sums_bootstrapped():
    rng = np.random.default_rng(4)
    words = rng.integers(5, 20, 60).astype(float)
    found = get(
        WER,
        seen(np.full(60, np.nan), None, {"errors": rng.binomial(words.astype(int), 0.2).astype(float), "words": words}),
    )
    assert found.method == "linearised"
    parts = {name: rng.integers(0, 4, 60).astype(float) for name in ("tp", "fp", "fn")}
    found = get(F1, seen(np.full(60, np.nan), None, parts))
    assert found.method == "bootstrap-bca (B=400)"
    assert found.low < found.value < found.high
    assert get(MEDIAN, seen(rng.exponential(1, 60))).method == "bootstrap-percentile (B=400)"


def test_a_ratio_whose_gradient_breaks_is_bootstrapped():
    sharp = Metric(
        "r",
        "ratio",
        True,
        (0.0, 1.0),
        Fold(
            across=Sums(
                lambda c: np.where(c["w"] == 40, c["e"] / c["w"], np.where(c["w"] > 40, np.nan, c["e"] / c["w"]))
            )
        ),
    )
    found = get(sharp, seen(np.full(40, np.nan), None, {"e": np.tile([0.0, 1.0], 20), "w": np.ones(40)}))
    assert found.method.startswith("bootstrap")


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("metric", [ACCURACY, SCORE])
@pytest.mark.parametrize("cluster", [None, np.arange(20) // 4])
def test_all_pass_and_all_fail_have_finite_bounds_and_width(metric, value, cluster):
    found = get(metric, seen(np.full(20, value), cluster))
    assert found.value == value
    assert 0 <= found.low <= value <= found.high <= 1
    assert found.high - found.low > 0.1


def test_no_variation_of_other_metrics():
    constant = seen(np.full(20, np.nan), None, {"errors": np.ones(20), "words": np.full(20, 4.0)})
    bounded = get(RATE, constant)
    assert bounded.low < 0.25 < bounded.high
    assert get(WER, constant).low is None
    assert get(WER, constant).high is None
    assert get(TOKENS, seen(np.full(20, 0.3))).low is None
    perfect = get(F1, seen(np.full(20, np.nan), None, {"tp": np.ones(20), "fp": np.zeros(20), "fn": np.zeros(20)}))
    assert perfect.high == 1.0
    assert 0.7 < perfect.low < 0.9
    assert skewness(np.full(4, 2.0)) == 0.0


def test_nothing_and_one_cluster():
    nothing = get(ACCURACY, observations([]))
    assert (nothing.value, nothing.low, nothing.n, nothing.groups) == (None, None, 0, 0)
    one = np.zeros(5, dtype=int)
    parts = {name: np.arange(1.0, 6.0) for name in ("tp", "fp", "fn", "errors", "words")}
    for metric in (ACCURACY, SCORE, TOKENS, WER, F1, MEDIAN):
        found = get(metric, seen([1, 0, 1, 1, 0], one, parts))
        assert found.value is not None
        assert (found.low, found.high, found.groups) == (None, None, 1)
    assert get(ACCURACY, seen([1.0])).low is None


def test_a_row_without_a_score_is_told_not_dropped():
    found = get(ACCURACY, seen([1, 0, np.nan]))
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.method == "none (1 of 3 scores undefined)"


def test_an_undefined_fold_has_no_value():
    found = get(F1, seen([0, 0], None, {name: np.zeros(2) for name in ("tp", "fp", "fn")}))
    assert found.value is None
    assert "not defined" in found.method


def test_bounds_are_respected():
    rng = np.random.default_rng(5)
    found = get(SCORE, seen(np.clip(rng.normal(0.97, 0.1, 8), 0, 1)))
    assert found.high <= 1.0
    tiny = seen(np.full(12, np.nan), None, {"errors": np.eye(12)[0], "words": np.full(12, 9.0)})
    assert get(WER, tiny).low == 0.0


def test_the_seed_decides_every_digit():
    rng = np.random.default_rng(6)
    data = seen(np.full(90, np.nan), None, {name: rng.random(90) for name in ("tp", "fp", "fn")})
    assert get(F1, data) == get(F1, data)
    assert get(F1, data) != estimate(F1, data, seed=8, resamples=400)


def test_the_order_of_rows_decides_no_digit():
    rng = np.random.default_rng(7)
    made = [
        Row(f"s{i}", f"g{i % 30}", 0, float(v), {"tp": v, "fp": 1 - v, "fn": 0.1}) for i, v in enumerate(rng.random(90))
    ]
    mixed = [made[i] for i in rng.permutation(90)]
    for metric in (SCORE, F1, MEDIAN):
        assert get(metric, observations(made)) == get(metric, observations(mixed))


def test_headline_has_errors_at_their_worst_and_dropped_leaves_them_out():
    rows = [Row("a", value=1.0), Row("b", value=1.0), Row("c", value=0.0), Row("d", worst=0.0)]
    found, dropped = headline_and_dropped(ACCURACY, rows, seed=1)
    assert (found.value, found.n, dropped) == (0.5, 4, pytest.approx(2 / 3))


def test_headline_of_complete_rows_equals_the_value_without_errors():
    found, dropped = headline_and_dropped(ACCURACY, [Row("a", value=1.0), Row("b", value=0.0)], seed=1)
    assert found.value == dropped == 0.5


def test_headline_of_sums_takes_the_worst_parts():
    rows = [Row("a", parts={"errors": 1, "words": 10}), Row("b", worst=1.0, worst_parts={"errors": 10, "words": 10})]
    found, dropped = headline_and_dropped(WER, rows, seed=1)
    assert (found.value, dropped) == (0.55, 0.1)


def test_an_undefined_worst_makes_the_headline_none_and_keeps_the_dropped_value():
    rows = [Row("a", parts={"sq": 4.0, "n": 1.0}), Row("b", parts={"sq": 4.0, "n": 1.0}), Row("c")]
    found, dropped = headline_and_dropped(RMSE, rows, seed=1)
    assert (found.value, dropped) == (None, 2.0)


def test_all_errored_has_no_dropped_value():
    found, dropped = headline_and_dropped(ACCURACY, [Row("a", worst=0.0), Row("b", worst=0.0)], seed=1)
    assert (found.value, dropped) == (0.0, None)


def test_pass_at_k_drops_samples_with_too_few_scored_repeats():
    hard = Metric("pass@2", "mean01", fold=Fold(PassAt(2)), bounds=(0.0, 1.0))
    rows = [Row("a", repeat=r, value=1.0) for r in range(2)] + [
        Row("b", repeat=0, value=0.0),
        Row("b", repeat=1, worst=0.0),
    ]
    found, dropped = headline_and_dropped(hard, rows, seed=1)
    assert (found.value, dropped) == (0.5, 1.0)
    vote = Metric("maj", "mean01", fold=Fold(Majority()), bounds=(0.0, 1.0))
    assert headline_and_dropped(vote, rows, seed=1)[1] == 0.5


def test_headline_on_columns_equals_headline_on_rows():
    rows = [Row("a", value=1.0), Row("b", worst=0.0), Row("c", value=0.0)]
    scored = np.array([True, False, True])
    assert headline(ACCURACY, seen([1, 0, 0]), scored, seed=1) == headline_and_dropped(ACCURACY, rows, seed=1)


def coverage(name: str, draw, methods, times: int = 300) -> list[int]:
    """How often each method's interval holds the truth; `draw(rng)` gives (data, truth)."""
    rng, hits = seed_of(name), [0] * len(methods)
    for _ in range(times):
        data, truth = draw(rng)
        for place, method in enumerate(methods):
            low, high = method(data)
            hits[place] += low <= truth <= high
    return hits


def plausible(hits: int, times: int = 300) -> bool:
    low, high = reference.binom.interval(0.999, times, 0.95)
    return low <= hits <= high


def test_wilson_covers_and_wald_does_not():
    # The true rate varies, since at any one rate the discreteness of 30 answers moves the coverage by a few points.
    def draw(rng):
        rate = rng.uniform(0.85, 0.99)
        return (rng.random(30) < rate).astype(float), rate

    def ours(y):
        found = estimate(ACCURACY, seen(y), seed=1)
        return found.low, found.high

    def wald(y):
        half = 1.96 * np.sqrt(y.mean() * (1 - y.mean()) / y.size)
        return y.mean() - half, y.mean() + half

    good, bad = coverage("test_wilson_covers_and_wald_does_not", draw, (ours, wald))
    assert plausible(good)
    assert not plausible(bad)


def test_cluster_robust_covers_and_naive_does_not():
    cluster = np.repeat(np.arange(20), 5)

    def draw(rng):
        return np.sqrt(0.3) * rng.normal(size=20)[cluster] + np.sqrt(0.7) * rng.normal(size=100), 0.0

    def ours(y):
        found = estimate(TOKENS, seen(y, cluster), seed=1)
        return found.low, found.high

    def naive(y):
        found = estimate(TOKENS, seen(y), seed=1)
        return found.low, found.high

    good, bad = coverage("test_cluster_robust_covers_and_naive_does_not", draw, (ours, naive))
    assert plausible(good)
    assert not plausible(bad)


def test_bootstrap_of_a_corpus_metric_covers():
    def draw(rng):
        return {"sq": rng.normal(0, 1, 120) ** 2, "n": np.ones(120)}, 1.0

    def ours(parts):
        found = estimate(RMSE, seen(np.full(120, np.nan), None, parts), seed=1, resamples=300)
        return found.low, found.high

    (hits,) = coverage("test_bootstrap_of_a_corpus_metric_covers", draw, (ours,))
    assert hits >= 0.89 * 300


def test_epochs_split_the_variance_and_name_the_floor():
    rng = seed_of("epochs")
    difficulty = rng.normal(0, 2, 3000)
    values = [[d + rng.normal(0, 1) for _ in range(4)] for d in difficulty]
    found = decompose(
        observations(Row(f"s{i}", repeat=r, value=v) for i, row in enumerate(values) for r, v in enumerate(row))
    )
    assert found.omega2 == pytest.approx(4, rel=0.1)
    assert found.sigma2 == pytest.approx(1, rel=0.1)
    assert found.repeats == pytest.approx(4)
    assert found.se**2 == pytest.approx((found.omega2 + found.sigma2 / 4) / 3000)
    assert found.se_floor < found.se
    assert not found.identical


def test_epochs_flag_identical_repeats_and_need_two_of_everything():
    same = decompose(observations(Row(f"s{i}", repeat=r, value=float(i % 2)) for i in range(4) for r in range(2)))
    assert same.identical
    assert same.sigma2 == 0
    assert decompose(observations([Row("a", repeat=r, value=1.0) for r in range(3)])) is None
    assert decompose(observations([Row("a", value=1.0), Row("b", value=0.0)])) is None
    assert decompose(observations([Row("a", value=1.0), Row("b")])) is None


def test_estimating_needs_scipy_special_only():
    code = "import sys, evalkit.stats.summary, evalkit.stats.variance; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
