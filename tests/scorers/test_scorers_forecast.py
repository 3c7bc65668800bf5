"""Forecast metrics: equal to utilsforecast, and the declared rule for every edge."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.types import Sample

ROOT = Path(__file__).parents[2]
NAMES = ("mase", "rmsse", "smape", "wql", "coverage")
PAST = {"series": [1.0, 2.0, 4.0, 3.0], "horizon": 2, "season": 1}
FAN = {f"{level / 10:g}": [float(level), float(level)] for level in range(1, 10)}


def one(kit, spec: str, output, target=(5.0, 5.0), **changed):
    return kit.one(spec, output, list(target), input={**PAST, **changed})


def test_the_golden_cases_are_those_of_the_library(kit, tmp_path):
    command = [sys.executable, "-W", "ignore", ROOT / "scripts/make_forecast_cases.py", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    for name in NAMES:
        now, kept = json.loads((tmp_path / f"{name}.json").read_text("utf-8")), kit.load(name)
        assert now["made_by"]["version"] == version("utilsforecast")
        assert now["cases"] == kept["cases"]


def test_a_history_no_longer_than_the_season_is_measured_by_lag_one_and_says_so(kit):
    found = one(kit, "mase", [5, 6], season=4)
    assert found.value == pytest.approx(0.5 / (4 / 3))
    assert "4 steps of history are not more than the season of 4: measured by lag 1" in found.reason
    assert one(kit, "mase", [5, 6], season=3).reason is None


@pytest.mark.parametrize("series", [[2.0, 2.0, 2.0], [7.0]])
@pytest.mark.parametrize("name", ["mase", "rmsse"])
def test_a_sample_without_a_scale_is_left_out_of_the_mean_with_the_reason(kit, name, series):
    scorer = registry.make("scorers", name)
    left_out = one(kit, name, [5, 6], series=series)
    assert left_out.parts == {"sum": 0.0, "n": 0.0}
    assert left_out.reason.startswith("left out: ")
    counted = one(kit, name, [5, 6])
    both = kit.fold(scorer.metrics[0], [left_out, counted])
    assert both[0] == pytest.approx(counted.value)


def test_zero_over_zero_is_no_error_for_smape_and_all_zero_truth_is_said_for_wql(kit):
    assert one(kit, "smape", [0, 5], target=(0.0, 5.0)).value == 0.0
    assert one(kit, "smape", [3, 5], target=(0.0, 5.0)).value == pytest.approx(1.0)
    found = one(kit, "wql", {"quantiles": FAN}, target=(0.0, 0.0))
    assert found.parts["size"] == 0.0
    assert "all 0" in found.reason


def test_wql_is_pooled_over_samples(kit):
    scorer = registry.make("scorers", "wql")
    scores = [one(kit, "wql", {"quantiles": FAN}, target=target) for target in ((5.0, 5.0), (500.0, 1.0))]
    pooled = sum(s.parts["loss"] for s in scores) / sum(s.parts["size"] for s in scores)
    assert kit.fold(scorer.metrics[0], scores)[0] == pytest.approx(pooled)
    assert pooled != pytest.approx(np.mean([s.value for s in scores]))


def test_coverage_counts_the_borders_and_needs_its_quantiles(kit):
    assert one(kit, "coverage", {"quantiles": FAN}, target=(1.0, 9.0)).value == 1.0
    assert one(kit, "coverage", {"quantiles": FAN}, target=(0.9, 9.0)).value == 0.5
    assert one(kit, "coverage(level=0.6)", {"quantiles": FAN}, target=(1.0, 8.0)).value == 0.5
    found = one(kit, "coverage(level=0.5)", {"quantiles": FAN})
    assert (found.value, found.reason) == (None, "the answer has no quantiles 0.25 and 0.75")
    assert one(kit, "wql", [5, 5]).reason == "the answer has no quantile 0.1; 0.1, 0.2 ... 0.9 are needed"


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("soon", "JSON"),
        ([1], "has 1 steps, 2 were asked for"),
        ([1, None], "step 2 is None"),
        ([1, True], "step 2 is True"),
        ({"mean": [1, 1e200]}, "too large"),
        ({"values": [1, 2]}, "no forecast: none of mean"),
        ({"quantiles": {"0.1": [1, 2]}}, "no forecast"),
        ({"mean": [1, 2], "quantiles": [1]}, "quantiles must be an object"),
        ({"mean": [1, 2], "quantiles": {"p10": [1, 2]}}, "'p10' is no quantile level"),
        ({"mean": [1, 2], "quantiles": {"1.5": [1, 2]}}, "between 0 and 1"),
    ],
)
def test_an_answer_that_is_no_forecast_is_not_scorable(kit, output, told):
    found = one(kit, "mase", output)
    assert found.value is None
    assert told in found.reason


def test_points_stand_under_several_names_or_as_the_median(kit):
    same = {
        one(kit, "mase", answer).value
        for answer in ([5, 6], {"forecast": [5, 6]}, {"quantiles": {"0.5": [5, 6]}}, "[5, 6]")
    }
    assert same == {one(kit, "mase", {"mean": [5, 6]}).value}


@pytest.mark.parametrize(
    ("given_input", "target", "told"),
    [
        (PAST, "5", "the target must be a list of numbers"),
        (PAST, [], "the target must be a list of numbers"),
        ({**PAST, "series": [1, "2"]}, [5.0], "input.series: step 2 is '2'"),
        ({**PAST, "season": 0}, [5.0], "season must be a whole number of at least 1"),
    ],
)
def test_wrong_samples_are_found_at_validation(given_input, target, told):
    scorer = registry.make("scorers", "mase")
    assert told in scorer.problem(Sample("a", given_input, target))
    assert scorer.problem(Sample("a", PAST, [5.0, 5.0])) is None


def test_options_are_checked():
    with pytest.raises(ValueError, match=r"level=1.5 must lie between 0 and 1"):
        registry.make("scorers", "coverage(level=1.5)")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=2), st.floats(0.01, 1000))
def test_scaled_errors_do_not_know_the_unit(points, unit):
    scorer = registry.make("scorers", "mase")

    def value(factor: float) -> float:
        import asyncio

        from evalkit.core.types import Response

        sample = Sample("a", {**PAST, "series": [v * factor for v in PAST["series"]]}, [5.0 * factor, 5.0 * factor])
        response = Response(output=[p * factor for p in points])
        return asyncio.run(scorer.score(sample, [response], None))["mase"].value

    assert value(unit) == pytest.approx(value(1.0), rel=1e-6, abs=1e-9)
