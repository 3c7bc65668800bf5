"""Simulated truth: how often a change that harms nothing is blocked, and how often a harm passes."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from scipy.stats import binomtest

from evalkit.core.types import Difference
from evalkit.gate.model import Measured, Rule, Verdict

sys.path.insert(0, str(Path(__file__).parent))
from gate_cases import difference, one, verdict

FAST, FULL = 300, 2_000
METRICS, SE, MARGIN = 12, 0.01, 0.02
RULES = [Rule(f"m{number}", margin=MARGIN, higher_is_better=number % 2 == 0) for number in range(METRICS)]


def drawn(draw: random.Random, benefits: list[float], shared: float = 0.0) -> list[Measured]:
    """One experiment: normal differences about true benefits; `shared` is the correlation between metrics."""
    common = draw.gauss(0, 1)
    found = []
    for rule, benefit in zip(RULES, benefits, strict=True):
        noise = SE * (shared**0.5 * common + (1 - shared) ** 0.5 * draw.gauss(0, 1))
        delta = benefit + noise if rule.higher_is_better else -(benefit + noise)
        found.append(one(rule, difference(delta, SE, higher=rule.higher_is_better)))
    return found


def rate(name: str, times: int, happens: Callable[[random.Random], bool]) -> tuple[int, int]:
    """How often it happens; the seed is the hash of the test's name."""
    draw = random.Random(int.from_bytes(sha256(name.encode()).digest()[:8], "big"))
    return sum(happens(draw) for _ in range(times)), times


def excludes(count: int, times: int, most: float) -> bool:
    """Whether the 99.9 % binomial interval lies above `most`."""
    return bool(binomtest(count, times).proportion_ci(0.999, method="exact").low > most)


def blocks(measured: list[Measured]) -> bool:
    return verdict(*measured).outcome == "regression"


def unadjusted(measured: list[Measured]) -> bool:
    """The wrong procedure: every gate by itself."""
    return any(blocks([one]) for one in measured)


REPLICATIONS = pytest.mark.parametrize("times", [FAST, pytest.param(FULL, marks=pytest.mark.nightly)])


@REPLICATIONS
@pytest.mark.parametrize("shared", [0.0, 0.5], ids=["independent", "correlated"])
def test_a_change_that_harms_nothing_is_rarely_blocked(
    request: pytest.FixtureRequest, times: int, shared: float
) -> None:
    name = request.node.name
    count, times = rate(name, times, lambda draw: blocks(drawn(draw, [0.0] * METRICS, shared)))
    assert not excludes(count, times, 0.05), f"{count} of {times} blocked"


@REPLICATIONS
def test_gates_by_themselves_would_block_too_often(request: pytest.FixtureRequest, times: int) -> None:
    count, times = rate(request.node.name, times, lambda draw: unadjusted(drawn(draw, [0.0] * METRICS)))
    assert excludes(count, times, 0.05), f"{count} of {times} blocked: the test could not see a wrong procedure"


@REPLICATIONS
def test_harm_of_a_margin_rarely_passes(request: pytest.FixtureRequest, times: int) -> None:
    """One metric is worse by exactly its margin, the others much better: they cannot outvote it."""
    truth = [-MARGIN, *[0.1] * (METRICS - 1)]
    count, times = rate(request.node.name, times, lambda draw: verdict(*drawn(draw, truth)).outcome == "pass")
    assert not excludes(count, times, 0.05), f"{count} of {times} passed"


@REPLICATIONS
def test_a_point_below_the_margin_would_pass_too_often(request: pytest.FixtureRequest, times: int) -> None:
    """The wrong procedure: pass when the measured drop is below the margin."""

    def passes(draw: random.Random) -> bool:
        head = drawn(draw, [-MARGIN] * METRICS)[0].headline
        return head is not None and head.delta is not None and head.delta > -MARGIN

    count, times = rate(request.node.name, times, passes)
    assert excludes(count, times, 0.05), f"{count} of {times} passed: the test could not see a wrong procedure"


@REPLICATIONS
def test_real_harm_is_blocked(request: pytest.FixtureRequest, times: int) -> None:
    truth = [-0.06, *[0.0] * (METRICS - 1)]
    count, times = rate(request.node.name, times, lambda draw: blocks(drawn(draw, truth)))
    assert count / times > 0.95


@REPLICATIONS
def test_attempts_until_green_stay_bounded(request: pytest.FixtureRequest, times: int) -> None:
    """Harm of the margin, asked anew up to ten times: all passes together stay below 5 %, which naive reruns exceed."""
    from evalkit.stats.sequential import spent as share

    def attempts(draw: random.Random, level: Callable[[int], float]) -> bool:
        for attempt in range(1, 11):
            head: Difference = difference(-MARGIN + draw.gauss(0, SE), SE, alpha=level(attempt))
            found: Verdict = verdict(one(RULES[0], head), alpha=level(attempt), attempt=attempt)
            if found.outcome == "pass":
                return True
        return False

    spent, times = rate(request.node.name, times, lambda draw: attempts(draw, lambda k: share(k, 0.05)))
    naive, _ = rate(request.node.name, times, lambda draw: attempts(draw, lambda _: 0.05))
    assert not excludes(spent, times, 0.05), f"{spent} of {times} passed"
    assert excludes(naive, times, 0.05), f"{naive} of {times} passed: the test could not see a wrong procedure"
