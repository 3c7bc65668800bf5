from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from evalkit.core.errors import StoreError
from evalkit.store import journals
from evalkit.store.database import Store
from evalkit.store.journals import compact, load_all, load_run


def counts(store: Store) -> tuple[int, ...]:
    tables = ("call", "answer", "score", "problem")
    with store.open(read_only=True) as connection:
        return connection.execute("select " + ", ".join(f"(select count(*) from {t})" for t in tables)).fetchall()[0]


def ask(store: Store, sql: str) -> list[tuple[object, ...]]:
    with store.open(read_only=True) as connection:
        return connection.execute(sql).fetchall()


def python(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_every_kind_of_line_finds_its_table(store, hand, make):
    run_dir = make.journal(
        store.folder,
        hand.call("c0", 0, logprobs=[-0.1], tool_calls=[{"name": "f"}], trace=[["rag", "k", False]], meta={"a": 1}),
        hand.line(["l", "e1", 1, "c0", True]),
        hand.scores("c0"),
        hand.call("judge", 0, ordinal=1, stage="judge"),
        hand.call("warm-up", None, entry_id=None),
        hand.line(["p", None, "skipped", "no key for model-b"]),
    )
    report = load_run(store, run_dir)
    assert (report.lines, report.bad) == (7, [])
    assert counts(store) == (3, 2, 1, 1)
    assert ask(store, "select * from answer order by position") == [("e1", 0, "c0", False), ("e1", 1, "c0", True)]
    found = ask(
        store,
        "select run_id, call_key, generation, request, output, usage, seconds, logprobs, tool_calls, trace, meta, "
        "epoch(started), reasoning from call where call_id = 'c0'",
    )
    assert found == [
        ("r1", "key-0", 0, '{"messages":[]}', '"yes"', '{"input_tokens":3}', 0.5, "[-0.1]", '[{"name":"f"}]',
         '[["rag","k",false]]', '{"a":1}', 1767225600.5, None)
    ]  # fmt: skip
    assert ask(store, "select metric, status, value, parts, worst, worst_parts, answer, reason, basis from score") == [
        ("exact_match", "scored", 1.0, '{"right":1}', 0.0, '{"right":0}', "yes", None, "")
    ]
    assert ask(store, "select entry_id, kind, message from problem") == [(None, "skipped", "no key for model-b")]


def test_json_null_is_no_value_and_usage_is_never_missing(store, hand, make):
    load_run(store, make.journal(store.folder, hand.call("c0", output=None, usage=None, logprobs=None)))
    assert ask(store, "select output, usage, logprobs, trace from call") == [(None, "{}", None, None)]


def test_loading_twice_changes_nothing(store, hand, make):
    run_dir = make.journal(store.folder, hand.call("c0"), hand.scores("c0"), hand.line(["p", None, "k", "m"]), b"bad\n")
    first = load_run(store, run_dir)
    before = counts(store)
    assert (load_run(store, run_dir).lines, counts(store)) == (0, before)
    assert (first.lines, before) == (5, (1, 1, 1, 2))


def test_a_copied_journal_changes_nothing(store, hand, make):
    lines = (hand.call("c0"), hand.scores("c0"), hand.call("c0"), hand.scores("c0"), hand.line(["p", None, "k", "m"]))
    load_run(store, make.journal(store.folder, *lines))
    before = counts(store)
    assert before == (1, 1, 1, 1)
    load_run(store, make.journal(store.folder, *lines, name="copy-00001.jsonl"))
    assert counts(store) == before


def test_a_journal_that_grows_is_loaded_from_where_it_was(store, hand, make):
    run_dir = make.journal(store.folder, hand.call("c0"))
    whole = hand.call("c1", 1)
    with (run_dir / "w-00001.jsonl").open("ab") as file:
        file.write(whole[:20])
    assert load_run(store, run_dir).lines == 2
    with (run_dir / "w-00001.jsonl").open("ab") as file:
        file.write(whole[20:])
    assert load_run(store, run_dir).lines == 1
    assert counts(store)[:2] == (2, 2)


def test_bad_lines_are_told_and_kept_as_problems(store, hand, make):
    damaged = hand.call("c1", 1).replace(b"yes", b"yEs")
    run_dir = make.journal(store.folder, hand.call("c0"), damaged, hand.call("c2", 2))
    report = load_run(store, run_dir)
    assert [(file, number) for file, number, _ in report.bad] == [("w-00001.jsonl", 3)]
    assert counts(store)[:2] == (2, 2)
    [(kind, message)] = ask(store, "select kind, message from problem")
    assert (kind, message[:18]) == ("journal", "w-00001.jsonl:3: t")
    assert "the line was left out" in message


def test_a_damaged_header_does_not_cost_the_lines(store, hand, make):
    run_dir = make.journal(store.folder, hand.call("c0"), run_id="r7")
    path = run_dir / "w-00001.jsonl"
    path.write_bytes(b"X" + path.read_bytes()[1:])
    assert load_run(store, run_dir).bad[0][:2] == ("w-00001.jsonl", 1)
    assert ask(store, "select run_id, call_id from call") == [("r7", "c0")]


def test_a_newer_journal_is_refused_by_name_and_left(store, hand, make):
    run_dir = make.journal(store.folder, hand.call("c0"))
    newer = hand.line(["h", 2, "r1", "w", 1.0]) + hand.call("c9", 9)
    (run_dir / "w-00002.jsonl").write_bytes(newer)
    report = load_run(store, run_dir)
    assert counts(store)[0] == 1
    [(file, number, why)] = report.bad
    assert (file, number) == ("w-00002.jsonl", 1)
    assert "version 2" in why
    assert ask(store, "select file from journal_load") == [("w-00001.jsonl",)]


def test_a_success_takes_the_place_of_an_error_never_the_reverse(store, hand, make):
    late = {"error_kind": "timeout", "output": None}
    run_dir = make.journal(
        store.folder,
        hand.call("late0", 0, **late),
        hand.call("good0", 0),
        hand.call("good1", 1),
        hand.call("late1", 1, **late),
        hand.call("late2", 2, **late),
        hand.call("late3", 3, **late),
    )
    load_run(store, run_dir)
    assert ask(store, "select position, call_id from answer order by all") == [
        (0, "good0"), (1, "good1"), (2, "late2"), (3, "late3")
    ]  # fmt: skip
    make.journal(
        store.folder, hand.call("good2", 2), hand.call("later3", 3, **late), hand.call("late1b", 1, **late),
        hand.call("good1b", 1), name="w-00002.jsonl",
    )  # fmt: skip
    load_run(store, run_dir)
    assert ask(store, "select position, call_id from answer order by all") == [
        (0, "good0"), (1, "good1"), (2, "good2"), (3, "late3")
    ]  # fmt: skip
    assert counts(store)[0] == 10


@pytest.mark.parametrize(
    "text", ["nul \0 nul", "emoji 😀👩\u200d🔬", "\ud800 lone", "<b>&'\"; --", "=cmd()", "x" * 1_000_000, "\x1b[31m"]
)
def test_hostile_texts_are_kept(store, hand, make, text):
    body = hand.call("c0", output={"t": "@@"}, reasoning="@@", request=["@@"]).partition(b" ")[2].strip()
    import json

    escaped = json.dumps(text)[1:-1].encode()
    load_run(store, make.journal(store.folder, hand.raw_line(body.replace(b"@@", escaped))))
    kept = text.replace("\ud800", "\ufffd")
    assert ask(store, "select output ->> 't', reasoning, request ->> 0 from call") == [(kept, kept, kept)]


def test_a_clock_far_off_gives_an_unknown_time(store, hand, make):
    calls = [hand.call(f"c{n}", n, started=value) for n, value in enumerate([-5.0, 1e300, None, -1e300])]
    load_run(store, make.journal(store.folder, *calls))
    found = ask(store, "select call_id, epoch(started) from call order by call_id")
    assert found == [("c0", -5.0), ("c1", None), ("c2", None), ("c3", None)]


def test_batches_and_pauses_lose_nothing(store, hand, make, monkeypatch):
    monkeypatch.setattr(journals, "BATCH_LINES", 3)
    monkeypatch.setattr(journals, "LINES_PER_OPEN", 7)
    monkeypatch.setattr(journals, "_LET_OTHERS_IN_S", 0.0)
    run_dir = make.journal(store.folder, *(hand.call(f"c{n}", n) for n in range(20)))
    make.journal(store.folder, *(hand.call(f"d{n}", n + 20) for n in range(5)), name="w-00002.jsonl")
    assert load_run(store, run_dir).lines == 27
    assert counts(store)[:2] == (25, 25)


def test_large_lines_make_small_batches(store, hand, make, monkeypatch):
    monkeypatch.setattr(journals, "BATCH_BYTES", 1000)
    monkeypatch.setattr(journals, "BYTES_PER_OPEN", 3000)
    monkeypatch.setattr(journals, "_LET_OTHERS_IN_S", 0.0)
    run_dir = make.journal(store.folder, *(hand.call(f"c{n}", n, output="y" * 900) for n in range(8)))
    assert load_run(store, run_dir).lines == 9
    assert counts(store)[0] == 8


def test_all_runs_are_loaded(store, hand, make):
    assert load_all(store, store.folder / "runs") == {}
    assert not store.exists
    make.journal(store.folder, hand.call("a"), run_id="r1")
    make.journal(store.folder, hand.call("b", entry_id="e2"), run_id="r2")
    (store.folder / "runs" / "empty").mkdir()
    reports = load_all(store, store.folder / "runs")
    assert {run_id: report.lines for run_id, report in reports.items()} == {"r1": 2, "r2": 2}
    assert ask(store, "select run_id, call_id from call order by all") == [("r1", "a"), ("r2", "b")]


def test_only_loaded_journals_of_finished_runs_are_removed(store, hand, make):
    run_dir = make.journal(store.folder, hand.call("c0"), hand.call("c1", 1)[:-1])
    path = run_dir / "w-00001.jsonl"
    make.plan(store)
    load_run(store, run_dir)
    assert compact(store, run_dir) == 0
    with store.open() as connection:
        connection.execute("update run set finished = now()")
    make.journal(store.folder, hand.call("c2", 2), name="w-00002.jsonl")
    size = path.stat().st_size
    assert compact(store, run_dir) == size
    assert [one.name for one in run_dir.iterdir()] == ["w-00002.jsonl"]
    load_run(store, run_dir)
    assert compact(store, run_dir) > 0
    assert counts(store)[:2] == (2, 2)


def test_a_new_file_under_the_name_of_a_removed_one_is_loaded_from_its_start(store, hand, make):
    make.plan(store)
    run_dir = make.journal(store.folder, hand.call("c0"))
    load_run(store, run_dir)
    with store.open() as connection:
        connection.execute("update run set finished = now()")
    compact(store, run_dir)
    make.journal(store.folder, hand.call("c1", 1), hand.call("c2", 2))
    assert load_run(store, run_dir).lines == 3
    assert counts(store)[:2] == (3, 3)


def test_a_long_incomplete_tail_does_not_keep_a_file(store, hand, make):
    make.plan(store)
    run_dir = make.journal(store.folder, hand.call("c0"), b"x" * 200_000)
    (run_dir / "w-00002.jsonl").write_bytes(b"y" * 10)
    load_run(store, run_dir)
    with store.open() as connection:
        connection.execute("update run set finished = now()")
    compact(store, run_dir)
    assert list(run_dir.iterdir()) == []


def test_a_journal_that_cannot_be_read_is_a_store_error(store, hand, make):
    run_dir = make.journal(store.folder, hand.call("c0"))
    (run_dir / "w-00002.jsonl").mkdir()
    with pytest.raises(StoreError, match=r"w-00002\.jsonl"):
        load_run(store, run_dir)


def test_a_journal_that_goes_away_meanwhile_is_passed_over(store, hand, make):
    run_dir = make.journal(store.folder, hand.call("c0"))
    (run_dir / "w-00000.jsonl").symlink_to(run_dir / "gone")
    assert load_run(store, run_dir).lines == 2


KILL_DURING_LOAD = """
    import os, signal, sys
    from pathlib import Path
    from evalkit.store import journals
    from evalkit.store.database import Store
    journals.BATCH_LINES = 10
    real, left = journals.bulk.insert, int(sys.argv[3])
    def insert(*args, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **named)
    journals.bulk.insert = insert
    journals.load_run(Store(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("moment", [1, 2, 8])
def test_a_load_that_is_killed_leaves_nothing_half_done(store, hand, make, moment):
    run_dir = make.journal(store.folder, *(hand.call(f"c{n}", n) + hand.scores(f"c{n}", n) for n in range(30)))
    assert python(KILL_DURING_LOAD, store.folder, run_dir, moment).returncode == -9
    assert counts(store) == (0, 0, 0, 0)
    assert load_run(store, run_dir).lines == 61
    assert counts(store) == (30, 30, 30, 0)


LOAD_AND_READ = """
    import sys
    from pathlib import Path
    from evalkit.store import journals
    from evalkit.store.database import Store
    journals.LINES_PER_OPEN, journals.BATCH_LINES, journals._LET_OTHERS_IN_S = 20, 10, 0.0
    journals.load_run(Store(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_two_processes_that_load_the_same_run_load_it_once(store, hand, make):
    run_dir = make.journal(store.folder, *(hand.call(f"c{n}", n) + hand.scores(f"c{n}", n) for n in range(100)))
    command = [sys.executable, "-c", textwrap.dedent(LOAD_AND_READ), str(store.folder), str(run_dir)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(one.communicate()[1], one.returncode) for one in both] == [("", 0)] * 2
    assert counts(store) == (100, 100, 100, 0)


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    from evalkit.core.errors import StoreError
    from evalkit.store import journals
    from evalkit.store.database import Store
    store = Store(Path(sys.argv[1]))
    with store.open():
        pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))
    journals.BATCH_LINES = 50
    try:
        journals.load_run(store, Path(sys.argv[2]))
    except StoreError as error:
        print(error)
"""


def test_a_full_disk_is_said_and_nothing_is_lost_or_doubled(store, hand, make):
    noise = [os.urandom(15_000).hex() for _ in range(400)]
    run_dir = make.journal(store.folder, *(hand.call(f"c{n}", n, output=text) for n, text in enumerate(noise)))
    done = python(FULL_DISK, store.folder, run_dir)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "store.duckdb cannot grow: the disk is full; free space and run the same command again" in done.stdout
    partial = counts(store)[0]
    assert partial < 400
    load_run(store, run_dir)
    assert counts(store)[:2] == (400, 400)
    assert ask(store, "select count(distinct output) from call") == [(400,)]


MEMORY = """
    import re, resource, sys
    from pathlib import Path
    from evalkit.store.database import Store
    from evalkit.store.journals import load_run
    report = load_run(Store(Path(sys.argv[1])), Path(sys.argv[2]))
    if sys.platform == "darwin":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10
    else:
        # ru_maxrss survives exec: it would tell the memory of the test process that forked this one.
        peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
    print(report.lines, peak // 2**10)
"""


def test_a_hundred_thousand_lines_load_in_flat_memory(store, hand, make):
    head, tail = hand.call("@@@@@@@@", output="long answer " * 20).partition(b" ")[2].strip().split(b"@@@@@@@@")
    run_dir = make.journal(store.folder)
    with (run_dir / "w-00001.jsonl").open("ab") as file:
        file.writelines(hand.raw_line(b"%b%08d%b" % (head, n, tail)) for n in range(100_000))
    lines, peak_mib = map(int, python(MEMORY, store.folder, run_dir).stdout.split())
    assert lines == 100_001
    assert peak_mib < 400


def test_a_journal_of_links_and_notes_needs_no_calls(store, hand, make):
    lines = (hand.line(["l", "e1", 1, "c0", True]), hand.line(["p", "e1", "note", "text"]))
    load_run(store, make.journal(store.folder, *lines))
    assert counts(store) == (0, 1, 0, 1)
