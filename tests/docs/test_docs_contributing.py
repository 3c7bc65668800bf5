"""The scorer of CONTRIBUTING.md: written into a copy of the tree it passes the contract; in a package of one's own it scores."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from docs_blocks import ROOT, blocks

BLOCKS = blocks(ROOT / "CONTRIBUTING.md")
FILES = {block.file: block.text for block in BLOCKS if block.file}
ROW = next(block.text for block in BLOCKS if block.language == "markdown")
SUITE = """
name: words
family: generalist
dataset: {path: words.jsonl, fields: {id: id, input: {text: text}, target: target}}
scorers: [word_recall, word_recall(ignore_case=False)]
"""


def run(arguments: list[str], folder: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path):
    """A tree with the example's two files in it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "evalkit", tmp_path / "evalkit", ignore=ignored)
    for name in ("tests/scorers", "tests/cases/scorers", "scripts", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, text in FILES.items():
        assert not (tmp_path / name).exists()
        (tmp_path / name).write_text(text, "utf-8")
    with (tmp_path / "docs" / "scorers.md").open("a", encoding="utf-8") as table:
        table.write(ROW)
    return tmp_path


def test_the_scorer_passes_the_contract(copy):
    options = ["-q", "-p", "no:cacheprovider", "-k", "word_recall"]
    done = run(["pytest", *options, "tests/scorers/test_scorers_contract.py"], copy, copy)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.rsplit(" passed", 1)[0].split()[-1]) >= 8
    listed = json.loads(run(["evalkit", "list", "scorers", "--json"], copy, copy).stdout)
    assert next(row for row in listed if row["name"] == "word_recall")["metrics"] == ["word_recall"]


def test_the_scorer_is_clean(copy):
    file = "evalkit/scorers/word_recall.py"
    for tool in (["ruff", "check", file], ["ruff", "format", "--check", file]):
        done = run(tool, copy, copy)
        assert done.returncode == 0, done.stdout


def test_a_scorer_of_an_own_package_scores(tmp_path):
    package, project = tmp_path / "site", tmp_path / "project"
    (package / "my_package").mkdir(parents=True)
    (package / "my_package" / "__init__.py").touch()
    (package / "my_package" / "word_recall.py").write_text(FILES["evalkit/scorers/word_recall.py"], "utf-8")
    info = package / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[evalkit.scorers]\nword_recall = my_package.word_recall\n")
    project.mkdir()
    (project / "evalkit.yaml").write_text("defaults: {store: .evalkit}\n")
    (project / "words.yaml").write_text(SUITE)
    rows = [{"id": str(n), "text": "x", "target": target} for n, target in enumerate(("the red fox", "Fox"))]
    (project / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outputs = [{"id": "0", "output": "a red fox"}, {"id": "1", "output": "fox"}]
    (project / "outputs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in outputs))
    done = run(["evalkit", "run", "words.yaml", "-c", "replay/outputs.jsonl", "--csv"], project, ROOT, package)
    assert done.returncode == 0, done.stderr
    sql = "select value from scores order by scorer_sig, sample_id"
    values = [row["value"] for row in json.loads(run(["evalkit", "sql", sql, "--json"], project, ROOT).stdout)]
    assert sorted(values) == pytest.approx([0.0, 2 / 3, 2 / 3, 1.0])
