from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evalkit.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "suites", tmp_path / "suites")
    shutil.copytree(ROOT / "datasets" / "scenes", tmp_path / "datasets" / "scenes")
    shutil.copy(ROOT / "evalkit.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_ten_scenes_are_asked_scored_and_shown(project, capsys):
    out = table(capsys, "run", "suites/segmentation.yaml", "--limit", "10", "--workers", "1")
    for name in ("otsu", "watershed", "felzenszwalb"):
        assert f" {name} " in out
    found = table(capsys, "sql", "select metric, count(*) as n, min(value) as low, max(value) as high, count(blob) as pictures from scores group by 1", "--json")  # fmt: skip
    assert '"metric":"iou"' in found.replace(" ", "")
    assert '"pictures":30' in found.replace(" ", "")
