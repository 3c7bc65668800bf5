from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from evalkit import registry
from evalkit.core.types import Response, Sample
from evalkit.systems._world import World, initial, tools

ROOT = Path(__file__).parents[2]


def read(name):
    return [json.loads(line) for line in (ROOT / "datasets" / name / "samples.jsonl").read_text("utf-8").splitlines()]


REQUESTS, TASKS = read("tool_calls"), read("shop_tasks")


def test_there_are_enough_requests_of_every_class():
    classes = Counter(tag for item in REQUESTS for tag in item["tags"] if tag.startswith("class:"))
    assert sum(classes.values()) >= 80
    assert set(classes) == {f"class:{name}" for name in ("simple", "multiple", "parallel", "none", "missing")}
    assert min(classes.values()) >= 10
    assert any(
        "" in options
        for item in REQUESTS
        for call in item["target"].get("calls", ())
        for options in call["arguments"].values()
    )


def test_every_request_can_be_scored():
    problem = registry.make("scorers", "tool_calls").problem
    assert [problem(Sample(r["id"], r["input"], r["target"])) for r in REQUESTS] == [None] * len(REQUESTS)


def test_keywords_serve_some_requests():
    scorer, baseline = registry.make("scorers", "tool_calls"), registry.make("baselines", "keyword_tools")
    shares = []
    for item in REQUESTS:
        answer = baseline.reply(item["input"]["text"], item["input"]["tools"])
        sample = Sample(item["id"], item["input"], item["target"])
        shares.append(scorer.mark(sample, Response(output=answer))["tool_match"].value)
    assert 0.2 <= sum(shares) / len(shares) <= 0.7


@pytest.mark.parametrize("item", TASKS, ids=lambda item: item["id"])
def test_a_tasks_own_actions_lead_to_its_end_state(item):
    world = World(7)
    for action in item["meta"]["actions"]:
        assert "error" not in world.call(action["name"], action["arguments"])
    assert world.hash == item["target"]["state"]
    assert (world.hash == World(7).hash) == (f"changes:{len(item['meta']['actions'])}" == "changes:0")
    assert f"changes:{len(item['meta']['actions'])}" in item["tags"]


def test_there_are_enough_tasks_and_some_change_nothing():
    assert len(TASKS) >= 20
    assert 3 <= sum(not item["meta"]["actions"] for item in TASKS) <= len(TASKS) / 3
    assert all(item["target"]["says"] for item in TASKS if not item["meta"]["actions"])
    used = {action["name"] for item in TASKS for action in item["meta"]["actions"]}
    changing = {tool["name"] for tool in tools()} - {"find_customer", "list_orders", "get_order", "find_product"}
    assert used == changing


def test_the_seed_makes_the_shop():
    assert initial(7) == initial(7)
    assert initial(7) != initial(8)
