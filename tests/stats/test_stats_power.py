"""Power, minimum detectable effects and sizes against statsmodels and by simulation."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from honesty import REPLICATIONS, at_least, at_most, source

from evalkit.stats.power import (
    binary_sd,
    mcnemar_samples,
    mde,
    noninferiority_samples,
    power_of,
    repeats_worth,
    samples_needed,
    se_floor,
    with_repeats,
    worst_case_sd,
)

CASES = json.loads((Path(__file__).parent.parent / "cases" / "stats" / "power.json").read_text())["cases"]


@pytest.mark.parametrize("case", [case for case in CASES if "sd" in case])
def test_sizes_and_power_match_statsmodels(case):
    wanted = {"alpha": case["alpha"], "power": case["power"]}
    assert samples_needed(case["sd"], case["effect"], **wanted) == math.ceil(case["one_sided"])
    assert samples_needed(case["sd"], case["effect"], two_sided=True, **wanted) == math.ceil(case["two_sided"])
    se = case["sd"] / math.sqrt(80)
    assert power_of(case["effect"], se, alpha=case["alpha"]) == pytest.approx(case["power_at_80"], rel=1e-9)


@pytest.mark.parametrize("case", [case for case in CASES if "connor" in case])
def test_mcnemar_sizes_match_statsmodels_with_two_spreads(case):
    assert mcnemar_samples(case["discordance"], case["effect"]) == math.ceil(case["connor"])


def test_the_smallest_effect_found_is_found_with_the_power_asked():
    for two_sided in (False, True):
        effect = mde(0.01, power=0.9, alpha=0.02, two_sided=two_sided)
        assert power_of(-effect, 0.01, alpha=0.02, two_sided=two_sided) == pytest.approx(0.9)
    assert mde(0.0) == 0.0


def test_without_error_every_effect_is_found_but_none():
    assert (power_of(0.1, 0.0), power_of(0.0, 0.0)) == (1.0, 0.0)


def test_clusters_cost_their_design_effect_and_two_samples_are_the_least():
    assert samples_needed(1.0, 0.1, design_effect=2.0) == pytest.approx(2 * samples_needed(1.0, 0.1), abs=1)
    assert samples_needed(0.001, 5.0) == 2


def test_a_size_that_comes_out_whole_stays_whole():
    assert samples_needed(10.0, mde(1.0)) == 100


def test_a_margin_is_an_effect_to_be_shown():
    assert noninferiority_samples(0.45, 0.03) == samples_needed(0.45, 0.03)
    assert noninferiority_samples(0.45, 0.03, true_benefit=0.01) == samples_needed(0.45, 0.04)
    assert noninferiority_samples(0.45, 0.03, true_benefit=-0.01) == samples_needed(0.45, 0.02)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: mde(-1.0), "cannot be negative"),
        (lambda: mde(1.0, alpha=0.0), "alpha lies between"),
        (lambda: mde(1.0, power=1.0), "power lies between"),
        (lambda: samples_needed(1.0, 0.0), "found by no number of samples"),
        (lambda: mcnemar_samples(0.2, 0.0), "found by no number of samples"),
        (lambda: noninferiority_samples(1.0, 0.02, true_benefit=-0.02), "not inside a margin"),
        (lambda: binary_sd(0.1, 0.2), "cannot hold an effect"),
        (lambda: binary_sd(1.2, 0.2), "cannot hold an effect"),
        (lambda: worst_case_sd(1.1), "lies in 0..1"),
        (lambda: with_repeats(0.1, 0.1, 0, 0.1, 1), "at least once"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_the_spread_of_paired_differences():
    assert binary_sd(0.2, 0.0) == math.sqrt(0.2)
    assert binary_sd(0.2, -0.1) == math.sqrt(0.19)
    assert worst_case_sd(0.5) == pytest.approx(math.sqrt(0.5))
    assert worst_case_sd(1.0) == 0.0


def test_repeats_shrink_the_noise_down_to_the_floor():
    assert with_repeats(0.04, 0.2, 5, 0.3, 2) == pytest.approx(math.sqrt(0.04 + 0.04 + 0.15))
    assert with_repeats(-0.01, 0.2, 5, 0.2, 5) == pytest.approx(math.sqrt(0.08))
    assert se_floor(0.04, 100) == 0.02
    assert se_floor(-1.0, 100) == 0.0


@pytest.mark.parametrize(
    ("omega2", "sigma2", "worth"), [(1.0, 0.0, 1), (0.0, 1.0, 10), (-1.0, 1.0, 10), (1.0, 0.1, 1), (0.0, 0.0, 1)]
)
def test_repeats_are_worth_it_while_each_gains_five_percent(omega2, sigma2, worth):
    assert repeats_worth(omega2, sigma2) == worth


@settings(max_examples=50)
@given(st.floats(0, 2), st.floats(0.001, 2))
def test_the_last_repeat_that_is_worth_it_gains_five_percent_and_the_next_does_not(omega2, sigma2):
    k = repeats_worth(omega2, sigma2)
    gain = [1 - math.sqrt((omega2 + sigma2 / (j + 1)) / (omega2 + sigma2 / j)) for j in (k, max(1, k - 1))]
    assert gain[0] < 0.05
    assert k == 1 or gain[1] >= 0.05


@pytest.mark.parametrize("n", REPLICATIONS)
def test_a_planned_size_has_the_planned_power_and_half_of_it_does_not(n, request):
    drawn, effect, sd = source(request.node.name), 0.1, 0.6
    size = samples_needed(sd, effect, power=0.8)

    def found(samples):
        differences = drawn.normal(effect, sd, (n, samples))
        se = differences.std(axis=1, ddof=1) / math.sqrt(samples)
        return int((differences.mean(axis=1) / se > 1.645).sum())

    full = found(size)
    assert at_least(full, n, 0.8)
    assert at_most(full, n, 0.8)
    assert not at_least(found(size // 2), n, 0.8)
