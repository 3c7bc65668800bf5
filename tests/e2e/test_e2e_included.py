"""A file that a prompt includes is part of the task: changing it changes the hashes and asks anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_talking import chat_reply, talking

from evalkit.app.loading import Selection, load
from evalkit.app.query import query
from evalkit.app.workspace import open_workspace
from evalkit.cli.main import main

ROWS = [{"id": f"s{n}", "input": {"text": f"{n}+{n}"}, "target": str(2 * n)} for n in range(3)]
PLAIN = "task: {prompt: 'What is {{ text }}?'}"
OUTER = "task: {prompt: \"{% include 'tone.j2' %} What is {{ text }}?\"}"
MATRIX = """task:
  prompts:
    calm: {prompt: "{% include 'tone.j2' %} What is {{ text }}?"}
    bare: {prompt: "What is {{ text }}?"}"""
BROKEN = "task: {prompt: \"{% include 'nowhere.j2' %} {{ text }}\"}"


def project(root, url, task):
    (root / "evalkit.yaml").write_text(
        json.dumps({"candidates": {"chat": {"provider": "openai", "model": "m", "base_url": f"{url}/v1"}}})
    )
    (root / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (root / "s.yaml").write_text(f"name: s\nfamily: generalist\ndataset: d.jsonl\n{task}\nscorers: [contains]\n")
    (root / "tone.j2").write_text("{% include 'word.j2' %}, be calm.")
    (root / "word.j2").write_text("Please")


def suite_of(root):
    (suite,) = load(open_workspace(root, {}), [root / "s.yaml"], Selection()).suites
    return suite


def run(root, *arguments):
    with pytest.raises(SystemExit) as end:
        main(["run", str(root / "s.yaml"), "--quiet", "--json", "--yes", *arguments])
    return end.value.code


def rows(root, sql):
    return query(open_workspace(root, {"OPENAI_API_KEY": "k"}), sql)[1]


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")


def test_a_changed_include_is_another_task_and_is_asked_anew(tmp_path):
    with talking(lambda _, body: chat_reply("m", body["messages"][-1]["content"])) as server:
        project(tmp_path, server.url, OUTER)
        assert run(tmp_path, "-c", "chat") == 0
        assert run(tmp_path, "-c", "chat") == 0
        assert len(server.asked) == 3
        assert {body["messages"][-1]["content"][:17] for _, _, body in server.asked} == {"Please, be calm. "}
        (tmp_path / "word.j2").write_text("Kindly")
        assert run(tmp_path, "-c", "chat") == 0
        assert len(server.asked) == 6
        assert server.asked[-1][2]["messages"][-1]["content"].startswith("Kindly, be calm. ")
    found = rows(tmp_path, "select distinct task_hash, suite_hash from entry")
    assert len(found) == len({row["task_hash"] for row in found}) == len({row["suite_hash"] for row in found}) == 2
    assert sorted(map(str, found)) == sorted(map(str, rows(tmp_path, "select task_hash, suite_hash from suite")))
    assert len(rows(tmp_path, "from leaderboard where slice = ''")) == 1


def test_hashes_follow_the_files_that_are_included(tmp_path):
    project(tmp_path, "http://127.0.0.1:9", OUTER)
    before = suite_of(tmp_path)
    assert (before.suite_hash, before.task_hash(None)) == (suite_of(tmp_path).suite_hash, before.task_hash(None))
    assert before.suite_hash != before.file.suite_hash()
    (tmp_path / "word.j2").write_text("Kindly")
    after = suite_of(tmp_path)
    assert (after.suite_hash != before.suite_hash, after.task_hash(None) != before.task_hash(None)) == (True, True)
    assert after.file.suite_hash() == before.file.suite_hash()


def test_in_a_matrix_only_the_prompt_that_includes_it_is_another_task(tmp_path):
    project(tmp_path, "http://127.0.0.1:9", MATRIX)
    before = suite_of(tmp_path)
    (tmp_path / "tone.j2").write_text("Hurry.")
    after = suite_of(tmp_path)
    assert after.suite_hash != before.suite_hash
    assert after.task_hash("calm") != before.task_hash("calm")
    assert after.task_hash("bare") == before.task_hash("bare") == before.file.task_hash("bare")


@pytest.mark.parametrize("task", [PLAIN, 'task: {prompt: "{% if true %}What is {{ text }}?{% endif %}"}'])
def test_without_includes_the_hashes_are_those_of_the_suite_file(tmp_path, task):
    project(tmp_path, "http://127.0.0.1:9", task)
    suite = suite_of(tmp_path)
    assert suite.included == {}
    assert (suite.suite_hash, suite.task_hash(None)) == (suite.file.suite_hash(), suite.file.task_hash())
    if task == PLAIN:
        assert (suite.suite_hash, suite.task_hash(None)) == (
            "2c6cafbb6ac545c02ede0f068d7f78b6",
            "b49094111f8b4a15e0b8de7e346f8972",
        )


def test_a_missing_include_is_said_once_with_its_line(tmp_path, capsys):
    project(tmp_path, "http://127.0.0.1:9", BROKEN)
    assert suite_of(tmp_path).included == {}
    assert run(tmp_path, "-c", "chat") == 2
    said = capsys.readouterr().err
    assert said.count("there is no template 'nowhere.j2'") == 1
    assert "s.yaml:4: " in said
