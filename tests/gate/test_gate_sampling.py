"""Flaky samples: flips, the posterior, quarantine with an end, and verdicts that quarantine may not change."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from evalkit.gate.sampling import Quarantine, active, beside, flaky, flip_rate, noise

sys.path.insert(0, str(Path(__file__).parent))
from gate_cases import accuracy, difference, one, verdict


@given(st.integers(0, 8), st.integers(0, 8))
@settings(max_examples=40)
def test_the_flip_rate_is_the_share_of_pairs_that_differ(passes: int, failures: int) -> None:
    runs = [1] * passes + [0] * failures
    pairs = list(combinations(runs, 2))
    expected = sum(a != b for a, b in pairs) / len(pairs) if pairs else 0.0
    assert flip_rate(passes, len(runs)) == pytest.approx(expected)


@given(st.integers(1, 400), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_the_posterior_is_scipys(runs: int, share: float) -> None:
    passes = round(share * runs)
    (found,) = flaky([("s", passes, runs)])
    posterior = beta(passes + 1, runs - passes + 1)
    assert found.unstable == pytest.approx(float(posterior.cdf(0.95) - posterior.cdf(0.05)), abs=1e-9)
    assert found.flaky is (runs >= 5 and found.unstable >= 0.95)


@pytest.mark.parametrize(
    ("passes", "runs", "flagged"),
    [
        (2, 4, False),
        (2, 5, True),
        (1, 5, True),
        (0, 5, False),
        (5, 5, False),
        (1, 10, False),
        (3, 10, True),
        (1, 60, False),
        (0, 0, False),
    ],
)
def test_who_is_flagged(passes: int, runs: int, flagged: bool) -> None:
    (found,) = flaky([("s", passes, runs)])
    assert found.flaky is flagged
    assert 0 <= found.unstable <= 1


def test_the_most_flipping_come_first_and_the_suite_has_a_noise() -> None:
    found = flaky([("b", 5, 5), ("a", 5, 5), ("c", 1, 2), ("d", 0, 1)])
    assert [one.sample_id for one in found] == ["c", "a", "b", "d"]
    assert noise(found) == pytest.approx(1 / 3)
    assert noise(flaky([("d", 0, 1)])) is None
    with pytest.raises(ValueError, match="sample 'x': 3 passes of 2 runs cannot be"):
        flaky([("x", 3, 2)])


def test_quarantine_ends() -> None:
    day = date(2026, 9, 10)
    first = Quarantine("b", date(2026, 9, 1), date(2026, 9, 10), "flips")
    longer = replace(first, until=date(2026, 9, 20))
    over = Quarantine("c", date(2026, 8, 1), date(2026, 9, 9), "was")
    later = Quarantine("d", date(2026, 9, 11), date(2026, 9, 30), "will be")
    mine = Quarantine("a", day, day, "today")
    assert active([first, longer, over, later, mine], day) == [mine, longer]
    assert active([longer, first], day) == [longer]
    assert active([first], date(2026, 9, 11)) == []


def test_quarantine_changes_no_verdict_and_says_what_it_would() -> None:
    all_of_them = verdict(one(accuracy(), difference(-0.06, 0.01)), one(accuracy(slice="x"), difference(0.0, 0.01)))
    without = verdict(one(accuracy(), difference(0.0, 0.01)), one(accuracy(slice="x"), difference(0.0, 0.01)))
    found = beside(all_of_them, without, ["s1", "s2"])
    assert (found.outcome, found.code, found.judged) == (all_of_them.outcome, all_of_them.code, all_of_them.judged)
    assert found.warnings == (
        "accuracy is REGRESSION with all samples, PASS without the 2 quarantined: all samples decide",
    )
    assert beside(all_of_them, without, []) is all_of_them
    assert beside(without, without, ["s1"]) == without
