"""The policy extend: answers are bought look by look until the gate is decided, and no further."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_world import Done, World

from evalkit.providers.mock_server import Server, running

SAMPLES = 200


@pytest.fixture(scope="module")
def process() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def server(process: Server) -> Server:
    process.config(latency_ms=1)
    process.reset()
    return process


def git(root: Path, *words: str) -> None:
    author = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *author, *words], cwd=root, capture_output=True, check=True, timeout=30)


def world(root: Path, server: Server, *, repeats: int = 1, margin: float = 0.1, **suite: object) -> World:
    """A repository whose `main` was measured with `model-p80`, and a branch `work` checked out."""
    made = World.build(
        root, server.url, SAMPLES, models=["model-p80"],
        project={
            "candidates": {"bot": {"provider": "mocked", "model": "model-p80"}},
            "prices": [{"model": "model-*", "usd": {"input_tokens": 1.0, "output_tokens": 1.0}, "dated": "2026-01-01"}],
        },
        suite={
            "candidates": ["bot"], "scorers": ["numeric"], "repeats": repeats,
            "gates": [{"metric": "numeric", "margin": margin}], **suite,
        },
    )  # fmt: skip
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "main")
    made.run().expect(0)
    git(root, "checkout", "-q", "-b", "work")
    server.reset()
    return made


def change(made: World, model: str) -> None:
    made.write(candidates={"bot": {"provider": "mocked", "model": model}})
    git(made.root, "commit", "-qam", f"Ask {model}")


def extend(made: World, *more: str) -> tuple[Done, dict]:
    file = made.root / "verdict.json"
    file.unlink(missing_ok=True)
    done = made.quick("gate", "sums.yaml", "--policy", "extend", "--json", str(file), "--yes", *more)
    return done, json.loads(file.read_text("utf-8")) if file.exists() else {}


def test_a_clear_loss_is_decided_by_the_first_look(tmp_path, server):
    made = world(tmp_path / "project", server)
    change(made, "model-p30")
    done, said = extend(made, "--budget-usd", "1")
    assert done.code == 3, done.err
    assert server.stats()["total"] == 60
    verdict = said["verdicts"][0]["verdict"]
    assert verdict["outcome"] == "regression"
    assert verdict["judged"][0]["comparison"]["n"] == 60
    assert verdict["alpha"] < 0.01, "an early look may spend little"
    assert "look 1 of 3" in done.err


def test_what_is_close_takes_all_looks_and_then_blocks(tmp_path, server):
    made = world(tmp_path / "project", server, margin=0.02)
    change(made, "model-p79")
    done, said = extend(made, "--budget-usd", "1")
    assert (done.code, said["outcome"]) == (4, "inconclusive"), done.err
    assert server.stats()["total"] == SAMPLES, "no answer is asked for twice"
    assert "look 3 of 3" in done.err
    looks = made.sql("select alpha, outcome, code from gate order by alpha")
    assert [row["outcome"] for row in looks] == ["inconclusive"] * 3
    assert sum(row["alpha"] for row in looks) < 0.08
    assert [row["code"] for row in looks] == [0, 0, 4], "only the last look blocks"


def test_the_budget_ends_it(tmp_path, server):
    made = world(tmp_path / "project", server, margin=0.02)
    change(made, "model-p79")
    before = made.one("select sum(usd) / count(*) from calls")
    done, said = extend(made, "--budget-usd", str(before * 70))
    assert (done.code, said["outcome"]) == (4, "inconclusive"), done.err
    assert 60 <= server.stats()["total"] < 120
    assert "budget" in done.err


def test_wavering_samples_are_asked_again_where_the_baseline_has_repeats(tmp_path, server):
    made = world(tmp_path / "project", server, margin=0.02, repeats=3, scorers=["exact_match"])
    made.write(
        suite={"gates": [{"metric": "exact_match", "margin": 0.005}]},
        candidates={"bot": {"provider": "mock", "model": "steady", "p": 0.9, "wrong": "no"}},
    )
    git(made.root, "commit", "-qam", "A bot that wavers")
    git(made.root, "checkout", "-q", "-B", "main")
    made.run().expect(0)
    git(made.root, "checkout", "-q", "-B", "work")
    wavering = made.one(
        "select count(*) from (select c.sample_id from cells c join calls k using (call_id)"
        " where c.run_id = (select max(run_id) from run) group by 1 having count(distinct k.output::varchar) > 1)"
    )
    assert 0 < wavering < SAMPLES
    made.write(candidates={"bot": {"provider": "mock", "model": "steady", "p": 0.89, "seed": 1, "wrong": "no"}})
    git(made.root, "commit", "-qam", "A little worse")
    done, said = extend(made, "--budget-usd", "1")
    assert "look 4 of 4" in done.err, done.err
    comparison = said["verdicts"][0]["verdict"]["judged"][0]["comparison"]
    assert comparison["n"] == SAMPLES
    newest = made.sql("select run_id, count(*) as n from cells group by 1 order by 1 desc limit 2")
    assert [row["n"] for row in newest] == [8 * wavering, 3 * SAMPLES]


def test_whole_groups_are_looked_at(tmp_path, server):
    made = world(tmp_path / "project", server)
    rows = [{**row, "document": f"d{place // 8}"} for place, row in enumerate(json.loads(line) for line in
            (made.root / "sums.jsonl").read_text("utf-8").splitlines())]  # fmt: skip
    made.samples(rows)
    fields = {"id": "id", "input": {"text": "text"}, "target": "target", "group": "document"}
    made.write(suite={"dataset": {"path": "sums.jsonl", "fields": fields}})
    git(made.root, "commit", "-qam", "Groups")
    git(made.root, "checkout", "-q", "-B", "main")
    made.run("--fresh").expect(0)
    git(made.root, "checkout", "-q", "-B", "work")
    change(made, "model-p30")
    server.reset()
    done, said = extend(made, "--budget-usd", "1")
    comparison = said["verdicts"][0]["verdict"]["judged"][0]["comparison"]
    assert comparison["n"] == 8 * comparison["groups"]
    assert done.code == 3
    assert comparison["n"] < SAMPLES


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ((), 2, "say how much they may cost"),
        (("--budget-usd", "1", "-b", "nowhere"), 5, "there is no baseline 'nowhere'"),
    ],
)
def test_what_cannot_be_bought_is_said(tmp_path, server, more, code, said):
    made = world(tmp_path / "project", server)
    change(made, "model-p79")
    done, _ = extend(made, *more)
    assert done.code == code, (done.out, done.err)
    assert said in done.err + done.out
    assert server.stats()["total"] == 0, "nobody is asked in vain"
