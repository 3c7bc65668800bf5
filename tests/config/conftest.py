"""What the config tests know of families, sources and scorers, as `app` would pass it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit.core.errors import did_you_mean
from evalkit.core.spec import Spec

CASES = Path(__file__).parent.parent / "cases" / "config"
SCORERS = ("classification", "cost", "exact_match", "latency", "ndcg", "numeric", "refusal")


def scorer_problem(text: str) -> str | None:
    spec = Spec.parse(text)
    if spec.name not in SCORERS:
        return f"there is no scorer {spec.name!r}; {did_you_mean(spec.name, SCORERS)}"
    return "tolerance must be at least 0" if spec.options.get("tolerance", 0) < 0 else None


def extract_problem(text: str) -> str | None:
    return None if text == "last_number" else f"extract {text!r} is unknown; did you mean 'last_number'?"


def filter_problem(text: str) -> str | None:
    return None if "==" in text else "the filter does not read"


KNOWN: dict[str, Any] = {
    "families": ("generalist", "tabular"),
    "scorers": scorer_problem,
    "sources": ("csv", "folder", "hub", "jsonl", "parquet", "sql"),
    "checks": {"task.extract": extract_problem, "dataset.filter": filter_problem},
}


@pytest.fixture
def known() -> dict[str, Any]:
    return dict(KNOWN)


@pytest.fixture
def cases() -> Path:
    return CASES
