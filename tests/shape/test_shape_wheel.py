"""The wheel holds everything that evalkit reads at run time, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
TEXTS = {".sql", ".html", ".css", ".js", ".yaml", ".json", ".jsonl", ".csv", ".md", ".txt", ".typed"}
DATA = TEXTS | {".png", ".jpg", ".flac"}


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    built = list(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"]))
    with zipfile.ZipFile(built[0]) as wheel:
        return set(wheel.namelist())


def test_every_source_and_data_file_is_in_the_wheel(names):
    files = {p for p in (ROOT / "evalkit").rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    endings = {p.suffix for p in files}
    assert endings <= DATA | {".py"}, "a new kind of file: is it package data?"
    assert {".sql", ".html", ".css", ".js", ".yaml", ".json", ".typed"} <= endings
    assert {p.relative_to(ROOT).as_posix() for p in files} - names == set()


def test_nothing_else_is_in_the_wheel(names):
    strangers = {n for n in names if not n.startswith(("evalkit/", "evalkit-"))}
    assert strangers == set()
    assert not [n for n in names if n.endswith((".pyc", ".duckdb")) or "/tests/" in n]
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)
    assert "evalkit/py.typed" in names
