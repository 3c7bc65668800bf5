"""compare, gate and baseline as a user types them: which answers are meant, what is written, what is remembered."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.cli.main import main
from evalkit.store.database import Store
from evalkit.store.reader import read_sql

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e" / "helpers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "gate"))
from e2e_gate_world import Shelf, World
from github_server import REPO, TOKEN, serving


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    for name in (
        "GITHUB_RUN_ATTEMPT",
        "GITHUB_TOKEN",
        "GITHUB_SHA",
        "GITHUB_REF",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_OUTPUT",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run_in(folder: Path, command: tuple[str, ...]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main(list(command))
    assert int(ended.value.code or 0) in (0, 5)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"), run_in)


@pytest.fixture
def measured(here: Path, shelf: Shelf, call: Callable) -> Callable[..., str]:
    """Write a world and run it; returns the run's id. The first one of a plain project was run before."""

    def run(world: World, *more: str) -> str:
        command = ("run", "s.yaml", "-q", *more)
        if (here / ".evalkit").exists() or (here / ".git").exists():
            world.write(here)
            assert call(*command).code in (0, 5)
        else:
            shelf.copy(here, (world, command))
        return rows(here, "select run_id from runs order by started desc limit 1")[0][0]

    return run


def rows(folder: Path, sql: str) -> list[tuple]:
    return read_sql(Store(folder / ".evalkit"), sql).rows


def git(folder: Path, *words: str) -> str:
    options = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *options, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def verdict_of(said: str) -> dict:
    return json.loads(said)["verdicts"][0]["verdict"]


# what a verdict writes


def test_the_same_answers_have_the_same_verdict_byte_for_byte(here, call, measured):
    first = measured(World())
    measured(World(wrong=8))
    files = ("--junit", "o/j.xml", "--markdown", "o/c.md", "--json", "o/g.json")
    once = call("gate", "-b", first, *files)
    before = {path.name: path.read_bytes() for path in (here / "o").iterdir()}
    again = call("gate", "-b", first, *files)
    assert once == again
    assert {path.name: path.read_bytes() for path in (here / "o").iterdir()} == before
    assert set(before) == {"j.xml", "c.md", "g.json"}
    assert rows(here, "select count(*), max(attempt) from gate") == [(1, 1)]
    assert rows(here, "select count(*) from call where error_kind is null")[0][0] == 200


def test_what_is_written_says_the_same(here, call, measured):
    first = measured(World())
    measured(World(wrong=20))
    said = call("gate", "-b", first, "--junit", "j.xml", "--markdown", "c.md", "--json", "g.json")
    body = json.loads((here / "g.json").read_text())
    one = body["verdicts"][0]["verdict"]
    assert (said.code, body["outcome"], body["code"], one["outcome"]) == (3, "regression", 3, "regression")
    assert one["judged"][0]["measured"]["headline"]["delta"] == pytest.approx(-0.2)
    suite = ET.fromstring((here / "j.xml").read_text())[0]
    assert (suite.get("failures"), suite.get("tests")) == ("1", "101")
    comment = (here / "c.md").read_text()
    assert comment.startswith("<!-- evalkit:s -->")
    assert "20 worse, 0 better of 100 pairs" in comment
    assert (
        f"evalkit gate s.yaml --candidate {rows(here, 'select max(run_id) from runs')[0][0]}:m --baseline {first}:m"
        in comment
    )


def test_the_printed_commands_reproduce_and_accept(here, call, measured):
    first = measured(World())
    measured(World(wrong=20))
    call("gate", "-b", first, "--json", "g.json")
    evidence = json.loads((here / "g.json").read_text())["verdicts"][0]["evidence"]
    reproduce, accept = evidence["reproduce"][0].split(), evidence["accept"][0].split(" --accept ")
    assert call(*reproduce[1:], "--json", "again.json").code == 3
    assert (here / "again.json").read_bytes() == (here / "g.json").read_bytes()
    assert call(*accept[0].split()[1:], "--accept", "wanted").code == 0


def test_json_and_csv_on_the_terminal(call, measured):
    first = measured(World())
    measured(World(wrong=20))
    assert verdict_of(call("gate", "-b", first, "--json", "-").out)["outcome"] == "regression"
    lines = call("gate", "-b", first, "--csv").out.splitlines()
    assert lines[0].startswith("suite,candidate,baseline,metric")
    assert lines[1].startswith("s,m,m,exact_match")


def test_a_file_that_cannot_be_written_is_said(here, call, measured):
    first = measured(World())
    (here / "folder").mkdir()
    said = call("gate", "-b", first, "-c", "m", "--json", "folder")
    assert (said.code, "folder cannot be written" in said.err) == (2, True)
    assert [path.name for path in here.iterdir() if path.name.endswith(".new")] == []


def test_github_gets_annotations_a_summary_and_outputs(here, call, measured, monkeypatch):
    first = measured(World())
    measured(World(wrong=20))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "summary.md"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(here / "outputs"))
    said = call("gate", "-b", first, "--github")
    assert (said.code, "::error file=s.yaml,line=6,title=" in said.out) == (3, True)
    assert "REGRESSION" in (here / "summary.md").read_text()
    assert "outcome<<end\nregression\nend" in (here / "outputs").read_text()


def test_github_gets_one_comment_that_later_gates_rewrite(here, call, measured, monkeypatch):
    first = measured(World())
    measured(World(wrong=20))
    (here / "event.json").write_text(json.dumps({"pull_request": {"number": 7, "head": {}}}))
    with serving() as hub:
        told = {"API_URL": f"{hub.base}/api/v3", "TOKEN": TOKEN, "REPOSITORY": REPO, "EVENT_PATH": "event.json"}
        for name, value in told.items():
            monkeypatch.setenv(f"GITHUB_{name}", value)
        assert call("gate", "-b", first, "--github").code == 3
        measured(World(wrong=0, seconds=1.0))
        assert call("gate", "-b", first, "--github").code == 0
        (comment,) = hub.comments
        assert comment["body"].startswith("<!-- evalkit:s -->")
        assert ("PASS" in comment["body"], hub.wrong) == (True, [])
        hub.read_only = True
        said = call("gate", "-b", first, "--github", "--policy", "release")
    assert (said.code, "the comment was not written" in said.err) == (0, True)
    assert TOKEN not in said.err + said.out


# attempts


def test_other_answers_to_the_same_question_spend_error(here, call, measured):
    first = measured(World())
    measured(World(wrong=8))
    assert verdict_of(call("gate", "-b", first, "--json", "-").out)["attempt"] == 1
    measured(World(wrong=8), "--fresh")
    second = verdict_of(call("gate", "-b", first, "--json", "-").out)
    assert (second["attempt"], second["alpha"]) == (2, pytest.approx(0.005))
    assert any("attempt 2" in warning for warning in second["warnings"])
    assert verdict_of(call("gate", "-b", first, "--json", "-").out) == second
    other = verdict_of(call("gate", "-b", first, "--policy", "release", "--json", "-").out)
    assert (other["attempt"], other["policy"]) == (2, "release")


def test_an_invalid_run_was_no_attempt(call, measured):
    first = measured(World())
    measured(World(errors=50, wrong=4))
    assert verdict_of(call("gate", "-b", first, "--json", "-").out)["outcome"] == "invalid"
    measured(World(errors=50, wrong=4), "--fresh")
    assert verdict_of(call("gate", "-b", first, "--json", "-").out)["attempt"] == 1


def test_a_rerun_of_the_ci_system_counts_where_the_store_has_forgotten(call, measured, monkeypatch):
    first = measured(World())
    measured(World(wrong=8))
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "3")
    assert verdict_of(call("gate", "-b", first, "--json", "-").out)["attempt"] == 3
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "4")
    assert verdict_of(call("gate", "-b", first, "--json", "-").out)["attempt"] == 3
    assert verdict_of(call("gate", "-b", first, "--attempt", "5", "--json", "-").out)["attempt"] == 5


# which answers are meant


def test_a_branch_means_its_newest_complete_entry(here, call, measured):
    git(here, "init", "-q")
    (here / ".gitignore").write_text(".evalkit\n")
    World().write(here)
    git(here, "add", "-A")
    git(here, "commit", "-qm", "base")
    git(here, "tag", "v1")
    base = measured(World())
    measured(World(wrong=60), "--max-seconds", "0")
    git(here, "checkout", "-qb", "change")
    World(wrong=20).write(here)
    git(here, "commit", "-qam", "worse")
    measured(World(wrong=20))
    for name in ((), ("-b", "main"), ("-b", "v1"), ("-b", git(here, "rev-parse", "--short", "main"))):
        said = call("gate", *name, "--json", "-")
        evidence = json.loads(said.out)["verdicts"][0]["evidence"]
        assert (said.code, evidence["baseline"]["run_id"]) == (3, base), name


def test_on_the_branch_itself_the_run_before_is_meant(here, call, measured):
    git(here, "init", "-q")
    (here / ".gitignore").write_text(".evalkit\n")
    World().write(here)
    git(here, "add", "-A")
    git(here, "commit", "-qm", "base")
    base = measured(World())
    World(wrong=20).write(here)
    git(here, "commit", "-qam", "worse")
    measured(World(wrong=20))
    said = call("gate", "--json", "-")
    assert (said.code, json.loads(said.out)["verdicts"][0]["evidence"]["baseline"]["run_id"]) == (3, base)


def test_names_that_mean_nothing_or_two_things(call, measured):
    first, second = measured(World()), measured(World(wrong=1))
    unknown = call("compare", first, "nobody")
    assert (unknown.code, "candidates: m" in unknown.err, f"runs: {second}, {first}" in unknown.err) == (2, True, True)
    two = call("compare", first[:8], "m")
    assert (two.code, "the beginning of several ids" in two.err) == (2, True)
    part = call("compare", f"{first}:n", "m")
    assert (part.code, "has no candidate 'n'" in part.err) == (2, True)
    assert call("compare", first, "last").code == 0
    assert call("compare", f"{first}:m", "m").code == 0


def test_a_candidate_that_is_a_branch_too_is_ambiguous(here, call, measured):
    git(here, "init", "-q")
    World().write(here)
    git(here, "add", "s.yaml")
    git(here, "commit", "-qm", "base")
    git(here, "branch", "-m", "m")
    measured(World())
    said = call("compare", "m", "last")
    assert (said.code, "is a candidate and a branch" in said.err) == (2, True)


# compare


def test_compare_informs_and_judges_nothing(here, call, measured):
    first = measured(World())
    measured(World(wrong=20))
    said = call("compare", first, "last", "--by", "kind", "--out", "pages")
    assert said.code == 0
    assert [word for word in ("kind:rare", "-20.0", "evalkit gate") if word not in said.out] == []
    (page,) = (here / "pages").iterdir()
    assert "s000" in page.read_text()
    found = json.loads(call("compare", first, "last", "--json").out)
    assert (found[0]["metric"], found[0]["delta"], found[0]["worse"], found[0]["n"]) == (
        "exact_match",
        pytest.approx(-0.2),
        20,
        100,
    )
    assert found[0]["p_value"] <= found[0]["p_adjusted"]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("-m", "exact_mach"), 2, "did you mean 'exact_match'"),
        (("--by", "colour"), 2, "tags begin with: kind"),
    ],
)
def test_compare_knows_what_is_wrong(call, measured, argv, code, words):
    first = measured(World())
    measured(World(wrong=1))
    said = call("compare", first, "last", *argv)
    assert (said.code, words in said.err) == (code, True)


def test_compare_of_other_data_is_invalid(call, measured):
    first = measured(World())
    measured(World(content="?"))
    said = call("compare", first, "last")
    assert (said.code, "overlap: 0 samples are paired" in said.out) == (5, True)


def test_compare_without_a_common_suite_is_invalid(call, measured):
    first = measured(World())
    measured(World(name="other"))
    said = call("compare", first, "last")
    assert (said.code, "no suite in common" in said.err) == (5, True)


# baselines


def test_a_baseline_file_judges_as_its_run_does(here, call, measured):
    first = measured(World(wrong=2, refused=1))
    assert call("baseline", "export", "b.json", "--run", first).code == 0
    text = (here / "b.json").read_bytes()
    assert call("baseline", "export", "b.json", "--run", f"{first}:m").code == 0
    assert (here / "b.json").read_bytes() == text
    measured(World(wrong=20))
    by_run, by_file = (verdict_of(call("gate", "-b", name, "--json", "-").out) for name in (first, "b.json"))
    assert by_run["judged"] == by_file["judged"]


def test_an_imported_baseline_survives_without_its_store(here, call, measured):
    measured(World())
    call("baseline", "export", "b.json")
    for path in sorted((here / ".evalkit").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert call("baseline", "import", "b.json").out == "main: s x m\n"
    measured(World(wrong=20))
    said = call("gate")
    assert (said.code, "REGRESSION" in said.out) == (3, True)


def test_only_a_pass_is_promoted_or_a_reason_is_kept(here, call, measured):
    first = measured(World())
    refused = call("baseline", "promote", first)
    assert (refused.code, "no gate has passed" in refused.err) == (2, True)
    assert call("baseline", "promote", first, "--accept", " ").code == 2
    assert call("baseline", "promote", first, "--accept", "the first").code == 0
    second = measured(World(wrong=1, suite={"gates": [{"metric": "exact_match", "margin": 0.1}]}))
    assert call("gate").code == 0
    assert call("baseline", "promote", second).code == 0
    listed = json.loads(call("baseline", "list", "--json").out)
    assert [(row["name"], row["run_id"], row["accepted"]) for row in listed] == [("main", second, None)]
    history = json.loads(call("baseline", "list", "--history", "--json").out)
    assert [(row["run_id"], row["accepted"]) for row in history] == [(second, None), (first, "the first")]


def test_a_regression_is_not_promoted(call, measured):
    first = measured(World())
    bad = measured(World(wrong=20))
    assert call("gate", "-b", first).code == 3
    assert call("baseline", "promote", bad).code == 2
    half = measured(World(wrong=21), "--max-seconds", "0")
    said = call("baseline", "promote", half, "--accept", "why not")
    assert (said.code, "a baseline has all its answers" in said.err) == (2, True)


def test_a_pinned_anchor_stops_creep(call, measured):
    suite = {"gates": [{"metric": "exact_match", "margin": 0.08}]}
    measured(World(suite=suite))
    assert call("baseline", "promote", "last", "--name", "pinned", "--anchor", "--accept", "the start").code == 0
    step = measured(World(wrong=10, suite=suite))
    measured(World(wrong=10, shout=False, suite={**suite, "description": "again"}), "--fresh")
    said = call("gate", "-b", step)
    assert (said.code, "against the pinned anchor" in said.out) == (3, True)


def test_a_pinned_anchor_of_other_data_is_invalid(call, measured):
    other = measured(World(content="?"))
    first = measured(World())
    measured(World(wrong=1))
    said = call("gate", "-b", first, "--anchor", other)
    assert (said.code, "pinned anchor: overlap: 0 samples are paired" in said.out) == (5, True)


# quarantine


def test_a_quarantine_explains_and_never_decides(call, measured):
    first = measured(World())
    call("baseline", "export", "b.json", "--run", first)
    ids = [f"s{n:03}" for n in range(12)]
    until = ("--suite", "s", "--until", "2999-01-01", "--reason", "unsteady")
    assert call("baseline", "quarantine", *ids, *until).code == 0
    measured(World(wrong=12))
    said = call("gate", "-b", "b.json", "--json", "-")
    body = json.loads(said.out)["verdicts"][0]
    assert (said.code, body["evidence"]["quarantined"]) == (3, ids)
    assert any(
        "PASS without the 12 quarantined: all samples decide" in warning for warning in body["verdict"]["warnings"]
    )
    assert body["evidence"]["changed"][0]["quarantined"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("s000", "--until", "soon", "--reason", "x"), "is no day like"),
        (("s000", "--until", "2001-01-01", "--reason", "x"), "has passed"),
        (("s000", "--until", "2999-01-01", "--reason", " "), "--reason is needed"),
        (("nope", "--until", "2999-01-01", "--reason", "x"), "has no sample 'nope'"),
    ],
)
def test_a_quarantine_needs_an_end_a_reason_and_a_sample(call, measured, argv, words):
    measured(World())
    said = call("baseline", "quarantine", *argv, "--suite", "s")
    assert (said.code, words in said.err) == (2, True)
