"""JSON Schemas of suite files, claims files and evalkit.yaml, for editors; shipped as files beside this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parent / "schemas"
Which = Literal["suite", "project", "claims"]


def suite_schema() -> dict[str, Any]:
    """JSON Schema of a suite file."""
    from evalkit.config.models import SuiteModel

    return _schema(SuiteModel, "evalkit suite")


def project_schema() -> dict[str, Any]:
    """JSON Schema of evalkit.yaml."""
    from evalkit.config.project_models import ProjectModel

    return _schema(ProjectModel, "evalkit.yaml")


def claims_schema() -> dict[str, Any]:
    """JSON Schema of a claims file."""
    from evalkit.config.claims import ClaimsModel

    return _schema(ClaimsModel, "evalkit claims")


def schema_file(which: Which) -> Path:
    """The shipped file of a schema."""
    return FOLDER / f"{which}.schema.json"


def schema_text(which: Which) -> str:
    """What the shipped file of a schema must hold."""
    make = {"suite": suite_schema, "project": project_schema, "claims": claims_schema}[which]
    return json.dumps(make(), indent=2, ensure_ascii=False, sort_keys=False) + "\n"


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    made = model.model_json_schema(by_alias=True)
    made.pop("title", None)
    plain: dict[str, Any] = _without_titles(made)
    return {"$schema": DRAFT, "title": title, **plain}


def _without_titles(value: Any, *, named: bool = False) -> Any:
    """Drop the titles that repeat a key's name; `named` marks mappings whose keys are the user's words."""
    if isinstance(value, list):
        return [_without_titles(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: item for key, item in value.items() if named or key != "title" or not isinstance(item, str)}
    return {
        key: _without_titles(item, named=key in ("properties", "$defs") and not named) for key, item in kept.items()
    }
