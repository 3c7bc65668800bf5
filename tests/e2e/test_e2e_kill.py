"""Killed at any moment, interrupted, killed again: the same command ends it, and nothing that was answered is asked twice."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_world import HERE, Done, World

from evalkit.core.errors import StoreError
from evalkit.providers.mock_server import Server, Settings, running

SAMPLES, PLANNED = 300, 600
IN_FLIGHT = 8
LINES = 3 * PLANNED + 1  # a call and two scorers for each cell, and the header
COMMAND = ("run", "sums.yaml", "--concurrency", str(IN_FLIGHT))
DIES = HERE / "e2e_die.py"
SHARES = [random.Random(f"moment {i}").uniform(0.0, 0.95) for i in range(20)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(Settings(latency_ms=12)) as found:
        yield found


@pytest.fixture(scope="module")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World.build(tmp_path_factory.mktemp("undisturbed") / "project", server.url, SAMPLES)
    world.cli(*COMMAND).expect(0)
    world.nothing_lost_or_doubled()
    return world


@pytest.fixture
def world(server: Server, tmp_path: Path) -> World:
    server.reset()
    return World.build(tmp_path / "project", server.url, SAMPLES)


def journal_lines(world: World) -> int:
    return sum(path.read_bytes().count(b"\n") for path in world.store.glob("runs/*/*.jsonl"))


def complete(world: World) -> bool:
    try:
        return world.sql("select status from run") == [{"status": "complete"}]
    except StoreError:
        return False


def resumed(world: World, *arguments: str) -> Done:
    """The same command again, unless the run had ended before the kill."""
    return Done(0, "", "") if complete(world) else world.cli(*COMMAND, *arguments)


def same_as(world: World, undisturbed: World) -> None:
    world.nothing_lost_or_doubled()
    assert world.one("select count(*) from run") == 1
    assert world.leaderboard() == undisturbed.leaderboard()
    assert world.pages() == undisturbed.pages()


def moments() -> list[object]:
    return [pytest.param(share, marks=() if i < 8 else pytest.mark.nightly) for i, share in enumerate(SHARES)]


@pytest.mark.parametrize("share", moments())
def test_a_killed_run_ends_as_if_undisturbed(world, server, undisturbed, share):
    started = world.start(*COMMAND, measured=False)
    started.until(lambda: journal_lines(world) >= share * LINES)
    started.kill()
    journaled = world.answered_keys()
    resumed(world).expect(0)
    stats = server.stats()
    assert stats["unique_ok"] == PLANNED
    assert stats["repeat_ok"] <= IN_FLIGHT
    assert stats["total"] <= PLANNED + IN_FLIGHT
    assert journaled <= {row["call_key"] for row in world.sql("select call_key from call")}
    same_as(world, undisturbed)


@pytest.mark.parametrize("delay", [0.05, *(pytest.param(s, marks=pytest.mark.nightly) for s in (0.0, 0.02, 0.1, 0.2))])
def test_killed_during_the_final_load(world, server, undisturbed, delay):
    started = world.start(*COMMAND, measured=False)
    started.until(lambda: journal_lines(world) >= LINES)
    time.sleep(delay)
    started.kill()
    resumed(world).expect(0)
    assert server.stats()["total"] == PLANNED
    same_as(world, undisturbed)


def test_killed_again_and_again_it_still_ends(world, server, undisturbed):
    chance = random.Random("again")
    kills = 0
    for _ in range(4):
        goal = journal_lines(world) + chance.uniform(0.05, 0.2) * LINES
        started = world.start(*COMMAND, measured=False)
        started.until(lambda goal=goal: journal_lines(world) >= goal)
        kills += started.kill().code == -signal.SIGKILL
    resumed(world).expect(0)
    assert server.stats()["repeat_ok"] <= kills * IN_FLIGHT
    same_as(world, undisturbed)


@pytest.mark.parametrize("share", [0.2, pytest.param(0.6, marks=pytest.mark.nightly)])
def test_killed_with_worker_processes_it_ends_the_same(world, server, undisturbed, share):
    workers = 2
    started = world.start(*COMMAND, "--workers", str(workers), measured=False)
    started.until(lambda: journal_lines(world) >= share * LINES)
    started.kill()
    resumed(world, "--workers", str(workers)).expect(0)
    stats = server.stats()
    assert stats["unique_ok"] == PLANNED
    assert stats["repeat_ok"] <= workers * IN_FLIGHT
    world.nothing_lost_or_doubled()
    assert world.one("select count(*) from run") == 1
    assert world.leaderboard() == undisturbed.leaderboard()


@pytest.fixture(scope="module")
def statements(server: Server, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many statements an undisturbed run makes."""
    folder = tmp_path_factory.mktemp("counted")
    world = World.build(folder / "project", server.url, SAMPLES)
    world.environ = {"E2E_DIE_AT": "0", "E2E_COUNT": str(folder / "count")}
    world.cli(*COMMAND, driver=DIES).expect(0)
    return int((folder / "count").read_text("utf-8"))


# Shares of the run's statements: those before asking are planning, those after are the final load and the folding.
AT = [0.0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 0.97, 1.0]


@pytest.mark.parametrize(
    "share", [pytest.param(share, marks=() if share in (0.15, 0.45, 0.7, 0.9) else pytest.mark.nightly) for share in AT]
)
def test_killed_between_two_statements_of_planning_or_loading(world, server, undisturbed, statements, share):
    at = {"E2E_DIE_AT": str(max(1, round(share * statements)))}
    assert world.cli(*COMMAND, driver=DIES, measured=False, env=at).code == -signal.SIGKILL
    resumed(world).expect(0)
    assert server.stats()["repeat_ok"] == 0
    same_as(world, undisturbed)


def test_ctrl_c_drains_and_the_same_run_is_taken_up(world, server, undisturbed):
    started = world.start(*COMMAND)
    assert started.until(lambda: journal_lines(world) > 0.3 * LINES)
    started.interrupt()
    stopped = started.done().expect(130)
    assert "interrupted: waiting for calls in flight" in stopped.err
    assert "no answer (interrupted)" in stopped.err
    run_id = world.one("select run_id from run where status = 'interrupted'")
    stats = server.stats()
    assert stats["client_gone"] == 0
    assert stats["ok"] == world.one("select count(*) from call") < PLANNED
    again = world.cli(*COMMAND).expect(0)
    assert f"resuming {run_id}" in again.err
    assert server.stats()["repeat"] == 0
    same_as(world, undisturbed)


def test_a_second_ctrl_c_stops_at_once(world, server, undisturbed):
    server.config(stall_rate=1.0)
    try:
        started = world.start(*COMMAND, measured=False)
        assert started.until(lambda: server.stats()["inflight"] == IN_FLIGHT, 0.02)
        started.interrupt()
        assert started.until(lambda: "waiting for calls in flight" in started.err, 0.02)
        started.interrupt()
        stopped = started.done().expect(130)
    finally:
        server.config(stall_rate=0.0)
    assert "stopping" in stopped.err
    assert world.one("select count(*) from call") == 0
    world.cli(*COMMAND).expect(0)
    same_as(world, undisturbed)


def test_ctrl_c_while_planning_leaves_nothing_behind(world, server):
    started = world.start(*COMMAND, measured=False)
    assert started.until(world.store.exists)
    started.interrupt()
    stopped = started.done()
    assert stopped.code == 130
    assert "Traceback" not in stopped.err
    world.cli(*COMMAND).expect(0)
    world.nothing_lost_or_doubled()
    assert server.stats()["repeat_ok"] <= IN_FLIGHT
