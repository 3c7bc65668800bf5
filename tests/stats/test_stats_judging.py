"""Order effects of judges against their definitions and scipy's binomial test."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from evalkit.stats.judging import Orders, conflict, conflict_rate, orders, primacy, slot_p_value, unfit

VERDICTS = st.lists(st.tuples(*[st.sampled_from(["first", "second", "tie"])] * 2), max_size=40)
SWAPPED = {"first": "second", "second": "first", "tie": "tie"}


def test_the_judge_that_always_takes_the_first_slot_is_unfit():
    counts = orders([("first", "first")] * 10)
    assert counts == Orders(10, 10, 10, 0)
    assert (conflict_rate(counts), primacy(counts)) == (1.0, 1.0)
    assert slot_p_value(counts) == pytest.approx(2 / 2**10)
    assert unfit(counts) == (
        "its verdicts change with the order in 100% of the pairs (at most 30%)",
        "it prefers the first answer (primacy +1.00, at most 0.15)",
    )


def test_the_judge_that_follows_the_answers_is_fit():
    counts = orders([("first", "second"), ("second", "first"), ("tie", "tie")] * 5)
    assert counts == Orders(15, 0, 0, 0)
    assert (conflict_rate(counts), primacy(counts), slot_p_value(counts)) == (0.0, 0.0, None)
    assert unfit(counts) == ()


def test_a_lean_to_the_second_slot_is_said():
    counts = orders([("second", "second")] * 2 + [("first", "second")] * 8)
    assert primacy(counts) == -0.2
    assert unfit(counts) == ("it prefers the second answer (primacy -0.20, at most 0.15)",)
    assert unfit(counts, most_primacy=0.25) == ()


def test_conflicts_that_cancel_out_are_conflicts_all_the_same():
    counts = orders([("first", "first"), ("second", "second"), ("tie", "first")] + [("tie", "tie")] * 6)
    assert primacy(counts) == 0
    assert slot_p_value(counts) == 1
    assert len(unfit(counts)) == 1
    assert unfit(counts, most_conflict=0.5) == ()


@pytest.mark.parametrize(("rate", "fit"), [(3, True), (4, False)])
def test_the_limits_themselves_are_allowed(rate, fit):
    verdicts = [("tie", "first")] * rate + [("tie", "tie")] * (10 - rate)
    assert (unfit(orders(verdicts)) == ()) == fit


def test_nothing_judged_is_unfit_and_has_no_rates():
    counts = orders([])
    assert (conflict_rate(counts), primacy(counts), slot_p_value(counts)) == (None, None, None)
    assert unfit(counts) == ("no pair was judged in both orders",)


def test_an_unknown_verdict_is_named():
    with pytest.raises(ValueError, match="'A' is no verdict; known: first, second, tie"):
        orders([("first", "second"), ("A", "first")])


@settings(max_examples=50)
@given(VERDICTS)
def test_counts_follow_their_definitions(verdicts):
    counts = orders(verdicts)
    assert counts.pairs == len(verdicts)
    assert counts.conflicts == sum(SWAPPED[one] != other for one, other in verdicts)
    assert counts.first_first + counts.second_second <= counts.conflicts
    assert all(conflict(one, other) == conflict(other, one) for one, other in verdicts)
    turned = orders([(SWAPPED[one], SWAPPED[other]) for one, other in verdicts])
    assert turned.conflicts == counts.conflicts
    assert turned.first_first == counts.second_second
    if verdicts:
        assert primacy(turned) == -primacy(counts)


@settings(max_examples=50)
@given(st.integers(0, 60), st.integers(0, 60))
def test_p_value_is_scipys(first, second):
    found = slot_p_value(Orders(200, first + second, first, second))
    if first + second == 0:
        assert found is None
    else:
        assert found == pytest.approx(binomtest(first, first + second, 0.5).pvalue)
