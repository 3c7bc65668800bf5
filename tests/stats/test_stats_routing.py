"""Gain over the random mix, oracle, hull and area: against the definitions, and where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from evalkit.stats.routing import Outcomes, aiq, areas, cheapest_and_best, gain, hull, oracle

ITEMS = 600


def outcomes(quality, cost):
    return Outcomes(np.asarray(quality, dtype=float), np.broadcast_to(np.asarray(cost, dtype=float), len(quality)))


def world(seed=0):
    """A cheap part good at easy items, a dear one good at all; which items are easy is known."""
    drawn = np.random.default_rng(seed)
    easy = drawn.random(ITEMS) < 0.6
    cheap = outcomes(drawn.random(ITEMS) < np.where(easy, 0.9, 0.15), 1.0)
    dear = outcomes(drawn.random(ITEMS) < np.where(easy, 0.92, 0.85), 10.0)
    return drawn, easy, cheap, dear


def routed(to_dear, cheap, dear):
    return Outcomes(np.where(to_dear, dear.quality, cheap.quality), np.where(to_dear, dear.cost, cheap.cost))


def alone(n=ITEMS):
    return np.arange(n)


def test_a_router_that_knows_is_better_than_the_mix():
    _, easy, cheap, dear = world()
    found = gain(routed(~easy, cheap, dear), (cheap, dear), alone(), seed=1)
    assert found.verdict == "better"
    assert 0 < found.bounds.low < found.value < found.bounds.high
    assert found.share == pytest.approx((~easy).mean())


def test_a_useless_router_is_no_better_than_the_mix():
    verdicts = []
    for seed in range(40):
        drawn, _, cheap, dear = world(seed)
        useless = routed(drawn.random(ITEMS) < 0.5, cheap, dear)
        verdicts.append(gain(useless, (cheap, dear), alone(), seed=seed, resamples=400).verdict)
    # A 95 % interval may miss 0 now and then, on either side.
    assert verdicts.count("no better") >= 34
    assert verdicts.count("better") <= 4


def test_a_perverse_router_is_worse():
    _, easy, cheap, dear = world()
    assert gain(routed(easy, cheap, dear), (cheap, dear), alone(), seed=1).verdict == "worse"


def test_the_mix_by_hand():
    cheap, dear = outcomes([0, 1, 0, 1], 1), outcomes([1, 1, 1, 0], 5)
    system = outcomes([1, 1, 0, 1], 2)
    found = gain(system, (cheap, dear), alone(4), seed=0, resamples=50)
    # A quarter of the way from 1 to 5 in cost is a quarter of the way from 0.5 to 0.75 in quality.
    assert (found.share, found.mix, found.value) == (0.25, 0.5625, 0.1875)


@pytest.mark.parametrize(("cost", "share"), [(0.5, 0.0), (1, 0.0), (3, 0.5), (5, 1.0), (9, 1.0)])
def test_the_share_stays_between_0_and_1(cost, share):
    cheap, dear = outcomes([0, 1], 1), outcomes([1, 1], 5)
    assert gain(outcomes([1, 1], cost), (cheap, dear), alone(2), seed=0, resamples=20).share == share


def test_a_dear_part_that_is_worse_does_not_lower_the_mix():
    cheap, dear = outcomes([1, 1, 1, 0], 1), outcomes([0, 0, 0, 1], 5)
    assert gain(outcomes([1, 1, 1, 1], 5), (cheap, dear), alone(4), seed=0, resamples=20).mix == 0.75


def test_where_the_best_is_the_cheapest_the_mix_is_that_part():
    only = outcomes([1, 0, 1, 1], 2)
    found = gain(outcomes([1, 1, 1, 1], 4), (only, only), alone(4), seed=0, resamples=20)
    assert (found.mix, found.value) == (0.75, 0.25)


def test_one_cluster_leaves_it_undecided():
    cheap, dear = outcomes([0, 1], 1), outcomes([1, 1], 5)
    found = gain(outcomes([1, 1], 1), (cheap, dear), np.zeros(2, dtype=int), seed=0)
    assert found.verdict == "undecided"
    assert found.value == 0.5


def test_clusters_widen_the_interval():
    _, easy, cheap, dear = world()
    system = routed(~easy, cheap, dear)
    order = np.argsort(system.quality - cheap.quality, kind="stable")
    together = np.empty(ITEMS, dtype=int)
    together[order] = np.arange(ITEMS) // 10
    narrow = gain(system, (cheap, dear), alone(), seed=3).bounds
    wide = gain(system, (cheap, dear), together, seed=3).bounds
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_the_same_seed_gives_the_same_interval():
    _, easy, cheap, dear = world()
    system = routed(~easy, cheap, dear)
    found = [gain(system, (cheap, dear), alone(), seed=seed, resamples=200).bounds for seed in (5, 5, 6)]
    assert found[0] == found[1] != found[2]


def test_cheapest_and_best_among_equals():
    parts = [outcomes([0, 0], 1), outcomes([1, 0], 1), outcomes([1, 1], 7), outcomes([1, 1], 5)]
    assert cheapest_and_best(parts) == (1, 3)


def test_the_oracle_takes_the_cheapest_of_the_best():
    parts = [outcomes([1, 0, 0], 1), outcomes([1, 1, 0], 3)]
    found = oracle(parts, [outcomes([1, 0, 0], 1), outcomes([1, 1, 0], 2)])
    assert found.quality == pytest.approx(2 / 3)
    assert found.cost == pytest.approx((1 + 3 + 1) / 3)
    assert found.regret == pytest.approx((1 / 3, 0))
    assert oracle(parts).regret == ()


def test_the_oracle_over_noise_is_optimistic():
    drawn = np.random.default_rng(2)
    coins = [outcomes(drawn.random(2000) < 0.5, 1) for _ in range(5)]
    # Nobody is better than a coin, and yet the luckiest of five coins is right 31 times of 32.
    assert oracle(coins).quality > 0.95


POINTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=12)


@settings(max_examples=50)
@given(POINTS)
def test_the_hull_is_the_least_concave_rising_curve(points):
    cost, quality = np.array(points, dtype=float).T
    xs, ys = hull(cost, quality)
    assert (np.interp(cost, xs, ys) >= quality - 1e-9).all()
    assert (np.diff(xs) > 0).all()
    assert (np.diff(ys) > 0).all()
    slopes = np.diff(ys) / np.diff(xs)
    assert (np.diff(slopes) < 1e-12).all()
    assert set(zip(xs, ys, strict=True)) <= {(float(x), float(y)) for x, y in points}


def test_the_hull_is_the_upper_part_of_scipys():
    drawn = np.random.default_rng(4)
    points = drawn.random((60, 2))
    top = points[:, 1].argmax()
    rising = {tuple(points[i]) for i in ConvexHull(points).vertices if points[i, 0] <= points[top, 0]}
    xs, ys = hull(*points.T)
    mine = set(zip(xs, ys, strict=True))
    upper = {point for point in rising if point[1] >= np.interp(point[0], xs, ys) - 1e-12}
    assert mine == upper


def test_the_area_by_hand():
    cost, quality = np.array([1.0, 3.0, 2.0]), np.array([0.2, 0.6, 0.1])
    assert aiq(cost, quality, 1, 3) == pytest.approx(0.4)
    # Flat beyond the last point: half of the range at 0.6.
    assert aiq(cost, quality, 1, 5) == pytest.approx(0.5)
    assert aiq(cost, quality, 2, 2) == pytest.approx(0.4)
    with pytest.raises(ValueError, match="before it begins"):
        aiq(cost, quality, 3, 1)


def test_a_good_router_adds_area_and_a_useless_one_does_not():
    drawn, easy, cheap, dear = world()
    good = areas([cheap, dear], [routed(~easy, cheap, dear)], alone(), seed=0, resamples=400)
    assert good.with_systems > good.without
    assert good.bounds.low > 0
    assert (good.low, good.high) == (1, 10)
    useless = areas([cheap, dear], [routed(drawn.random(ITEMS) < 0.5, cheap, dear)], alone(), seed=0, resamples=400)
    assert useless.with_systems - useless.without < 0.01
    assert useless.bounds.low == pytest.approx(0, abs=1e-12)


def test_one_cluster_gives_areas_without_bounds():
    cheap, dear = outcomes([0, 1], 1), outcomes([1, 1], 5)
    found = areas([cheap], [dear], np.zeros(2, dtype=int), seed=0)
    assert (found.without, found.with_systems, found.bounds.low) == (0.5, 0.75, None)
