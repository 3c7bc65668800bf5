"""Every verb: what it prints as a table, as JSON and as CSV, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest


def rows_of(call, *arguments):
    """The rows of a command, equal as JSON and as CSV; the table holds the words of the first row."""
    as_json, as_csv, table = call(*arguments, "--json"), call(*arguments, "--csv"), call(*arguments)
    assert as_json.code == as_csv.code == table.code, (as_json.err, table.err)
    rows = json.loads(as_json.out)
    read = list(csv.DictReader(io.StringIO(as_csv.out)))
    assert [list(row) for row in rows] == [list(row) for row in read]
    assert len(rows) == len(read)
    return rows, table.out


def test_show_the_leaderboard(project, call):
    rows, table = rows_of(call, "show", "last")
    by = {(row["candidate"], row["metric"]): row for row in rows}
    assert {name for name, _ in by} == {"chat:plain", "chat:polite", "half:plain", "half:polite", "agent", "unsure"}
    assert by["chat:plain", "exact_match"]["value"] == 1.0
    assert by["chat:plain", "exact_match"]["usd"] > 0
    assert by["half:plain", "exact_match"]["usd"] is None
    agent = by["agent", "exact_match"]
    assert (agent["planned"], agent["answered"], agent["errored"], agent["scored"]) == (8, 7, 1, 7)
    assert (agent["value"], agent["value_dropped"]) == (0.875, 1.0)
    assert "chat:polite" in table
    assert "100.0 %" in table
    assert "exact_match" in call("show", "last", "--metrics").out
    sliced, table = rows_of(call, "show", "--slices")
    assert {row["slice"] for row in sliced} == {"", "size:big", "size:small"}
    small = next(row for row in sliced if row["candidate"] == "agent" and row["slice"] == "size:small")
    assert (small["planned"], small["value"]) == (5, 0.8)


def test_show_failures_and_one_sample(project, call):
    rows, table = rows_of(call, "show", "last", "--failures", "--limit", "3")
    assert {"agent", "unsure"} <= {row["candidate"] for row in rows}
    assert all(sum(row["candidate"] == name for row in rows) <= 3 for name in ("half:plain", "unsure"))
    (failed,) = (row for row in rows if row["candidate"] == "agent")
    assert (failed["sample_id"], failed["status"]) == ("s3", "errored")
    assert "three is too much" in failed["error"]
    assert "s3" in table
    rows, _ = rows_of(call, "show", "last", "--sample", "s3")
    assert {row["candidate"] for row in rows} >= {"chat:plain", "agent", "unsure"}


def test_sql(project, call):
    rows, table = rows_of(
        call, "sql", "select candidate, value from leaderboard where metric = 'exact_match' and slice = '' order by 1"
    )
    assert rows[0] == {"candidate": "agent", "value": 0.875}
    assert "0.875" in table


def test_lists(project, call):
    suites, _ = rows_of(call, "list", "suites")
    assert [(row["name"], row["candidates"]) for row in suites] == [("sums", ["chat", "half"])]
    assert rows_of(call, "list", "suites", "--in", "suites/sums.yaml")[0] == suites
    candidates, _ = rows_of(call, "list", "candidates")
    assert {"chat", "majority"} <= {row["name"] for row in candidates}
    assert next(row for row in candidates if row["name"] == "chat")["where"].endswith("evalkit.yaml:1")
    scorers, table = rows_of(call, "list", "scorers")
    found = {row["name"]: row for row in scorers}
    assert found["exact_match"]["metrics"] == ["exact_match"]
    assert "needs options" in found["regex"]["says"]
    assert "numeric" in table
    runs, _ = rows_of(call, "list", "runs")
    assert [(row["status"], row["entries"]) for row in runs] == [("complete", 6)]
    parts, _ = rows_of(call, "list", "parts")
    assert {"scorers", "providers", "families", "data"} <= {row["kind"] for row in parts}
    assert call("list", "everything").code == 2


def test_cost_and_repricing(project, call, tmp_path):
    shutil.copytree(project, tmp_path / "copy")
    at = ("-p", str(tmp_path / "copy"))
    rows, _ = rows_of(call, "cost", *at)
    before = {row["candidate"]: row["usd"] for row in rows}
    assert before["chat:plain"] > 0
    assert before["half:plain"] is None
    config = tmp_path / "copy/evalkit.yaml"
    written = json.loads(config.read_text())
    written["prices"][0]["usd"] = {"input_tokens": 2.0, "output_tokens": 4.0}
    config.write_text(json.dumps(written))
    said = call("cost", "last", "--reprice", "--json", *at)
    assert "calls costed again" in said.err
    after = {row["candidate"]: row["usd"] for row in json.loads(said.out)}
    assert after["chat:plain"] == pytest.approx(2 * before["chat:plain"])
    assert "unknown" in call("cost", *at).out


def test_explain_misses(project, call):
    rows, _ = rows_of(call, "explain-miss")
    assert {row["why"] for row in rows} == {"first run of this candidate on this suite"}
    assert {row["cells"] for row in rows} == {8}


def test_export_and_report(project, call, tmp_path):
    files = [Path(line) for line in call("export", "last", "--out", str(tmp_path / "out")).out.split()]
    assert {"call", "cell", "entry", "score"} <= {file.stem for file in files}
    assert all(file.read_bytes()[:4] == b"PAR1" for file in files)
    index = Path(call("report", "--out", str(tmp_path / "site")).out.strip())
    page = (index.parent / "suites/sums.html").read_text()
    assert index.name == "index.html"
    assert "`evalkit gate` judges them" in page
    assert "Be kind." in page
    assert "What is " in page
    assert "size:big" in page
    assert "made up" in page


def test_score_with_another_scorer(project, call, tmp_path):
    shutil.copytree(project, tmp_path / "copy")
    at = ("-p", str(tmp_path / "copy"))
    rows, _ = rows_of(call, "score", "last", "-s", "numeric(tolerance=0.01)", "-s", "squad", *at)
    found = {(row["candidate"], row["metric"]): row["value"] for row in rows}
    assert found["agent", "numeric"] == 0.875
    assert found["chat:plain", "numeric"] == 1.0
    assert any(name.startswith("squad") for _, name in found)
    assert "stored answers scored" in call("score", "last", "-s", "contains", *at).out
    assert call("score", "last", "-s", "nope", *at).code == 2


def test_gc(empty, call):
    assert call("run", "suites", "-q", "-c", "unsure").code == 0
    assert call("run", "suites", "-q", "-c", "unsure", "--fresh").code == 0
    said = call("gc", "--keep", "1", "--dry-run")
    assert said.code == 0
    assert "run " in said.out
    assert "bytes freed" not in said.out
    assert len(json.loads(call("list", "runs", "--json").out)) == 2
    said = call("gc", "--keep", "1", "--yes")
    assert "bytes freed" in said.out
    assert len(json.loads(call("list", "runs", "--json").out)) == 1
    assert call("gc").out == "nothing to drop\n"
    assert call("show", "last").code == 0


def test_gc_asks_first(empty, call, monkeypatch):
    call("run", "suites", "-q", "-c", "unsure")
    call("run", "suites", "-q", "-c", "unsure", "--fresh")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert "drop these?" in call("gc", "--keep", "1").out
    assert len(json.loads(call("list", "runs", "--json").out)) == 2


def test_doctor(empty, call, monkeypatch):
    monkeypatch.delenv("EVALKIT_TEST_KEY")
    config = json.loads((empty / "evalkit.yaml").read_text())
    config["candidates"]["gone"] = {"provider": "openai", "model": "x", "base_url": "http://127.0.0.1:9/v1"}
    (empty / "evalkit.yaml").write_text(json.dumps(config))
    rows, _ = rows_of(call, "doctor")
    found = {row["what"]: row for row in rows}
    assert found["candidate chat"] == {
        "what": "candidate chat", "state": "missing", "detail": "set EVALKIT_TEST_KEY in the environment or in .env",
    }  # fmt: skip
    assert found["server of chat"]["state"] == "ok"
    assert found["server of gone"]["state"] == "missing"
    assert "127.0.0.1:9" in found["server of gone"]["detail"]
    assert found["price of chat"]["state"] == "ok"
    assert found["price of half"]["state"] == "optional"
    assert "costs are unknown" in found["price of half"]["detail"]
    assert found["duckdb"]["state"] == "ok"
    assert "made by the first run" in found["store"]["detail"]
    assert call("doctor").code == 2
    monkeypatch.setenv("EVALKIT_TEST_KEY", "key-for-tests-only")
    del config["candidates"]["gone"]
    (empty / "evalkit.yaml").write_text(json.dumps(config))
    assert call("doctor").code == 0


def test_doctor_of_a_store_that_is_none(empty, call):
    (empty / ".evalkit").mkdir()
    (empty / ".evalkit/store.duckdb").write_text("this is no database")
    said = call("doctor", "--json")
    assert said.code == 2
    (store,) = (row for row in json.loads(said.out) if row["what"] == "store")
    assert store["state"] == "missing"


def test_models(project, call):
    rows, _ = rows_of(call, "models", "list")
    assert "smollm2-135m" in {row["name"] for row in rows}
    assert call("models", "get", "nothing-like-it").code == 2


def test_a_new_suite_runs_at_once(tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for family in ("generalist", "tabular"):
        made = call("new", "suite", f"my-{family}", "--family", family)
        assert made.code == 0
        assert f"try: evalkit run suites/my-{family}.yaml" in made.out
        assert call("validate", f"suites/my-{family}.yaml").code == 0, call("validate", f"suites/my-{family}.yaml").err
    said = call("validate", "suites")
    assert "2 suites" in said.out
    assert said.code == 0
    ran = call("run", "suites", "--json")
    assert ran.code == 0, ran.err
    again = call("new", "suite", "my-tabular", "--family", "tabular")
    assert again.code == 2
    assert "exists already" in again.err


def test_validate_says_what_to_know(empty, call):
    (empty / ".env").write_text("COLOUR=red\n")
    said = call("validate", "suites")
    assert said.code == 0
    assert "note: " in said.out
    assert "COLOUR" in said.out
    assert "1 suites, 4 candidates, 8 samples: no problems" in said.out
