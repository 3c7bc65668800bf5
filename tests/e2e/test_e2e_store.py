"""One store under many hands and bad disks: runs side by side, readers during a run, damage, no space, a wrong clock."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_world import HERE, World, sums

from evalkit.providers.mock_server import Server, Settings, running

IN_FLIGHT = 8
CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24


@pytest.fixture(scope="module")
def process() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def server(process: Server) -> Server:
    process.config(**{name: getattr(Settings(), name) for name in Settings.__dataclass_fields__})
    process.reset()
    return process


@pytest.fixture
def world(tmp_path: Path, server: Server) -> World:
    return World.build(tmp_path / "project", server.url, 60)


def test_two_runs_of_one_suite_at_once_both_end_right(world, server):
    server.config(latency_ms=20)
    both = [world.start("run", "sums.yaml", "--concurrency", str(IN_FLIGHT)) for _ in range(2)]
    for one in both:
        one.done().expect(0)
    rows = world.sql(
        "select e.run_id, e.candidate, e.status, e.planned, count(a.call_id) as answers, count(k.call_id) as calls"
        " from entry e left join answer a using (entry_id) left join call k on k.call_id = a.call_id"
        " and k.error_kind is null group by all"
    )
    assert len({row["run_id"] for row in rows}) == 2
    assert len(rows) == 4
    for row in rows:
        assert row["status"] == "complete"
        assert row["planned"] == row["answers"] == row["calls"] == 60
    assert server.stats()["unique_ok"] == 120
    world.quick("report").expect(0)
    world.run().expect(0)
    assert server.stats()["total"] <= 240


def test_runs_of_different_suites_at_once_share_the_store(world, server):
    server.config(latency_ms=20)
    world.samples(sums(50, first=700), "others.jsonl")
    dataset = {**world.suite["dataset"], "path": "others.jsonl"}
    world.write(suite={"name": "others", "dataset": dataset})
    both = [world.start("run", name) for name in ("sums.yaml", "others.yaml")]
    for one in both:
        one.done().expect(0)
    found = world.sql("select suite, candidate, planned, answered from leaderboard where is_primary order by all")
    assert [tuple(row.values()) for row in found] == [
        ("others", "sure-p90", 50, 50), ("others", "weak-p60", 50, 50),
        ("sums", "sure-p90", 60, 60), ("sums", "weak-p60", 60, 60),
    ]  # fmt: skip
    assert server.stats()["total"] == 220
    assert {"suites/others.html", "suites/sums.html"} <= set(world.pages())


def test_others_read_during_a_run(world, server):
    server.config(latency_ms=100)
    started = world.start("run", "sums.yaml", "--concurrency", "2")
    assert started.until(lambda: len(world.answered_keys()) >= 6, 0.02)
    seen = world.quick("sql", "select count(*) as n from calls", "--json").expect(0).rows()
    assert seen[0]["n"] >= 6
    assert [row["status"] for row in world.quick("list", "runs", "--json").expect(0).rows()] == ["running"]
    world.quick("show", "last", "--json").expect(0)
    sample = world.journal()[1]
    assert sample[0] == "c"
    assert "RUN" in "".join(world.pages().values())
    world.cli("sql", "select count(*) from cells").expect(0)
    assert started.child.poll() is None, "the run was still going on"
    started.done().expect(0)
    world.nothing_lost_or_doubled()
    assert server.stats()["total"] == 120


@pytest.mark.parametrize("content", [b"", b"hello, this is my diary\n" * 500, b"SQLite format 3\0" + bytes(8192)])
def test_a_foreign_file_in_the_place_of_the_store_is_named_and_left_alone(world, server, content):
    world.store.mkdir()
    file = world.store / "store.duckdb"
    file.write_bytes(content)
    for command in (("run", "sums.yaml"), ("report",), ("sql", "select 1"), ("list", "runs")):
        done = world.quick(*command).expect(2)
        assert "is not an evalkit store" in done.err
        assert file.read_bytes() == content
    assert server.stats()["total"] == 0


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.1])
def test_a_truncated_store_is_said_with_what_to_do(world, server, keep):
    world.run().expect(0)
    file = world.store / "store.duckdb"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * keep)])
    done = world.cli("run", "sums.yaml")
    if done.code:
        done.expect(2)
        assert "restore a backup, or move it away" in done.err
        assert "Traceback" not in done.err
        file.rename(world.root / "damaged.duckdb")
        for rest in world.store.glob("store.duckdb*"):
            rest.unlink()
        world.run().expect(0)
    world.nothing_lost_or_doubled()


def unprivileged() -> None:
    """Let file permissions hold for root too."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.mark.parametrize("known", [False, True])
def test_a_folder_that_cannot_be_written_is_said(world, server, known):
    world.store.mkdir()
    if known:
        world.run().expect(0)
    server.reset()
    kept = {path: path.stat().st_mode for path in (world.store, *world.store.rglob("*"))}
    for path, mode in kept.items():
        path.chmod(mode & ~0o222)
    try:
        done = world.cli("run", "sums.yaml", "--fresh", preexec_fn=unprivileged)
        read = world.cli("sql", "select count(*) as n from leaderboard", "--json", preexec_fn=unprivileged)
    finally:
        for path, mode in kept.items():
            path.chmod(mode)
    done.expect(2)
    assert "cannot be written" in done.err
    assert "Traceback" not in done.err
    assert server.stats()["total"] == 0
    if known:
        assert read.expect(0).rows()[0]["n"] > 0


@pytest.mark.parametrize("kilobytes", [64, 1024, 2048, 3072])
def test_a_full_disk_is_said_and_the_same_command_goes_on(tmp_path, server, kilobytes):
    world = World.build(tmp_path / "project", server.url, 150)
    world.samples([{**row, "text": ("word " * 1500) + row["text"]} for row in sums(150)])
    size = kilobytes * 1024
    full = world.cli(
        "run", "sums.yaml", "--concurrency", str(IN_FLIGHT), measured=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)),
    ).expect(2)  # fmt: skip
    assert "disk is full" in full.err
    assert "Traceback" not in full.err
    world.cli("run", "sums.yaml", "--concurrency", str(IN_FLIGHT)).expect(0)
    stats = server.stats()
    assert stats["unique_ok"] == 300
    assert stats["repeat_ok"] <= IN_FLIGHT
    world.nothing_lost_or_doubled()


def test_a_corrupted_journal_line_is_skipped_with_its_number_and_the_rest_is_kept(world, server):
    server.config(latency_ms=20)
    started = world.start("run", "sums.yaml", "--concurrency", "2", measured=False)
    assert started.until(lambda: len(world.answered_keys()) >= 20)
    started.kill()
    (file,) = world.store.glob("runs/*/*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    number = next(place for place, line in enumerate(lines, 1) if place > 9 and line[9:13] == b'["c"')
    before = world.answered_keys()
    lines[number - 1] = lines[number - 1].replace(b"Ticket", b"Tocket")
    file.write_bytes(b"".join(lines))
    lost = before - world.answered_keys()
    assert len(lost) == 1
    server.config(latency_ms=0)
    world.run().expect(0)
    assert server.stats()["repeat_ok"] <= 2 + len(lost)
    world.nothing_lost_or_doubled()
    problem = world.one("select message from problem where kind = 'journal'")
    assert problem.startswith(f"{file.name}:{number}: ")
    assert problem.endswith("the line was left out")
    (run,) = (page for path, page in world.pages().items() if path.startswith("runs/"))
    assert f"{file.name}:{number}: " in run
    assert "the line was left out" in run


def test_a_report_is_the_same_bytes_twice(world):
    world.run().expect(0)
    folders = [world.root / "first", world.root / "second"]
    for folder in folders:
        world.quick("report", "--out", str(folder)).expect(0)
    first, second = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert len(first) >= 3
    assert first == second


@pytest.mark.parametrize("off", [-400 * 86400, 0, 400 * 86400])
def test_a_clock_that_goes_backwards_loses_nothing(world, server, off):
    clock = {"PYTHONPATH": str(HERE / "clock"), "E2E_CLOCK": str(off)}
    world.run("--limit", "20").expect(0)
    world.cli("run", "sums.yaml", env=clock).expect(0)
    assert server.stats()["total"] == 120
    assert world.one("select count(*) from run") == 2
    rows = world.sql("select e.planned, count(*) as n from entry e join answer a using (entry_id) group by entry_id, 1")
    assert all(row["planned"] == row["n"] for row in rows)
    assert world.one("select min(seconds) from call") >= 0
    world.cli("run", "sums.yaml", env=clock).expect(0)
    world.quick("report").expect(0)
    assert server.stats()["total"] == 120


def test_an_interrupted_run_is_taken_up_under_an_earlier_clock(world, server):
    server.config(latency_ms=20)
    started = world.start("run", "sums.yaml", "--concurrency", "2", measured=False)
    assert started.until(lambda: len(world.answered_keys()) >= 10)
    started.kill()
    server.config(latency_ms=0)
    world.cli("run", "sums.yaml", env={"PYTHONPATH": str(HERE / "clock"), "E2E_CLOCK": "-90000000"}).expect(0)
    assert world.one("select count(*) from run") == 1
    world.nothing_lost_or_doubled()
    assert server.stats()["repeat_ok"] <= 2


def test_readers_and_a_run_do_not_lock_each_other_out(world, server):
    """Many readers keep coming while a run plans, asks and loads."""
    server.config(latency_ms=10)
    world.run("--limit", "5").expect(0)
    done = threading.Event()
    trouble: list[Exception] = []

    def read() -> None:
        while not done.is_set():
            try:
                world.sql("select count(*) from leaderboard")
            except Exception as error:
                trouble.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        world.cli("run", "sums.yaml").expect(0)
    finally:
        done.set()
        reader.join()
    assert not trouble
    world.nothing_lost_or_doubled()
