"""Where dots, whiskers and ticks stand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.report import chart
from evalkit.report.model import Cell


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
@settings(max_examples=50, deadline=None)
def test_ticks_cover_the_range_in_equal_steps(low, width):
    marks = chart.ticks(low, low + width)
    assert marks[0] <= low + 1e-6 * width
    assert marks[-1] >= low + width - 1e-6 * width
    assert 2 <= len(marks) <= 13
    steps = [b - a for a, b in pairwise(marks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)


@pytest.mark.parametrize("value", [0.0, 3.5, -2.0])
def test_ticks_around_a_single_value(value):
    marks = chart.ticks(value, value)
    assert marks[0] <= value <= marks[-1]
    assert len(marks) >= 2


def test_whiskers_keep_order_and_stay_inside():
    drawn = chart.whiskers(
        [("a", Cell(0.9, 0.8, 1.0)), ("b", Cell(0.5)), ("none", Cell(None)), ("c", Cell(0.2, 0.1, 0.3))], "%"
    )
    assert [row.name for row in drawn.rows] == ["a", "b", "c"]
    assert drawn.rows[1].low is None
    assert drawn.rows[1].high is None
    assert all(
        chart.LEFT <= place <= chart.RIGHT for r in drawn.rows for place in (r.at, r.low, r.high) if place is not None
    )
    assert drawn.rows[0].low < drawn.rows[0].at < drawn.rows[0].high
    assert [tick.text for tick in drawn.axis] == ["0", "20", "40", "60", "80", "100"]
    assert [row.y for row in drawn.rows] == [0, chart.ROW_HEIGHT, 2 * chart.ROW_HEIGHT]


def test_an_interval_with_one_end_is_drawn_as_a_dot():
    drawn = chart.whiskers([("a", Cell(0.5, 0.4, None)), ("b", Cell(0.7))], "%")
    assert (drawn.rows[0].low, drawn.rows[0].high) == (None, None)


def test_axis_texts_are_short():
    drawn = chart.whiskers([("a", Cell(0.512, 0.505, 0.519))], "%")
    assert [tick.text for tick in drawn.axis] == ["50.0", "50.5", "51.0", "51.5", "52.0"]
    plain = chart.whiskers([("a", Cell(54.6, 50.0, 80.0))], "")
    assert all(tick.text.isdigit() for tick in plain.axis)


def test_no_value_no_chart():
    assert chart.whiskers([("a", Cell(None))], "%") is None
    assert chart.whiskers([], "") is None


def test_long_names_are_shortened_for_phones_only():
    drawn = chart.whiskers([("a candidate with quite a long name", Cell(0.5))], "")
    assert drawn.rows[0].label == "a candidate with quite…"
    assert drawn.rows[0].wide_label == "a candidate with quite a long name"


def test_sparks_share_one_axis_and_leave_holes():
    (first, second) = chart.sparks([[Cell(0.9, 0.8, 1.0), None], [Cell(0.5), Cell(None)]], "%")
    assert first[0].at > second[0].at
    assert second[0].low is None
    assert first[1] is None
    assert second[1] is None
    assert chart.sparks([[None]], "") == [[None]]


def test_scatter_needs_two_prices_that_differ():
    cell = Cell(0.5, 0.4, 0.6)
    assert chart.scatter([("a", cell, 1.0), ("b", cell, None)], "%") is None
    assert chart.scatter([("a", cell, 1.0), ("b", cell, 1.0)], "%") is None
    assert chart.scatter([("a", cell, 1.0), ("b", Cell(None), 2.0)], "%") is None


def test_scatter_is_linear_for_near_costs_and_names_the_unpriced():
    drawn = chart.scatter([("a", Cell(0.9, 0.8, 1.0), 1.0), ("b", Cell(0.5), 0.5), ("c", Cell(0.4), None)], "%")
    assert not drawn.logarithmic
    assert drawn.unpriced == ("c",)
    assert [point.letter for point in drawn.points] == ["A", "B"]
    assert drawn.points[0].x > drawn.points[1].x
    assert drawn.points[0].y < drawn.points[1].y
    assert drawn.points[1].low is None


def test_scatter_is_logarithmic_for_far_costs_with_a_place_for_the_free():
    costs = (0.0, 0.001, 0.1, 10.0)
    drawn = chart.scatter([(str(cost), Cell(0.5, 0.4, 0.6), cost) for cost in costs], "%")
    assert drawn.logarithmic
    places = [point.x for point in drawn.points]
    assert places == sorted(places)
    assert places[2] - places[1] == pytest.approx(places[3] - places[2], abs=0.01)
    assert drawn.x_axis[0].text == "$0"
    paid = chart.scatter([(str(cost), Cell(0.5), cost) for cost in costs[1:]], "%")
    assert paid.x_axis[0].text == "$0.0010"


def test_ticks_on_a_phone_do_not_touch():
    drawn = chart.scatter([(str(p), Cell(0.5), 10.0**p) for p in range(-6, 3)], "")
    assert min(b.at - a.at for a, b in pairwise(drawn.x_axis)) >= 13


def test_letters_go_on_after_z():
    drawn = chart.scatter([(str(i), Cell(0.5), float(i)) for i in range(28)], "")
    assert [point.letter for point in drawn.points][24:] == ["Y", "Z", "AA", "AB"]


def ends(drawn):
    return [float(drawn.axis[0].text), float(drawn.axis[-1].text)]


def test_no_axis_runs_past_a_bound():
    bounds = (0.0, 1.0)
    auc = [("a", Cell(0.995, 0.98, 0.999)), ("b", Cell(0.5, 0.42, 0.58))]
    assert ends(chart.whiskers(auc, "", bounds))[1] == 1
    assert ends(chart.whiskers([("a", Cell(1.0, 0.93, 1.0))], "%", bounds))[1] == 100
    assert ends(chart.whiskers([("a", Cell(0.0))], "", bounds)) == [0, 1]
    assert ends(chart.whiskers([("a", Cell(0.0, 0.0, 0.02))], "", (0.0, None)))[0] == 0
    assert ends(chart.whiskers([("a", Cell(3.2, 2.0, 3.3))], "", (0.0, 10 / 3)))[1] == pytest.approx(10 / 3, abs=0.01)
    drawn = chart.scatter([("a", Cell(0.995, 0.98, 1.0), 1.0), ("b", Cell(0.97), 0.5)], "", bounds)
    assert float(drawn.y_axis[-1].text) == 1
    assert min(tick.at for tick in drawn.y_axis) >= chart.SCATTER_TOP


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
    st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (None, 1.0), (0.0, None), (0.0, 10 / 3)]),
)
@settings(max_examples=50, deadline=None)
def test_every_value_has_a_place_on_a_bounded_axis(values, bounds):
    drawn = chart.whiskers([(str(n), Cell(value)) for n, value in enumerate(values)], "", bounds)
    assert len(drawn.axis) >= 2
    assert all(before.at < after.at for before, after in pairwise(drawn.axis))
    assert all(chart.LEFT - 1e-3 <= row.at <= chart.RIGHT + 1e-3 for row in drawn.rows)


def test_a_value_beyond_its_bound_is_drawn_all_the_same():
    drawn = chart.whiskers([("a", Cell(1.2)), ("b", Cell(0.4))], "", (0.0, 1.0))
    assert all(chart.LEFT <= row.at <= chart.RIGHT for row in drawn.rows)
