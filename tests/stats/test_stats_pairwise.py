"""Bradley-Terry and Davidson against statsmodels and direct maximisation; when there is no ranking; coverage."""

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

from evalkit.stats.pairwise import Ratings, Verdicts, bradley_terry, components, cyclic_share, display
from evalkit.stats.quantiles import t_quantile
from evalkit.stats.ranking import holm_ranks

CASES = json.loads((Path(__file__).parent.parent / "cases" / "stats" / "ratings.json").read_text())["cases"]


def of(case):
    columns = [np.array(case[name]) for name in ("first", "second", "score", "cluster")]
    return Verdicts(*columns, models=4)


def fights(*rows, models=3):
    first, second, score = zip(*rows, strict=True)
    return Verdicts(np.array(first), np.array(second), np.array(score, dtype=float), np.arange(len(rows)), models)


@pytest.mark.parametrize("case", CASES, ids=["decided", "ties"])
def test_strengths_and_clustered_errors_match_the_binomial_regression(case):
    found = bradley_terry(of(case))
    assert found.theta == pytest.approx(case["theta"], abs=1e-7)
    assert np.sqrt(np.diag(found.covariance))[1:] == pytest.approx(case["se"], rel=1e-6)
    assert (found.nu, found.reason) == (None, "")


def test_davidsons_ties_match_direct_maximisation():
    found = bradley_terry(of(CASES[1]), ties="davidson")
    assert found.theta == pytest.approx(CASES[1]["davidson"]["theta"], abs=1e-4)
    assert found.nu == pytest.approx(CASES[1]["davidson"]["nu"], abs=1e-4)


def test_davidson_without_ties_is_bradley_terry_and_with_ties_alone_nothing():
    found = bradley_terry(of(CASES[0]), ties="davidson")
    assert found.theta == pytest.approx(bradley_terry(of(CASES[0])).theta, abs=1e-9)
    assert found.nu == 0.0
    alone = bradley_terry(fights((0, 1, 0.5), (1, 2, 0.5)), ties="davidson")
    assert alone.theta is None
    assert alone.reason == "there are only ties: their rate has no upper limit"
    assert bradley_terry(fights((0, 1, 0.5), (1, 2, 0.5))).theta == pytest.approx([0, 0, 0])


@pytest.mark.parametrize("ties", ["half", "davidson"])
def test_the_information_is_the_slope_of_the_gradient_and_the_gradient_that_of_the_likelihood(ties):
    from evalkit.stats.pairwise import _Model

    model = _Model(of(CASES[1]), 1, davidson=ties == "davidson", prior=np.zeros((4, 4)))
    at = np.array([0.3, -0.2, 0.5, -0.4])[: model.size]
    step = 1e-5
    for k, unit in enumerate(np.eye(model.size) * step):
        slope = (model.value(at + unit) - model.value(at - unit)) / (2 * step)
        bend = (model.gradient(at + unit) - model.gradient(at - unit)) / (2 * step)
        assert model.gradient(at)[k] == pytest.approx(slope, abs=1e-5)
        assert model.information(at)[k] == pytest.approx(-bend, abs=1e-5)


def test_extreme_weights_give_a_maximum_or_say_that_none_was_found():
    drawn, outcomes = np.random.default_rng(0), set()
    for _ in range(150):
        rows = [(i, j, s) for i in range(4) for j in range(4) if i != j for s in (1.0, 0.5)]
        first, second, score = (np.array(column) for column in zip(*rows, strict=True))
        weight = np.exp(drawn.normal(0, 20, len(rows)))
        verdicts = Verdicts(first, second, score, np.arange(len(rows)), 4, weight)
        found = bradley_terry(verdicts, ties="davidson")
        outcomes.add(found.reason)
        if found.theta is not None:
            expected = 1 / (1 + np.exp(found.theta[second] - found.theta[first]))
            assert np.isfinite(expected).all()
            assert found.worst_residual < 1
    assert outcomes == {"", "no maximum of the likelihood was found; add a prior of half a win"}


def test_who_never_loses_has_no_rating_and_half_a_win_gives_one():
    open_ended = fights((0, 1, 1), (0, 2, 1), (1, 2, 1), (2, 1, 1))
    found = bradley_terry(open_ended)
    assert found == Ratings(None, None, 0, 4, "models [0] never lost to the others: their lead has no upper limit")
    padded = bradley_terry(open_ended, prior=0.5)
    assert padded.theta[0] > max(padded.theta[1:])
    assert (np.diag(padded.covariance)[1:] > 0).all()


def test_who_never_met_has_no_common_ranking_whatever_the_prior():
    apart = fights((0, 1, 1), (1, 0, 1), (2, 3, 1), (3, 2, 1), models=4)
    for prior in (0.0, 0.5):
        assert bradley_terry(apart, prior=prior).reason == "models [0, 1] never met the others: no common ranking"


def test_the_unbeaten_group_is_named_wherever_it_stands():
    assert "models [1, 2] never lost" in bradley_terry(fights((1, 0, 1), (1, 2, 1), (2, 1, 1))).reason


def test_components_follow_chains_of_wins():
    chain = np.zeros((5, 5), dtype=bool)
    for a, b in ((0, 1), (1, 2), (2, 0), (3, 4)):
        chain[a, b] = True
    assert components(chain) == [[0, 1, 2], [3], [4]]


def test_one_prompt_gives_ratings_without_errors():
    verdicts = fights((0, 1, 1), (1, 0, 1), (1, 2, 1), (2, 1, 1), (0, 2, 1), (2, 0, 1))
    one = Verdicts(verdicts.first, verdicts.second, verdicts.score, np.zeros(6, dtype=np.int64), 3)
    found = bradley_terry(one)
    assert found.covariance is None
    assert display(found) == ((1000.0, None, None),) * 3


def test_a_single_model_is_its_own_anchor():
    nobody = np.array([], dtype=np.int64)
    found = bradley_terry(Verdicts(nobody, nobody, nobody.astype(float), nobody, 1))
    assert found.theta.tolist() == [0.0]


def test_weights_are_repetitions():
    first, second = np.array([0, 1, 1, 2, 2, 0]), np.array([1, 0, 2, 1, 0, 2])
    score, weight = np.array([1.0, 1, 1, 0.5, 1, 1]), np.array([3.0, 1, 2, 2, 1, 1])
    weighted = bradley_terry(Verdicts(first, second, score, np.arange(6), 3, weight))
    times = weight.astype(int)
    again = [np.repeat(column, times) for column in (first, second, score, np.arange(6))]
    assert weighted.theta == pytest.approx(bradley_terry(Verdicts(*again, 3)).theta)


@pytest.mark.parametrize(("rows", "told"), [([(0, 1, 0.7)], "a verdict is 1"), ([(1, 1, 1.0)], "cannot meet itself")])
def test_verdicts_that_are_none_are_refused(rows, told):
    with pytest.raises(ValueError, match=told):
        fights(*rows)


def test_unknown_ties_and_ratings_without_ranking_are_refused():
    with pytest.raises(ValueError, match="ties: 'drop' is unknown; known: half, davidson"):
        bradley_terry(of(CASES[0]), ties="drop")
    with pytest.raises(ValueError, match="no ranking: models"):
        display(bradley_terry(fights((0, 1, 1), models=2)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3), st.sampled_from(["half", "davidson"]))
def test_the_anchor_moves_the_scale_and_nothing_else(anchor, ties):
    """Property 15 of the specification."""
    base, moved = bradley_terry(of(CASES[1]), ties=ties), bradley_terry(of(CASES[1]), anchor=anchor, ties=ties)
    assert moved.theta == pytest.approx(base.theta - base.theta[anchor], abs=1e-8)
    assert moved.worst_residual == pytest.approx(base.worst_residual)

    def gap(found, i, j):
        c = found.covariance
        return c[i, i] + c[j, j] - 2 * c[i, j]

    for i in range(4):
        for j in range(i):
            assert gap(moved, i, j) == pytest.approx(gap(base, i, j), rel=1e-6)
    assert holm_ranks(moved.theta, moved.covariance) == holm_ranks(base.theta, base.covariance)


def test_swapping_the_sides_changes_nothing():
    one = of(CASES[1])
    other = Verdicts(one.second, one.first, 1 - one.score, one.cluster, 4)
    for ties in ("half", "davidson"):
        assert bradley_terry(one, ties=ties).theta == pytest.approx(bradley_terry(other, ties=ties).theta)


def test_display_is_anchored_at_a_thousand_with_t_intervals():
    found = bradley_terry(of(CASES[0]), anchor=2)
    shown = display(found)
    assert shown[2] == (1000.0, None, None)
    value, low, high = shown[0]
    se = 400 / np.log(10) * np.sqrt(found.covariance[0, 0])
    assert value == pytest.approx(1000 + 400 / np.log(10) * found.theta[0])
    assert (high - low) / 2 == pytest.approx(se * t_quantile(0.975, found.clusters - 1))
    many = display(Ratings(found.theta, found.covariance, 2, 5000))
    assert many[0][2] - many[0][1] == pytest.approx(2 * se * 1.959964, rel=1e-6)


def test_cyclic_triads():
    ring = fights((0, 1, 1), (1, 2, 1), (2, 0, 1))
    chain = fights((0, 1, 1), (1, 2, 1), (0, 2, 1))
    assert cyclic_share(ring.wins()) == 1.0
    assert cyclic_share(chain.wins()) == 0.0
    assert cyclic_share(fights((0, 1, 1), (1, 2, 1)).wins()) is None
    assert cyclic_share(fights((0, 1, 0.5), (1, 2, 1), (0, 2, 1)).wins()) is None
    random = np.random.default_rng(4)
    seats = [(i, j, float(random.random() < 0.5)) for i in range(40) for j in range(i)]
    assert cyclic_share(fights(*seats, models=40).wins()) == pytest.approx(0.25, abs=0.02)


def test_the_worst_residual_shows_what_a_line_cannot():
    ring = fights(*[(0, 1, 1), (1, 2, 1), (2, 0, 1)] * 20)
    assert bradley_terry(ring).worst_residual == pytest.approx(0.5)
    assert bradley_terry(of(CASES[0])).worst_residual < 0.2


@pytest.mark.parametrize("n", REPLICATIONS)
def test_clustered_intervals_cover_and_independent_ones_do_not(n, request):
    """Four verdicts per prompt that share its leaning: an interval that takes them as independent is too narrow."""
    drawn = source(request.node.name)
    truth, prompts = np.array([0.0, 0.5, 1.0]), 80
    held = np.zeros(2, dtype=int)
    for _ in range(n):
        prompt = np.repeat(np.arange(prompts), 4)
        first = np.repeat(drawn.integers(0, 3, prompts), 4)
        second = (first + np.repeat(drawn.integers(1, 3, prompts), 4)) % 3
        # The shared uniform number makes verdicts of a prompt alike without changing their chances.
        own, same = drawn.random(4 * prompts), np.repeat(drawn.random(prompts), 4)
        number = np.where(drawn.random(4 * prompts) < 0.7, same, own)
        score = (number < 1 / (1 + np.exp(truth[second] - truth[first]))).astype(float)
        for k, cluster in enumerate((prompt, np.arange(4 * prompts))):
            found = bradley_terry(Verdicts(first, second, score, cluster, 3))
            half = t_quantile(0.975, found.clusters - 1) * np.sqrt(found.covariance[2, 2])
            held[k] += abs(found.theta[2] - truth[2]) <= half
    assert at_least(held[0], n, 0.95)
    assert not at_least(held[1], n, 0.95)
