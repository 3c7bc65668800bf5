"""Adaptive repeats: who is asked again, that the mean stays unbiased, and what it saves at equal power."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from honesty import REPLICATIONS, at_least, at_most, source

from evalkit.core.types import Metric
from evalkit.stats.adaptive import Effort, allocate, effort, unsettled
from evalkit.stats.fold import Observations
from evalkit.stats.paired import Pair, Question, compare
from evalkit.stats.quantiles import t_quantile
from evalkit.stats.sequential import LOOKS, nominal_alphas

SAMPLES, FIRST, MORE = 300, 3, 4
LEVELS = nominal_alphas(LOOKS)


def asked(answers, repeats=None):
    """Scores `[n, r]` as observations, of each sample the first `repeats` only."""
    n, r = answers.shape
    sample, repeat = np.repeat(np.arange(n), r), np.tile(np.arange(r), n)
    kept = repeat < (np.full(n, r) if repeats is None else repeats)[sample]
    codes = sample[kept]
    return Observations(codes, repeat[kept], codes, answers.reshape(-1)[kept].astype(float))


def test_who_wavers_is_asked_again():
    other = asked(np.array([[1, 1, 1], [1, 0, 1], [0, 0, 0], [0.5, 0.5, 0.6]]))
    assert allocate(other, first=2, more=4).tolist() == [2, 6, 2, 6]
    assert effort(allocate(other, first=2, more=4)) == Effort(16, 0.8)
    assert effort(np.array([], dtype=np.int64)) == Effort(0, 0.0)


def test_only_the_first_repeats_are_looked_at_when_both_sides_are_asked_in_one_run():
    other = asked(np.array([[1, 1, 0], [1, 0, 1]]))
    assert unsettled(other, first=2).tolist() == [False, True]
    assert allocate(other, first=1, more=1, used=2).tolist() == [1, 2]
    assert allocate(other, first=1, more=1).tolist() == [2, 2]


def test_a_repeat_that_failed_disagrees_with_one_that_did_not():
    assert unsettled(asked(np.array([[1, np.nan], [np.nan, np.nan], [1, 1]]))).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("answers", "options", "told"),
    [
        (np.ones((3, 2)), {"first": 0}, "asked at least once"),
        (np.ones((3, 2)), {"more": -1}, "never less than before"),
        (np.ones((3, 1)), {}, "needs at least two repeats"),
        (np.ones((3, 3)), {"used": 1}, "needs at least two repeats"),
        (np.ones((3, 3)), {"used": 0}, "needs at least two repeats"),
    ],
)
def test_allocations_that_mean_nothing_are_refused(answers, options, told):
    with pytest.raises(ValueError, match=told):
        allocate(asked(answers), **options)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_the_rows_changes_nothing(seed):
    drawn = np.random.default_rng(seed)
    seen = asked((drawn.random((20, 4)) < 0.7).astype(float))
    mixed = drawn.permutation(seen.sample.size)
    turned = Observations(seen.sample[mixed], seen.repeat[mixed], seen.cluster[mixed], seen.value[mixed])
    assert (allocate(seen) == allocate(turned)).all()


def test_compare_takes_what_was_allocated():
    drawn = np.random.default_rng(1)
    a, b = (
        (drawn.random((60, FIRST + MORE)) < 0.7).astype(float),
        (drawn.random((60, FIRST + MORE)) < 0.6).astype(float),
    )
    repeats = allocate(asked(b), first=FIRST, more=MORE)
    candidate = asked(a, repeats)
    found = compare(Question(Metric("m", kind="mean01"), Pair(candidate, asked(b))), seed=1)
    means = np.array([row[:r].mean() for row, r in zip(a, repeats, strict=True)])
    assert found.delta == pytest.approx((means - b.mean(axis=1)).mean())
    assert found.se == pytest.approx((means - b.mean(axis=1)).std(ddof=1) / np.sqrt(60), rel=1e-6)


def rates(drawn, shift):
    """Of seven samples in ten the answer is always the same; on the others the candidate is worse by `shift`."""
    stable = drawn.random(SAMPLES) < 0.7
    base = np.where(stable, (drawn.random(SAMPLES) < 0.6).astype(float), drawn.uniform(0.15, 0.85, SAMPLES))
    return np.where(stable, base, base - shift), base


def averaged(answers, repeats):
    """The mean of each sample's first `repeats` answers."""
    return (answers * (np.arange(answers.shape[1]) < repeats[:, None])).sum(axis=1) / repeats


def crossed(a, b):
    """How often each side is asked when the first answers of the other side decide."""
    return tuple(allocate(asked(side[:, :FIRST]), first=FIRST, more=MORE, used=FIRST) for side in (b, a))


def rejected(differences, level):
    """Whether a one-sided t test finds the candidate worse."""
    n = differences.size
    return differences.mean() < -t_quantile(1 - level, n - 1) * differences.std(ddof=1) / np.sqrt(n)


def looked(differences, repeats):
    """Whether one of three looks finds the candidate worse, and the calls made until then."""
    for fraction, level in zip(LOOKS, LEVELS, strict=True):
        seen = round(fraction * SAMPLES)
        if rejected(differences[:seen], level):
            return True, int(repeats[:seen].sum())
    return False, int(repeats.sum())


def anew(drawn, shift):
    """Both sides asked: (found with 5 repeats, found adaptively, calls with 5 repeats, calls adaptively)."""
    pa, pb = rates(drawn, shift)
    a, b = ((drawn.random((SAMPLES, FIRST + MORE)) < p[:, None]).astype(float) for p in (pa, pb))
    fixed = rejected(a[:, :5].mean(axis=1) - b[:, :5].mean(axis=1), 0.05)
    ra, rb = crossed(a, b)
    found, calls = looked(averaged(a, ra) - averaged(b, rb), ra + rb)
    return fixed, found, 10 * SAMPLES, calls


def stored(drawn, shift):
    """The same beside a baseline of five stored repeats: only the candidate is asked."""
    pa, pb = rates(drawn, shift)
    a, b = (drawn.random((SAMPLES, 7)) < pa[:, None]).astype(float), (drawn.random((SAMPLES, 5)) < pb[:, None])
    fixed = rejected(a[:, :5].mean(axis=1) - b.mean(axis=1), 0.05)
    ra = allocate(asked(b))
    found, calls = looked(averaged(a, ra) - b.mean(axis=1), ra)
    return fixed, found, 5 * SAMPLES, calls


@pytest.mark.parametrize("n", REPLICATIONS)
@pytest.mark.parametrize(("how", "shift", "power"), [(stored, 0.08, 0.7), (anew, 0.1, 0.9)])
def test_adaptive_repeats_with_looks_need_at_most_sixty_percent_of_the_calls_at_equal_power(
    n, how, shift, power, request
):
    drawn = source(request.node.name)
    fixed, found, calls, spent = np.array([how(drawn, shift) for _ in range(n)]).T
    assert at_least(int(found.sum()), n, fixed.mean())
    assert fixed.mean() > power
    assert spent.sum() <= 0.6 * calls.sum()


@pytest.mark.parametrize("n", REPLICATIONS)
@pytest.mark.parametrize("how", [stored, anew])
def test_adaptive_repeats_with_looks_keep_five_percent(n, how, request):
    drawn = source(request.node.name)
    assert at_most(sum(how(drawn, 0.0)[1] for _ in range(n)), n, 0.05)


@pytest.mark.parametrize("n", REPLICATIONS)
def test_crossed_repeats_are_unbiased_and_a_sides_own_wavering_is_not(n, request):
    drawn = source(request.node.name)
    rate, cross, own = 0.85, [], []
    for _ in range(n):
        a, b = ((drawn.random((100, FIRST + MORE)) < rate).astype(float) for _ in range(2))
        ra, rb = crossed(a, b)
        cross.append(averaged(a, ra).mean())
        own.append(averaged(a, rb).mean())
    for errors, unbiased in ((np.array(cross) - rate, True), (np.array(own) - rate, False)):
        assert (abs(errors.mean()) < 3.3 * errors.std() / np.sqrt(n)) == unbiased
