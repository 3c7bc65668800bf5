"""What may be spent, what is asked again and what is not, and what an answer cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_world import World, sums

from evalkit.providers.mock_server import Server, Settings, running
from evalkit.store.database import Store

ONE = ("perfect",)
# The mock server reports ceil(characters / 4) + 8 prompt tokens and one answer token or so for each sum.
PRICED = [{"model": "perfect", "usd": {"input_tokens": 1000.0, "output_tokens": 1000.0}, "dated": "2026-01-01"}]


@pytest.fixture(scope="module")
def process() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def server(process: Server) -> Server:
    process.config(**{name: getattr(Settings(), name) for name in Settings.__dataclass_fields__})
    process.reset()
    return process


def asked(server: Server) -> int:
    """How many calls came since this was asked last."""
    total: int = server.reset()["total"]
    return total


def calls(world: World) -> int:
    found: int = world.one("select count(*) from call where error_kind is null")
    return found


def priced(tmp_path: Path, server: Server, count: int = 100, **more: Any) -> World:
    project = {"prices": PRICED, "defaults": {"confirm_above_usd": 1000}}
    return World.build(tmp_path / "project", server.url, count, models=ONE, project=project, **more)


def spent(world: World) -> float:
    found: float = world.one("select sum(usd) from cost")
    return found


@pytest.mark.parametrize(
    ("limit", "suite", "why"),
    [
        (("--budget-usd", "0.5"), {}, "the run budget of $0.5 is spent"),
        (("--budget-tokens", "500"), {}, "the run budget of 500 tokens is spent"),
        ((), {"limits": {"budget_usd": 0.5}}, "the suite budget of $0.5 is spent"),
        ((), {"limits": {"budget_tokens": 500}}, "the suite budget of 500 tokens is spent"),
    ],
)
def test_a_budget_stops_within_the_calls_in_flight_and_a_larger_one_goes_on(tmp_path, server, limit, suite, why):
    server.config(latency_ms=5)
    world = priced(tmp_path, server, suite=suite)
    stopped = world.run("--concurrency", "4", *limit).expect(5)
    assert why in stopped.err
    assert "cells have no answer" in stopped.err
    dearest = world.one("select max(usd) from cost")
    tokens = "cast(usage->>'input_tokens' as double) + cast(usage->>'output_tokens' as double)"
    if "tokens" in why:
        total, most = world.one(f"select sum({tokens}) from call"), world.one(f"select max({tokens}) from call")
        assert 500 <= total < 500 + 4 * most
    else:
        assert 0.5 <= spent(world) < 0.5 + 4 * dearest
    first = asked(server)
    assert first == calls(world) < 100
    entry = world.sql("select status, reason from entry")[0]
    assert entry["status"] == "incomplete"
    assert why in entry["reason"]
    assert not world.leaderboard()
    if suite:
        world.write(suite={"limits": {}})
    world.run().expect(0)
    assert asked(server) == 100 - first
    world.nothing_lost_or_doubled()


@pytest.mark.parametrize("how", ["option", "suite"])
def test_wall_time_is_a_budget_too(tmp_path, server, how):
    server.config(latency_ms=200)
    limits = {} if how == "option" else {"limits": {"max_seconds": 0.5}}
    world = World.build(tmp_path / "project", server.url, 100, models=ONE, suite=limits)
    option = ("--max-seconds", "0.5") if how == "option" else ()
    stopped = world.run("--concurrency", "2", *option).expect(5)
    assert f"{'run' if how == 'option' else 'suite'} time limit of 0.5 s is over" in stopped.err
    first = asked(server)
    assert 2 <= first < 100
    server.config(latency_ms=0)
    world.write(suite={"limits": {}})
    world.run().expect(0)
    assert asked(server) == 100 - first


def test_a_budget_in_money_without_a_price_is_said_not_ignored(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 20, models=ONE)
    done = world.cli("run", "sums.yaml", "--budget-usd", "0.01")
    assert "warning: a budget in US dollars cannot hold perfect: the price is unknown" in done.err
    assert "--budget-tokens" in done.err
    assert "cannot hold" not in world.run("--budget-usd", "0.01").err, "nothing is asked any more"


def test_a_cost_that_nobody_confirmed_leaves_nothing_behind(tmp_path, server):
    project = {"prices": PRICED, "defaults": {"confirm_above_usd": 0.01}}
    world = World.build(tmp_path / "project", server.url, 20, models=ONE, project=project)
    refused = world.cli("run", "sums.yaml").expect(2)
    assert "above $0.01; pass --yes to agree" in refused.err
    assert asked(server) == 0
    assert world.quick("list", "runs", "--json").rows() == []
    for table in ("run", "entry", "cell", "answer", "call"):
        assert world.one(f"select count(*) from {table}") == 0
    assert not list(world.store.glob("runs/*/*.jsonl"))
    world.run("--yes").expect(0)
    assert asked(server) == 20


def test_the_known_part_of_a_cost_is_confirmed_even_when_another_price_is_unknown(tmp_path, server):
    project = {"prices": PRICED, "defaults": {"confirm_above_usd": 0.01}}
    world = World.build(tmp_path / "project", server.url, 20, models=("perfect", "sure-p90"), project=project)
    assert "without sure-p90, above $0.01" in world.run().expect(2).err
    assert asked(server) == 0


def test_replay_only_asks_nobody(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 20, models=ONE)
    missed = world.run("--replay-only").expect(5)
    assert "--replay-only: 20 answers are not in the store" in missed.err
    assert world.quick("list", "runs", "--json").rows() == []
    world.run().expect(0)
    asked(server)
    world.run("--replay-only").expect(0)
    world.samples(sums(21))
    assert "'s0020'" in world.run("--replay-only").expect(5).err
    assert asked(server) == 0


def test_fresh_keeps_both_generations(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 20)
    world.run("-c", "sure-p90").expect(0)
    world.run("-c", "sure-p90", "--fresh").expect(0)
    assert asked(server) == 40
    generations = "select generation, count(*) as n from call where model like '%sure%' group by 1 order by 1"
    assert [row["n"] for row in world.sql(generations)] == [20, 20]
    world.run().expect(0)
    assert asked(server) == 20, "only the candidate that is new"
    world.run().expect(0)
    assert asked(server) == 0, "each candidate goes on in its own newest generation"
    newest = world.sql("select candidate, max(generation) as g from entry group by 1 order by 1")
    assert [row["g"] for row in newest] == [1, 0]


def test_one_sample_more_is_one_call(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 1000, models=ONE)
    world.run().expect(0)
    assert asked(server) == 1000
    world.samples([*sums(500), *sums(1, first=5000), *sums(500, first=500)])
    world.run().expect(0)
    assert asked(server) == 1
    assert reasons(world) == {"the sample (or repeat) is new": 1}


def reasons(world: World) -> dict[str, int]:
    rows = world.quick("explain-miss", "last", "--json").expect(0).rows()
    return {row["why"]: row["cells"] for row in rows}


def test_explain_miss_names_what_changed(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 10, models=ONE)
    world.run().expect(0)
    assert reasons(world) == {"first run of this candidate on this suite": 10}
    world.run().expect(0)
    assert reasons(world) == {}
    world.write(suite={"task": {"prompt": "Now: {{ text }}", "generation": {"temperature": 0.5}}})
    world.run().expect(0)
    assert reasons(world) == {"the request changed in: messages, temperature": 10}
    world.run("--fresh").expect(0)
    assert reasons(world) == {"--fresh opened generation 1": 10}
    changed = sums(10)
    changed[3]["text"] = "How much is 2 + 2?"
    changed[3]["target"] = "4"
    world.samples(changed)
    world.run().expect(0)
    assert reasons(world) == {"the request changed in: messages": 1}
    server.config(error_rate=1.0, error_mix="500:1")
    world.run("--fresh", "--retries", "0").expect(5)
    server.config(error_rate=0.0)
    world.run().expect(0)
    failed = "it failed last time (provider_error); errors are never reused"
    assert reasons(world) == {failed: 10}


def test_only_failed_asks_what_failed(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 60, models=("weak-p60",))
    server.config(error_rate=0.3, error_mix="500:1", attempt_faults=1)
    world.run("--retries", "0").expect(5)
    server.config(error_rate=0.0)
    failing = "select sample_id from scores where metric = 'numeric' and (status <> 'scored' or value = 0)"
    failed = {row["sample_id"] for row in world.sql(failing)}
    errors = world.one("select count(*) from call where error_kind is not null")
    assert 0 < errors < len(failed) < 60
    asked(server)
    world.run("--only-failed").expect(0)
    assert asked(server) == errors, "a wrong answer is known; only what has no answer is asked"
    newest = "select sample_id from cells where run_id = (select max(run_id) from run)"
    assert {row["sample_id"] for row in world.sql(newest)} == failed


def test_a_limit_is_the_same_samples_when_the_data_grow(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 40, models=ONE)
    world.run("--limit", "10").expect(0)
    assert asked(server) == 10
    world.run("--limit", "15").expect(0)
    assert asked(server) == 5
    chosen = {row["sample_id"] for row in world.sql("select distinct sample_id from cell")}
    world.samples(reversed(sums(44)))
    world.run("--limit", "15").expect(0)
    again = world.sql("select sample_id from cells where run_id = (select max(run_id) from run)")
    new = {row["sample_id"] for row in again} - chosen
    assert new <= {f"s{i:04d}" for i in range(40, 44)}
    assert asked(server) == len(new)


def test_sample_id_asks_those_and_knows_no_others(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 10, models=ONE)
    world.run("--sample-id", "s0003", "--sample-id", "s0007").expect(0)
    assert [row["sample_id"] for row in world.sql("select sample_id from cell order by 1")] == ["s0003", "s0007"]
    assert asked(server) == 2
    assert "s9999" in world.run("--sample-id", "s9999").expect(2).err
    assert asked(server) == 0


def test_an_unknown_price_is_unknown_everywhere_and_never_zero(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 10, models=ONE)
    shown = world.cli("run", "sums.yaml").expect(0)
    assert "unknown cost (no price for " in shown.err
    assert "unknown" in shown.out
    rows = world.quick("show", "last", "--json").expect(0).rows()
    assert [row["usd"] for row in rows] == [None] * len(rows)
    cost = world.quick("cost", "--json").expect(0).rows()
    assert [(row["usd"], row["calls_without_price"]) for row in cost] == [(None, 10)]
    assert "unknown" in world.quick("cost").out
    pages = world.pages()
    assert all("$0" not in page for page in pages.values())
    assert "unknown" in pages["suites/sums.html"]


def test_calls_are_repriced_from_stored_units(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 10, models=ONE)
    world.run().expect(0)
    world.write(prices=PRICED)
    assert world.one("select count(usd) from cost") == 0
    rows = world.quick("cost", "--reprice", "--json").expect(0)
    assert "10 calls costed again" in rows.err
    row = rows.rows()[0]
    assert row["usd"] == pytest.approx((row["input_tokens"] + row["output_tokens"]) * 1000 / 1e6)
    assert row["calls_without_price"] == 0
    dearer = json.loads(json.dumps(PRICED))
    dearer[0]["usd"]["output_tokens"] = 2000.0
    world.write(prices=dearer)
    twice = world.quick("cost", "--reprice", "--json").expect(0).rows()[0]
    assert twice["usd"] == pytest.approx((row["input_tokens"] + 2 * row["output_tokens"]) * 1000 / 1e6)
    free = [{"model": "perfect", "usd": 0, "dated": "2026-01-02"}]
    world.write(prices=free)
    assert world.quick("cost", "--reprice", "--json").rows()[0]["usd"] == 0
    assert asked(server) == 10


def test_calls_are_repriced_as_of_a_day_and_in_batches(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 10, models=ONE)
    tokens = {"input_tokens": 1000.0, "output_tokens": 1000.0}
    halves = {unit: usd / 2 for unit, usd in tokens.items()}
    prices = [
        {"model": "perfect", "usd": tokens, "dated": "2026-01-01"},
        {"model": "perfect", "usd": {unit: 2 * usd for unit, usd in tokens.items()}, "dated": "2026-06-01"},
        {"model": "perfect", "usd": halves, "batch": True, "dated": "2026-01-01"},
    ]
    world.write(prices=prices)
    world.run("--yes").expect(0)
    (row,) = world.quick("cost", "--json").expect(0).rows()
    first = (row["input_tokens"] + row["output_tokens"]) * 1000 / 1e6
    assert row["usd"] == pytest.approx(2 * first)
    (row,) = world.quick("cost", "--reprice", "--as-of", "2026-05-31", "--json").expect(0).rows()
    assert row["usd"] == pytest.approx(first)
    assert "2026-01-01" <= world.one("select max(dated)::varchar from cost") <= "2026-05-31"
    (row,) = world.quick("cost", "--reprice", "--as-of", "2025-12-31", "--json").expect(0).rows()
    assert (row["usd"], row["calls_without_price"]) == (None, 10)
    with Store(world.store).open() as connection:
        connection.execute("""update call set meta = '{"batch": "batch_1"}' where position < 4""")
    (row,) = world.quick("cost", "--reprice", "--as-of", "2026-05-31", "--json").expect(0).rows()
    assert first / 2 < row["usd"] < first
    for wrong in (("--reprice", "--as-of", "yesterday"), ("--as-of", "2026-01-01")):
        assert "--as-of" in world.quick("cost", *wrong).expect(2).err
    assert asked(server) == 10
