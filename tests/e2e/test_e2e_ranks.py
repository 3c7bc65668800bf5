"""Ranks as intervals in the terminal, as rows and in the report: ties, exclusions, stored and computed alike."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_recorded import PLAIN, recorded

VOICES = {"good": (0.95, PLAIN), "fair": (0.9, PLAIN), "okay": (0.88, PLAIN), "weak": (0.4, PLAIN)}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = recorded(tmp_path_factory.mktemp("ranks"), VOICES, scorers=["exact_match", "length"])
    made.run().expect(0)
    return made


def ranks(rows):
    return {row["candidate"]: (row["rank_low"], row["rank_high"]) for row in rows if row["metric"] == "exact_match"}


def page_of(world):
    index = Path(world.quick("report").expect(0).out.strip())
    return (index.parent / "suites" / "sums.html").read_text("utf-8")


def test_ties_share_their_ranks_and_the_weak_one_is_last(world):
    rows = world.quick("show", "--json").expect(0).rows()
    found = ranks(rows)
    assert found["weak"] == (4, 4)
    assert {found[name] for name in ("good", "fair", "okay")} == {(1, 3)}
    assert all(row["rank_low"] is None for row in rows if row["metric"] != "exact_match")
    table = world.quick("show").expect(0).out
    assert "1-3" in table
    assert "all hold at once with 95 %" in table


def test_a_slice_row_has_no_rank(world):
    rows = world.quick("show", "--slices", "--json").expect(0).rows()
    assert {row["rank_low"] for row in rows if row["slice"]} == {None}


def test_the_run_stores_its_ranks_and_what_is_computed_is_equal(world):
    stored = world.sql("select entry_id, best, worst, shrunken from ranking order by 1")
    assert len(stored) == 4
    assert all(row["shrunken"] is not None for row in stored)
    before = page_of(world)
    sets = world.one("select count(distinct set_id) from ranking")
    assert sets == 1
    from evalkit.app.workspace import open_workspace

    with open_workspace(world.root, {}).store.open() as connection:
        connection.execute("create temp table kept as select * from ranking")
        connection.execute("delete from ranking")
    assert page_of(world) == before, "a report of a store without ranks computes the same"
    assert ranks(world.quick("show", "--json").rows())["weak"] == (4, 4)


def test_the_page_names_who_may_be_first_and_how(world):
    text = page_of(world)
    assert "Who may be first" in text
    assert "3 of 4 candidates" in text
    badges = re.findall(r'<span class="rank (t\d)">([^<]+)</span>', text)
    assert sorted(badges) == [("t0", "1–3")] * 3 + [("t1", "4")]
    assert "by paired tests of all pairs" in text
    assert "shrunken values" in text


def test_a_clear_winner_is_called_first(tmp_path):
    world = recorded(tmp_path, {"good": (0.97, PLAIN), "weak": (0.3, PLAIN)})
    world.run().expect(0)
    text = page_of(world)
    assert "Who is first" in text
    assert "better than the other 1" in text
    assert "shrunken values" not in text, "two candidates say nothing about each other"


def test_one_candidate_alone_has_no_rank(tmp_path):
    world = recorded(tmp_path, {"good": (0.97, PLAIN)}, count=20)
    world.run().expect(0)
    text = page_of(world)
    assert "No ranks: fewer than two entries stand side by side." in text
    assert "rank t0" not in text
    assert "rank" not in world.quick("show").expect(0).out


def test_incomplete_and_skipped_entries_are_shown_and_never_ranked(tmp_path):
    world = recorded(tmp_path, {**VOICES, "stopped": (0.9, PLAIN)}, count=30)
    world.settings["candidates"]["away"] = {"provider": "llamacpp", "model": "not-here.gguf"}
    world.settings["candidates"]["failing"] = {"provider": "replay", "file": "failing.jsonl"}
    broken = [{"id": f"s{i:03d}", "error": "down"} for i in range(30)]
    (tmp_path / "failing.jsonl").write_text("".join(json.dumps(line) + "\n" for line in broken), "utf-8")
    world.write(suite={"candidates": [*VOICES, "failing", "away", "stopped"]})
    world.run("--budget-tokens", str(30 * 25 * 4 + 100)).expect(5)
    rows = world.quick("show", "--json").expect(0).rows()
    by = {row["candidate"]: row for row in rows if row["metric"] in (None, "exact_match")}
    assert (by["away"]["status"], by["away"]["rank_low"]) == ("skipped", None)
    assert (by["stopped"]["status"], by["stopped"]["rank_low"]) == ("incomplete", None)
    assert (by["failing"]["status"], by["failing"]["rank_low"]) == ("complete", None)
    assert by["weak"]["rank_high"] == 4
    text = page_of(world)
    assert "<bdi>failing</bdi> (errors: 100.0% of its cells failed, 2.0% may)" in text
    assert re.search(r"Not ranked: .*<bdi>stopped</bdi> \(incomplete.*<bdi>away</bdi> \(skipped", text, re.DOTALL)


def test_latency_has_no_paired_rank(tmp_path):
    world = recorded(tmp_path, VOICES, count=20, scorers=["latency", "exact_match"], primary="latency_p50")
    world.run().expect(0)
    assert "measured on fresh calls only" in page_of(world)
    assert {row["rank_low"] for row in world.quick("show", "--json").rows()} == {None}
