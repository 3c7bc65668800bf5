"""`make demo` ends with a line that counts what happened, and fails when a cell is missing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINE = re.compile(
    r"demo: (\d+) suites, (\d+) families, (\d+) candidates, (\d+) cells, (\d+) missing, (\d+) errors, (\d+) skipped, report (.+)"
)


@pytest.fixture
def demo(tmp_path):
    """Run the demo script of a project of its own with the evalkit in a folder."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "demo.sh", tmp_path / "scripts")

    def run(folder: Path) -> tuple[int, tuple[str, ...], str]:
        environment = {**os.environ, "CI": "1"}
        command = ["bash", str(tmp_path / "scripts" / "demo.sh"), str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        last = LINE.fullmatch(done.stdout.splitlines()[-1] if done.stdout else "")
        return done.returncode, last.groups() if last else (), done.stdout + done.stderr

    return run


def test_the_last_line_counts_a_real_run(demo, tmp_path):
    venv = Path(sys.executable).parent
    subprocess.run([venv / "evalkit", "new", "suite", "small", "--family", "tabular"], cwd=tmp_path, check=True)
    code, counts, said = demo(venv)
    assert code == 0, said
    suites, families, candidates, cells, missing, errors, skipped, report = counts
    samples = len((tmp_path / "datasets/small/samples.jsonl").read_text("utf-8").splitlines())
    assert (suites, families, missing, errors, skipped) == ("1", "1", "0", "0", "0")
    assert int(candidates) >= 2
    assert int(cells) == int(candidates) * samples
    assert Path(report).is_file()


@pytest.mark.parametrize(
    ("answered", "errors", "run_code", "expected"),
    [(8, 2, 0, 0), (8, 2, 5, 0), (8, 1, 0, 1), (0, 0, 5, 1), (10, 0, 2, 2), (10, 0, 130, 130)],
)
def test_a_missing_cell_fails(demo, tmp_path, answered, errors, run_code, expected):
    row = {
        "suites": 2,
        "families": 2,
        "candidates": 3,
        "cells": 10,
        "answered": answered,
        "errors": errors,
        "skipped": 1,
    }
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(sys.executable)
    (programs / "evalkit").write_text(
        "#!/usr/bin/env bash\n"
        f"case $1 in run) exit {run_code} ;; models) exit 2 ;; report) echo r/index.html ;;\n"
        f"sql) echo '{json.dumps([row])}' ;; esac\n"
    )
    (programs / "evalkit").chmod(0o755)
    code, counts, said = demo(programs)
    assert code == expected, said
    if run_code in (0, 5):
        assert counts == ("2", "2", "3", "10", str(10 - answered - errors), str(errors), "1", "r/index.html")
