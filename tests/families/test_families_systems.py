"""The systems family through whole runs: the bundled workload, its report, and every example of the page on systems."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from evalkit.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "systems.md").read_text("utf-8")
EXAMPLES = {
    name: yaml.safe_load(text) for name, text in re.findall(r"```yaml example=(\w+)\n(.*?)```", PAGE, re.DOTALL)
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "suites", tmp_path / "suites")
    for name in ("workload", "corpus"):
        shutil.copytree(ROOT / "datasets" / name, tmp_path / "datasets" / name)
    shutil.copy(ROOT / "evalkit.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments, code=0):
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    out = capsys.readouterr().out
    assert ended.value.code == code, out
    return out


def rows(capsys, sql):
    return json.loads(run(capsys, "sql", sql, "--json"))


def test_the_workload_tells_routers_apart(project, capsys):
    parts = ["keyword", "rule_extractor", "rule_solver", "bm25", "keyword_tools"]
    systems = ["router_rules", "router_learned", "router_random"]
    chosen = [word for name in (*parts, *systems) for word in ("-c", name)]
    run(capsys, "run", "suites/workload.yaml", "-q", "--workers", "1", *chosen)
    found = rows(capsys, "select candidate, metric, value from leaderboard where slice = ''")
    value = {(row["candidate"], row["metric"]): row["value"] for row in found}
    assert all(0.02 < value[name, "checks"] < 0.9 for name in (*parts, *systems))
    assert min(value[name, "checks"] for name in systems[:2]) > max(value[name, "checks"] for name in parts) + 0.1
    assert value["router_random", "routing_accuracy"] < 0.35 < 0.6 < value["router_learned", "routing_accuracy"]
    assert value["keyword", "routing_accuracy"] is None
    run(capsys, "report")
    page = (project / "reports" / "suites" / "workload.html").read_text("utf-8")
    table = page[page.index('class="gains"') : page.index('id="stages"')]
    gains = dict(re.findall(r"<bdi>(router_\w+)</bdi></th>.*?<td>([\w ]+ the random mix)</td>", table, re.DOTALL))
    assert gains == {
        "router_rules": "better than the random mix",
        "router_learned": "better than the random mix",
        "router_random": "no better than the random mix",
    }


def test_there_is_an_example_of_every_system():
    known = {path.stem for path in (ROOT / "evalkit" / "systems").glob("[!_]*.py")}
    elsewhere = {"prompted", "rag", "rerank", "dense", "tool_loop"}
    assert {example["system"] for example in EXAMPLES.values()} >= known - elsewhere - {"verifier"}


def test_every_example_of_the_page_answers(project, capsys):
    (project / "evalkit.yaml").write_text(yaml.safe_dump({"candidates": EXAMPLES}))
    chosen = [word for name in EXAMPLES for word in ("-c", name)]
    run(capsys, "run", "suites/workload.yaml", "-q", "--workers", "1", "--limit", "12", *chosen)
    counts = (
        "select candidate, count(*) as n, count(error_kind) as failed from calls where ordinal = 0 group by candidate"
    )
    found = {row["candidate"]: row for row in rows(capsys, counts)}
    assert found.keys() == EXAMPLES.keys()
    assert all((row["n"], row["failed"]) == (12, 0) for row in found.values())
    routes = "select distinct candidate from calls where ordinal = 0 and meta ->> '$.route' is not null"
    assert {row["candidate"] for row in rows(capsys, routes)} == EXAMPLES.keys() - {"conferring"}
