"""Shrunken estimates against James and Stein's published ones, and by how much the best is flattered."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from honesty import REPLICATIONS, source

from evalkit.stats.shrinkage import optimism, shrink

PRINTED = json.loads((Path(__file__).parent.parent / "cases" / "stats" / "printed.json").read_text())["cases"][0]
VALUES = st.lists(st.floats(-5, 5).map(lambda v: round(v, 3)), min_size=4, max_size=12)


def test_batting_averages_shrink_as_printed():
    values = np.array(PRINTED["values"])
    mean = values.mean()
    se = np.sqrt(mean * (1 - mean) / PRINTED["at_bats"])
    found = shrink(values.tolist(), [se] * values.size)
    assert 1 - np.array(found.pull) == pytest.approx(PRINTED["kept"], abs=2e-3)
    assert found.estimates == pytest.approx(mean + PRINTED["kept"] * (values - mean), abs=5e-4)


@settings(max_examples=50, deadline=None)
@given(VALUES, st.floats(0.05, 3))
def test_equal_errors_give_james_and_stein(values, se):
    y = np.array(values)
    excess = ((y - y.mean()) ** 2).sum()
    pull = min(1.0, (y.size - 3) * se**2 / excess) if excess > 0 else 1.0
    found = shrink(values, [se] * y.size)
    assert found.estimates == pytest.approx(y.mean() + (1 - pull) * (y - y.mean()), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(VALUES, st.integers(0, 1000))
def test_what_is_measured_worse_is_pulled_further_and_never_past_the_mean(values, seed):
    ses = np.random.default_rng(seed).uniform(0.1, 2, len(values))
    found = shrink(values, ses.tolist())
    assert all(0 <= pull <= 1 for pull in found.pull)
    for value, estimate in zip(values, found.estimates, strict=True):
        low, high = sorted((value, found.mean))
        assert low - 1e-9 <= estimate <= high + 1e-9
    if found.tau2 > 0:
        assert np.argsort(ses, kind="stable").tolist() == np.argsort(found.pull, kind="stable").tolist()


def test_equal_values_stay_and_few_candidates_are_left_alone():
    assert shrink([0.5] * 5, [0.1] * 5).estimates == pytest.approx([0.5] * 5)
    assert shrink([0.1, 0.5, 0.9], [0.3] * 3).estimates == (0.1, 0.5, 0.9)
    assert shrink([], []).estimates == ()


@pytest.mark.parametrize(
    ("values", "ses", "told"),
    [
        ([1.0, 2.0], [0.1], "2 values and 1 standard errors"),
        ([1.0, np.nan], [0.1, 0.1], "finite values"),
        ([1.0, 2.0], [0.1, 0.0], "errors above 0"),
    ],
)
def test_what_cannot_be_shrunk_is_refused(values, ses, told):
    with pytest.raises(ValueError, match=told):
        shrink(values, ses)


def test_the_best_of_equals_is_flattered_by_what_normal_maxima_say():
    """The mean of the largest of ten standard normal numbers is 1.53875; perfectly paired errors flatter nobody."""
    assert optimism([0.5] * 10, 0.01 * np.eye(10), seed=1, draws=40_000) == pytest.approx(0.153875, abs=0.002)
    assert optimism([0.5] * 10, np.full((10, 10), 0.01), seed=1) == pytest.approx(0.0, abs=0.003)
    assert optimism([0.5], np.eye(1), seed=1) == 0.0


def test_a_clear_winner_is_hardly_flattered():
    assert optimism([0.1, 0.2, 0.3, 0.9], 1e-4 * np.eye(4), seed=1) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("n", REPLICATIONS)
def test_shrunken_estimates_are_closer_to_the_truth_and_the_winner_is_not_flattered(n, request):
    drawn = source(request.node.name)
    truth = drawn.normal(0.6, 0.02, (n, 12))
    measured = truth + drawn.normal(0, 0.04, (n, 12))
    shrunk = np.array([shrink(row.tolist(), [0.04] * 12).estimates for row in measured])
    assert ((shrunk - truth) ** 2).sum() < 0.6 * ((measured - truth) ** 2).sum()
    top = measured.argmax(axis=1)
    rows = np.arange(n)
    raw, pulled = ((x[rows, top] - truth[rows, top]) for x in (measured, shrunk))
    slack = 3.3 * pulled.std() / np.sqrt(n)
    assert raw.mean() > 0.03
    assert abs(pulled.mean()) < slack + 0.012
