"""What must hold of every comparison, whatever the data: for all kinds of metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from pairs import ACCURACY, CLOSED, KINDS, SCORE, TOKENS, asked, entry

from evalkit.stats.fold import Observations
from evalkit.stats.paired import Pair, Question, against, compare, compare_all, unpaired

SEEDS = st.integers(0, 2**32 - 1)
EVERY = pytest.mark.parametrize("kind", KINDS)
BOUNDS = ("low", "high", "lower", "upper")


def drawn(kind, seed):
    return KINDS[kind](np.random.default_rng(seed))


def close(one, other, slack=1e-9):
    return one == other or (one is not None and other is not None and abs(one - other) <= slack * max(1.0, abs(one)))


@EVERY
@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_identical_entries_do_not_differ(kind, seed):
    metric, ours, _ = drawn(kind, seed)
    found = asked(metric, ours, replace(ours), resamples=100)
    assert (found.delta, found.p_value, found.p_fail) == (0.0, 1.0, 1.0)
    assert found.low <= 0 <= found.high
    assert found.lower <= 0 <= found.upper
    assert (found.better, found.worse) == (0, 0)
    if None not in metric.bounds:
        assert found.low < 0 < found.high
    beside = unpaired(metric, ours, ours, seed=1, resamples=100)
    assert (beside.delta, beside.p_value) == (0.0, 1.0)
    assert beside.low <= 0 <= beside.high


@EVERY
@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_a_comparison_holds_together(kind, seed):
    metric, ours, theirs = drawn(kind, seed)
    found = asked(metric, ours, theirs)
    assert found.delta == found.candidate - found.baseline
    assert found.low <= found.lower <= found.delta <= found.upper <= found.high
    assert 0 < found.p_value <= 1
    assert 0 < found.p_fail <= 1
    assert found.n == ours.samples
    assert found.groups == ours.groups
    if None not in metric.bounds:
        room = metric.bounds[1] - metric.bounds[0]
        assert -room <= found.low
        assert found.high <= room
    if metric.kind != "rank" or metric.name == "auc":
        assert found.better + found.worse + found.same == found.n
    assert found.mde > 0


@EVERY
@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_swapping_the_sides_negates(kind, seed):
    metric, ours, theirs = drawn(kind, seed)
    there, back = asked(metric, ours, theirs), asked(metric, theirs, ours)
    assert close(there.delta, -back.delta)
    assert close(there.low, -back.high)
    assert close(there.lower, -back.upper)
    assert close(there.p_value, back.p_value)
    assert (there.better, there.worse) == (back.worse, back.better)


@EVERY
@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_lower_is_better_is_the_other_side_of_higher_is_better(kind, seed):
    metric, ours, theirs = drawn(kind, seed)
    turned = replace(metric, higher_is_better=not metric.higher_is_better)
    one, other = asked(metric, ours, theirs), asked(turned, ours, theirs)
    assert all(close(getattr(one, name), getattr(other, name)) for name in ("delta", "p_value", *BOUNDS))
    assert close(asked(turned, theirs, ours).p_fail, one.p_fail)
    assert (one.better, one.worse) == (other.worse, other.better)


@EVERY
@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_the_order_of_rows_changes_nothing(kind, seed):
    metric, ours, theirs = drawn(kind, seed)
    order = np.random.default_rng(seed).permutation(ours.sample.size)
    mixed = Observations(
        ours.sample[order], ours.repeat[order], ours.cluster[order], ours.value[order],
        {name: column[order] for name, column in ours.parts.items()},
        tuple(ours.answers[place] for place in order) if ours.answers else (),
    )  # fmt: skip
    one, other = asked(metric, ours, theirs), asked(metric, mixed, theirs)
    names = ("delta", "p_value", "p_fail", "se", *BOUNDS)
    assert all(close(getattr(one, name), getattr(other, name)) for name in names)


@pytest.mark.parametrize("kind", CLOSED)
@given(seed=SEEDS, null=st.floats(-0.3, 0.1))
@settings(max_examples=10, deadline=None)
def test_the_failing_test_and_its_bound_agree(kind, seed, null):
    metric, ours, theirs = drawn(kind, seed)
    found = asked(metric, ours, theirs, null=null)
    most = found.upper if metric.higher_is_better else -found.lower
    if abs(most - null) > 1e-6:
        assert (found.p_fail < 0.05) == (most < null)
    assert asked(metric, ours, theirs, null=null - 0.1).p_fail >= found.p_fail - 1e-12


@EVERY
@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_a_wider_error_gives_narrower_bounds(kind, seed):
    metric, ours, theirs = drawn(kind, seed)
    strict, loose = asked(metric, ours, theirs, alpha=0.01), asked(metric, ours, theirs, alpha=0.2)
    assert strict.lower <= loose.lower <= loose.upper <= strict.upper


@given(seed=SEEDS, groups=st.integers(10, 40))
@settings(max_examples=20, deadline=None)
def test_rows_twice_in_their_cluster_say_nothing_new(seed, groups):
    source = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(groups), 4)
    ours, theirs = source.normal(size=4 * groups), source.normal(size=4 * groups)
    once = asked(TOKENS, entry(ours, cluster), entry(theirs, cluster))
    twice = asked(TOKENS, *(entry(np.repeat(side, 2), np.repeat(cluster, 2)) for side in (ours, theirs)))
    naive = asked(TOKENS, *(entry(np.repeat(side, 2)) for side in (ours, theirs)))
    assert twice.se == pytest.approx(once.se)
    assert naive.se < asked(TOKENS, entry(ours), entry(theirs)).se * 0.75


@given(seed=SEEDS, shift=st.floats(-50, 50), scale=st.floats(0.1, 20))
@settings(max_examples=20, deadline=None)
def test_units_and_origins_carry_over(seed, shift, scale):
    source = np.random.default_rng(seed)
    free = replace(TOKENS, bounds=(None, None))
    for n, cluster in ((30, None), (30, np.arange(30) // 2), (7, None)):
        ours, theirs = source.normal(size=n), source.normal(size=n)
        plain = asked(free, entry(ours, cluster), entry(theirs, cluster))
        moved = asked(free, entry(shift + scale * ours, cluster), entry(shift + scale * theirs, cluster))
        assert all(close(scale * getattr(plain, name), getattr(moved, name), 1e-7) for name in ("delta", "se", *BOUNDS))
        assert moved.p_value == pytest.approx(plain.p_value, rel=1e-6)


@given(values=st.lists(st.floats(-100, 100), min_size=10, max_size=40), seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_clusters_of_one_are_the_paired_t_test(values, seed):
    noise = np.random.default_rng(seed).normal(size=len(values))
    ours, theirs = entry(np.array(values) + noise), entry(values)
    found = asked(TOKENS, ours, theirs)
    apart = ours.value - theirs.value
    assert found.se == pytest.approx(apart.std(ddof=1) / np.sqrt(apart.size))
    assert found.df == apart.size - 1
    assert found.method == "t"


@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize(("ours", "theirs"), [(1.0, 1.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("clusters", [1, 2])
@pytest.mark.parametrize("metric", [ACCURACY, SCORE], ids=lambda metric: metric.name)
def test_all_or_nothing_has_width_and_stays_in_range(n, ours, theirs, clusters, metric):
    cluster = np.arange(n * clusters) // clusters
    sides = [entry(np.full(n * clusters, value), cluster) for value in (ours, theirs)]
    found = asked(metric, *sides)
    assert found.delta == ours - theirs
    assert -1 <= found.low < found.high <= 1
    assert found.low <= found.lower < found.upper <= found.high
    assert found.high - found.low > 1 / (2 * n)
    beside = unpaired(metric, *sides, seed=1)
    assert -1 <= beside.low < beside.high <= 1
    floor = against(metric, sides[0], 0.5, seed=1)
    assert floor.low < floor.high


@EVERY
def test_a_missing_score_is_told_not_dropped(kind):
    metric, ours, theirs = drawn(kind, 3)
    broken = ours.value.copy()
    broken[4] = np.nan
    parts = {name: np.where(np.arange(column.size) == 4, np.nan, column) for name, column in ours.parts.items()}
    missing = replace(ours, value=broken, parts=parts)
    rows = ours.sample.size + theirs.sample.size
    for found in (
        asked(metric, missing, theirs),
        unpaired(metric, missing, theirs, seed=1),
        asked(metric, theirs, missing),
    ):
        assert found.delta is None
        assert found.low is found.lower is found.p_value is found.p_fail is None
        assert found.method == f"none (1 of {rows} scores undefined)"
    assert against(metric, missing, 0.5, seed=1).delta is None


def test_questions_together_are_answered_as_alone():
    questions = [
        Question(metric, Pair(ours, theirs), null=null)
        for kind in KINDS
        for metric, ours, theirs in [drawn(kind, 11)]
        for null in (0.0, -0.05)
    ]
    together = compare_all(questions, seed=8, resamples=150)
    assert together == [compare(question, seed=8, resamples=150) for question in questions]
    assert compare_all(questions[::-1], seed=8, resamples=150) == together[::-1]
    resampled = next(place for place, one in enumerate(together) if one.resamples)
    assert compare(questions[resampled], seed=9, resamples=150).se != together[resampled].se


CHILD = """
import json, sys
from dataclasses import asdict
import numpy as np
sys.path.insert(0, sys.argv[1])
from pairs import KINDS
from evalkit.stats.paired import Pair, Question, compare_all
source = np.random.default_rng(4)
asked = [Question(m, Pair(a, b)) for make in KINDS.values() for m, a, b in [make(source, 400)]]
print(json.dumps([asdict(one) for one in compare_all(asked, seed=6, resamples=300)]))
"""


def test_threads_change_no_byte():
    def said(threads: str) -> str:
        given = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", CHILD, str(Path(__file__).parent)]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=given).stdout

    one, four = said("1"), said("4")
    assert len(json.loads(one)) == len(KINDS)
    assert one == four
