"""Planned looks against nested quadrature and published bounds, and the error they keep."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from honesty import REPLICATIONS, at_least, at_most, source

from evalkit.core.types import Metric
from evalkit.stats.fold import Observations
from evalkit.stats.paired import Pair, Question, compare
from evalkit.stats.quantiles import normal_quantile, t_quantile
from evalkit.stats.sequential import LOOKS, bounds, crossed, nominal_alphas, spending, spent

FOLDER = Path(__file__).parent.parent / "cases" / "stats"
PRINTED = json.loads((FOLDER / "printed.json").read_text())["cases"][2]["bounds"]


@pytest.mark.parametrize("case", json.loads((FOLDER / "looks.json").read_text())["cases"])
def test_bounds_match_nested_quadrature(case):
    assert bounds(case["fractions"], case["alpha"]) == pytest.approx(case["bounds"], abs=2e-8)


@pytest.mark.parametrize("printed", PRINTED, ids=len)
def test_bounds_match_what_is_printed(printed):
    # The programs behind these tables integrate on a coarser grid: their fourth decimal may be off by one.
    looks = len(printed)
    assert bounds([k / looks for k in range(1, looks + 1)], 0.025) == pytest.approx(printed, abs=1.5e-4)


def test_the_default_plan_is_what_the_docstring_says():
    assert bounds() == pytest.approx((3.393, 2.281, 1.680), abs=5e-4)


def test_spending_ends_at_alpha_and_one_look_is_the_plain_test():
    assert spending(1.0, 0.05) == pytest.approx(0.05)
    assert bounds([1.0], 0.03) == pytest.approx((normal_quantile(0.97),))
    assert nominal_alphas([1.0], 0.03) == pytest.approx((0.03,))


def test_nominal_levels_belong_to_the_bounds():
    assert [-normal_quantile(a) for a in nominal_alphas()] == pytest.approx(bounds(), rel=1e-9)


def test_many_looks_stay_stable_and_close_to_continuous_monitoring():
    found = bounds([k / 100 for k in range(1, 101)], 0.05)
    assert np.isfinite(found).all()
    assert found[0] == 9.0
    assert (np.diff(found) <= 1e-12).all()
    # The spending function is that of a Brownian motion at the barrier z_{a/2}; looks in steps of h lower it by 0.583
    # sqrt(h) (Siegmund 1985).
    assert found[-1] == pytest.approx(normal_quantile(0.975) - 0.583 * 0.1, abs=0.005)


@pytest.mark.parametrize("fractions", [(), (0.5, 0.4), (0.5, 0.505), (0.5, 1.2), (0.0, 1.0), (0.5, float("nan"))])
def test_fractions_out_of_order_are_refused(fractions):
    with pytest.raises(ValueError, match="information fractions rise"):
        bounds(fractions)


@pytest.mark.parametrize("alpha", [0.0, 0.5, float("nan")])
def test_alphas_that_are_no_error_are_refused(alpha):
    with pytest.raises(ValueError, match="one-sided alpha"):
        bounds(LOOKS, alpha)


def test_the_first_crossing_stops():
    assert crossed([1.0, 2.5, 9.0]) == 1
    assert crossed([1.0, 2.0]) is None
    assert crossed([]) is None
    assert crossed([1.0, 2.0, bounds()[2]]) == 2
    with pytest.raises(ValueError, match="4 looks were made, 3 were planned"):
        crossed([1.0] * 4)


def test_attempts_spend_no_more_than_alpha_however_many_there_are():
    first, *rest = [spent(k, 0.05) for k in range(1, 40)]
    assert first == pytest.approx(0.04)
    assert rest[:3] == pytest.approx([0.005, 0.0025, 0.00125])
    assert all(a > b for a, b in zip([first, *rest], rest, strict=False))
    assert sum([first, *rest]) < 0.05 + 1e-15
    assert sum([first, *rest]) == pytest.approx(0.05, rel=1e-9)
    with pytest.raises(ValueError, match="attempts count from 1"):
        spent(0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.floats(0.001, 0.2))
def test_every_plan_spends_exactly_alpha(steps, alpha):
    """Property 8 of the specification: rebuilt by stepping a fine grid of Brownian values, another way of integrating."""
    times = np.cumsum(steps) / sum(steps)
    if np.diff([0.0, *times]).min() < 0.01:
        return
    limits = np.array(bounds(times.tolist(), alpha)) * np.sqrt(times)
    grid = np.linspace(-7, 7, 1501)
    width = grid[1] - grid[0]
    density, before, total = None, 0.0, 0.0
    for time, limit in zip(times, limits, strict=True):
        sd = np.sqrt(time - before)
        if density is None:
            density = np.exp(-0.5 * (grid / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
        else:
            kernel = np.exp(-0.5 * ((grid[:, None] - grid) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
            density = kernel @ density * width
        # The cell that the bound cuts counts by the share that lies above it.
        above = np.clip((grid + width / 2 - limit) / width, 0, 1)
        total += float((density * above).sum() * width)
        density, before = density * (1 - above), time
    assert total == pytest.approx(alpha, rel=0.05)


def looked(values, levels):
    """Which replications a one-sided t test rejects at any of the looks made at these levels."""
    rejected = np.zeros(values.shape[0], dtype=bool)
    for fraction, level in zip(LOOKS, levels, strict=True):
        seen = values[:, : round(fraction * values.shape[1])]
        t = seen.mean(axis=1) / (seen.std(axis=1, ddof=1) / np.sqrt(seen.shape[1]))
        rejected |= t > t_quantile(1 - level, seen.shape[1] - 1)
    return rejected


@pytest.mark.parametrize("n", REPLICATIONS)
def test_three_looks_keep_five_percent_and_three_naive_looks_do_not(n, request):
    drawn = source(request.node.name)
    values = drawn.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=(n, 400))
    assert at_most(int(looked(values, nominal_alphas()).sum()), n, 0.05)
    naive = drawn.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=(4000, 400))
    assert not at_most(int(looked(naive, [0.05] * 3).sum()), 4000, 0.05)


@pytest.mark.parametrize("n", REPLICATIONS)
def test_three_looks_of_a_gate_keep_five_percent(n, request):
    """Property 8 of the specification on what a gate decides by: the upper bound of a paired 0/1 comparison."""
    drawn, levels = source(request.node.name), nominal_alphas()
    wrong = 0
    for _ in range(n):
        base = drawn.random(200) < 0.7
        other = np.where(drawn.random(200) < 0.2, drawn.random(200) < 0.7, base)
        for fraction, level in zip(LOOKS, levels, strict=True):
            seen = round(fraction * 200)
            codes = np.arange(seen)
            sides = [Observations(codes, 0 * codes, codes, side[:seen].astype(float)) for side in (other, base)]
            found = compare(Question(Metric("m", kind="mean01"), Pair(*sides), alpha=level), seed=1)
            if found.upper is not None and found.upper < 0:
                wrong += 1
                break
    assert at_most(wrong, n, 0.05)


@pytest.mark.parametrize("n", REPLICATIONS)
def test_looks_cost_hardly_any_power(n, request):
    values = source(request.node.name).normal(0.1, 0.7, size=(n, 400))
    planned, fixed = looked(values, nominal_alphas()), looked(values, [0.0, 0.0, 0.05])
    assert at_least(int(planned.sum()), n, fixed.mean() - 0.02)


@pytest.mark.parametrize("n", REPLICATIONS)
def test_rerunning_until_green_does_not_work(n, request):
    p = source(request.node.name).random((n, 8))
    green = (p <= [spent(k) for k in range(1, 9)]).any(axis=1)
    assert at_most(int(green.sum()), n, 0.05)
    assert not at_most(int((p <= 0.05).any(axis=1).sum()), n, 0.05)
