"""`evalkit new suite --family F`: for every family a suite that is valid and runs at once, without a key."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
import yaml

from evalkit import registry
from evalkit.cli.main import main
from evalkit.config.template import FOLDER, families

FAMILIES = sorted(registry.names("families"))
PROJECT = "# Ours.\ncandidates:\n    # The big one.\n    big: {provider: mock, model: m}\nroots: [..]\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evalkit(*arguments, code=0):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == code


def entries(folder):
    with duckdb.connect(str(folder / ".evalkit" / "store.duckdb"), read_only=True) as store:
        return store.sql(
            "select candidate, status, value, result.n from result join entry using (entry_id) where is_primary and slice = ''"
        ).fetchall()


def test_there_is_a_template_for_every_family():
    assert list(families()) == FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_suite_runs_at_once(folder, family, capsys):
    evalkit("new", "suite", "first", "--family", family)
    written = capsys.readouterr().out.splitlines()
    assert written[-1] == "try: evalkit run suites/first.yaml"
    assert all(Path(path).is_file() for path in written[:-1])
    evalkit("validate", "suites")
    evalkit("run", "suites/first.yaml", "--limit", "2", "--quiet")
    suite = yaml.safe_load((folder / "suites" / "first.yaml").read_text("utf-8"))
    found = entries(folder)
    assert {name for name, *_ in found} == set(suite["candidates"])
    assert {(status, n) for _, status, _, n in found} == {("complete", 2)}
    assert all(value is not None for *_, value, _ in found)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_template_is_whole(folder, family, capsys):
    evalkit("new", "suite", "my-own_2", "--family", family)
    written = [Path(path) for path in capsys.readouterr().out.splitlines()[:-1]]
    texts = [path.read_text("utf-8") for path in written if path.suffix in (".yaml", ".md", ".jsonl")]
    assert "__" not in "".join(text.replace("__init__", "") for text in texts)
    suite = yaml.safe_load((folder / "suites" / "my-own_2.yaml").read_text("utf-8"))
    assert (suite["name"], suite["family"]) == ("my-own_2", family)
    samples = folder / "datasets" / "my-own_2" / "samples.jsonl"
    items = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
    assert len({item["id"] for item in items}) == len({json.dumps(item["input"]) for item in items}) == len(items)
    card = yaml.safe_load((samples.parent / "card.yaml").read_text("utf-8"))
    assert (card["name"], card["items"]) == ("my-own_2", len(items))
    assert all(card[key] for key in ("title", "source", "licence", "how_made", "limits"))
    tags = {tag.partition(":")[0] for item in items for tag in item.get("tags", ())}
    assert set(suite.get("slices", ())) <= tags
    media = {path.resolve() for path in written if path.suffix in (".flac", ".png", ".jpg")}
    named = {(samples.parent / one).resolve() for item in items for one in _paths(item)}
    assert media <= named


def _paths(value):
    if isinstance(value, dict):
        return [path for one in value.values() for path in _paths(one)]
    return [value] if isinstance(value, str) and value.endswith((".flac", ".png", ".jpg")) else []


def test_templates_are_small_and_hold_no_code():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".yaml", ".md", ".jsonl", ".csv", ".flac", ".png", ".jpg"}
    assert sum(path.stat().st_size for path in files) < 400_000


def test_an_unknown_family_comes_with_a_suggestion(folder, capsys):
    evalkit("new", "suite", "x", "--family", "segmentatoin", code=2)
    assert "did you mean 'segmentation'?" in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_candidates_are_put_into_the_projects_file_and_nothing_else_changes(folder, capsys):
    (folder / "evalkit.yaml").write_text(PROJECT, "utf-8")
    (folder / "part").mkdir()
    evalkit("new", "suite", "docs", "--family", "rag", "--into", "part")
    assert str(folder / "evalkit.yaml") in capsys.readouterr().out.splitlines()
    text = (folder / "evalkit.yaml").read_text("utf-8")
    head, _, rest = PROJECT.partition("    # The big one.")
    assert text.startswith(f"{head}    # Of suites/docs.yaml")
    assert text.endswith(f"    # The big one.{rest}")
    assert set(yaml.safe_load(text)["candidates"]) == {"docs_words", "docs_careful", "big"}
    evalkit("validate", "part/suites")


@pytest.mark.parametrize(
    "text", ["defaults: {store: s}\n", "defaults: {store: s}", "candidates: # none yet\ndefaults: {store: s}\n"]
)
def test_a_project_without_candidates_gets_some(folder, text):
    (folder / "evalkit.yaml").write_text(text, "utf-8")
    evalkit("new", "suite", "mixed", "--family", "systems")
    found = yaml.safe_load((folder / "evalkit.yaml").read_text("utf-8"))
    assert set(found["candidates"]) == {"mixed_rules", "mixed_cascade"}
    assert found["defaults"] == {"store": "s"}
    evalkit("validate", "suites")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("candidates: {big: mock/m}\n", "write its `candidates:` as a block"),
        ("candidates:\n  docs_words: mock/m\n", "has a candidate 'docs_words' already"),
        ("candidates: [\n", "nothing was written"),
        ("- a list\n", "is no mapping"),
    ],
)
def test_a_projects_file_that_cannot_take_them_is_left_alone(folder, text, told, capsys):
    (folder / "evalkit.yaml").write_text(text, "utf-8")
    evalkit("new", "suite", "docs", "--family", "rag", code=2)
    assert told in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["evalkit.yaml"]
    assert (folder / "evalkit.yaml").read_text("utf-8") == text
