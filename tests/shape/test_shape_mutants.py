"""The mutation script draws the same mutants from the same seed, only where code runs, and tells the killed from the living."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import mutants

ROOT = Path(__file__).parents[2]
CODE = '''"""A room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    LIMIT = 7


@dataclass(frozen=True)
class Box:
    """A box."""

    size: int | None = 3


def twice(x: int | None, y: float | int = 2) -> int | float:
    """Multiply."""
    return (x or 0) * y


def untested(x: int) -> int:
    """Add."""
    return x + 1
'''


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree with one room of one file, and tests that look at half of it."""
    (tmp_path / "evalkit" / "core").mkdir(parents=True)
    (tmp_path / "evalkit" / "__init__.py").touch()
    (tmp_path / "evalkit" / "core" / "__init__.py").touch()
    (tmp_path / "evalkit" / "core" / "box.py").write_text(CODE)
    (tmp_path / "tests" / "core").mkdir(parents=True)
    (tmp_path / "tests" / "core" / "test_core_box.py").write_text(
        "from evalkit.core.box import Box, twice\n\n\n"
        "def test_all():\n    assert (twice(4), twice(None, 3), twice(3, 5), Box().size) == (8, 0, 15, 3)\n"
    )
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["nightly"]\n')
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    return tmp_path


def test_places_are_where_code_runs(tree):
    lines = {place.line for place in mutants.places(tree, tree / "evalkit" / "core" / "box.py")}
    numbered = dict(enumerate(CODE.splitlines(), 1))
    assert {numbered[line].strip() for line in lines} == {
        "size: int | None = 3",
        "def twice(x: int | None, y: float | int = 2) -> int | float:",
        "return (x or 0) * y",
        "return x + 1",
    }


def test_the_seed_decides(tree):
    first, found = mutants.draw(tree, ["core"], 100, 5)
    assert found == len(first) == 7
    assert mutants.draw(tree, ["core"], 100, 5)[0] == first
    assert [m.place for m in mutants.draw(tree, ["core"], 100, 6)[0]] != [m.place for m in first]
    for mutant in first:
        assert ast.dump(ast.parse(mutant.code)) != ast.dump(ast.parse(CODE))
        assert mutant.before != mutant.after


def test_replacements_that_only_crash_are_left_out():
    groups = mutants.operator_groups()
    assert len(groups["core/ReplaceBinaryOperator_Add"]) == 6
    assert groups["core/ReplaceComparisonOperator_Is"] == ["core/ReplaceComparisonOperator_Is_IsNot"]
    assert not any("RemoveDecorator" in group for group in groups)


def test_the_killed_are_told_from_the_living(tree, tmp_path_factory):
    places = {place.line: place for place in mutants.places(tree, tree / "evalkit" / "core" / "box.py")}
    numbered = {text.strip(): line for line, text in enumerate(CODE.splitlines(), 1)}
    copy = mutants.copy_tree(tmp_path_factory.mktemp("copy"))
    for text, fate in (("return (x or 0) * y", "killed"), ("return x + 1", "survived")):
        mutant = mutants.mutant_at(tree, places[numbered[text]], random.Random(1))
        assert mutants.kill(mutant, copy, {"core": 60.0}) == fate
        assert (copy / "evalkit/core/box.py").read_text("utf-8") == CODE
    endless = mutants.Mutant(places[numbered["return x + 1"]], "x", "while True:\n    x = 1\n", "", "")
    assert mutants.kill(endless, copy, {"core": 3.0}) == "timeout"


def test_the_page_counts(tree):
    drawn, found = mutants.draw(tree, ["core"], 4, 5)
    chosen = type("Chosen", (), {"least": 80.0, "seed": 5})
    page = mutants.page(drawn, ["killed", "survived", "timeout", "killed"], found, chosen)
    assert "**3 of 4 mutants killed: 75.0%.**" in page
    assert "| core | 4 | 3 | 75% |" in page
    assert page.count("- `evalkit/core/box.py:") == 1
    assert f"- `evalkit/core/box.py:{drawn[1].place.line}` {drawn[1].operator}" in page


def test_the_usage_is_said():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/mutants.py", "--help"], capture_output=True, text=True, check=True
    )
    assert "--sample" in done.stdout
    assert "--seed" in done.stdout
