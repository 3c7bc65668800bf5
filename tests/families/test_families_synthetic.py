"""Synthetic tables end to end: the suite, a service over HTTP, a program, and the copy that is caught."""

from __future__ import annotations

import base64
import json
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evalkit.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "suites").mkdir()
    shutil.copy(ROOT / "suites" / "synthetic_tables.yaml", tmp_path / "suites")
    shutil.copytree(ROOT / "datasets" / "tables", tmp_path / "datasets" / "tables")
    (tmp_path / "evalkit.yaml").write_text("candidates: {}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 0, capsys.readouterr().err
    return capsys.readouterr().out


def values(capsys, metric):
    rows = json.loads(table(capsys, "sql", "--json", f"select candidate, value from leaderboard where slice = '' and metric = '{metric}'"))  # fmt: skip
    return {row["candidate"]: row["value"] for row in rows}


def test_the_copy_wins_on_fidelity_and_is_caught(project, capsys):
    table(capsys, "run", "suites", "--limit", "2", "--quiet", "-c", "bootstrap_copy", "-c", "gaussian_copula")
    copies = values(capsys, "copies")
    assert copies["bootstrap_copy"] == 1.0
    assert copies["gaussian_copula"] < 0.05
    assert values(capsys, "fidelity_pairs")["bootstrap_copy"] > 0.9


class Service(BaseHTTPRequestHandler):
    """Gives the first rows of the table back."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert set(body) == {"table", "rows"}
        header, *lines = base64.b64decode(body["table"]).decode().splitlines()
        names = header.split(",")
        rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[: body["rows"]]]
        data = json.dumps({"rows": rows}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        return None


PROGRAM = """
import json, sys
asked = json.load(sys.stdin)
names = [column["name"] for column in asked["input"]["columns"]]
row = [column.get("low", 0) if column["type"] == "number" else column["values"][0] for column in asked["input"]["columns"]]
print(json.dumps({"output": [row] * 20}))
"""


def test_a_service_and_a_program_are_asked(project, capsys):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (project / "program.py").write_text(PROGRAM)
    (project / "evalkit.yaml").write_text(
        f"""candidates:
  service:
    provider: http
    url: http://127.0.0.1:{server.server_port}/synthesize
    body: {{table: {{$base64: table}}, rows: {{$json: "{{{{ rows }}}}"}}}}
    output: rows
  program: {{provider: exec, command: ["{sys.executable}", program.py]}}
"""
    )
    table(capsys, "run", "suites", "--limit", "2", "--quiet", "-c", "service", "-c", "program")
    server.shutdown()
    server.server_close()
    assert values(capsys, "copies") == {"service": 1.0, "program": 0.0}
    assert values(capsys, "fidelity_columns")["service"] > 0.95
