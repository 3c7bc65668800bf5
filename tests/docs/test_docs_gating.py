"""docs/gating.md, typed from top to bottom with the real local model: the same verdicts and exit codes as the page shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from docs_blocks import ROOT, Block, blocks, transcript

PAGE = ROOT / "docs" / "gating.md"
SESSION = [block for block in blocks(PAGE) if "session" in block.words]


def environment() -> dict[str, str]:
    """A plain terminal with somebody who commits, and this interpreter's evalkit first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in
           (("NAME", "Ada"), ("EMAIL", "ada@example.org"))}  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    return {**kept, **who, "PATH": path, "COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}


def masked(line: str) -> str:
    """A line with its words as they are, and every number (ids, values, p) as N."""
    line = re.sub(r"\d{8}T\d{6}-[0-9a-f]{10}|\b[0-9a-f]{10}\b", "ID", line)
    return " ".join(re.sub(r"(< )?[-+]?\d[\d.,]*(e-?\d+)?", "N", line).split())


def wanted_code(block: Block) -> int:
    return next((int(word.removeprefix("exit=")) for word in block.words if word.startswith("exit=")), 0)


def shown(printed: str) -> list[str]:
    """Lines of the page that say something."""
    return [masked(line) for line in printed.splitlines() if line.strip(" ─")]


def test_the_page_shows_all_three_verdicts():
    text = "\n".join(block.text for block in SESSION)
    assert {wanted_code(block) for block in SESSION} == {0, 3, 4}
    assert all(word in text for word in ("REGRESSION", "PASS", "INCONCLUSIVE"))
    assert not re.search(r"^[A-Z]+_[A-Z]+$", text, re.MULTILINE)


def test_what_the_page_types_does_what_the_page_says(tmp_path):
    root = tmp_path / "desk"
    shutil.copytree(ROOT / "docs" / "examples" / "desk", root)
    (root / ".gitignore").write_text(".evalkit/\nreports/\n*.md\n", "utf-8")
    for block in SESSION:
        *_, last = commands = list(transcript(block))
        for command, printed in commands:
            done = subprocess.run(
                ["bash", "-c", command], cwd=root, env=environment(), capture_output=True, text=True, timeout=900,
                check=False,
            )  # fmt: skip
            expected = wanted_code(block) if (command, printed) == last else 0
            said = f"{block}: {command}\n{done.stdout}\n{done.stderr}"
            assert done.returncode == expected, said
            there = [masked(line) for line in done.stdout.splitlines()]
            assert [line for line in shown(printed) if line not in there] == [], said


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("exact_match 77.9 % → 59.2 %: -18.8 points", "exact_match 71.0 % → 50.2 %: -20.9 points"),
        ("run 20261122T232734-2ac6174424; x", "run 20261123T010203-0123456789; x"),
        ("p < 0.001", "p 0.004"),
    ],
)
def test_numbers_may_differ_between_machines(line, same):
    assert masked(line) == masked(same)


def test_verdicts_may_not():
    assert masked("REGRESSION desk: -18.8 points") != masked("PASS desk: -18.8 points")
