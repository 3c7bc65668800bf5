"""Which method a comparison takes when, what it refuses, and its edges; floors and samples without pairs."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from pairs import ACCURACY, AUC, F1, KINDS, P95, RMSE, SCORE, TOKENS, WER, asked, entry

from evalkit.core.fold import Fold, Majority, Sums, Whole
from evalkit.core.types import Metric
from evalkit.scorers import _folds
from evalkit.stats import auc, binary, changes, randomise, ratios
from evalkit.stats.binary import Discordant, missingness, tango, tango_score
from evalkit.stats.drawn import expanded
from evalkit.stats.findings import Asked, by_clusters, flat
from evalkit.stats.fold import Additive, Full
from evalkit.stats.intervals import Clusters
from evalkit.stats.paired import Pair, Question, against, compare, compare_all, unpaired
from evalkit.stats.resample import on_grid
from evalkit.stats.summary import estimate
from evalkit.stats.variance import decompose, flip_rates

METHODS = {
    "binary": "tango, exact mcnemar", "bounded": "t", "skewed": "t", "clustered": "cluster-cr2", "repeated": "t",
    "passing": "t", "voting": "t", "ratio": "linearised", "corpus": "bootstrap, randomisation (B=200)",
    "squares": "bootstrap, randomisation (B=200)", "area": "delong",
    "clustered_area": "bootstrap, randomisation (B=200)", "precision": "bootstrap, randomisation (B=200)",
    "latency": "bootstrap, randomisation (B=200)",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_metric_picks_the_method(kind):
    metric, ours, theirs = KINDS[kind](np.random.default_rng(2))
    found = asked(metric, ours, theirs)
    assert found.method == METHODS[kind]
    assert found.resamples == (200 if "bootstrap" in found.method else 0)
    assert found.seed == 5
    assert found.paired
    assert (found.se_unpaired is None) == (found.correlation is None)


def test_clusters_and_repeats_turn_rates_into_means():
    source = np.random.default_rng(1)
    ours, theirs = source.random(300) < 0.7, source.random(300) < 0.6
    assert asked(ACCURACY, entry(ours), entry(theirs)).method == "tango"
    cluster = np.arange(300) // 3
    assert asked(ACCURACY, entry(ours, cluster), entry(theirs, cluster)).method == "cluster-t"
    assert asked(ACCURACY, entry(ours, repeats=3), entry(theirs, repeats=3)).method == "t"


def test_pairing_pays_by_the_correlation():
    source = np.random.default_rng(3)
    base = source.normal(size=200)
    found = asked(TOKENS, entry(base + 0.1 * source.normal(size=200)), entry(base + 0.1 * source.normal(size=200)))
    assert found.correlation > 0.95
    assert found.se < found.se_unpaired / 3
    assert found.mde == pytest.approx((1.6448536 + 0.8416212) * found.se, rel=1e-6)
    constant = asked(TOKENS, entry(base), entry(np.zeros(200)))
    assert constant.correlation is None
    assert constant.se_unpaired == pytest.approx(constant.se)


def test_a_pair_has_the_same_samples_and_clusters():
    with pytest.raises(ValueError, match="the candidate has 3 samples, the baseline 2"):
        Pair(entry([1, 0, 1]), entry([1, 0]))
    with pytest.raises(ValueError, match=r"2 samples are in different clusters on the two sides \(first: 1\)"):
        Pair(entry([1, 0, 1], [0, 0, 1]), entry([1, 0, 1], [0, 1, 0]))
    gap = replace(entry([1, 0, 1]), sample=np.array([0, 2, 2]))
    with pytest.raises(ValueError, match=r"the baseline lacks 1 of 3 samples \(first: 1\)"):
        Pair(entry([1, 0, 1]), gap)


def test_nothing_and_undefined_are_told():
    empty = entry([])
    assert asked(ACCURACY, empty, empty).method == "none (no observations)"
    none = entry([0, 0], parts={name: np.zeros(2) for name in ("tp", "fp", "fn")})
    found = asked(F1, none, none)
    assert (found.delta, found.method) == (None, "none (not defined on these data)")
    assert (found.n, found.groups) == (2, 2)
    assert against(F1, none, 0.5, seed=1).method == "none (not defined on these data)"
    assert compare_all([], seed=1) == []
    with pytest.raises(ValueError, match="resamples=0 must be at least 1"):
        asked(F1, none, none, resamples=0)


@pytest.mark.parametrize("kind", ["clustered", "ratio", "corpus", "clustered_area", "latency"])
def test_one_cluster_has_no_bounds(kind):
    metric, ours, theirs = KINDS[kind](np.random.default_rng(2))
    one = np.zeros(ours.samples, dtype=int)
    ours, theirs = (entry(side.value, one, side.parts) for side in (ours, theirs))
    for found in (asked(metric, ours, theirs), unpaired(metric, ours, theirs, seed=1)):
        assert found.delta is not None
        assert found.low is found.high is found.lower is found.upper is found.mde is None
    assert against(metric, ours, 0.1, seed=1).low is None


def test_few_clusters_flip_signs_and_never_claim_by_a_limit():
    ours, theirs = entry([3.0, 2.0, 4.0]), entry([1.0, 1.5, 1.0])
    found = asked(replace(TOKENS, higher_is_better=True), ours, theirs)
    assert (found.p_value, found.p_fail) == (0.25, 1.0)
    assert found.lower is found.upper is None
    assert found.low < 0 < found.high
    assert found.mde is not None
    five = asked(TOKENS, entry(np.arange(5) + 1.0), entry(np.zeros(5)))
    assert (five.lower, five.upper) == (1.0, 5.0)
    assert five.low <= 1.0
    assert five.high >= 5.0
    wide = asked(TOKENS, entry(np.arange(9) + 1.0), entry(np.zeros(9)))
    assert wide.low < wide.lower < wide.delta < wide.upper < wide.high


def test_few_clusters_of_a_ratio_flip_pseudo_values():
    words = np.full(8, 10.0)
    ours, theirs = (entry(e / words, parts={"errors": e, "words": words}) for e in (np.arange(8.0), np.arange(8.0) + 2))
    found = asked(WER, ours, theirs)
    assert found.method == "no variation"
    theirs = entry(theirs.value, parts={"errors": np.arange(8.0)[::-1] + 3, "words": words})
    assert asked(WER, ours, theirs).method == "sign-flip of pseudo-values (G=8)"


def test_a_bounded_difference_without_variation_is_bounded_by_the_number_of_clusters():
    found = asked(SCORE, entry(np.full(50, 0.5)), entry(np.full(50, 0.25)))
    unseen = 1 - 0.05 ** (1 / 50)
    assert found.lower == pytest.approx(0.25 - unseen * 1.25)
    assert found.upper == pytest.approx(0.25 + unseen * 0.75)
    assert found.p_value == pytest.approx(2 * (1 - 0.25 / 1.25) ** 50)
    worse = asked(SCORE, entry(np.full(50, 0.25)), entry(np.full(50, 0.5)))
    assert worse.p_fail == pytest.approx((1 - 0.25 / 1.25) ** 50)
    assert worse.p_value == pytest.approx(2 * worse.p_fail)
    price = asked(TOKENS, entry(np.full(50, 8.0)), entry(np.full(50, 4.0)))
    assert price.lower > 3
    assert price.p_fail < 1e-9
    assert asked(TOKENS, entry(np.full(50, 4.0)), entry(np.full(50, 4.0))).mde is None
    assert flat(1.0, 10, Asked(null=2.0, limit=1.0)).p_fail == 0.0


def test_without_discordant_pairs_a_rate_still_has_width():
    found = asked(ACCURACY, entry(np.ones(30)), entry(np.ones(30)))
    assert found.high - found.low > 0.1
    assert (found.se, found.p_value, found.p_fail) == (None, 1.0, 1.0)
    assert asked(ACCURACY, entry(np.ones(30)), entry(np.ones(30)), null=-0.02).p_fail == 1.0
    assert asked(ACCURACY, entry(np.ones(30)), entry(np.zeros(30)), null=1.0).p_fail == 0.0
    assert asked(ACCURACY, entry(np.ones(30)), entry(np.ones(30)), null=-1.0).p_fail == 1.0
    assert asked(ACCURACY, entry([1.0]), entry([0.0])).low is None
    assert tango_score(Discordant(0, 0, 5), 0.0) == 0.0
    assert tango_score(Discordant(5, 0, 5), 1.0) == 0.0
    assert tango_score(Discordant(0, 5, 5), 1.0) == -np.inf
    low, high = tango(Discordant(10, 0, 10), 0.025)
    assert 0 < low < high == pytest.approx(1.0)


def test_a_bound_that_reaches_the_null_inverts_the_bootstrap():
    metric, ours, theirs = KINDS["corpus"](np.random.default_rng(2))
    plain = asked(metric, ours, theirs)
    margin = asked(metric, ours, theirs, null=-0.5)
    assert margin.p_fail == 1.0
    assert asked(metric, ours, theirs, null=0.9).p_fail == pytest.approx(1 / 201)
    assert (margin.low, margin.p_value) == (plain.low, plain.p_value)


def test_many_undefined_resamples_leave_no_bounds():
    def where_heavy(totals):
        return np.where(totals["n"] < 38, np.nan, totals["e"] / totals["n"])

    metric = Metric("m", "corpus", fold=Fold(across=Sums(where_heavy)))
    sides = [entry(np.zeros(40), parts={"e": np.arange(40.0) % k, "n": np.ones(40)}) for k in (5, 7)]
    rare = Metric("m", "corpus", fold=Fold(across=Sums(lambda c: np.where(c["n"] < 1, np.nan, c["e"] / c["n"]))))
    for found in (compare(Question(rare, Pair(*sides)), seed=1, resamples=100), asked(rare, *sides, null=0.1)):
        assert found.low is not None
    sides = [replace(side, cluster=np.arange(40) // 2) for side in sides]
    uneven = [replace(side, parts={**side.parts, "n": np.linspace(0.5, 1.5, 40) ** 3 * 0.87}) for side in sides]
    found = asked(metric, *uneven)
    assert "undefined" in found.method
    assert found.low is None
    assert found.p_value is not None
    assert asked(metric, *uneven, null=0.1).p_fail is None
    assert unpaired(metric, *uneven, seed=1, resamples=200).low is None


def test_swaps_are_all_of_them_when_few():
    swaps = randomise.Swaps(5, 40, 1)
    assert swaps.exact
    assert swaps.draws == 32
    (every,) = list(swaps)
    assert len({tuple(row) for row in every}) == 32
    assert swaps.p_value(np.array([True, False])) == 0.5
    some = randomise.Swaps(6, 40, 1)
    assert not some.exact
    assert some.draws == 40
    rows = np.concatenate(list(some))
    assert rows.shape == (40, 6)
    assert set(np.unique(rows)) == {0.0, 1.0}
    assert some.p_value(np.zeros(9, dtype=bool)) == 0.1
    assert np.concatenate(list(randomise.Swaps(3000, 900, 1))).mean() == pytest.approx(0.5, abs=0.01)


def test_randomisation_of_a_mean_is_the_sign_flip_test():
    mean = Metric("m", "corpus", fold=Fold(across=Sums(lambda c: c["y"] / c["n"])))
    source = np.random.default_rng(4)
    ours, theirs = source.normal(size=8) + 0.6, source.normal(size=8)
    sides = [entry(y, parts={"y": y, "n": np.ones(8)}) for y in (ours, theirs)]
    found = asked(mean, *sides, resamples=1000)
    flipped = asked(replace(TOKENS, higher_is_better=True), entry(ours), entry(theirs))
    assert (found.p_value, found.p_fail) == (flipped.p_value, flipped.p_fail)


def test_sides_of_different_folds_are_refused():
    ones = np.ones((3, 1))
    whole = Full({"value": np.ones(3)}, np.arange(3), np.ones(3), 3, lambda c, w: w @ c["value"])
    with pytest.raises(ValueError, match="folded in different ways"):
        randomise.randomised([randomise.Sides(Additive(ones, lambda t: t[:, 0]), whole)], randomise.Swaps(3, 9, 1))


def test_parts_of_one_side_only_count_as_absent_on_the_other():
    labels = Fold(across=Sums(partial(_folds.macro_f1, labels=None)))
    metric = Metric("macro_f1", "corpus", bounds=(0.0, 1.0), fold=labels)
    true = np.arange(40) % 2 == 0
    shared = {"n": np.ones(40), "t:a": true * 1.0, "t:b": ~true * 1.0}
    ours = {**shared, "p:a": true * 1.0, "tp:a": true * 1.0, "p:b": ~true * 1.0, "tp:b": ~true * 1.0}
    theirs = {**shared, "p:a": np.ones(40), "tp:a": true * 1.0}
    found = asked(metric, entry(true, parts=ours), entry(true, parts=theirs))
    assert found.candidate == 1.0
    assert found.baseline == pytest.approx((2 / 3 + 0) / 2)
    assert found.better == 20
    one, other = changes.aligned(entry(true, parts=ours), entry(true, parts=theirs))
    assert list(one.parts) == list(other.parts) == sorted(ours)


def test_samples_count_by_what_they_do_to_the_metric():
    squared = {
        "se": np.array([1.0, 4.0, 9.0]),
        "n": np.ones(3),
        "y": np.array([0.0, 5, 9]),
        "yy": np.array([0.0, 25, 81]),
    }
    fewer = {**squared, "se": np.array([0.5, 4.0, 10.0])}
    r2 = Metric("r2", "corpus", bounds=(None, 1.0), fold=Fold(across=Sums(_folds.r2, ("n", "se", "y", "yy"))))
    # The value of a sample is its absolute error, of which less is better although more of the metric is.
    ours, theirs = entry(np.sqrt(fewer["se"]), parts=fewer), entry(np.sqrt(squared["se"]), parts=squared)
    assert changes.counts(changes.sample_benefits(r2, ours, theirs)) == (1, 1, 1)
    assert changes.sample_benefits(r2, ours, theirs)[0] > 0
    assert changes.sample_benefits(P95, entry([1.0, 2, 3]), entry([2.0, 2, 1])).tolist() == [1, 0, -2]
    assert changes.counts(None) == (0, 0, 0)


def test_an_area_is_known_by_what_it_computes():
    assert auc.is_area(AUC.fold)
    assert not auc.is_area(Fold())
    assert not auc.is_area(Fold(Majority(), Whole(_folds.roc_auc)))
    assert not auc.is_area(Fold(across=Whole(_folds.average_precision)))
    assert not auc.is_area(Fold(across=Whole(lambda columns, weights: columns["other"])))
    assert not auc.is_area(Fold(across=Whole(lambda columns, weights: weights)))


def test_an_area_without_two_of_each_class_or_with_other_classes_is_resampled():
    source = np.random.default_rng(5)
    one = np.arange(30) == 3
    lonely = [entry(source.normal(size=30), parts={"positive": one * 1.0}) for _ in range(2)]
    assert "bootstrap" in asked(AUC, *lonely).method
    sides = [entry(source.normal(size=30), parts={"positive": (np.arange(30) % k == 0) * 1.0}) for k in (2, 3)]
    assert "bootstrap" in asked(AUC, *sides).method
    multi = {"s:a": source.random(30), "t:a": (np.arange(30) % 2 == 0) * 1.0, "positive": np.ones(30)}
    assert auc.classes(AUC.fold, entry(np.ones(30), parts=multi)) is None
    twice = entry(source.normal(size=30), parts={"positive": (np.arange(30) % 2 == 0) * 1.0}, repeats=2)
    assert auc.classes(AUC.fold, twice) is None
    assert auc.classes(AUC.fold, entry(np.ones(30))) is None
    assert auc.classes(AUC.fold, entry(np.full(3, np.nan), parts={"positive": np.ones(3)})) is None


def test_perfect_areas_have_bounds():
    positive = np.arange(60) % 2 == 0
    parts = {"positive": positive * 1.0}
    best, worst = entry(positive * 1.0, parts=parts), entry(1.0 - positive, parts=parts)
    alone = estimate(AUC, best, seed=1)
    assert alone.value == 1.0
    assert 0.8 < alone.low < alone.high == 1.0
    found = asked(AUC, best, worst)
    assert found.delta == 1.0
    assert 0.7 < found.low < found.high == 1.0
    near = entry(np.where(np.arange(60) == 1, 2.0, positive * 1.0), parts=parts)
    high = estimate(AUC, near, seed=1)
    assert high.method == "delong-logit"
    assert high.low < high.value < high.high < 1
    low = estimate(AUC, entry(-near.value, parts=parts), seed=1)
    assert (low.low, low.high) == pytest.approx((1 - high.high, 1 - high.low))
    level = replace(AUC, higher_is_better=False)
    assert asked(level, near, best).p_fail == pytest.approx(1 - asked(AUC, near, best).p_fail)


def test_placements_of_ties_share():
    found = auc.placements(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True]))
    assert found.of.tolist() == [1.0, 0.75, 0.75, 1.0]
    assert found.area == 0.875
    assert found.least == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_floor_is_judged_by_the_bounds_of_the_value(kind):
    metric, ours, _ = KINDS[kind](np.random.default_rng(6))
    alone = estimate(metric, ours, seed=1, resamples=300)
    for floor in (alone.value * 0.5, alone.value, alone.value * 1.4):
        found = against(metric, ours, floor, seed=1, resamples=300)
        assert (found.baseline, found.candidate) == (floor, alone.value)
        assert (found.low + floor, found.high + floor) == pytest.approx((alone.low, alone.high))
        assert found.low <= found.lower <= found.delta <= found.upper <= found.high
        assert not found.paired
        most = found.upper if metric.higher_is_better else -found.lower
        if abs(most) > 1e-6:
            assert (found.p_fail < 0.05) == (most < 0)
        assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)
    assert against(metric, ours, alone.value, seed=1, resamples=300).p_value > 0.5


def test_a_floor_far_away_is_as_certain_as_the_method_can_say():
    assert against(ACCURACY, entry(np.ones(50)), 0.01, seed=1).p_value < 1e-10
    metric, ours, _ = KINDS["corpus"](np.random.default_rng(6))
    assert against(metric, ours, 0.01, seed=1, resamples=99).p_value == pytest.approx(2 / 100)
    same = against(TOKENS, entry(np.full(40, 8.0)), 9.0, seed=1)
    assert same.delta == -1.0
    assert same.upper < 0
    assert same.p_fail == 1.0
    assert against(TOKENS, entry([8.0]), 9.0, seed=1).method == "t"


@pytest.mark.parametrize("kind", KINDS)
def test_unpaired_is_wider_and_says_so(kind):
    metric, ours, theirs = KINDS[kind](np.random.default_rng(7))
    found = unpaired(metric, ours, theirs, seed=1, resamples=200)
    assert not found.paired
    assert found.low <= found.lower <= found.delta <= found.upper <= found.high
    assert 0 < found.p_value <= 1
    assert found.n == ours.samples
    turned = unpaired(
        replace(metric, higher_is_better=not metric.higher_is_better), ours, theirs, seed=1, resamples=200
    )
    assert turned.low == pytest.approx(found.low)
    assert turned.p_fail == pytest.approx(1 - found.p_fail, abs=0.02)


def test_unpaired_means_without_variation():
    still, moving = entry(np.full(30, 2.0)), entry(np.arange(20.0))
    assert unpaired(TOKENS, still, moving, seed=1).method == "welch"
    fixed = unpaired(TOKENS, still, entry(np.full(20, 3.0)), seed=1)
    assert (fixed.method, fixed.n) == ("no variation", 20)
    assert fixed.low < -1 < fixed.high
    half = unpaired(SCORE, entry(np.full(30, 0.5)), entry(np.linspace(0, 1, 20)), seed=1)
    assert half.method == "square and add (bounded (no variation))"
    assert unpaired(ACCURACY, entry([]), moving, seed=1).method == "none (no observations)"
    halves = [entry(np.zeros(30), parts={"n": np.ones(30), "se": np.full(30, v)}) for v in (4.0, 9.0)]
    assert unpaired(RMSE, *halves, seed=1, resamples=100).method == "no variation"


def test_a_noisy_denominator_takes_fieller():
    source = np.random.default_rng(8)
    words = source.gamma(0.8, 10, 25) + 0.1
    noisy = entry(np.zeros(25), parts={"errors": 0.3 * words + source.random(25), "words": words})
    found = estimate(WER, noisy, seed=1)
    assert found.method == "fieller"
    assert found.low < found.value < found.high
    even = entry(np.zeros(25), parts={"errors": source.random(25), "words": np.full(25, 9.0)})
    assert estimate(WER, even, seed=1).method == "linearised"
    wild = entry(np.zeros(4), parts={"errors": np.array([1.0, 0, 0, 0.5]), "words": np.array([30.0, 0, 0, 0.1])})
    assert "bootstrap" in estimate(WER, wild, seed=1).method
    assert against(WER, noisy, 0.001, seed=1).p_value < 1e-3
    twice = entry(np.zeros(25), parts={**noisy.parts, "errors": 9 * noisy.parts["errors"]})
    found = unpaired(WER, twice, noisy, seed=1)
    assert found.method == "square and add (fieller)"
    assert found.p_value < 1e-3


def test_a_ratio_is_found_by_trying_it():
    sums = np.random.default_rng(9).random((6, 3))
    f1 = Additive(sums, lambda t: 2 * t[:, 0] / (2 * t[:, 0] + t[:, 1] + t[:, 2]))
    parts = ratios.parts_of(f1)
    assert parts.above.sum() / parts.below.sum() == pytest.approx(f1.evaluate(np.ones((1, 6)))[0])
    assert ratios.parts_of(Additive(sums, lambda t: np.sqrt(t[:, 0] / t[:, 1]))) is None
    assert ratios.parts_of(Additive(sums, lambda t: t[:, 0] - t[:, 1])) is None
    assert ratios.fieller(ratios.Parts(np.array([1.0, -1, 2]), np.array([1.0, -1, 0.5])), 0.95).low is None


def test_log_ratios_leave_out_zeros_and_count_them():
    source = np.random.default_rng(10)
    theirs = source.lognormal(size=60)
    found = ratios.log_ratio(entry(np.append(theirs * 0.8, 0.0)), entry(np.append(theirs, 1.0)))
    assert (found.samples, found.groups, found.excluded) == (60, 60, 1)
    assert found.ratio == pytest.approx(0.8)
    assert (found.low, found.high, found.p_value) == (found.ratio, found.ratio, 0.0)
    noisy = ratios.log_ratio(entry(theirs * source.lognormal(-0.3, 0.2, 60)), entry(theirs))
    back = ratios.log_ratio(entry(theirs), entry(theirs * source.lognormal(0.3, 0.2, 60)))
    assert noisy.low < noisy.ratio < noisy.high < 1
    assert noisy.p_value < 0.001
    assert back.ratio < 1
    assert ratios.log_ratio(entry(theirs), entry(theirs)).p_value == 1.0
    assert ratios.log_ratio(entry([0.0]), entry([1.0])).ratio is None
    assert ratios.log_ratio(entry([2.0]), entry([1.0])).low is None
    with pytest.raises(ValueError, match="the baseline has missing or negative errors"):
        ratios.log_ratio(entry([1.0]), entry([-1.0]))
    with pytest.raises(ValueError, match="1 samples of the candidate, 2 of the baseline"):
        ratios.log_ratio(entry([1.0]), entry([1.0, 1.0]))


def test_differential_missingness():
    both, ours = np.array([True] * 3 + [False] * 20), np.array([True] * 11 + [False] * 12)
    assert missingness(both, both) == 1.0
    assert missingness(ours, both) == pytest.approx(2 / 2**8)
    with pytest.raises(ValueError, match="23 flags of the candidate, 2 of the baseline"):
        missingness(both, [True, False])


def test_flip_rates_are_unbiased_and_need_two_repeats():
    seen = entry([1, 0, 1, 1, 1, 1, 0, 0, 1, np.nan, 1, 1], repeats=3)
    rates = flip_rates(seen)
    assert rates[:3] == pytest.approx([2 / 3, 0, 2 / 3])
    assert np.isnan(rates[3])
    assert np.isnan(flip_rates(entry([1, 0]))).all()
    source = np.random.default_rng(11)
    many = flip_rates(entry(source.random(30_000) < 0.3, repeats=3))
    assert many.mean() == pytest.approx(2 * 0.3 * 0.7, abs=0.01)


def test_the_fixed_suite_has_the_noise_of_generation_only():
    source = np.random.default_rng(12)
    rate = np.repeat(source.random(500), 4)
    found = decompose(entry(source.random(2000) < rate, repeats=4))
    assert found.se_fixed == pytest.approx(np.sqrt(found.sigma2 / 4 / 500))
    assert found.se_fixed < found.se
    assert found.worth >= 1


def test_sums_on_a_grid_add_up_the_same_in_any_order():
    sums = np.random.default_rng(13).normal(size=(4000, 3)) * [1.0, 1e9, 0.0]
    snapped = on_grid(sums, np.ones(4000, dtype=np.int64))
    assert snapped == pytest.approx(sums, rel=1e-6, abs=1e-10)
    assert (snapped.sum(axis=0) == snapped[::-1].cumsum(axis=0)[-1]).all()
    assert (sums.sum(axis=0)[:2] != sums[::-1].cumsum(axis=0)[-1][:2]).any()
    whole = np.arange(30.0)[:, None]
    assert (on_grid(whole, np.ones(30, dtype=np.int64)) == whole).all()
    assert (on_grid(np.array([[np.inf], [1.0]]), np.ones(2, dtype=np.int64)) == [[np.inf], [1.0]]).all()


def test_expanded_percentiles_are_wider_for_few_clusters():
    draws = np.random.default_rng(14).normal(size=20_000)
    few, many = expanded(draws, 0.025, 8), expanded(draws, 0.025, 5000)
    assert few[0] < many[0]
    assert many == pytest.approx((-1.96, 1.96), abs=0.06)
    assert few == pytest.approx((-2.53, 2.53), abs=0.15)


def test_one_cluster_of_means_is_told():
    found = by_clusters(Clusters.of(np.array([1.0, 2.0]), np.array([0, 0])), Asked())
    assert (found.method, found.two) == ("none (one cluster)", (None, None))


def test_a_ratio_without_a_slope_is_resampled():
    whole_only = Sums(lambda c: np.where(c["a"] % 1 == 0, c["a"] / c["n"], np.nan))
    steps = Metric("m", "ratio", fold=Fold(across=whole_only))
    sides = [entry(np.zeros(10), parts={"a": np.arange(10.0) % k, "n": np.ones(10)}) for k in (3, 4)]
    assert "bootstrap" in asked(steps, *sides).method
    whole = Metric("m", "ratio", fold=Fold(across=Whole(lambda c, w: w @ c["value"] / w.sum(axis=1))))
    assert "bootstrap" in asked(whole, entry(np.arange(10.0)), entry(np.arange(10.0)[::-1] ** 2)).method


def test_discordant_counts_follow_the_direction():
    assert binary.Discordant(3, 1, 10).benefit == pytest.approx(0.2)
    refused = Metric("refusal_rate", "mean01", higher_is_better=False, bounds=(0.0, 1.0))
    found = asked(refused, entry([1, 1, 1, 0] * 10), entry([0, 0, 1, 0] * 10))
    assert (found.better, found.worse) == (0, 20)
    assert found.delta == 0.5
    assert found.p_fail < 0.001
