"""The retrieval suite from file to leaderboard and report, with outputs that exist already and judgements that are wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from evalkit.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "suites", tmp_path / "suites")
    for name in ("retrieval", "corpus"):
        shutil.copytree(ROOT / "datasets" / name, tmp_path / "datasets" / name)
    (tmp_path / "evalkit.yaml").write_text("candidates: {}\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys):
    def ran(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        told = capsys.readouterr()
        return ended.value.code, told.out + told.err

    return ran


def results(run):
    code, out = run("sql", "select candidate, metric, value, unscorable, n from result join entry using (entry_id) where slice = ''", "--json")  # fmt: skip
    assert code == 0, out
    return {(row["candidate"], row["metric"]): row for row in json.loads(out)}


def test_baselines_are_ranked_and_repeat_themselves(project, run):
    arguments = (
        "run",
        "suites/retrieval.yaml",
        "--limit",
        "40",
        "-c",
        "bm25",
        "-c",
        "lsa_search",
        "--workers",
        "1",
        "-q",
    )
    code, out = run(*arguments)
    assert code == 0, out
    found = results(run)
    assert found["bm25", "ndcg@10"]["value"] > found["lsa_search", "ndcg@10"]["value"] > 0.1
    assert found["bm25", "index_mib"]["value"] < found["lsa_search", "index_mib"]["value"]
    assert found["bm25", "recall@10"]["value"] < found["bm25", "recall@100"]["value"] < 1
    assert {row["n"] for row in found.values()} == {40}
    code, _ = run("run", "suites/retrieval.yaml", "--limit", "40", "-c", "bm25", "--workers", "1", "-q", "--fresh")
    assert code == 0
    assert results(run)["bm25", "ndcg@10"]["value"] == found["bm25", "ndcg@10"]["value"]
    code, out = run("report")
    assert code == 0, out
    pages = "".join(path.read_text("utf-8") for path in (project / "reports").rglob("*.html"))
    assert "relevant found" in pages, "the report says where the relevant passages stand"


OUTPUTS = {
    "rq-001": {"ranking": ["reference.compound#61", "reference.compound#62"]},
    "rq-002": json.dumps({"ranking": [["reference.compound#62", 0.5], ["reference.compound#61", 0.9]]}),
    "rq-003": {"ranking": []},
    "rq-004": {"ranking": ["a", "b", "a"]},
    "rq-005": "I would look into the documentation.",
    "rq-006": {"ranking": [["a", "high"]]},
}


def test_outputs_that_exist_already_are_scored_and_bad_ones_counted(project, run):
    lines = [json.dumps({"id": ident, "output": output}) for ident, output in OUTPUTS.items()]
    (project / "outputs.jsonl").write_text("\n".join(lines), "utf-8")
    queries = project / "datasets/retrieval/queries.jsonl"
    kept = [line for line in queries.read_text("utf-8").splitlines() if json.loads(line)["id"] in OUTPUTS]
    queries.write_text("\n".join(kept), "utf-8")
    code, out = run("run", "suites/retrieval.yaml", "-c", "replay/outputs.jsonl", "--workers", "1", "-q")
    assert code == 0, out
    ((_, row),) = ((key, row) for key, row in results(run).items() if key[1] == "success@10")
    assert (row["value"], row["unscorable"], row["n"]) == (pytest.approx(2 / 6), 4, 6)
    _, told = run("sql", "select distinct reason from scores", "--json")
    for words in ("no document was retrieved", "stands in the ranking twice", "not JSON", "is not a number"):
        assert words in told


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({}, "no judgements"),
        ({"a": 0}, "no relevant document"),
        ({"a": 0.5}, "whole numbers"),
        ("a", "needs dict or list"),
    ],
)
def test_a_query_without_judgements_stops_the_run(project, run, target, words):
    queries = project / "datasets/retrieval/queries.jsonl"
    bad = {"id": "mine", "input": {"query": "x"}, "target": target}
    queries.write_text(queries.read_text("utf-8") + json.dumps(bad) + "\n", "utf-8")
    code, out = run("run", "suites/retrieval.yaml", "-c", "bm25", "-q")
    assert code == 2
    assert words in " ".join(out.split())
    assert "mine" in out


def test_without_a_corpus_it_says_what_is_missing(project, run):
    suite = project / "suites/retrieval.yaml"
    suite.write_text(
        suite.read_text("utf-8").replace("  corpus: {path: ../datasets/corpus/passages.jsonl}\n", ""), "utf-8"
    )
    code, out = run("run", "suites/retrieval.yaml", "--limit", "3", "-c", "bm25", "--workers", "1")
    assert code != 0
    assert "corpus" in out or "learn" in out
