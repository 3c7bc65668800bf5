"""The workload: copies that are what they say they are, written items that are nobody's, and routes that mean something."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from evalkit import registry
from evalkit.core.types import Response, Sample

ROOT = Path(__file__).parents[2]
DATASETS = ROOT / "datasets"
FOLDER = DATASETS / "workload"
ITEMS = [json.loads(line) for line in (FOLDER / "queries.jsonl").read_text("utf-8").splitlines()]
ROUTES = {"classify", "extract", "reason", "search", "act"}
WRITTEN = [item for item in ITEMS if "origin" not in item["meta"]]


def origin(item):
    file, _, ident = item["meta"]["origin"].partition("#")
    lines = (DATASETS / file).read_text("utf-8").splitlines()
    return next(found for found in map(json.loads, lines) if found["id"] == ident)


def words(text):
    plain = re.findall(r"\w+", text.lower())
    return frozenset(zip(plain, plain[1:], plain[2:], strict=False))


def test_the_file_is_what_the_script_makes(tmp_path):
    subprocess.run([sys.executable, ROOT / "scripts/make_workload.py", tmp_path], check=True, capture_output=True)
    assert (tmp_path / "queries.jsonl").read_bytes() == (FOLDER / "queries.jsonl").read_bytes()


def test_it_is_mixed_and_large_enough():
    assert len(ITEMS) >= 200
    assert len({item["id"] for item in ITEMS}) == len(ITEMS)
    counts = Counter(item["meta"]["route"] for item in ITEMS)
    assert set(counts) == ROUTES
    assert min(counts.values()) >= 36
    assert len(WRITTEN) >= 40
    assert yaml.safe_load((FOLDER / "card.yaml").read_text("utf-8"))["items"] == len(ITEMS)


def test_copies_are_their_origins_byte_for_byte():
    for item in ITEMS:
        if "origin" in item["meta"]:
            found = origin(item)
            text = found["input"].get("text", found["input"].get("query"))
            assert item["input"]["text"].encode() == text.encode(), item["id"]
            assert item["input"].get("tools") == found["input"].get("tools"), item["id"]
            assert item["target"] == found["target"], item["id"]
            assert item["group"] == found.get("group", item["id"]), item["id"]


def test_written_items_are_like_nobody_elses():
    others = []
    for file in DATASETS.glob("*/*.jsonl"):
        if file.parent.name not in ("workload", "corpus"):
            for line in file.read_text("utf-8").splitlines():
                given = json.loads(line).get("input", {})
                text = given.get("text", given.get("query", given.get("question")))
                others += [words(text)] if isinstance(text, str) else []
    mine = [words(item["input"]["text"]) for item in WRITTEN]
    assert len(others) > 800
    for place, one in enumerate(mine):
        for other in (*others, *mine[:place]):
            assert len(one & other) <= 0.3 * len(one | other), WRITTEN[place]["id"]


def test_ambiguous_items_point_elsewhere():
    pairs = Counter()
    for item in WRITTEN:
        told = {tag.partition(":")[0]: tag.partition(":")[2] for tag in item["tags"]}
        assert told["surface"] == "ambiguous"
        assert told["looks_like"] in ROUTES - {item["meta"]["route"]}, item["id"]
        pairs[item["meta"]["route"]] += 1
    assert set(pairs.values()) == {11}


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_gold_passes_every_check_and_silence_does_not(route):
    for item in ITEMS:
        if item["meta"]["route"] != route:
            continue
        sample = Sample(item["id"], item["input"], item["target"], meta=item["meta"], checks=tuple(item["checks"]))
        for spec in item["checks"]:
            scorer = registry.make("scorers", spec)
            assert scorer.problem(sample) is None, (item["id"], spec)
            main = scorer.metrics[0].name
            right, silent = (
                asyncio.run(scorer.score(sample, (Response(output=output),), None))[main].value
                for output in (gold(route, item["target"]), "")
            )
            assert right == 1, (item["id"], spec)
            assert silent != 1, (item["id"], spec)


def gold(route, target):
    if route == "search":
        return {"ranking": sorted(target, key=lambda ident: -target[ident])}
    if route == "act":
        calls = [{"name": call["name"], "arguments": first(call["arguments"])} for call in target["calls"]]
        return json.dumps(calls)
    return f"Answer: {target}" if route == "reason" else json.dumps(target)


def first(allowed):
    """The first allowed value of each argument; what may be left out is left out."""
    chosen = {name: values[0] for name, values in allowed.items() if values[0] != ""}
    return {name: first(value) if isinstance(value, dict) else value for name, value in chosen.items()}


def test_facts_of_written_messages_stand_in_them():
    for item in WRITTEN:
        if item["meta"]["route"] == "extract":
            for field in ("organisation", "person", "reference", "place"):
                value = item["target"][field]
                assert value is None or value in item["input"]["text"], (item["id"], field)


def test_passages_that_are_wanted_are_in_the_corpus():
    known = {json.loads(line)["id"] for line in (DATASETS / "corpus/passages.jsonl").read_text("utf-8").splitlines()}
    for item in ITEMS:
        if item["meta"]["route"] == "search":
            assert {ident for ident, grade in item["target"].items() if grade} <= known, item["id"]


SUMS = {
    "reason-written-01": 12 * 1.25 * 12, "reason-written-02": (7 * 48 + 64) * 1.2,
    "reason-written-03": len(range(3, 40, 4)), "reason-written-04": (36 - 36 / 3) / 2,
    "reason-written-05": 250 - 180 * 4 / 3, "reason-written-06": len([n for n in range(1, 51) if n % 5]),
    "reason-written-07": 9, "reason-written-08": 5 * 11 + 4 * 4, "reason-written-09": (2 * 3 + 5) * 7,
    "reason-written-10": int("2F", 16), "reason-written-11": 300 / 4 * 14,
}  # fmt: skip


def test_written_sums_are_right():
    targets = {item["id"]: item["target"] for item in WRITTEN if item["meta"]["route"] == "reason"}
    assert targets == pytest.approx(SUMS)
