"""What a paired comparison promises a gate: margins are monotone, and clustered intervals cover."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from honesty import REPLICATIONS, at_least, source

from evalkit.core.types import Metric
from evalkit.stats.fold import Observations
from evalkit.stats.paired import Pair, Question, compare

PAIRS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=12, max_size=60)


def asked(values, cluster):
    codes = np.arange(len(values))
    return Observations(codes, 0 * codes, np.asarray(cluster), np.asarray(values, dtype=float))


def found(candidate, baseline, cluster, **question):
    pair = Pair(asked(candidate, cluster), asked(baseline, cluster))
    return compare(Question(Metric("m"), pair, **question), seed=1, resamples=200)


@settings(max_examples=40, deadline=None)
@given(PAIRS, st.floats(0, 0.3), st.floats(0, 0.3), st.integers(1, 3))
def test_a_larger_margin_never_turns_a_pass_into_a_failure(pairs, one, other, size):
    """Property 6 of the specification: bounds do not know the margin, and evidence of a failure shrinks with it."""
    narrow, wide = sorted((one, other))
    candidate, baseline = zip(*pairs, strict=True)
    cluster = np.arange(len(pairs)) // size
    first, second = (found(candidate, baseline, cluster, null=-m) for m in (narrow, wide))
    assert (first.lower, first.upper, first.low, first.high) == (second.lower, second.upper, second.low, second.high)
    if first.p_fail is not None and second.p_fail is not None:
        assert second.p_fail >= first.p_fail - 1e-9


@pytest.mark.parametrize("n", REPLICATIONS)
@pytest.mark.parametrize("groups", [20, 60])
def test_clustered_differences_are_covered_and_independent_ones_are_not(n, groups, request):
    """Property 7 of the specification: five samples per cluster, whose differences share half of their variance."""
    drawn = source(request.node.name)
    cluster = np.repeat(np.arange(groups), 5)
    held = np.zeros(2, dtype=int)
    for _ in range(n):
        base = drawn.normal(size=cluster.size)
        other = base + 0.1 + drawn.normal(size=groups)[cluster] + drawn.normal(size=cluster.size)
        for place, codes in enumerate((cluster, np.arange(cluster.size))):
            difference = found(other, base, codes)
            held[place] += difference.low <= 0.1 <= difference.high
    assert at_least(held[0], n, 0.95)
    assert not at_least(held[1], n, 0.95)
