"""Folds: within the repeats of a sample, then across samples, for any weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.fold import Fold, Majority, Mean, PassAll, PassAt, Sums, Whole
from evalkit.core.types import Metric
from evalkit.stats import fold
from evalkit.stats.fold import Row, observations

F1 = Fold(across=Sums(lambda c: 2 * c["tp"] / (2 * c["tp"] + c["fp"] + c["fn"]), keys=("tp", "fp", "fn")))


def weighted_median(columns, weights):
    order = np.argsort(columns["value"], kind="stable")
    total = np.cumsum(weights[:, order], axis=1)
    return columns["value"][order][(total < 0.5 * total[:, -1:]).sum(axis=1).clip(0, order.size - 1)]


MEDIAN = Fold(across=Whole(weighted_median))


def metric(how: Fold, **more) -> Metric:
    return Metric("m", fold=how, **more)


def rows(values, repeats=1):
    return [Row(f"s{i // repeats:03d}", repeat=i % repeats, value=v) for i, v in enumerate(values)]


def test_mean_counts_each_sample_once_however_many_repeats_it_has():
    seen = observations([Row("a", repeat=r, value=v) for r, v in enumerate((1, 1, 0))] + [Row("b", value=0)])
    assert fold.value(metric(Fold()), seen) == pytest.approx((2 / 3 + 0) / 2)


def test_pass_at_and_pass_all_over_repeats():
    seen = observations(rows([1, 0, 0, 1, 1, 1], repeats=3))
    assert fold.value(metric(Fold(PassAt(2))), seen) == pytest.approx((2 / 3 + 1) / 2)
    assert fold.value(metric(Fold(PassAll(2))), seen) == pytest.approx((0 + 1) / 2)


@pytest.mark.parametrize("how", [PassAt(3), PassAll(3)])
def test_fewer_repeats_than_k_are_refused_in_words(how):
    with pytest.raises(ValueError, match=r"k=3 needs at least 3 repeats of every sample; one has 2"):
        fold.value(metric(Fold(how)), observations(rows([1, 0, 1, 1], repeats=2)))


def test_majority_takes_the_most_frequent_answer_and_shares_ties():
    def ballot(sample, *votes):
        return [Row(sample, repeat=r, value=v, answer=a) for r, (a, v) in enumerate(votes)]

    right = ballot("right", ("4", 1), ("4", 1), ("5", 0))
    wrong = ballot("wrong", ("5", 0), ("5", 0), ("4", 1))
    tie = ballot("tie", ("4", 1), ("5", 0))
    unread = ballot("unread", (None, 0), (None, 0), ("4", 1))
    nothing = ballot("void", (None, 0), (None, 0))
    values = fold.within(Fold(Majority()), observations(right + wrong + tie + unread + nothing))
    assert dict(zip(sorted(["right", "wrong", "tie", "unread", "void"]), values, strict=True)) == {
        "right": 1, "wrong": 0, "tie": 0.5, "unread": 1, "void": 0,
    }  # fmt: skip


def test_sums_average_the_repeats_of_a_sample_and_treat_absent_parts_as_zero():
    seen = observations(
        [Row("a", repeat=0, parts={"tp": 2}), Row("a", repeat=1, parts={"fp": 2}), Row("b", parts={"tp": 1, "fn": 1})]
    )
    assert fold.value(metric(F1), seen) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))


def test_sums_give_named_parts_that_no_sample_has_as_zero():
    assert fold.value(metric(F1), observations([Row("a", parts={"tp": 1})])) == 1.0


def test_sums_of_passes_are_refused():
    with pytest.raises(ValueError, match="Sums folds parts"):
        fold.value(metric(Fold(PassAt(1), F1.across)), observations([Row("a", parts={"tp": 1})]))


def test_sums_without_parts_are_undefined_rather_than_zero():
    broken = Fold(across=Sums(lambda c: c["den"] / c["den"], keys=("den",)))
    assert fold.value(metric(broken), observations([Row("a", value=1.0)])) is None
    nothing = Fold(across=Sums(lambda _: np.nan))
    assert fold.value(metric(nothing), observations([Row("a", value=1.0)])) is None


def test_whole_keeps_repeats_apart_with_shared_weight():
    seen = observations([*(Row("a", repeat=r, value=9.0) for r in range(3)), Row("b", value=1.0), Row("c", value=2.0)])
    assert fold.value(metric(MEDIAN), seen) == 2.0


def test_whole_of_passes_gets_one_value_per_sample():
    seen = observations(rows([1, 1, 0, 0, 0, 0], repeats=2))
    assert fold.value(metric(Fold(PassAt(1), MEDIAN.across)), seen) == 0.0


@pytest.mark.parametrize("how", [Fold(), Fold(PassAt(1)), Fold(Majority()), MEDIAN])
def test_a_row_without_a_score_makes_the_value_none(how):
    assert fold.value(metric(how), observations([Row("a", value=1.0), Row("b")])) is None


@pytest.mark.parametrize("how", [Fold(), Fold(PassAt(1)), Fold(Majority())])
def test_within_gives_nan_where_a_repeat_has_no_value(how):
    values = fold.within(how, observations([Row("a", value=1.0), Row("b")]))
    assert values[0] == 1.0
    assert np.isnan(values[1])


def test_nothing_has_no_value_and_no_statistic():
    assert fold.value(metric(Fold()), observations([])) is None
    with pytest.raises(ValueError, match="no observations"):
        fold.statistic(Fold(), observations([]))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_and_infinity_are_not_scores(bad):
    with pytest.raises(ValueError, match="None says 'no value'"):
        observations([Row("a", value=bad)])


def test_two_scores_of_one_cell_are_refused():
    with pytest.raises(ValueError, match="sample 'a', repeat 0: two scores"):
        observations([Row("a", value=1.0), Row("a", value=0.0)])


def test_repeats_of_a_sample_in_two_clusters_are_refused():
    seen = observations([Row("a", "x", 0, 1.0), Row("a", "y", 1, 1.0)])
    with pytest.raises(ValueError, match="nests in one cluster"):
        fold.statistic(Fold(), seen)


def test_a_cluster_named_like_a_sample_is_not_that_sample():
    assert observations([Row("a", None, 0, 1.0), Row("b", "a", 0, 1.0)]).groups == 2


def test_keep_codes_samples_clusters_and_answers_anew():
    seen = observations(
        [Row("a", "x", 0, 1.0, answer="1"), Row("b", "y", 0, 0.0, {"tp": 1.0}, answer="2"), Row("c", "y", 0, 1.0)]
    )
    kept = seen.keep(np.array([False, True, True]))
    assert (kept.samples, kept.groups, kept.answers) == (2, 1, ("2", None))
    assert kept.parts["tp"][0] == 1.0


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20), st.randoms()
)
@settings(max_examples=40, deadline=None)
def test_order_changes_nothing_and_doubling_the_data_keeps_every_fold(counts, random):
    made = [
        Row(f"s{i:02d}", f"g{i % 4}", 0, tp / 5, {"tp": tp, "fp": fp, "fn": fn})
        for i, (tp, fp, fn) in enumerate(counts)
    ]
    mixed = random.sample(made, len(made))
    twin = [Row("t" + r.sample, r.cluster, 0, r.value, r.parts) for r in made]
    for how in (Fold(), F1, MEDIAN):
        once = fold.value(metric(how), observations(made))
        assert fold.value(metric(how), observations(mixed)) == once
        assert fold.value(metric(how), observations(made + twin)) == (
            None if once is None else pytest.approx(once, rel=1e-12)
        )


@given(st.lists(st.integers(0, 3), min_size=2, max_size=12), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_a_weight_is_a_repetition_of_the_sample(values, seed):
    weights = np.random.default_rng(seed).integers(0, 3, len(values))
    if not weights.sum():
        weights[0] = 1
    made = [Row(f"s{i:02d}", None, 0, float(v), {"tp": v, "fp": 1}) for i, v in enumerate(values)]
    copied = [
        Row(f"{r.sample}-{k}", None, 0, r.value, r.parts) for r, w in zip(made, weights, strict=True) for k in range(w)
    ]
    for how in (Fold(), F1, MEDIAN, Fold(PassAt(1))):
        found = fold.resampled(metric(how), observations(made), weights[None, :].astype(float))
        assert found[0] == pytest.approx(fold.value(metric(how), observations(copied)), rel=1e-12, nan_ok=True)


def test_whole_is_evaluated_in_slices_with_the_same_result(monkeypatch):
    seen = observations(rows(np.random.default_rng(3).random(40)))
    weights = np.random.default_rng(4).integers(0, 3, (25, 40)).astype(float)
    at_once = fold.resampled(metric(MEDIAN), seen, weights)
    monkeypatch.setattr(fold, "WHOLE_ELEMENTS", 100)
    assert (fold.resampled(metric(MEDIAN), seen, weights) == at_once).all()


def test_mean_is_the_default_fold():
    assert Fold() == Fold(Mean(), Mean())
