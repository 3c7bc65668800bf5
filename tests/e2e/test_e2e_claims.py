"""Claims on recorded answers by the command line: verdicts, exit codes, protocols, other ways of scoring, the page."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_recorded import PLAIN, claims, loud, recorded, said

VOICES = {
    "good": (0.96, PLAIN),
    "fair": (0.86, PLAIN),
    "weak": (0.5, PLAIN),
    "chatty": (0.95, said),
    "shouty": (0.9, loud),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = recorded(tmp_path_factory.mktemp("claims"), VOICES, task={"prompt": "{{ text }}", "shots": 0})
    made.run().expect(0)
    return made


def checked(world, listed, code, **defaults):
    return world.quick("claims", "check", claims(world, listed, **defaults), "--json").expect(code).rows()


def own(world, name):
    return world.one(f"select value from leaderboard where candidate = '{name}' and slice = ''")


def test_values_are_confirmed_consistent_contradicted_or_not_testable(world):
    rows = checked(
        world,
        [
            {"who": "good", "value": own(world, "good"), "tolerance": 0.1},
            {"who": "fair", "value": 0.99},
            {"who": "fair", "value": 0.9},
            {"who": "nobody", "value": 0.9},
        ],
        3,
    )
    assert [row["verdict"] for row in rows] == ["confirmed", "contradicted", "consistent", "not testable"]
    confirmed, contradicted, consistent, without = rows
    assert confirmed["p_confirm_adjusted"] <= 0.05
    assert -0.1 < confirmed["delta_low"] <= 0 <= confirmed["delta_high"] < 0.1
    assert contradicted["delta_high"] < 0
    assert contradicted["p_adjusted"] >= contradicted["p"]
    assert "less than is claimed" in contradicted["reason"]
    assert consistent["delta_low"] < 0 < consistent["delta_high"]
    assert consistent["samples_needed"] > 120
    assert "never asked" in without["reason"]
    assert without["p"] is None
    assert {row["source"] for row in rows} == {"a model card"}
    assert {row["date"] for row in rows} == {"2026-03-01"}


def test_the_claims_own_uncertainty_can_save_it(world):
    certain, vague = checked(
        world, [{"who": "fair", "value": 0.97}, {"who": "fair", "value": 0.97, "n": 30}], 3, tolerance=0.02
    )
    assert certain["verdict"] == "contradicted"
    assert vague["verdict"] == "consistent"
    assert vague["delta_low"] < certain["delta_low"]


def test_better_than_claimed_is_told_apart(world):
    (row,) = checked(world, [{"who": "good", "value": 0.6}], 3)
    assert "more than is claimed" in row["reason"]


def test_ranks_are_paired_tests(world):
    rows = checked(
        world,
        [
            {"who": "good", "beats": "weak"},
            {"who": "weak", "beats": "good"},
            {"who": "good", "beats": "weak", "by": 0.9},
            {"who": "chatty", "beats": "shouty"},
            {"who": "good", "beats": "nobody"},
        ],
        3,
    )
    assert [row["verdict"] for row in rows] == [
        "confirmed", "contradicted", "contradicted", "not testable", "not testable",
    ] or [row["verdict"] for row in rows][3] == "consistent"  # fmt: skip
    assert rows[0]["delta"] == pytest.approx(own(world, "good") - own(world, "weak"))
    assert rows[0]["delta"] == -rows[1]["delta"]
    assert rows[0]["n"] == 120


def test_outputs_are_scored_again_as_the_claim_says(world):
    plain, extracted, normalised = checked(
        world,
        [
            {"who": "chatty", "value": 0.95, "tolerance": 0.05},
            {"who": "chatty", "value": 0.95, "protocol": {"extraction": "last_number"}},
            {"who": "shouty", "value": 0.9, "protocol": {"normaliser": "squad"}},
        ],
        3,
    )
    assert (plain["own"], plain["verdict"]) == (0.0, "contradicted")
    assert any(signal.startswith("extraction last_number") for signal in plain["signals"])
    assert extracted["own"] > 0.85
    assert extracted["verdict"] == "consistent"
    assert extracted["rescored"]
    assert normalised["verdict"] == "consistent"
    assert not plain["rescored"]
    assert world.one("select count(distinct scorer_sig) from entry_scorer") == 1, "nothing is stored by claims"


def test_another_signature_is_not_testable(world):
    rows = checked(
        world,
        [
            {"who": "good", "value": 0.9, "protocol": {"normaliser": "of the vendor"}},
            {"who": "good", "value": 0.9, "protocol": {"extraction": "of the vendor"}},
            {"who": "good", "metric": "exact_mach", "value": 0.9},
            {"who": "good", "suite": "sum", "value": 0.9},
            {"who": "good", "slice": "lang:dee", "value": 0.9},
        ],
        5,
    )
    assert {row["verdict"] for row in rows} == {"not testable"}
    assert [row["reason"].startswith("other signature") for row in rows] == [True, True, False, False, False]
    for row, told in zip(rows, ("known: none", "unknown", "'exact_match'", "'sums'", "'lang:de'"), strict=True):
        assert told in row["reason"]


def test_protocols_are_laid_side_by_side(world):
    (row,) = checked(
        world,
        [
            {
                "who": "good",
                "value": 0.95,
                "protocol": {"shots": 5, "repeats": 1, "reasoning": "high", "temperature": 0.0, "dataset": "v2"},
            }
        ],
        0,
    )
    assert row["differences"] == [
        "shots: claimed 5, own 0",
        "reasoning: claimed high, own not set",
        "temperature: claimed 0.0, own not set",
        f"dataset: claimed v2, own {world.one('select data_hash from data_set')[:12]} (sums.jsonl)",
    ]
    assert row["unstated"] == ["prompt", "extraction", "normaliser"]
    (same,) = checked(
        world, [{"who": "good", "value": 0.95, "protocol": {"dataset": "sums.jsonl", "normaliser": "strip"}}], 0
    )
    assert same["differences"] == []


def test_a_small_or_blind_test_says_nothing(tmp_path):
    few = recorded(tmp_path / "few", {"good": (0.9, PLAIN)}, count=6)
    few.run().expect(0)
    (row,) = checked(few, [{"who": "good", "value": 0.9}], 5)
    assert row["reason"] == "only 4 clusters; 10 are the least"
    blind = recorded(tmp_path / "blind", {"fair": (0.5, PLAIN)}, count=16)
    blind.run().expect(0)
    (row,) = checked(blind, [{"who": "fair", "value": 0.5}], 5)
    assert row["reason"].startswith("underpowered: 16 samples see departures of")


def test_a_slice_and_a_repeat_may_give_the_number(tmp_path):
    world = recorded(tmp_path, {"good": (0.7, PLAIN)}, count=90, repeats=2)
    rows = [json.loads(line) for line in (tmp_path / "good.jsonl").read_text("utf-8").splitlines()]
    for row in rows:
        number = int(row["id"][1:])
        if number % 3 == 0:
            row["output"] = str(number + number * 37 % 101)
    (tmp_path / "good.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    world.run().expect(0)
    (row,) = checked(world, [{"who": "good", "value": 1.0, "tolerance": 0.05}], 3)
    assert row["signals"] == ["slice lang:de: 1"]
    repeat = world.one("select avg(value) from scores where repeat = 0 and metric = 'exact_match'")
    whole = own(world, "good")
    if abs(repeat - whole) > 0.004:
        (row,) = checked(world, [{"who": "good", "value": repeat, "tolerance": abs(repeat - whole) / 2}], 0)
        assert row["signals"][0].startswith("repeat ")
    (row,) = checked(world, [{"who": "good", "slice": "lang:de", "value": 1.0, "tolerance": 0.2}], 0)
    assert row["verdict"] == "confirmed"
    assert row["n"] == 30


def test_the_panel_shows_ranges_and_ranks_that_turn(world):
    rows = world.quick("claims", "sensitivity", "sums", "--json").expect(0).rows()
    ways = {row["variant"] for row in rows}
    assert {"as the suite scores", "squad", "casefold", "last_number", "boxed"} <= ways
    assert len(ways) >= 5
    turned = [row for row in rows if row["variant"] == "last_number" and row["candidate"] == "chatty"]
    assert "above fair" in turned[0]["turns"]
    assert (turned[0]["least"], turned[0]["greatest"]) == (0.0, turned[0]["value"])
    table = world.quick("claims", "sensitivity", "sums").expect(0).out
    assert "range: good" in table
    assert "scored_anew" not in table
    world.quick("claims", "sensitivity", "nothing").expect(5)
    assert "does not measure" in world.quick("claims", "sensitivity", "sums", "-m", "wer").expect(5).err


def test_the_table_the_csv_and_the_page_say_the_same(world):
    file = claims(world, [{"who": "fair", "value": 0.99}, {"who": "good", "beats": "weak"}])
    page = world.root / "out" / "claims.html"
    done = world.quick("claims", "check", file, "--html", str(page)).expect(3)
    assert "contradicted" in done.out
    assert "Holm" in done.out
    text = page.read_text("utf-8")
    assert "good beats weak" in text
    assert 'class="chip bad">contradicted' in text
    rows = list(csv.DictReader(io.StringIO(world.quick("claims", "check", file, "--csv").expect(3).out)))
    assert [row["verdict"] for row in rows] == ["contradicted", "confirmed"]
    world.quick("claims", "check", file, "--html", str(page)).expect(3)
    assert page.read_text("utf-8") == text, "the same store gives the same bytes"


def test_too_many_errors_are_not_testable(tmp_path):
    world = recorded(tmp_path, {"good": (0.9, PLAIN)}, count=40)
    lines = (tmp_path / "good.jsonl").read_text("utf-8").splitlines()
    broken = [
        json.dumps({"id": json.loads(line)["id"], "error": "down"}) if at < 4 else line for at, line in enumerate(lines)
    ]
    (tmp_path / "good.jsonl").write_text("\n".join(broken) + "\n", "utf-8")
    world.run().expect(5)
    (row,) = checked(world, [{"who": "good", "value": 0.9}], 5)
    assert "10.0% of the answers" in row["reason"] or "incomplete" in row["reason"]


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ([{"who": "good", "value": 91}], "write 0.91"),
        ([{"who": "good", "value": 0.9, "beats": "weak"}], "either `value` or `beats`"),
        ([{"who": "good", "beats": "good"}], "nobody beats himself"),
        ([{"who": "good", "valu": 0.9}], "did you mean 'value'"),
        ([{"value": 0.9}], "`who` is needed"),
        ([{"who": "good", "value": 0.9}] * 2, "says the same as claims[0]"),
        ([{"who": "good", "value": 0.9, "interval": [0.91, 0.95]}], "outside its own interval"),
        ([], "at least 1"),
    ],
)
def test_a_bad_file_ends_with_2_and_a_line(world, listed, told):
    done = world.quick("claims", "check", claims(world, listed)).expect(2)
    assert told in done.err
    assert "claims.yaml:" in done.err


def test_all_problems_are_said_at_once(world):
    done = world.quick("claims", "check", claims(world, [{"who": "good", "value": 91}, {"who": "good", "value": 92}]))
    assert done.expect(2).err.count("write 0.9") == 2
    world.quick("claims", "check", "missing.yaml").expect(2)
