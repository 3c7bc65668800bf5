"""Folds against scikit-learn and numpy on random weights, and at their edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from evalkit.scorers import _folds

ROWS = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40)


@settings(max_examples=50)
@given(ROWS)
def test_auc_with_weights_is_scikit_learns(rows):
    score, label, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = _folds.auc(score, label > 0, np.stack([weight, np.ones_like(weight)]))
    for w, value in zip([weight, np.ones_like(weight)], found, strict=True):
        kept = w > 0
        if len(set(label[kept])) < 2:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(metrics.roc_auc_score(label[kept], score[kept], sample_weight=w[kept]))


@settings(max_examples=50)
@given(ROWS, st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99]))
def test_quantile_is_the_quantile_of_repeated_values(rows, q):
    value, _, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    repeated = np.repeat(value, weight.astype(int))
    found = float(_folds.quantile({"value": value}, weight[None, :], q=q)[0])
    if repeated.size:
        assert found == pytest.approx(np.quantile(repeated, q, method="averaged_inverted_cdf"))
        assert float(_folds.quantile({"value": value}, weight[None, :] / 7, q=q)[0]) == found
    else:
        assert np.isnan(found)


def counts(truth, guess, weight):
    columns = {"n": np.array([weight.sum()])}
    for t, p, w in zip(truth, guess, weight, strict=True):
        for key in (f"t:{t}", f"p:{p}", *([f"tp:{t}"] if t == p else [])):
            columns[key] = columns.get(key, np.zeros(1)) + w
    return columns


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(1, 3)), min_size=1, max_size=30))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_confusion_folds_are_scikit_learns(rows):
    truth, guess, weight = (list(column) for column in zip(*rows, strict=True))
    columns = counts(truth, guess, np.array(weight, dtype=float))
    for labels in (None, ("a", "b", "c")):
        known = labels or sorted(set(truth))
        told = {"labels": known, "sample_weight": weight, "zero_division": 0}
        assert _folds.macro_f1(columns, labels=labels)[0] == pytest.approx(
            metrics.f1_score(truth, guess, average="macro", **told)
        )
        assert _folds.micro_f1(columns, labels=labels)[0] == pytest.approx(
            metrics.f1_score(truth, guess, average="micro", **told)
        )
    expected = metrics.matthews_corrcoef(truth, guess, sample_weight=weight)
    assert _folds.mcc(columns, labels=("a", "b", "c"))[0] == pytest.approx(expected, abs=1e-9)


def test_answers_outside_the_labels_are_one_wrong_class():
    columns = counts("aabb", "axyb", np.ones(4))
    assert _folds.mcc(columns, labels=None)[0] == pytest.approx(metrics.matthews_corrcoef(list("aabb"), list("axxb")))
    assert _folds.micro_f1(columns, labels=None)[0] == pytest.approx(2 * 2 / (4 + 2))


def test_mixed_binary_and_multi_class_answers_have_no_auc():
    nan = np.nan
    columns = {"value": np.array([0.2, 0.8]), "positive": np.array([1.0, nan]), "t:a": np.array([nan, 1.0])}
    assert np.isnan(_folds.roc_auc(columns, np.ones((2, 2)))).tolist() == [True, True]


def test_unscored_rows_do_not_count():
    nan = np.nan
    one = {"value": np.array([0.2, nan, 0.8]), "positive": np.array([0.0, nan, 1.0])}
    assert _folds.roc_auc(one, np.ones((1, 3))).tolist() == [1.0]
    several = {
        "value": np.array([0.6, nan, 0.7]),
        "s:a": np.array([0.6, nan, 0.3]),
        "s:b": np.array([0.4, nan, 0.7]),
        "t:a": np.array([1.0, nan, nan]),
        "t:b": np.array([nan, nan, 1.0]),
        "t:never listed": np.array([nan, nan, nan]),
    }
    assert _folds.roc_auc(several, np.ones((1, 3))).tolist() == [1.0]
    assert _folds.quantile({"value": np.array([1.0, nan, 3.0])}, np.ones((1, 3)), q=0.5).tolist() == [2.0]


def test_precision_and_recall_at_their_edges():
    def of(tp, fp, fn):
        columns = {"tp": np.array([tp]), "fp": np.array([fp]), "fn": np.array([fn])}
        return [float(fn_(columns)[0]) for fn_ in (_folds.precision, _folds.recall, _folds.f1)]

    assert of(0.0, 0.0, 3.0) == [0.0, 0.0, 0.0]
    assert of(0.0, 3.0, 0.0) == [0.0, 0.0, 0.0]
    assert np.isnan(of(0.0, 0.0, 0.0)).all()
    assert of(1.0, 1.0, 0.0) == [0.5, 1.0, pytest.approx(2 / 3)]


def test_r2_says_undefined_rather_than_noise():
    y = 1e12 + np.arange(5.0)
    columns = {"n": np.array([5.0]), "se": np.array([1.0]), "y": np.array([y.sum()]), "yy": np.array([(y * y).sum()])}
    assert np.isnan(_folds.r2(columns)).all()
