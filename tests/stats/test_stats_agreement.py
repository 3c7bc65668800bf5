"""Agreement coefficients against scikit-learn, scipy, irrCAC and Krippendorff's paper; their intervals and the gate."""

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

from evalkit.stats import agreement
from evalkit.stats.agreement import accuracy, confusion, fit_to_gate, gwet, kappa, kendall, krippendorff, spearman

FOLDER = Path(__file__).parent.parent / "cases" / "stats"
LIBRARIES = json.loads((FOLDER / "agreement.json").read_text())["cases"]
PUBLISHED = json.loads((FOLDER / "agreement_published.json").read_text())["cases"]


@pytest.mark.parametrize("case", LIBRARIES, ids=["two", "four"])
def test_kappa_and_correlations_match_the_libraries(case):
    a, b = case["a"], case["b"]
    assert kappa(a, b, seed=1).value == pytest.approx(case["kappa"])
    assert kappa(a, b, seed=1, ordinal=True).value == pytest.approx(case["quadratic"])
    assert spearman(a, b, seed=1).value == pytest.approx(case["spearman"])
    assert kendall(a, b, seed=1).value == pytest.approx(case["kendall"])


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda c: f"{c['data']} {c['coefficient']} {c['scale'] or ''}")
def test_coefficients_match_what_is_printed(case):
    ratings = np.array(case["ratings"], dtype=float)
    if case["coefficient"] == "kappa":
        found = kappa(ratings[:, 0].tolist(), ratings[:, 1].tolist(), seed=1)
    elif case["coefficient"] == "gwet":
        found = gwet(ratings, seed=1)
    else:
        found = krippendorff(ratings, seed=1, scale=case["scale"])
    digits = len(str(case["value"]).split(".")[1])
    assert found.value == pytest.approx(case["value"], abs=0.51 * 10**-digits)


def test_confusion_and_accuracy():
    table = confusion([1, 1, 2, 3], [1, 2, 2, 3], [1, 2, 3])
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    found = accuracy(table)
    assert (found.value, found.n) == (0.75, 4)
    assert 0 < found.low < 0.75 < found.high < 1
    assert accuracy(confusion([], [], [1])).value is None
    with pytest.raises(ValueError, match=r"9 is none of the labels \[1, 2\]"):
        confusion([9], [1], [1, 2])
    with pytest.raises(ValueError, match="2 labels against 1"):
        confusion([1, 1], [1], [1])


def direct_ac(ratings, weights):
    """Gwet's definition, item by item."""
    size = weights.shape[0]
    agreed, share, several = 0.0, np.zeros(size), 0
    for row in ratings:
        counts = np.bincount([int(v) for v in row if not np.isnan(v)], minlength=size)
        r = counts.sum()
        share += counts / r / len(ratings)
        if r > 1:
            several += 1
            agreed += sum(counts[q] * (weights[q] @ counts - 1) for q in range(size)) / (r * (r - 1))
    chance = weights.sum() / (size * (size - 1)) * (share * (1 - share)).sum()
    return (agreed / several - chance) / (1 - chance)


def direct_alpha(ratings, apart):
    """Krippendorff's definition over all pairs of ratings."""
    units = [[v for v in row if not np.isnan(v)] for row in ratings]
    units = [unit for unit in units if len(unit) > 1]
    values = [v for unit in units for v in unit]
    seen = sum(apart(x, y) / (len(u) - 1) for u in units for i, x in enumerate(u) for j, y in enumerate(u) if i != j)
    chance = sum(apart(x, y) for i, x in enumerate(values) for j, y in enumerate(values) if i != j)
    return 1 - (len(values) - 1) * seen / chance


TABLES = st.lists(
    st.lists(st.one_of(st.just(np.nan), st.integers(0, 2).map(float)), min_size=3, max_size=3), min_size=4, max_size=9
).filter(lambda t: len({v for row in t for v in row if v == v}) == 3 and all(any(v == v for v in row) for row in t))


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_missing_raters_enter_as_the_definitions_say(table):
    several = [row for row in table if sum(v == v for v in row) > 1]
    if not several or len({v for row in several for v in row if v == v}) < 2:
        return
    places = np.arange(3)
    quadratic = 1 - ((places[:, None] - places) / 2) ** 2
    assert gwet(table, seed=1, resamples=2).value == pytest.approx(direct_ac(table, np.eye(3)))
    assert gwet(table, seed=1, resamples=2, ordinal=True).value == pytest.approx(direct_ac(table, quadratic))
    nominal = krippendorff(table, seed=1, scale="nominal", resamples=2).value
    assert nominal == pytest.approx(direct_alpha(table, lambda x, y: float(x != y)))
    interval = krippendorff(table, seed=1, scale="interval", resamples=2).value
    assert interval == pytest.approx(direct_alpha(table, lambda x, y: (x - y) ** 2))


def test_gwet_is_stable_where_kappa_collapses():
    a, b = [1] * 96 + [0, 0, 1, 1], [1] * 96 + [1, 1, 0, 0]
    assert kappa(a, b, seed=1).value < 0
    assert gwet(np.column_stack([a, b]), seed=1).value > 0.9


def test_declared_categories_count_though_nobody_used_them():
    one = np.ones((20, 2))
    assert gwet(one, seed=1).value is None
    declared = gwet(one, seed=1, categories=[0, 1])
    assert (declared.value, declared.high, declared.method) == (1.0, 1.0, "bounded (all agree)")
    assert 0.8 < declared.low < 1.0
    assert kappa([1] * 5, [1] * 5, seed=1).method == "none (only one label was given)"


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
def test_full_agreement_has_no_zero_width_and_none_at_all_has_no_value(scale):
    found = krippendorff([[1, 1], [2, 2], [3, 3]] * 10, seed=1, scale=scale)
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.5 < found.low < 1.0
    assert krippendorff([[1, 1]] * 4, seed=1, scale=scale).value is None
    assert krippendorff([[1, np.nan], [np.nan, 2]], seed=1, scale=scale).method == "none (no item has two ratings)"


def test_disagreement_that_never_varies_has_a_value_without_bounds():
    found = krippendorff([[0, 1]] * 12, seed=1, scale="nominal")
    assert found.value == pytest.approx(1 - 23 * 24 / 288)
    assert (found.low, found.high) == (None, None)


def test_too_many_categories_are_sent_to_the_interval_scale():
    values = np.arange(120.0).reshape(60, 2)
    with pytest.raises(ValueError, match="120 different ratings are no ordinal scale of at most 50; take interval"):
        krippendorff(values, seed=1, scale="ordinal")
    assert krippendorff(values, seed=1, scale="interval").value > 0.99


def test_nothing_rated_has_no_agreement():
    nothing = "none (no item has two ratings)"
    assert kappa([], [], seed=1).method == nothing
    assert gwet(np.full((3, 2), np.nan), seed=1).method == nothing
    assert gwet([[1, np.nan], [np.nan, 2]], seed=1).value is None


@pytest.mark.parametrize("shape", [np.ones(4), np.ones((4, 1))])
def test_ratings_need_two_raters(shape):
    with pytest.raises(ValueError, match="at least two columns of raters"):
        gwet(shape, seed=1)


def test_constant_scores_have_no_correlation():
    assert spearman([1, 1, 1], [1, 2, 3], seed=1).method == "none (one side does not vary)"
    assert kendall([1, 2, 3], [2, 2, 2], seed=1).value is None


def test_perfect_correlation_has_a_value_without_bounds():
    found = spearman(list(range(30)), list(range(30)), seed=1)
    assert (round(found.value, 12), found.low) == (1.0, None)


def test_very_many_pairs_of_scores_have_no_interval(monkeypatch):
    monkeypatch.setattr(agreement, "MOST_PATTERNS", 20)
    drawn = np.random.default_rng(1)
    found = kendall(drawn.random(30).tolist(), drawn.random(30).tolist(), seed=1)
    assert found.value is not None
    assert (found.low, found.method) == (None, "none (30 different pairs)")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=5, max_size=40), st.integers(2, 3))
def test_weights_are_repetitions_of_items(pairs, times):
    """Doubling every item leaves the correlations as they are, and the order of the items too."""
    a, b = zip(*pairs, strict=True)
    for how in (spearman, kendall):
        once, again = how(a, b, seed=1, resamples=50), how(a[::-1] * times, b[::-1] * times, seed=1, resamples=50)
        if once.value is None:
            assert again.value is None
        else:
            assert again.value == pytest.approx(once.value)
            assert once.low is None or -1 - 1e-9 <= once.low <= once.value <= once.high <= 1 + 1e-9


def test_fit_to_gate_names_every_rule_that_is_broken():
    assert fit_to_gate(0.45, 0.5, 200) == ()
    assert fit_to_gate(0.4, None, 100) == ()
    assert fit_to_gate(0.45, 0.7, 200, judge_human=0.62) == ()
    assert fit_to_gate(0.45, 0.7, 200) == ("it agrees with humans by 0.45, humans with each other by 0.70",)
    assert fit_to_gate(0.39, 0.9, 99, judge_human=0.6) == (
        "99 double-labelled items (at least 100)",
        "its agreement with humans may be as low as 0.39 (at least 0.4)",
        "it agrees with humans by 0.60, humans with each other by 0.90",
    )
    assert fit_to_gate(None, 0.8, 150) == ("its agreement with humans is not known",)


@pytest.mark.parametrize("n", REPLICATIONS)
def test_intervals_cover_and_those_of_twice_counted_items_do_not(n, request):
    drawn = source(request.node.name)
    truth = 0.6
    held = np.zeros(2, dtype=int)
    for k in range(n):
        a = drawn.integers(0, 3, 150)
        b = np.where(drawn.random(150) < truth, a, drawn.integers(0, 3, 150))
        for place, times in enumerate((1, 3)):
            found = kappa(np.tile(a, times), np.tile(b, times), seed=k, resamples=200)
            held[place] += found.low <= truth <= found.high
    # 200 resamples make the ends of an interval shake; that costs about a point of coverage.
    assert at_least(held[0], n, 0.94)
    assert not at_least(held[1], n, 0.94)
