"""import-linter holds the floors too, and each of its contracts catches a planted import."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLANTED = {
    "floors": ("stats/planted.py", "def f():\n    from evalkit.store import reader\n"),
    "core": ("core/planted.py", "import numpy\n"),
    "duckdb": ("report/planted.py", "import duckdb\n"),
    "jinja2": ("store/planted.py", "from markupsafe import escape\n"),
    "vendors": ("engine/planted.py", "def f():\n    import openai\n"),
    "arrays": ("cli/planted.py", "import scipy.special\n"),
    "pydantic": ("app/../store/planted_model.py", "import pydantic\n"),
    "hub": ("data/planted.py", "from datasets import load_dataset\n"),
}


def lint(folder: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    chosen = [part for name in contracts for part in ("--contract", name)]
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo", *chosen],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "evalkit", folder / "evalkit", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in PLANTED.values():
        (folder / "evalkit" / name).write_text(text)
    (folder / "evalkit" / "kitchen").mkdir()
    (folder / "evalkit" / "kitchen" / "__init__.py").touch()
    return lint(folder)


def test_the_contracts_are_kept():
    done = lint(ROOT)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"{len(PLANTED)} kept, 0 broken" in done.stdout


@pytest.mark.parametrize("contract", PLANTED)
def test_a_contract_catches(planted, contract):
    module = Path(PLANTED[contract][0]).stem
    assert planted.returncode == 1
    assert f"0 kept, {len(PLANTED)} broken" in planted.stdout
    assert f".{module} -> " in planted.stdout


def test_a_room_in_no_layer_is_caught(planted):
    assert "kitchen" in planted.stdout
