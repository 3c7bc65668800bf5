"""`evalkit plan` before and after runs: worst case, pilots, repeats, clusters, slices, money; and what it refuses."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_recorded import PLAIN, recorded

GATE = {"metric": "exact_match", "margin": 0.05}
TWO = {"new": (0.9, PLAIN), "old": (0.8, PLAIN)}
Z = 1.6448536 + 0.8416212


def planned(world, *arguments, code=0):
    return world.quick("plan", "sums.yaml", *arguments, "--json").expect(code).rows()


def test_before_any_run_the_worst_case_stands_and_the_gate_is_named(tmp_path):
    world = recorded(tmp_path, TWO, gates=[GATE])
    (row,) = planned(world)
    assert row["variance_from"].startswith("no earlier run: the worst case")
    assert row["sd"] == pytest.approx(math.sqrt(0.5))
    assert row["sees"] == pytest.approx(Z * math.sqrt(0.5 / 120), rel=1e-5)
    assert row["samples_needed"] == math.ceil(Z**2 * 0.5 / 0.05**2)
    assert row["underpowered"]
    assert (row["usd"], row["tokens"], row["seconds"]) == (None, None, None)
    told = world.quick("plan", "sums.yaml").expect(0).out
    assert "underpowered: sums: exact_match sees 16.1 points, the margin is 5 points" in told
    assert "unknown" in told
    assert not (tmp_path / ".evalkit" / "store.duckdb").exists()


def test_a_pilot_of_two_gives_the_variance_of_their_differences(tmp_path):
    world = recorded(tmp_path, TWO, gates=[GATE])
    world.run().expect(0)
    (row,) = planned(world, "--detect", "0.1", "-c", "new")
    values = world.sql(
        "select a.value - b.value as d from scores a join scores b using (sample_id, repeat, metric)"
        " where a.candidate = 'new' and b.candidate = 'old' and metric = 'exact_match'"
    )
    mean = sum(one["d"] for one in values) / 120
    sd = math.sqrt(sum((one["d"] - mean) ** 2 for one in values) / 119)
    assert row["variance_from"] == "paired differences of two entries"
    assert row["sd"] == pytest.approx(sd, rel=0.12)
    assert row["samples_needed"] == pytest.approx(Z**2 * sd**2 / 0.1**2, rel=0.25)
    assert row["calls"] == row["samples_needed"]
    assert row["seconds"] == pytest.approx(row["calls"] * 0.5)
    assert row["tokens"] == pytest.approx(row["calls"] * 25)
    assert row["usd"] is None, "an unknown price is never 0"
    more, less = (planned(world, "--detect", size)[0]["samples_needed"] for size in ("0.05", "0.2"))
    assert more == pytest.approx(16 * less, rel=0.05)
    (surer,) = planned(world, "--detect", "0.1", "--power", "0.95")
    assert surer["samples_needed"] > row["samples_needed"]


def test_repeats_and_clusters_of_a_pilot_count(tmp_path):
    world = recorded(tmp_path, TWO, repeats=4)
    world.run().expect(0)
    (row,) = planned(world, "--detect", "0.05", "-c", "new")
    assert row["repeats"] == 4
    assert row["se_floor"] < row["se"]
    assert 1 <= row["repeats_advised"] <= 10
    assert row["calls"] == row["samples_needed"] * row["repeats_advised"]
    assert row["design_effect"] > 0
    told = world.quick("plan", "sums.yaml", "-c", "new", "--detect", "0.05").expect(0).out
    assert "with endless repeats" in told
    assert "the margin is the default" in told


def test_equal_repeats_tell_nothing(tmp_path):
    world = recorded(tmp_path, {"new": (1.0, PLAIN), "old": (0.0, PLAIN)}, repeats=2, count=40)
    world.run().expect(0)
    rows = planned(world, "-c", "new")
    assert rows[0]["sees"] is None or rows[0]["sees"] < 0.3


def test_one_entry_alone_and_one_candidate_unknown(tmp_path):
    world = recorded(
        tmp_path, {"new": (0.9, PLAIN)}, gates=[GATE, {"metric": "exact_match", "mode": "threshold", "floor": 0.8}]
    )
    world.run().expect(0)
    against, floor = planned(world)
    share = world.one("select value from leaderboard where slice = ''")
    assert against["variance_from"].startswith("one entry, the other taken as independent")
    assert floor["variance_from"] == "one entry, against a fixed floor"
    assert floor["sd"] < against["sd"]
    assert floor["sd"] == pytest.approx(math.sqrt(share * (1 - share)), rel=0.25)
    (row, _) = planned(world, "-c", "someone/new")
    assert row["variance_from"].startswith("no earlier run")
    assert row["candidate"] == "someone/new"


def test_a_gate_on_a_slice_plans_for_its_share(tmp_path):
    world = recorded(tmp_path, TWO, gates=[{**GATE, "slice": "lang:de"}])
    (before,) = planned(world)
    assert "not known before a run" in before["notes"][0]
    world.run().expect(0)
    (row,) = planned(world)
    assert row["samples"] == 40
    assert row["calls"] >= 3 * row["samples_needed"] - 3


def test_metrics_are_chosen_and_relative_margins_made_absolute(tmp_path):
    world = recorded(tmp_path, TWO, scorers=["exact_match", "length"], gates=[{**GATE, "relative": True}])
    world.run().expect(0)
    (row,) = planned(world)
    old = world.one("select value from leaderboard where candidate = 'old' and metric = 'exact_match' and slice = ''")
    assert row["margin"] == pytest.approx(0.05 * old)
    (length,) = planned(world, "-m", "length_words", "--detect", "0.5")
    assert (length["metric"], length["detect"]) == ("length_words", 0.5)
    done = world.quick("plan", "sums.yaml", "-m", "exact_mach").expect(2)
    assert "did you mean 'exact_match'" in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--detect", "0"), "above 0"),
        (("--detect", "-1"), "above 0"),
        (("--power", "1"), "--power"),
        (("--alpha", "0"), "--alpha"),
    ],
)
def test_an_aim_that_cannot_be_is_refused(tmp_path, arguments, told):
    world = recorded(tmp_path, TWO, count=12)
    assert told in world.quick("plan", "sums.yaml", *arguments).expect(2).err


def test_a_wrong_suite_says_everything(tmp_path):
    world = recorded(tmp_path, TWO, count=12)
    world.write(suite={"gates": [{"metric": "exact_mach", "margin": 0.1}], "scorers": ["exact_match"]})
    done = world.quick("plan", "sums.yaml").expect(2)
    assert "gates[0].metric" in done.err
    assert "did you mean 'exact_match'" in done.err


def test_a_run_says_before_it_asks_that_a_gate_is_underpowered(tmp_path):
    world = recorded(tmp_path, TWO, gates=[GATE])
    said = world.quick("run", "sums.yaml").expect(0).err
    assert (
        "warning: underpowered: 120 samples of sums find a change of exact_match in 80 % of cases from 0.161 on" in said
    )
    assert said.index("underpowered") < said.index("estimate:")
    world.write(suite={"gates": [{"metric": "exact_match", "margin": 0.3}]})
    assert "underpowered" not in world.quick("run", "sums.yaml").expect(0).err
