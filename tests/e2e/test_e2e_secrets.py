"""Keys are used and never kept: not in journals, store, blobs, report, export, terminal or crash report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from evalkit.providers.mock_server import Server, Settings, running

# Each key takes another way in; none has a shape that gives it away.
KEYS = {
    "SERVER_KEY": "right-4f9a0c1d7e",
    "WRONG_KEY": "wrong-b81e55aa02",
    "PLAIN_TOKEN": 'token/with+signs=93ac&"quote\\slash',
    "EXEC_SECRET": "exec-7d20ff61c9",
    "FILE_KEY": "dotenv-0a4b3c2d1e",
    "NAMED_CREDENTIAL": "named-55d0e1f2a3",
}
SHAPED = ("sk-proj-AbCdEfGhIjKlMnOpQrSt", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "AKIAIOSFODNN7EXAMPLE")
AGENT = """
import os, sys

def leaks(sample):
    key = os.environ["PLAIN_TOKEN"]
    print("printed", key, file=sys.stderr) if sample.id == "s9" else None
    if sample.id in ("s1", "s2"):
        raise RuntimeError(f"call failed with Authorization: Bearer {key}")
    return {"said": f"my key is {key}", key: ["nested", key], "shaped": sample.input["text"]}
"""
PROGRAM = """
import json, os, sys
asked = json.loads(sys.stdin.readline())
seen = {name: os.environ.get(name) for name in ("EXEC_SECRET", "PLAIN_TOKEN", "FILE_KEY", "SERVER_KEY")}
if asked["id"] in ("s1", "s2"):
    sys.stderr.write("died with " + str(seen))
    sys.exit(3)
print(json.dumps({"output": {name: value is not None for name, value in seen.items()}, "meta_says": seen["EXEC_SECRET"]}))
"""


def spellings() -> set[bytes]:
    found = set()
    for key in (*KEYS.values(), *SHAPED):
        found |= {key, json.dumps(key)[1:-1]}
    return {key.encode() for key in found}


def environment() -> dict[str, str]:
    base = {name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_TOKEN", "_SECRET"))}
    return {**base, **{name: KEYS[name] for name in KEYS if name not in ("FILE_KEY", "NAMED_CREDENTIAL")}}


def evalkit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "evalkit", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, check=False)


def leaks(content: bytes) -> list[bytes]:
    return sorted(key for key in spellings() if key in content)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(Settings(require_key=KEYS["SERVER_KEY"])) as started:
        yield started


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / ".env").write_text(f"FILE_KEY={KEYS['FILE_KEY']}\nNAMED_CREDENTIAL='{KEYS['NAMED_CREDENTIAL']}'\n")
    text = f"{' '.join(SHAPED)} and {KEYS['PLAIN_TOKEN']} and {KEYS['FILE_KEY']} and {KEYS['NAMED_CREDENTIAL']}"
    samples = [
        {
            "id": f"s{n}",
            "input": {"text": text},
            "target": text,
            "meta": {"note": text},
            "group": f"g{n}",
            "tags": ["t"],
        }
        for n in range(6)
    ]
    (folder / "d.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    (folder / "card.yaml").write_text(f"source: bought with {KEYS['FILE_KEY']}\n")
    (folder / "agent.py").write_text(AGENT)
    (folder / "program.py").write_text(PROGRAM)
    suite = {
        "name": "secrets",
        "description": f"asked with {KEYS['FILE_KEY']}",
        "family": "generalist",
        "dataset": {"path": "d.jsonl", "card": "card.yaml"},
        "task": {"system": f"The key is {KEYS['SERVER_KEY']}.", "prompt": f"{KEYS['NAMED_CREDENTIAL']} {{{{ text }}}}"},
        "scorers": ["exact_match", "squad", "length"],
        "limits": {"max_error_rate": 1.0},
        "candidates": ["good", "wrong", "named", "poster", "agent", "program"],
    }
    (folder / "s.yaml").write_text(json.dumps(suite))
    chat = {"provider": "openai", "model": "perfect", "base_url": f"{server.url}/v1"}
    poster = {
        "provider": "http",
        "url": f"{server.url}/v1/chat/completions",
        "headers": {"Authorization": "Bearer ${WRONG_KEY}"},
        "body": {"model": "perfect", "messages": [{"role": "user", "content": "{{ text }}"}]},
        "output": "choices[0].message.content",
    }
    candidates = {
        "good": {**chat, "api_key_env": "SERVER_KEY"},
        "wrong": {**chat, "model": "perfect-w", "api_key_env": "WRONG_KEY"},
        "named": {**chat, "model": "perfect-n", "api_key_env": "NAMED_CREDENTIAL"},
        "poster": poster,
        "agent": "python/agent.py:leaks",
        "program": {"provider": "exec", "command": [sys.executable, "program.py"], "env": ["EXEC_SECRET"]},
    }
    (folder / "evalkit.yaml").write_text(json.dumps({"candidates": candidates}))
    done = evalkit(folder, "run", "s.yaml", "--retries", "0")
    (folder / "said.txt").write_bytes(done.stdout + done.stderr)
    assert done.returncode in (0, 5), done.stderr.decode()
    return folder


def own(folder: Path) -> set[Path]:
    """The files that hold keys because the user put them there."""
    return {folder / name for name in (".env", "d.jsonl", "card.yaml", "s.yaml")}


def test_the_candidates_did_use_their_keys(project: Path, server: Server) -> None:
    sql = """select e.candidate, count(*) filter (where k.error_kind is null) as answered, max(k.error_kind) as kind,
      max(k.error_message) as message from entry e join answer a using (entry_id) join call k using (call_id) group by all"""
    rows = {row["candidate"]: row for row in json.loads(evalkit(project, "sql", sql, "--json").stdout)}
    assert {name: (row["answered"], row["kind"]) for name, row in rows.items()} == {
        "good": (6, None),
        "wrong": (0, "auth"),
        "named": (0, "auth"),
        "poster": (0, "auth"),
        "agent": (4, "candidate_error"),
        "program": (4, "candidate_error"),
    }
    # The server repeats the wrong key, the agent and the program shout theirs: what stays is that there was one.
    assert "Incorrect API key provided: [redacted]" in rows["wrong"]["message"]
    assert "Authorization: Bearer [redacted]" in rows["agent"]["message"]
    assert "[redacted]" in rows["program"]["message"]
    assert server.stats()["status"]["401"] >= 3


def test_programs_see_the_variables_that_are_named_and_no_others(project: Path) -> None:
    sql = """select distinct k.output from entry e join answer a using (entry_id) join call k using (call_id)
      where e.candidate = 'program' and k.output is not null"""
    (row,) = json.loads(evalkit(project, "sql", sql, "--json").stdout)
    assert json.loads(row["output"]) == {
        "EXEC_SECRET": True,
        "PLAIN_TOKEN": False,
        "FILE_KEY": False,
        "SERVER_KEY": False,
    }


def test_no_key_is_said(project: Path) -> None:
    said = (project / "said.txt").read_bytes()
    for arguments in (
        ("show", "last"),
        ("show", "last", "--failures", "--json"),
        ("show", "last", "--sample", "s1", "--json"),
        ("sql", "select * from call", "--json"),
        ("sql", "select * from sample, suite, data_set, prompt, entry, run, problem", "--json"),
        ("list", "runs", "--json"),
        ("list", "candidates", "--json"),
        ("explain-miss", "--json"),
        ("doctor",),
        ("validate", "s.yaml"),
    ):
        done = evalkit(project, *arguments)
        assert b"internal error" not in done.stderr
        said += done.stdout + done.stderr
    assert len(said) > 20_000
    assert leaks(said) == []


def test_no_key_is_kept(project: Path) -> None:
    assert evalkit(project, "report", "-o", "out").returncode == 0
    assert evalkit(project, "export", "last", "-o", "parquet").returncode == 0
    # A snapshot is a copy of the user's own data, as they are; everything else is evalkit's.
    searched = [
        path
        for path in project.rglob("*")
        if path.is_file() and path not in own(project) and "snapshots" not in path.parts and path.name != "said.txt"
    ]
    kinds = {path.suffix for path in searched}
    assert {".duckdb", ".html", ".parquet"} <= kinds
    assert {path.name: leaks(path.read_bytes()) for path in searched if leaks(path.read_bytes())} == {}


def test_no_column_of_the_store_holds_a_key(project: Path) -> None:
    seen = 0
    with duckdb.connect(str(project / ".evalkit/store.duckdb"), read_only=True) as store:
        for table, column in store.execute(
            "select table_name, column_name from duckdb_columns() where schema_name = 'main' and not internal"
        ).fetchall():
            for (text,) in store.execute(f'select distinct cast("{column}" as varchar) from "{table}"').fetchall():
                seen += text is not None
                assert leaks((text or "").encode()) == [], (table, column)
    assert seen > 500


def test_a_killed_runs_journal_holds_no_key(project: Path, tmp_path: Path) -> None:
    for name in (".env", "d.jsonl", "card.yaml", "agent.py", "program.py", "evalkit.yaml", "s.yaml"):
        (tmp_path / name).write_bytes((project / name).read_bytes())
    slow = AGENT.replace(
        "    if sample.id in",
        '    import time; time.sleep(1.0 if sample.id == "s5" else 0)\n    if sample.id == "s5": os.kill(os.getpid(), 9)\n    if sample.id in',
    )
    (tmp_path / "agent.py").write_text(slow)
    done = evalkit(tmp_path, "run", "s.yaml", "-c", "agent", "-c", "wrong", "-c", "program", "--retries", "0")
    assert done.returncode == -9
    journals = [path for path in (tmp_path / ".evalkit/runs").rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in journals)
    assert content.count(b"[redacted]") > 3
    assert leaks(content) == []


CRASH = """
import sys
from evalkit.cli import main as cli
from evalkit.app import query
def broken(*_):
    raise RuntimeError("no connection with Bearer " + sys.argv[-1] + " and {key}")
query.query = broken
cli.main(["sql", "select 1"])
"""


def test_a_crash_report_holds_no_key(project: Path, tmp_path: Path) -> None:
    script = CRASH.replace("{key}", KEYS["FILE_KEY"])
    command = [sys.executable, "-c", script, KEYS["PLAIN_TOKEN"]]
    done = subprocess.run(
        command, cwd=project, env={**environment(), "TMPDIR": str(tmp_path)}, capture_output=True, check=False
    )
    assert done.returncode == 70
    assert b"Traceback" not in done.stderr
    assert b"[redacted]" in done.stderr
    (report,) = tmp_path.glob("evalkit-crash-*.txt")
    assert str(report) in done.stderr.decode()
    assert "RuntimeError" in report.read_text()
    assert leaks(done.stderr + done.stdout + report.read_bytes()) == []


def test_an_error_that_quotes_a_key_does_not_show_it(project: Path, tmp_path: Path) -> None:
    done = evalkit(project, "run", f"{KEYS['PLAIN_TOKEN']}.yaml")
    assert done.returncode == 2
    assert b"[redacted].yaml" in done.stderr
    done = evalkit(project, "run", "s.yaml", "-c", f"opnai/{KEYS['FILE_KEY']}")
    assert done.returncode == 2
    assert leaks(done.stderr) == []
