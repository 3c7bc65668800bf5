"""`evalkit run`: what is shown while it goes, what it prints at the end, and with which code it ends."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys

import pytest


def events(said) -> tuple[list[dict], list[dict]]:
    lines = said.out.splitlines()
    return [json.loads(line) for line in lines[:-1]], json.loads(lines[-1])


def test_a_run_says_what_it_will_do_and_what_it_found(empty, call):
    said = call("run", "suites", "-y", "-c", "chat")
    assert said.code == 0, said.err
    assert "gates: 1 in sums; `evalkit gate` judges them" in said.err
    assert "2 entries, 16 calls to make" in said.err
    assert "estimate: 16 calls, about" in said.err
    assert "chat:plain" in said.out
    assert "evalkit report" in said.out
    again = call("run", "suites", "-y", "-c", "chat")
    assert "nothing to ask: 16 answers are known" in again.err
    assert call("run", "suites", "-c", "chat", "--replay-only", "-q").code == 0


def test_events_for_programs(empty, call):
    told, rows = events(call("run", "suites", "--json", "-y", "-c", "chat", "-c", "half", "-c", "unsure"))
    kinds = [event["event"] for event in told]
    assert kinds[0] == "gates"
    assert {"planned", "estimate", "finished"} <= set(kinds)
    estimate = next(event for event in told if event["event"] == "estimate")["estimate"]
    assert estimate["calls"] == 40
    assert estimate["usd"] is None
    assert estimate["unpriced"]
    assert {row["candidate"] for row in rows} == {"chat:plain", "chat:polite", "half:plain", "half:polite", "unsure"}


def test_csv_prints_the_leaderboard_only(empty, call):
    said = call("run", "suites", "--csv", "-c", "unsure", "--limit", "3")
    assert said.err == ""
    assert said.out.splitlines()[0].startswith("suite,family,candidate,status,metric")
    assert all(line.startswith("sums,generalist,unsure,complete,") for line in said.out.splitlines()[1:])


def test_selections(empty, call):
    one = events(call("run", "suites", "--json", "-c", "unsure", "--sample-id", "s1", "--sample-id", "s2"))[1]
    assert {row["planned"] for row in one} == {2}
    call("run", "suites", "-q", "-c", "agent", "-c", "unsure")
    failed = events(call("run", "suites", "--json", "-c", "agent", "--only-failed"))[1]
    assert {(row["planned"], row["errored"]) for row in failed} == {(1, 1)}


def test_errors_above_the_allowed_share_are_not_valid(empty, call):
    said = call("run", "suites", "-q", "-c", "broken", "--retries", "0", "--timeout", "5")
    assert said.code == 5
    assert "not valid: sums x broken: 8 of 8 cells failed (100.0%), more than the allowed 2.0%" in said.err
    assert "0.0 %" in said.out


def test_a_budget_stops_a_run(empty, call):
    said = call("run", "suites", "-q", "-y", "-c", "chat", "--budget-tokens", "1", "--concurrency", "1")
    assert said.code == 5
    assert "budget" in said.err
    assert "have no answer" in said.err
    assert call("run", "suites", "-q", "-y", "-c", "chat", "--max-seconds", "1000", "--budget-usd", "100").code == 0


def test_replay_only_asks_nobody(empty, call, server):
    before = server.stats()["total"]
    said = call("run", "suites", "-c", "chat", "--replay-only")
    assert said.code == 5
    assert "16 answers are not in the store, the first for sample" in said.err
    assert server.stats()["total"] == before
    assert json.loads(call("list", "runs", "--json").out) == []


def test_a_cost_above_the_threshold_wants_a_yes(empty, call, server):
    config = json.loads((empty / "evalkit.yaml").read_text())
    config["prices"][0]["usd"] = {"input_tokens": 1e6, "output_tokens": 1e6}
    (empty / "evalkit.yaml").write_text(json.dumps(config))
    before = server.stats()["total"]
    said = call("run", "suites", "-c", "chat")
    assert said.code == 2
    assert "above $1; pass --yes to agree" in said.err
    assert server.stats()["total"] == before
    assert call("run", "suites", "-c", "chat", "--yes", "-q").code == 0


def test_a_candidate_without_its_parts_is_skipped(empty, call):
    config = json.loads((empty / "evalkit.yaml").read_text())
    config["candidates"]["weights"] = {"provider": "llamacpp", "model": "none\x1b[2J.gguf"}
    (empty / "evalkit.yaml").write_text(json.dumps(config))
    said = call("run", "suites", "-c", "weights", "-c", "unsure")
    assert said.code == 0, said.err
    assert "skipped: sums x weights" in said.err
    assert "none\\x1b[2J.gguf" in said.err
    assert "\x1b" not in said.out + said.err + call("show", "last").out
    alone = call("run", "suites", "-c", "weights")
    assert alone.code == 5
    assert "every candidate is skipped" in alone.err
    suite = json.loads((empty / "suites/sums.yaml").read_text())
    (empty / "suites/sums.yaml").write_text(json.dumps({**suite, "candidates": ["weights", "unsure"]}))
    assert "skipped: sums x weights" in call("validate", "suites").out


def test_a_project_is_found_from_the_suite(empty, call, monkeypatch, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert call("run", str(empty / "suites/sums.yaml"), "-q", "-c", "unsure").code == 0
    assert (empty / ".evalkit/store.duckdb").is_file()
    assert not (elsewhere / ".evalkit").exists()


def test_without_evalkit_yaml_the_working_directory_is_the_project(empty, call):
    (empty / "evalkit.yaml").unlink()
    assert call("run", "suites/sums.yaml", "-q", "-c", "mock/perfect").code == 0
    assert (empty / ".evalkit/store.duckdb").is_file()
    assert not (empty / "suites/.evalkit").exists()


SLOW = """
import time
def waits(sample):
    time.sleep(0.05)
    return "2"
"""


def test_a_terminal_gets_a_live_table_and_a_question(empty):
    """The whole program on a pseudo-terminal: the table is drawn, the cost is asked for, the answer `y` is taken."""
    config = json.loads((empty / "evalkit.yaml").read_text())
    config["prices"][0]["usd"] = {"input_tokens": 1e6, "output_tokens": 1e6}
    config["candidates"]["slow"] = "python/slow.py:waits"
    (empty / "evalkit.yaml").write_text(json.dumps(config))
    (empty / "slow.py").write_text(SLOW)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "evalkit", "run", "suites", "-c", "chat", "-c", "slow"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"}
    child = subprocess.Popen(command, cwd=empty, env=environment, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    seen = b""
    answered = False
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready, seen.decode()
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
        if b"go on?" in seen and not answered:
            answered = True
            os.write(ours, b"y\n")
    out = child.communicate(timeout=60)[0].decode()
    os.close(ours)
    shown = seen.decode()
    assert child.returncode == 0, shown
    assert answered
    assert "suite x candidate" in shown
    assert "sums x slow" in shown
    assert "gates: 1 in sums" in shown
    assert "chat:polite" in out
    assert "\x1b" not in out


def test_a_reader_that_goes_away_ends_quietly(project):
    command = f"{sys.executable} -m evalkit sql 'select * from scores, range(100)' --csv | head -c 10"
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], cwd=project, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


def test_a_terminal_of_few_characters_gets_codes(project):
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1:strict"}
    command = [sys.executable, "-m", "evalkit", "sql", "select chr(233) || chr(20013) as word", "--csv"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"word\n\xe9\\u4e2d\n"


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("run", "--help"), ("new",), ("--version",)])
def test_help_and_version(call, arguments):
    said = call(*arguments)
    assert said.code in ((0, 2) if arguments in ((), ("new",)) else (0,))
    assert "evalkit" in said.out + said.err or "Usage" in said.out + said.err
