"""Claims beyond rates: error rates, prompts, entries that cannot be used, scorers that cannot be turned; and plans."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_recorded import PLAIN, claims, recorded, said
from e2e_world import World

from evalkit.app import sensitivity
from evalkit.providers.mock_server import Settings, running


def checked(world, listed, code, **defaults):
    return world.quick("claims", "check", claims(world, listed, **defaults), "--json").expect(code).rows()


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Two transcribers, one of them without capitals and commas, and one who fails too often."""
    world = recorded(tmp_path_factory.mktemp("words"), {"good": (1.0, PLAIN), "rough": (1.0, PLAIN), "down": (1.0, PLAIN)}, count=40, scorers=["wer", "cer"], family="asr")  # fmt: skip
    rows = [
        {"id": f"s{i:03d}", "text": f"say {i}", "target": f"Hello, number {i} of the Line", "lang": "en"}
        for i in range(40)
    ]
    world.samples(rows)
    world.suite["dataset"]["fields"] = {"id": "id", "input": {"text": "text"}, "target": "target", "tags": ["lang"]}
    world.suite["family"] = "generalist"
    world.write()
    say = {
        "good": lambda text, i: text if i % 3 else f"{text} extra",
        "rough": lambda text, i: text.lower().replace(",", "") if i else text.lower().replace("hello", "yellow"),
        "down": lambda text, i: text,
    }
    for name, make in say.items():
        lines = [{"id": row["id"], "output": make(row["target"], i)} for i, row in enumerate(rows)]
        if name == "down":
            lines[3:7] = [{"id": line["id"], "error": "down"} for line in lines[3:7]]
        (world.root / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    world.run().expect(5)
    return world


def test_lower_is_better_is_understood(words):
    first, behind, none, failing = checked(
        words,
        [
            {"who": "rough", "beats": "good", "by": 0.001},
            {"who": "good", "beats": "rough"},
            {"who": "rough", "value": 0.0},
            {"who": "down", "value": 0.1},
        ],
        3,
        metric="wer",
    )
    assert (first["verdict"], behind["verdict"]) == ("confirmed", "contradicted")
    assert first["delta"] < 0
    assert "2 % of nothing" in none["reason"]
    assert "10.0% of the answers of 'down' failed" in failing["reason"]
    page = words.root / "wer.html"
    words.quick("claims", "check", "claims.yaml", "--html", str(page)).expect(3)
    assert "Lead over the other: wer" in page.read_text("utf-8")


def test_the_normaliser_turns_ranks_of_error_rates(words):
    rows = words.quick("claims", "sensitivity", "sums", "--json").expect(0).rows()
    by = {(row["variant"], row["candidate"]): row["value"] for row in rows}
    assert by["as the suite scores", "rough"] < by["as the suite scores", "good"]
    assert by["whitespace", "rough"] > by["whitespace", "good"]
    assert "above rough" in next(r["turns"] for r in rows if (r["variant"], r["candidate"]) == ("whitespace", "good"))
    assert {row["candidate"] for row in rows} == {"good", "rough"}
    told = words.quick("claims", "sensitivity", "sums").expect(0).out
    assert "left out down: errors" in told
    signals = checked(words, [{"who": "rough", "value": by["whitespace", "rough"], "tolerance": 0.001}], 3, metric="wer")[0]["signals"]  # fmt: skip
    assert signals[0].startswith("normaliser ")


def test_a_panel_has_its_limits(words, monkeypatch):
    monkeypatch.setattr(sensitivity, "MOST_SCORINGS", 600)
    assert "left out good: too many answers" in words.quick("claims", "sensitivity", "sums").expect(0).out
    monkeypatch.setattr(sensitivity, "MOST_SCORINGS", 1)
    assert "more than 1 scorings" in words.quick("claims", "sensitivity", "sums").expect(5).err
    told = words.quick("claims", "check", claims(words, [{"who": "good", "value": 0.5}], metric="wer")).expect(3)
    assert "contradicted" in told.out


def test_prompts_are_named_by_name_hash_or_text(tmp_path):
    asking = {"system": "Be short.", "prompt": "Now: {{ text }}", "generation": {"temperature": 0.5}}
    with running(Settings()) as server:
        world = World.build(
            tmp_path, server.url, 80, models=("sure-p90",), suite={"scorers": ["numeric"], "task": asking}
        )
        world.run().expect(0)
    hashed = world.one("select prompt_hash from prompt where role = 'user'")
    said_so = ["Now: {{ text }}", hashed[:10], "Something else"]
    rows = checked(world, [{"who": "sure-p90", "value": 0.9, "protocol": {"prompt": one, "temperature": 0.5}} for one in said_so], 0, metric="numeric")  # fmt: skip
    assert [any(d.startswith("prompt") for d in row["differences"]) for row in rows] == [False, False, True]
    assert all("temperature" not in " ".join(row["differences"] + row["unstated"]) for row in rows)


def test_what_has_no_normaliser_and_what_cannot_be_built(tmp_path):
    world = recorded(tmp_path, {"good": (0.9, PLAIN), "weak": (0.1, PLAIN)}, count=30, scorers=["numeric", "latency"], primary="checks")  # fmt: skip
    rows = [
        json.loads(line) | {"checks": ["exact_match"]} for line in (tmp_path / "sums.jsonl").read_text().splitlines()
    ]
    world.samples(rows)
    world.suite["dataset"]["fields"]["checks"] = "checks"
    world.write()
    world.run().expect(0)
    without, own, fast = checked(
        world,
        [
            {"who": "good", "metric": "numeric", "value": 0.8, "protocol": {"normaliser": "squad"}},
            {"who": "good", "metric": "checks", "value": 0.8},
            {"who": "good", "metric": "latency_p50", "value": 0.5},
        ],
        5,
    )
    assert "has no normaliser" in without["reason"]
    assert "cannot be built from its spec" in own["reason"]
    assert fast["verdict"] == "not testable"
    assert "knows one way" in world.quick("claims", "sensitivity", "sums", "-m", "latency_p50").expect(5).err
    assert "no interval" in fast["reason"] or "no value" in fast["reason"]
    shown = world.quick("show", "--json").expect(0).rows()
    ranked = {row["candidate"]: row["rank_low"] for row in shown if row["metric"] == "checks"}
    assert ranked == {"good": 1, "weak": 2}, "a sample's own checks are ranked too"


def test_an_incomplete_entry_and_other_samples_are_not_testable(tmp_path):
    world = recorded(tmp_path, {"good": (0.8, PLAIN), "late": (0.8, PLAIN)}, count=30)
    world.run("--budget-tokens", "900").expect(5)
    (row, pair) = checked(world, [{"who": "late", "value": 0.8}, {"who": "good", "beats": "late"}], 5)
    assert "is incomplete" in row["reason"]
    assert "is incomplete" in pair["reason"]


def test_a_tie_of_rank_is_only_consistent(tmp_path):
    world = recorded(tmp_path, {"one": (0.9, PLAIN), "two": (0.9, said)}, count=90, task={"prompt": "{{ text }}", "extract": "last_number"})  # fmt: skip
    world.run().expect(0)
    ahead, behind = checked(world, [{"who": "one", "beats": "two"}, {"who": "two", "beats": "one"}], 0)
    assert {ahead["verdict"], behind["verdict"]} == {"consistent"}
    assert [row["reason"].endswith("not the claimed one") for row in (ahead, behind)].count(True) >= 1


def test_a_plan_skips_twins_and_speaks_of_what_is_unknown(tmp_path):
    world = recorded(tmp_path, {"new": (0.9, PLAIN), "twin": (0.9, PLAIN), "old": (0.7, PLAIN)}, count=60, scorers=["exact_match", "bleu", "latency"])  # fmt: skip
    (tmp_path / "twin.jsonl").write_text((tmp_path / "new.jsonl").read_text("utf-8"), "utf-8")
    (before,) = world.quick("plan", "sums.yaml", "-m", "bleu", "--json").expect(0).rows()
    assert (before["sd"], before["sees"], before["underpowered"]) == (None, None, None)
    assert "no worst case" in before["variance_from"]
    assert "unknown" in world.quick("plan", "sums.yaml", "-m", "bleu").expect(0).out
    world.run("-c", "new", "-c", "twin").expect(0)
    (alone,) = world.quick("plan", "sums.yaml", "-c", "new", "--json").expect(0).rows()
    assert alone["variance_from"].startswith("one entry, the other taken as independent")
    world.run("-c", "old").expect(0)
    (paired,) = world.quick("plan", "sums.yaml", "-c", "new", "--json").expect(0).rows()
    assert paired["variance_from"] == "paired differences of two entries"
    assert paired["sd"] < math.sqrt(2) * 0.5
    (cost,) = world.quick("plan", "sums.yaml", "-c", "new", "-m", "cost", "--json").expect(0).rows()
    assert (cost["sd"], cost["notes"][0].partition(":")[0]) == (None, "cost unknown")
    world.write(suite={"repeats": 3})
    (more,) = world.quick("plan", "sums.yaml", "-c", "new", "--json").expect(0).rows()
    assert (more["repeats"], more["sd"]) == (3, paired["sd"]), "asked once, nothing tells what repeats would change"
    (bleu, latency) = world.quick("plan", "sums.yaml", "-c", "new", "-m", "bleu", "-m", "latency_p50", "--detect", "1", "--json").expect(0).rows()  # fmt: skip
    assert bleu["sd"] > 0
    assert latency["metric"] == "latency_p50"


def test_a_version_of_the_same_candidate_is_the_first_pilot(tmp_path):
    world = recorded(tmp_path, {"new": (0.9, PLAIN), "old": (0.2, PLAIN)}, count=60, repeats=3)
    world.run().expect(0)
    lines = [json.loads(line) for line in (tmp_path / "new.jsonl").read_text("utf-8").splitlines()]
    for line in lines[::25]:
        line["output"] = "changed"
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    world.run("-c", "new").expect(0)
    (row,) = world.quick("plan", "sums.yaml", "-c", "new", "--detect", "0.02", "--json").expect(0).rows()
    (other,) = world.quick("plan", "sums.yaml", "-c", "old", "--detect", "0.02", "--json").expect(0).rows()
    assert row["sd"] < other["sd"], "two versions of one candidate differ less than two candidates"
    assert row["se_floor"] <= row["se"]
