"""Average precision, calibration and lift: against scikit-learn, against every order of ties, and at their edges."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from evalkit import registry
from evalkit.core.types import Sample
from evalkit.scorers import _folds

ROWS = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40)
TIED = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=6)


@settings(max_examples=50)
@given(ROWS)
def test_average_precision_with_weights_is_scikit_learns(rows):
    score, label, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = _folds.precision_area(score, label > 0, np.stack([weight, np.ones_like(weight)]))
    for w, value in zip([weight, np.ones_like(weight)], found, strict=True):
        kept = w > 0
        if label[kept].sum() == 0:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(
                metrics.average_precision_score(label[kept], score[kept], sample_weight=w[kept])
            )


def counted(order, positive, share):
    """Positives in the first `share` of a list, the sample on the boundary in proportion."""
    left, found = share * len(order), 0.0
    for place in order:
        found += min(1.0, max(0.0, left)) * positive[place]
        left -= 1
    return found


@settings(max_examples=50)
@given(TIED, st.sampled_from([0.1, 0.25, 0.5, 0.9]))
def test_gain_is_the_mean_over_every_order_of_ties(rows, share):
    score, positive = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = _folds.gain(
        {"value": score, "positive": positive}, np.ones((1, score.size)), share=share, over_chance=False
    )
    orders = [o for o in permutations(range(score.size)) if all(score[a] >= score[b] for a, b in pairwise(o))]
    if not positive.any():
        assert np.isnan(found[0])
    else:
        mean = np.mean([counted(order, positive, share) for order in orders])
        assert found[0] == pytest.approx(mean / positive.sum())


@settings(max_examples=50)
@given(ROWS, st.integers(1, 12))
def test_calibration_error_is_bounded_and_one_bin_is_the_mean_gap(rows, bins):
    sure, hit, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    columns = {"value": sure / 4, "hit": hit}
    ece, mce = (
        float(_folds.calibration_gaps(columns, weight[None, :], bins=bins, largest=largest)[0])
        for largest in (False, True)
    )
    alone = float(_folds.calibration_gaps(columns, weight[None, :], bins=1, largest=False)[0])
    if weight.sum() == 0:
        assert np.isnan([ece, mce, alone]).all()
    else:
        assert alone == pytest.approx(abs(np.average(hit - sure / 4, weights=weight)), abs=1e-12)
        assert alone - 1e-12 <= ece <= mce + 1e-12 <= 1 + 2e-12


def test_perfect_probabilities_are_calibrated_and_certain_wrong_ones_are_not(kit):
    scorer = registry.make("scorers", "calibration(bins=2)")

    def both(pairs):
        scores = [kit.score(scorer, {"target": y, "output": p}) for y, p in pairs]
        return [float(kit.fold(m, [s[m.name] for s in scores])[0]) for m in scorer.metrics]

    assert both([(0, 0.25), (0, 0.25), (0, 0.25), (1, 0.25), (1, 0.75), (1, 0.75), (1, 0.75), (0, 0.75)]) == [0, 0]
    assert both([(0, 1.0), (1, 0.0)]) == [1, 1]
    assert both([(0, 0.0), (1, 1.0)]) == [0, 0]
    # The two lower ones say 0.4 and come true half the time; the upper ones say 0.9 and never do.
    assert both([(0, 0.4), (1, 0.4), (0, 0.9), (0, 0.9)]) == pytest.approx([0.5, 0.9])


def test_equally_probable_labels_are_each_the_answer_equally_often(kit):
    scores = kit.score(
        registry.make("scorers", "calibration"),
        {"target": "b", "output": {"probabilities": {"a": 0.4, "b": 0.4, "c": 0.2}}},
    )
    assert scores["ece"].value == 0.4
    assert scores["ece"].parts == {"hit": 0.5}
    wrong = kit.score(
        registry.make("scorers", "calibration"), {"target": "d", "output": {"probabilities": {"a": 0.4, "b": 0.6}}}
    )
    assert wrong["ece"].parts == {"hit": 0.0}
    assert wrong["ece"].reason == "b, not d"


def test_folds_leave_out_what_has_no_score():
    nan = np.nan
    columns = {"value": np.array([0.9, nan, 0.2]), "positive": np.array([1.0, nan, 0.0])}
    assert _folds.gain(columns, np.ones((1, 3)), share=0.5, over_chance=True).tolist() == [2.0]
    assert _folds.average_precision(columns, np.ones((1, 3))).tolist() == [1.0]
    held = {"value": np.array([1.0, nan]), "hit": np.array([1.0, nan])}
    assert _folds.calibration_gaps(held, np.ones((1, 2)), bins=3, largest=False).tolist() == [0.0]


@pytest.mark.parametrize("bins", [0, -1, 1001, 2.0, True, "10"])
def test_bins_are_counted_in_whole_numbers(bins):
    with pytest.raises(ValueError, match="whole number from 1 to 1000"):
        registry.make("scorers", f"calibration(bins={bins!r})")


@pytest.mark.parametrize("spec", ["lift", "lift@0", "lift@100", "lift(k=2.5)"])
def test_lift_needs_a_percentage(spec):
    with pytest.raises(ValueError, match="from 1 to 99"):
        registry.make("scorers", spec)


def test_lift_says_at_validation_that_a_class_must_be_named():
    named = Sample("s", {}, "malignant")
    assert "positive=" in registry.make("scorers", "lift@10").problem(named)
    assert registry.make("scorers", "lift@10(positive='malignant')").problem(named) is None
    assert "label" in registry.make("scorers", "lift@10(positive='malignant')").problem(Sample("s", {}, ["x"]))


def test_chance_is_one_and_the_best_is_what_the_share_allows(kit):
    scorer = registry.make("scorers", "lift@10")
    rows = [(int(i < 10), 1 - i / 100) for i in range(100)]
    scores = [kit.score(scorer, {"target": y, "output": p}) for y, p in rows]
    assert [float(kit.fold(m, [s[m.name] for s in scores])[0]) for m in scorer.metrics] == pytest.approx([10, 1])
    assert [m.bounds for m in scorer.metrics] == [(0.0, 10.0), (0.0, 1.0)]
    flipped = [kit.score(scorer, {"target": y, "output": 1 - p}) for y, p in rows]
    assert [float(kit.fold(m, [s[m.name] for s in flipped])[0]) for m in scorer.metrics] == [0, 0]
