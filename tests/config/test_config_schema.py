"""JSON Schemas: the shipped files are current, and agree with the models about good and bad files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from evalkit.config import _yaml
from evalkit.config.schema import Which, claims_schema, project_schema, schema_file, schema_text, suite_schema

CASES = Path(__file__).parent.parent / "cases" / "config"
GOOD = sorted((CASES / "good").glob("*.yaml"))
SHAPE = ["a_list", "many_mistakes", "messages", "shape_and_meaning"]


@pytest.mark.parametrize("which", ["suite", "project", "claims"])
def test_shipped_schemas_are_current(which: Which) -> None:
    # When this fails: write schema_text(which) to schema_file(which).
    assert schema_file(which).read_text("utf-8") == schema_text(which)


@pytest.mark.parametrize(
    "schema", [suite_schema(), project_schema(), claims_schema()], ids=["suite", "project", "claims"]
)
def test_schemas_are_schemas_and_explain_every_key(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    objects = [schema, *schema["$defs"].values()]
    for shape in [inner for one in objects for inner in (one, *one.get("anyOf", ()))]:
        for name, field in shape.get("properties", {}).items():
            assert field.get("description"), name


@pytest.mark.parametrize("file", GOOD, ids=[file.stem for file in GOOD])
def test_good_suites_fit_the_schema(file: Path) -> None:
    Draft202012Validator(suite_schema()).validate(_yaml.read(file).data)


def test_a_good_project_fits_the_schema() -> None:
    Draft202012Validator(project_schema()).validate(_yaml.read(CASES / "project" / "evalkit.yaml").data)


@pytest.mark.parametrize("name", SHAPE)
def test_wrong_shapes_do_not_fit_the_schema(name: str) -> None:
    assert not Draft202012Validator(suite_schema()).is_valid(_yaml.read(CASES / "bad" / f"{name}.yaml").data)


def test_a_bad_project_does_not_fit_the_schema() -> None:
    assert not Draft202012Validator(project_schema()).is_valid(_yaml.read(CASES / "project" / "bad.yaml").data)


def test_keys_of_the_user_keep_their_names() -> None:
    assert "title" not in json.dumps(suite_schema()["$defs"]["Gate"])
    assert suite_schema()["title"] == "evalkit suite"
    assert "name" in suite_schema()["properties"]


def test_importing_the_room_is_light() -> None:
    code = "import sys, evalkit.config; print(sorted({'pydantic', 'yaml', 'dotenv', 'jsonschema'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"
