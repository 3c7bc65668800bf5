from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

from evalkit.core.errors import StoreError
from evalkit.store import gc, writers
from evalkit.store.blobs import BlobDir
from evalkit.store.gc import plan_gc, run_gc
from evalkit.store.journals import load_run
from evalkit.store.reader import query

LATER = 4_000_000_000.0


def ids(store, table: str, column: str) -> list[str]:
    with store.open(read_only=True) as connection:
        return [row[0] for row in query(connection, f"select distinct {column} from {table} order by 1").rows]


@pytest.fixture
def two(filled, hand, make):
    """Beside r1: run r2, whose one cell is answered by r1's c0, and which made one call of its own, a router's."""
    with filled.open() as connection:
        writers.put_run(connection, make.run("r2", finished="2026-01-02T00:00:00Z"))
        data_set = {"data_hash": "d2", "name": "other", "source": {}, "samples": 1}
        writers.put_data_set(connection, {**data_set, "duplicate_ids": 0, "duplicate_contents": 0}, make.samples(2))
        writers.put_prompts(connection, [{"prompt_hash": "p2", "name": "ask", "role": "user", "body": "?"}])
        suite = {"suite_hash": "s2", "data_hash": "d2", "task_hash": "t", "name": "other", "family": "f", "spec": {}}
        writers.put_suite(connection, suite)
        entry = make.entry("e2", "r2", planned=2, data_hash="d2", suite_hash="s2", prompt_hashes=["p2"])
        writers.put_entry(connection, entry)
        make.cells(connection, "e2", [(n, f"s{n}", f"hash-{n}", 0, None, f"key-{n * 10}") for n in range(2)])
        make.answers(connection, "e2", (0, "c0"))
    router = hand.call("c10", 1, entry_id="e2", call_key="key-10", trace=[["route", "judge-key", True]])
    load_run(filled, make.journal(filled.folder, router, run_id="r2"))
    return filled


def test_nothing_goes_when_every_run_is_kept_but_loaded_journals(two):
    plan = plan_gc(two, two.folder, {"r1", "r2"})
    assert (plan.runs, {table: n for table, n in plan.rows.items() if n}) == ((), {})
    assert sorted(path.parent.name for path in plan.journals) == ["r1", "r2"]
    assert plan.bytes == sum(path.stat().st_size for path in plan.journals)
    assert not plan.nothing
    run_gc(plan)
    assert not list((two.folder / "runs").glob("*/*.jsonl"))
    assert plan_gc(two, two.folder, {"r1", "r2"}).nothing


def test_a_plan_changes_nothing(two):
    before = {name: ids(two, name, "count(*)") for name in ("call", "score", "cell", "sample", "run")}
    assert plan_gc(two, two.folder, ()).runs == ("r1", "r2")
    assert {name: ids(two, name, "count(*)") for name in before} == before


def test_what_a_kept_run_shares_stays(two):
    plan = plan_gc(two, two.folder, {"r2"})
    assert plan.runs == ("r1",)
    assert plan.bytes > 0
    assert {table: n for table, n in plan.rows.items() if n} == {
        "answer": 3, "cell": 3, "result": 1, "entry_scorer": 1, "score": 2, "cost": 1, "call": 2, "sample": 3,
        "data_set": 1, "suite": 1, "prompt": 1, "problem": 1, "journal_load": 1, "entry": 1, "run": 1,
    }  # fmt: skip
    run_gc(plan)
    assert ids(two, "call", "call_id") == ["c0", "c10", "j1"]
    assert ids(two, "score", "call_id") == ["c0"]
    assert ids(two, "run", "run_id") == ["r2"]
    assert ids(two, "sample", "data_hash") == ["d2"]
    assert ids(two, "prompt", "prompt_hash") == ["p2"]
    assert ids(two, "signature", "scorer_sig") == ["sig1"]
    assert ids(two, "cells", "status") == ["answered"]
    assert not (two.folder / "runs" / "r1").exists()
    assert plan_gc(two, two.folder, {"r2"}).nothing


def test_a_judge_call_on_the_way_to_a_shared_answer_stays(two, hand, make):
    judged = hand.call("j0", 0, ordinal=1, stage="judge", call_key="judge-0")
    load_run(two, make.journal(two.folder, judged, name="w-00002.jsonl"))
    run_gc(plan_gc(two, two.folder, {"r2"}))
    assert ids(two, "call", "call_id") == ["c0", "c10", "j0", "j1"]


def test_everything_goes_when_nothing_is_kept(two):
    run_gc(plan_gc(two, two.folder, []))
    tables = "answer cell result entry_scorer score cost call sample data_set suite prompt signature problem entry run"
    assert {name: ids(two, name, "count(*)") for name in tables.split()} == {name: [0] for name in tables.split()}


def test_old_generations_that_only_dropped_runs_used_go(two, hand, make):
    with two.open() as connection:
        writers.put_run(connection, make.run("r3"))
        writers.put_entry(connection, make.entry("e3", "r3", planned=1, generation=1))
        make.cells(connection, "e3", [(0, "s0", "hash-0", 0, None, "key-0-fresh")])
    fresh = hand.call("c0-fresh", 0, entry_id="e3", call_key="key-0-fresh", generation=1)
    load_run(two, make.journal(two.folder, fresh, run_id="r3"))
    run_gc(plan_gc(two, two.folder, {"r3"}))
    assert ids(two, "call", "call_id") == ["c0-fresh"]


def test_a_run_that_began_after_the_plan_stays(two, make):
    plan = plan_gc(two, two.folder, {"r2"})
    with two.open() as connection:
        writers.put_run(connection, make.run("r3"))
        writers.put_entry(connection, make.entry("e3", "r3", planned=1))
        make.cells(connection, "e3", [(0, "s1", "hash-1", 0, None, "key-1")])
        make.answers(connection, "e3", (0, "c1"))
    run_gc(plan)
    assert ids(two, "run", "run_id") == ["r2", "r3"]
    assert "c1" in ids(two, "call", "call_id")
    assert ids(two, "sample", "data_hash") == ["d-hash", "d2"]


def test_blobs_that_nothing_names_go_when_they_are_old(two, hand, make):
    blobs = BlobDir(two.folder / "blobs")
    refs = {name: blobs.put(name.encode(), "text/plain") for name in ("asked", "answered", "plot", "idle", "picture")}
    call = hand.call("c5", 1, entry_id="e2", call_key="k5", request={"image": refs["asked"]}, output=refs["answered"])
    metric = ["m", "scored", 1.0, {}, 0.0, {}, None, None, None, refs["plot"]["$blob"]]
    load_run(two, make.journal(two.folder, call, hand.scores("c5", 1, metric), run_id="r2", name="w-00002.jsonl"))
    with two.open() as connection:
        connection.execute(
            "update sample set input = ? where data_hash = 'd2'", [json.dumps({"image": refs["picture"]})]
        )
    assert plan_gc(two, two.folder, {"r2"}).blobs == ()
    plan = plan_gc(two, two.folder, {"r2"}, now=LATER)
    assert plan.blobs == (blobs.path(refs["idle"]),)
    young = {name: blobs.put(name.encode(), "text/plain") for name in ("young",)}
    run_gc(plan, now=LATER)
    assert {name for name, _ in blobs.all()} == {refs[n]["$blob"] for n in refs if n != "idle"} | {
        young["young"]["$blob"]
    }
    run_gc(plan_gc(two, two.folder, (), now=LATER), now=LATER)
    assert list(blobs.all()) == []


def test_snapshots_that_no_suite_uses_go(two):
    for name, meta in (("a", '{"data_hash": "d2"}'), ("b", '{"data_hash": "gone"}'), ("c", "{half"), ("d", "[]")):
        (two.folder / "snapshots" / name).mkdir(parents=True)
        (two.folder / "snapshots" / name / "meta.json").write_text(meta)
        (two.folder / "snapshots" / name / "spool.bin").write_bytes(bytes(100))
    (two.folder / "snapshots" / "being-written").mkdir()
    plan = plan_gc(two, two.folder, {"r2"})
    assert [path.name for path in plan.snapshots] == ["b"]
    assert run_gc(plan) >= 100
    assert sorted(path.name for path in (two.folder / "snapshots").iterdir()) == ["a", "being-written", "c", "d"]


def test_the_file_becomes_smaller(two, hand, make):
    noise = [os.urandom(4000).hex() for _ in range(1500)]
    calls = (hand.call(f"x{n}", n + 10, output=text) for n, text in enumerate(noise))
    load_run(two, make.journal(two.folder, *calls, name="w-00009.jsonl"))
    before = two.path.stat().st_size
    freed = run_gc(plan_gc(two, two.folder, {"r2"}))
    assert two.path.stat().st_size < before / 2
    assert freed > before / 2
    with two.open() as connection:
        [(sql,)] = query(connection, "select sql from duckdb_tables() where table_name = 'call'").rows
    assert "call_id VARCHAR NOT NULL" in sql


def test_other_files_in_a_dropped_run_are_left(two):
    note = two.folder / "runs" / "r1" / "notes.txt"
    note.write_text("mine")
    run_gc(plan_gc(two, two.folder, {"r2"}))
    assert note.read_text() == "mine"


def test_files_that_cannot_be_removed_are_a_store_error(two, monkeypatch):
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    plan = plan_gc(two, two.folder, {"r2"})
    monkeypatch.setattr("pathlib.Path.unlink", denied)
    with pytest.raises(StoreError, match="cannot be written"):
        run_gc(plan)


def test_files_that_are_gone_already_are_fine(tmp_path):
    assert gc._remove(tmp_path / "gone") == 0


WRITE = """
    import sys
    from pathlib import Path
    from evalkit.store.database import Store
    store = Store(Path(sys.argv[1]))
    for n in range(20):
        with store.open() as connection:
            connection.execute(
                "insert into problem (problem_id, run_id, kind, message) values (?, 'r2', 'written', '')", [f"p{n}"]
            )
"""


def test_what_others_write_while_the_file_is_replaced_is_kept(two, make):
    command = [sys.executable, "-c", textwrap.dedent(WRITE), str(two.folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as writer:
        for n in range(3):
            make.plan(two, f"old{n}", f"old-entry{n}")
            run_gc(plan_gc(two, two.folder, {"r2"}))
        assert (writer.communicate()[1], writer.returncode) == ("", 0)
    with two.open(read_only=True) as connection:
        assert query(connection, "select count(*) from problem where kind = 'written'").rows == [(20,)]
    assert not list(two.folder.glob("*.new*"))


def test_where_there_is_no_room_for_a_copy_the_file_stays(two, monkeypatch):
    (two.folder / f"store.{os.getpid()}.new").write_bytes(b"in the way")
    run_gc(plan_gc(two, two.folder, {"r2"}))
    assert ids(two, "run", "run_id") == ["r2"]
    assert not list(two.folder.glob("*.new*"))
