"""The scorer in docs/scorers.md works as it is printed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "scorers.md"


@pytest.fixture
def shouting(monkeypatch):
    source = re.search(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)[1]
    module = ModuleType("shouting")
    monkeypatch.setitem(sys.modules, "shouting", module)
    exec(compile(source, "shouting.py", "exec"), module.__dict__)
    return module


def test_the_example_scores(kit, shouting):
    scorer = shouting.make(ignore=["NASA"])
    assert kit.score(scorer, {"output": "NASA says NO"})["shouting"].value == pytest.approx(2 / 6)
    assert kit.score(scorer, {"output": "42"})["shouting"].reason == "no letters in the answer"
    assert kit.score(scorer, {"output": "x", "finish": "refusal"})["shouting"].reason == "refusal"
    assert scorer.worst(kit.sample({}))["shouting"].value == 1.0
    with pytest.raises(ValueError, match="known: ignore"):
        shouting.make(ignroe=[])
