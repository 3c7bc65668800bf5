"""The pages about suites and evalkit.yaml name every key, and their examples are valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from evalkit.config import _yaml
from evalkit.config._check import validate
from evalkit.config.models import SuiteModel
from evalkit.config.project import load_project
from evalkit.config.project_models import ProjectModel
from evalkit.config.schema import project_schema, suite_schema

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [("suites.md", suite_schema()), ("evalkit-yaml.md", project_schema())]


def keys(schema: dict[str, Any]) -> set[str]:
    shapes = [schema, *schema["$defs"].values()]
    return {key for one in shapes for shape in (one, *one.get("anyOf", ())) for key in shape.get("properties", {})}


@pytest.mark.parametrize(("page", "schema"), PAGES, ids=[page for page, _ in PAGES])
def test_every_key_is_documented(page: str, schema: dict[str, Any]) -> None:
    text = (DOCS / page).read_text("utf-8")
    shared = set(schema["$defs"].get("Generation", {}).get("properties", {})) if page == "evalkit-yaml.md" else set()
    missing = {key for key in keys(schema) - shared if not re.search(rf"`[^`]*\b{key}\b[^`]*`", text)}
    assert missing == set()


def examples(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def test_the_suite_example_is_valid() -> None:
    document = _yaml.parse(examples("suites.md")[0], "docs")
    model, problems = validate(SuiteModel, document)
    assert list(map(str, problems)) == []
    assert model is not None
    fields = _yaml.parse(examples("suites.md")[2], "docs").data
    assert validate(SuiteModel, _yaml.Document("docs", {**document.data, "dataset": {"path": "x", **fields}}))[1] == []


def test_the_project_example_is_valid(tmp_path: Path) -> None:
    (tmp_path / "evalkit.yaml").write_text(examples("evalkit-yaml.md")[0])
    found = load_project(tmp_path, providers=["openai", "anthropic"], baselines=["tfidf_linear"])
    assert list(map(str, found.problems)) == []
    assert found.resolve("llama").options["api_key_env"] == "VLLM_KEY"
    assert isinstance(found.model, ProjectModel)
