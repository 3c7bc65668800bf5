from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from evalkit.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "suites", tmp_path / "suites")
    shutil.copytree(ROOT / "datasets" / "image_prompts", tmp_path / "datasets" / "image_prompts")
    shutil.copy(ROOT / "evalkit.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


def measured(capsys, *options):
    said(capsys, "run", "suites/image_generation.yaml", *options)
    query = "select candidate, metric, value from leaderboard where coalesce(slice, '') = ''"
    rows = json.loads(said(capsys, "sql", query, "--json"))
    return {(row["candidate"], row["metric"]): row["value"] for row in rows}


def test_ten_prompts_are_drawn_scored_and_compared_with_their_repeats(project, capsys):
    found = measured(capsys, "--limit", "10", "--workers", "1")
    for steps in (1, 8):
        name = f"sketch_renderer(steps={steps})"
        assert found[name, "identical_pixels"] == 1.0
        assert found[name, "image_size"] == 1.0
        assert 0 <= found[name, "demands_met"] <= 1
        assert found[name, "seconds_per_image"] > 0
    drawn = json.loads(said(capsys, "sql", "select count(*) as n from calls where output like '%$blob%'", "--json"))
    assert drawn == [{"n": 40}]


@pytest.mark.nightly
def test_more_steps_meet_more_demands(project, capsys):
    found = measured(capsys)
    few, many = (found[f"sketch_renderer(steps={steps})", "demands_met"] for steps in (1, 8))
    assert 0.2 < few < many - 0.1
    assert many < 0.9
