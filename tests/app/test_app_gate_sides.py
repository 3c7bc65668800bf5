"""Sides of a gate: scored anew without a call, repeats, several candidates on GitHub, suites by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import evalkit
from evalkit.app.choosing import Judging
from evalkit.app.entries import Choice
from evalkit.app.gate_files import Github, say_on_github
from evalkit.app.gating import gate
from evalkit.app.opening import book_of, side_of
from evalkit.app.scoring import prepare
from evalkit.app.workspace import open_workspace
from evalkit.core.errors import InvalidRun

AGENT = """
def steady(sample):
    '''Version 1.'''
    return sample.target

def other(sample):
    return sample.target if int(sample.id[1:]) % 3 else "no"

def calls(sample):
    calls.count = getattr(calls, "count", 0) + 1
    return sample.target if calls.count % 2 else "no"
"""


@pytest.fixture
def ran(project, monkeypatch):
    """A suite with two candidates, run once with three repeats."""
    samples = [{"id": f"s{n}", "input": {"text": str(n)}, "target": f"t{n}", "tags": ["all"]} for n in range(30)]
    folder: Path = project(
        samples, repeats=3, scorers=["exact_match"], gates=[{"metric": "exact_match", "margin": 0.1}],
    )  # fmt: skip
    (folder / "agent.py").write_text(AGENT)
    measured = evalkit.run("s.yaml", ["python/agent.py:steady", "python/agent.py:other", "python/agent.py:calls"])
    assert measured.code == 0
    return open_workspace(folder, {})


def side(workspace, connection, candidate) -> object:
    row = next(row for row in book_of(connection, workspace).rows if row.candidate.endswith(candidate))
    return side_of(connection, workspace, Choice(row.suite, row.candidate, row.candidate, row))


def test_stored_answers_are_scored_anew_in_memory(ran):
    one = prepare("contains(ignore_case=True)", extract=None)
    with ran.loaded() as connection:
        before = connection.execute("select count(*) from score").fetchall()
        found = side(ran, connection, "other").anew(one)["contains"]
        assert connection.execute("select count(*) from score").fetchall() == before
    assert (found.there, found.value.sum()) == (90, 60)


def test_scorers_of_all_repeats_see_them_all(ran):
    one = prepare("determinism", extract=None)
    with ran.loaded() as connection:
        steady = side(ran, connection, "steady")
        found = steady.anew(one)[one.metrics[0].name]
        told = steady.cells.sample_id[found.status != ""]
    assert (found.there, len(set(told))) == (30, 30)
    assert set(found.status) == {"", "unscorable"}, "texts are no pictures, which it says once per sample"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("judge_rubric(judge='j', rubric='good?')", "asks j"),
        ("judge_pair(judge='j', against='other')", "asks j"),
        ("tests_pass", "runs code"),
    ],
)
def test_what_stored_answers_cannot_give_is_refused_with_the_reason(ran, spec, why):
    with ran.loaded() as connection, pytest.raises(InvalidRun, match=why):
        side(ran, connection, "steady").anew(prepare(spec, extract=None))


def test_flaky_samples_are_shown_and_unstable_ones_come_last(ran):
    found = gate(ran, Judging(baseline="last:python/agent.py:steady", candidates=("last:python/agent.py:calls",)))
    (one,) = found
    assert not one.evidence.changed[0].stable
    (power,) = one.evidence.power
    assert (power.repeats, power.repeats_worth is not None) == (3, True)
    (other,) = gate(ran, Judging(baseline="last:python/agent.py:steady", candidates=("last:python/agent.py:other",)))
    assert (other.verdict.outcome, other.evidence.changed[0].stable, other.evidence.worse) == ("regression", True, 10)


def test_all_candidates_of_a_run_are_judged_and_said_in_one_comment(ran, tmp_path):
    found = gate(ran, Judging(("s",), baseline="last:python/agent.py:steady"))
    assert [one.verdict.candidate for one in found] == ["python/agent.py:calls", "python/agent.py:other"]
    assert say_on_github(found, Github(summary=tmp_path / "summary.md", outputs=tmp_path / "out")) == []
    text = (tmp_path / "summary.md").read_text()
    assert text.count("REGRESSION") >= 2
    assert text.count("\n---\n") == 1
    assert (tmp_path / "out").read_text() == "outcome<<end\nregression\nend\n"


def test_a_suite_is_found_by_its_name_or_not_at_all(ran):
    with pytest.raises(evalkit.core.errors.ConfigError, match="no such file"):
        gate(ran, Judging(("t",)))


def test_an_entry_is_not_judged_against_itself(ran):
    with ran.loaded() as connection:
        entries = [row.entry_id for row in book_of(connection, ran).rows]
    for ident in entries:
        found = gate(ran, Judging(baseline=ident))
        assert len(found) == 2
    (same,) = gate(ran, Judging(baseline=entries[0], candidates=(entries[0],)))
    assert same.verdict.outcome == "pass"


def test_the_evidence_is_json(ran):
    from evalkit.app.gate_files import as_json

    body = json.loads(as_json(gate(ran, Judging(baseline="last:python/agent.py:steady"))))
    assert body["verdicts"][0]["evidence"]["facts"]["resampling"].startswith("seed 0")
