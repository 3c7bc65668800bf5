"""The benchmarks run, each says what it promises, and the page names them all; how fast is for `make bench` to say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
KEYS = {"name", "value", "unit", "limit", "ok", "control", "target"}
# Larger is better for rates, smaller for everything else.
RATES = {"in_process_cpu"}


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def lines() -> list[dict]:
    done = bench("--quick")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_benchmark_measures_something(lines):
    for line in lines:
        assert set(line) == KEYS
        assert line["unit"]
        assert line["limit"] > 0
        # A clock tick is coarser than what the mock server needs for a handful of requests.
        assert line["value"] > 0 or line["name"] == "mock_server_cpu"
        assert line["control"] is None or line["control"] > 0


def test_a_benchmark_is_ok_when_its_limit_holds(lines):
    for line in lines:
        holds = line["value"] >= line["limit"] if line["name"] in RATES else line["value"] <= line["limit"]
        # Figures are rounded after they were judged.
        close = abs(line["value"] - line["limit"]) <= 1e-3 * line["limit"]
        assert line["ok"] == holds or close, line


def test_every_limit_is_a_target_or_a_ratio_to_a_control(lines):
    assert all(line["target"] is not None or line["control"] is not None for line in lines)
    for line in lines:
        if line["control"] is None:
            assert line["limit"] == line["target"]


def test_the_page_shows_every_benchmark(lines):
    names = [line["name"] for line in lines]
    assert len(set(names)) == len(names)
    text = PAGE.read_text("utf-8")
    table = re.findall(r"^\| (\w+) \|", text.partition("<!-- measured: begin -->")[2], re.MULTILINE)
    assert [name for name in table if name != "name"] == names


def test_one_group_can_be_measured_alone():
    done = bench("--quick", "--only", "import_cpu")
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()] == ["help_cpu", "import_cpu"]


def test_a_part_of_the_benchmarks_is_no_table():
    done = bench("--only", "import_cpu", "--markdown")
    assert done.returncode == 2
    assert "--markdown needs all benchmarks" in done.stderr
    assert done.stdout == ""
