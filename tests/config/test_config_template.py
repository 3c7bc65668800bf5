"""New suites: what the template writes is valid as it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest

from evalkit.config import _yaml
from evalkit.config.suite import SuiteFile, load_suites
from evalkit.config.template import new_suite
from evalkit.core.errors import UsageError


def written(folder: Path, name: str, family: str, known: dict[str, Any]) -> SuiteFile:
    for path, content in new_suite(name, family).files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    found = load_suites([folder / "suites"], **known, roots=[folder])
    assert (list(map(str, found.problems)), found.empty, found.notes) == ([], (), ())
    return found.suites[0]


@pytest.mark.parametrize("family", ["generalist", "tabular"])
def test_a_new_suite_is_valid(family: str, known: dict[str, Any], tmp_path: Path) -> None:
    suite = written(tmp_path, "my-tickets_2", family, known)
    assert (suite.name, suite.model.family, suite.source) == ("my-tickets_2", family, "jsonl")
    assert suite.path == tmp_path.resolve() / "suites" / "my-tickets_2.yaml"
    assert suite.model.candidates


@pytest.mark.parametrize("family", ["generalist", "tabular"])
def test_starter_items_are_six_distinct_and_fit_prompt_and_card(
    family: str, known: dict[str, Any], tmp_path: Path
) -> None:
    suite = written(tmp_path, "starter", family, known)
    assert suite.model.dataset.split is not None
    assert suite.model.dataset.split.kind == "kfold"
    data = suite.data_path
    assert data is not None
    items = [json.loads(line) for line in data.read_text("utf-8").splitlines()]
    assert len({item["id"] for item in items}) == len(items) == 6
    labels = [item["target"] for item in items]
    assert min(labels.count(label) for label in labels) >= 2
    assert len({json.dumps(item["input"], sort_keys=True) for item in items}) == 6
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    prompts = {environment.from_string(suite.asking()["prompt"]).render(item["input"]) for item in items}
    assert len(prompts) == 6
    named = suite.model.scorers[0]
    assert all(repr(label) in named for label in labels)
    card = _yaml.read(suite.resolve(suite.model.dataset.card or ""))
    assert card.problems == ()
    assert (card.data["items"], card.data["name"]) == (6, "starter")
    assert {"source", "licence", "how_made", "limits"} <= set(card.data)


def test_the_schema_hint_is_the_first_line_where_wanted() -> None:
    files = new_suite("x", "generalist", schema="../suite.schema.json").files
    first = files["suites/x.yaml"].splitlines()[0]
    assert first == b"# yaml-language-server: $schema=../suite.schema.json"


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", ".hidden", "x" * 65, "é"])
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a suite"):
        new_suite(name, "generalist")


def test_an_unknown_family_comes_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean 'generalist'"):
        new_suite("x", "generalst")
    with pytest.raises(UsageError, match=r"known: action, asr, .*vision"):
        new_suite("x", "zzzz")
