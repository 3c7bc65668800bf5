"""Servers that push back, break, refuse or go away: every cell ends answered or as a typed error, with the reason said."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_world import World, served_at

from evalkit.core.errors import ErrorKind
from evalkit.providers.mock_server import Server, Settings, running

FAULTS = Settings(
    latency_ms=2, error_rate=0.05, error_mix="429:1", retry_after="", disconnect_rate=0.01, malformed_rate=0.01,
    stall_rate=0.005,
)  # fmt: skip


@pytest.fixture(scope="module")
def process() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def server(process: Server) -> Server:
    process.config(**{name: getattr(Settings(), name) for name in Settings.__dataclass_fields__})
    process.config(latency_ms=2)
    process.reset()
    return process


def faulty(server: Server) -> None:
    server.config(**{name: getattr(FAULTS, name) for name in FAULTS.__dataclass_fields__})


def statuses(world: World) -> dict[str, int]:
    rows = world.sql("select status, count(*) as n from cells where run_id = (select max(run_id) from run) group by 1")
    return {row["status"]: row["n"] for row in rows}


def kinds(world: World) -> dict[str, int]:
    rows = world.sql("select error_kind, count(*) as n from calls where error_kind is not null group by 1")
    return {row["error_kind"]: row["n"] for row in rows}


def test_with_retries_every_cell_is_answered_in_spite_of_faults(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 200)
    faulty(server)
    world.cli("run", "sums.yaml", "--timeout", "2", "--concurrency", "32").expect(0)
    assert statuses(world) == {"answered": 400}
    stats = server.stats()
    assert stats["status"]["429"] > 0
    assert stats["disconnects"] > 0
    assert stats["malformed"] > 0
    assert stats["repeat_ok"] == 0
    assert world.one("select max(attempts) from call") > 1
    world.nothing_lost_or_doubled()


def test_without_retries_every_fault_is_a_typed_error_and_the_next_run_asks_only_those(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 200)
    faulty(server)
    server.config(disconnect_rate=0.03, malformed_rate=0.03, stall_rate=0.02)
    failed = world.run("--timeout", "0.5", "--retries", "0", "--concurrency", "32").expect(5)
    assert "cells failed" in failed.err
    assert "more than the allowed 2.0%" in failed.err
    found = statuses(world)
    assert set(found) == {"answered", "errored"}
    assert sum(found.values()) == 400
    assert set(kinds(world)) == {"rate_limited", "connection", "malformed_response", "timeout"}
    assert sum(kinds(world).values()) == found["errored"]
    assert set(kinds(world)) <= {kind.value for kind in ErrorKind}
    for row in world.sql(
        "select answered, errored, scored, unscorable, planned, value, value_dropped from leaderboard"
    ):
        assert row["answered"] + row["errored"] == row["planned"] == 200
        assert row["scored"] + row["unscorable"] <= row["answered"]
    worst = world.sql("select value, value_dropped from leaderboard where metric = 'numeric'")
    assert all(row["value"] < row["value_dropped"] for row in worst)
    server.config(**dict.fromkeys(("error_rate", "disconnect_rate", "malformed_rate", "stall_rate"), 0.0))
    server.reset()
    world.run().expect(0)
    assert server.stats()["total"] == found["errored"]
    assert statuses(world) == {"answered": 400}


def test_streams_that_break_in_the_middle_are_never_half_answers(tmp_path, server):
    world = World.build(
        tmp_path / "project", server.url, 40, models=("perfect",),
        suite={"task": {"prompt": "{{ text }}", "generation": {"stream": True}}},
    )  # fmt: skip
    server.config(disconnect_rate=0.2, stream_error_rate=0.2, attempt_faults=1, token_ms=1)
    world.run().expect(0)
    assert world.one("select min(value) from scores where metric = 'numeric'") == 1.0
    assert server.stats()["disconnects"] > 0
    assert world.one("select count(*) from call where first_token_s is null") == 0


def test_retry_after_is_honoured(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 4, models=("perfect",))
    server.config(error_rate=1.0, error_mix="429:1", attempt_faults=1, retry_after="2")
    world.run().expect(0)
    stats = server.stats()
    assert stats["status"] == {"200": 4, "429": 4}
    assert stats["span_s"] >= 2.0


@pytest.mark.parametrize(
    ("retry_after", "why", "more"),
    [
        ("3600", "rate_limited: the server asks to wait 3,600 s", ()),
        ("110", "the server asks to wait 110 s, and the time limit is over before", ("--max-seconds", "20")),
    ],
)
def test_a_server_that_asks_for_ages_is_not_waited_for(tmp_path, server, retry_after, why, more):
    world = World.build(tmp_path / "project", server.url, 40, models=("perfect",))
    server.config(error_rate=1.0, error_mix="429:1", retry_after=retry_after)
    done = world.cli("run", "sums.yaml", "--concurrency", "4", *more).expect(5)
    assert why in done.err
    assert set(kinds(world)) == {"rate_limited"}
    assert server.stats()["total"] <= 4


def test_a_wrong_key_stops_the_candidate_at_once(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 40)
    world.settings["providers"]["mocked"]["api_key_env"] = "MOCK_KEY"
    world.write()
    world.environ = {"MOCK_KEY": "sk-wrong-and-secret-1234"}
    server.config(require_key="sk-right")
    done = world.run("--concurrency", "4").expect(5)
    assert "auth: HTTP 401" in done.err
    asked = world.sql("select candidate, count(*) as n from calls group by 1")
    assert all(row["n"] <= 4 for row in asked)
    assert server.stats()["total"] <= 8
    assert set(kinds(world)) == {"auth"}
    shown = done.out + done.err + "".join(world.pages().values())
    assert "sk-wrong" not in shown
    stored = [path.read_bytes() for path in world.root.rglob("*") if path.is_file()]
    assert not any(b"sk-wrong" in text for text in stored)
    world.environ = {"MOCK_KEY": "sk-right"}
    world.run().expect(0)
    assert statuses(world) == {"answered": 80}


def test_a_missing_key_is_said_before_anything_is_asked(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 4)
    world.settings["candidates"]["far"] = {"provider": "openai", "model": "gpt-x", "api_key_env": "NO_SUCH_KEY"}
    world.write()
    done = world.run("-c", "far", "-c", "sure-p90").expect(2)
    assert "NO_SUCH_KEY" in done.err
    assert "nothing was asked" in done.err
    assert server.stats()["total"] == 0
    assert world.quick("list", "runs", "--json").out.strip() == "[]"


def test_an_unknown_model_stops_only_its_own_candidate(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 40, models=("no-such-model", "perfect"))
    done = world.run("--concurrency", "4").expect(5)
    assert "sums x no-such-model" in done.err
    assert "unknown_model: HTTP 404" in done.err
    assert "sums x perfect" not in done.err
    rows = {row["candidate"]: row for row in world.sql("select * from entries")}
    assert (rows["perfect"]["status"], rows["no-such-model"]["status"]) == ("complete", "incomplete")
    assert world.one("select count(*) from answer join entry using (entry_id) where candidate = 'perfect'") == 40
    assert server.stats()["status"]["404"] <= 4
    assert [row["candidate"] for row in world.leaderboard() if row["is_primary"]] == ["perfect"]


def test_a_spent_quota_is_not_tried_for_ever(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 6, models=("no-quota-model",))
    world.run("--concurrency", "2").expect(5)
    assert server.stats()["total"] <= 6
    assert set(kinds(world)) == {"rate_limited"}


def test_one_broken_account_does_not_stop_the_other(tmp_path, server):
    with running(Settings(require_key="sk-right")) as strict:
        world = World.build(tmp_path / "project", server.url, 40, models=("perfect",))
        world.settings["providers"]["strict"] = {"provider": "openai", "base_url": f"{strict.url}/v1"}
        world.settings["candidates"]["barred"] = {"provider": "strict", "model": "perfect"}
        world.write(suite={"candidates": ["barred", "perfect"]})
        done = world.run().expect(5)
    assert "sums x barred" in done.err
    found = {row["candidate"]: row["status"] for row in world.sql("select candidate, status from entries")}
    assert found == {"barred": "incomplete", "perfect": "complete"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_a_server_that_is_down_ends_the_run_with_the_reason(tmp_path):
    world = World.build(tmp_path / "project", f"http://127.0.0.1:{free_port()}", 300)
    done = world.cli("run", "sums.yaml", "--concurrency", "16").expect(5)
    assert "the server does not answer: cannot reach 127.0.0.1" in done.err
    assert set(kinds(world)) == {"connection"}
    assert world.one("select count(*) from call") <= 32
    assert world.one("select count(*) from leaderboard") == 0


def test_a_server_that_dies_half_way_and_comes_back_is_gone_on_with(tmp_path):
    port = free_port()
    world = World.build(tmp_path / "project", f"http://127.0.0.1:{port}", 150)
    command = ("run", "sums.yaml", "--concurrency", "4", "--retries", "0")
    with served_at(port, latency_ms=10):
        started = world.start(*command)
        assert started.until(lambda: len(world.answered_keys()) >= 60, 0.02)
    started.done().expect(5)
    answered = world.one("select count(*) from call where error_kind is null")
    assert 60 <= answered < 300
    with served_at(port):
        world.cli(*command).expect(0)
    assert statuses(world) == {"answered": 300}
    assert world.one("select count(*) from call where error_kind is null") == 300
    world.nothing_lost_or_doubled()


def test_a_server_that_restarts_is_waited_for(tmp_path):
    port = free_port()
    world = World.build(tmp_path / "project", f"http://127.0.0.1:{port}", 60)
    with served_at(port, latency_ms=10):
        started = world.start("run", "sums.yaml", "--concurrency", "2")
        assert started.until(lambda: len(world.answered_keys()) >= 20, 0.02)
    with served_at(port):
        started.done().expect(0)
    assert statuses(world) == {"answered": 120}
