"""Small projects in a folder of their own, which is the working directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write samples and a suite `s.yaml`; keys of the suite as arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(samples: list[dict[str, Any]] | None = None, **suite: Any) -> Path:
        rows = samples or [{"id": f"s{n}", "input": {"text": f"{n}+{n}"}, "target": str(2 * n)} for n in range(6)]
        (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        keys = {"name": "s", "family": "generalist", "dataset": "d.jsonl", "scorers": ["exact_match"], **suite}
        (tmp_path / "s.yaml").write_text(json.dumps(keys))
        return tmp_path

    return make
