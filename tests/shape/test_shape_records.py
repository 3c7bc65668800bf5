"""What the engine writes is what the store reads, field by field, and what the architecture page prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evalkit.engine import records
from evalkit.store import lines

ROOT = Path(__file__).parents[2]
KINDS = ("Header", "Call", "Link", "Scores", "GroupScores", "Note")
# The page says which clock a time is of.
PRINTED = {"started_unix": "started"}


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_have_the_same_fields(kind):
    written, read = getattr(records, kind), getattr(lines, kind)
    assert written.__struct_fields__ == read.__struct_fields__
    assert written.__struct_config__.tag == read.__struct_config__.tag
    assert written.__struct_config__.array_like is read.__struct_config__.array_like is True


def test_both_sides_know_the_same_kinds_and_version():
    assert {kind.__name__ for kind in records.Record.__args__} == set(KINDS)
    assert {kind.__name__ for kind in lines.Record.__args__} == set(KINDS)
    assert records.JOURNAL_VERSION == lines.JOURNAL_VERSION


def test_a_score_has_the_same_fields_on_both_sides():
    listed = re.search(r"\[([a-z_, ]+)\]", records.Scores.__doc__)[1]
    assert tuple(listed.split(", ")) == lines.Metric.__struct_fields__


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_architecture_page_prints_the_fields(kind):
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    printed = re.search(rf'`\["{getattr(lines, kind).__struct_config__.tag}", (.+?)\]`', page)[1]
    names = tuple(PRINTED.get(name, name) for name in printed.split(", "))
    if kind == "Scores":
        inner = re.search(r"\[\[(.+?)\], \.\.\.\]$", printed)[1]
        assert tuple(inner.split(", ")) == lines.Metric.__struct_fields__
        names = (*names[:3], "metrics")
    assert names == getattr(lines, kind).__struct_fields__


def test_a_full_call_survives_the_journal():
    values = {
        "call_id": "c1", "call_key": "k", "generation": 2, "entry_id": "e", "position": 3, "ordinal": 4, "stage": "judge",
        "lane": "openai", "model": "m", "endpoint": "u", "request": {"a": [1, None]}, "output": {"x": "é"},
        "reasoning": "r", "error_kind": None, "error_message": None, "http_status": 200, "finish": "stop",
        "usage": {"input_tokens": 7.0}, "seconds": 0.5, "first_token_s": 0.1, "logprobs": [-0.5], "tool_calls": [{"n": 1}],
        "trace": [["s", "k", False]], "attempts": 2, "started": 1.25, "server_model": "m-1", "meta": {"z": 1},
    }  # fmt: skip
    read = lines.decode(records.line(records.encode(records.Call(**values))))
    plain = {name: getattr(read, name) for name in values}
    for name in ("request", "output", "usage", "logprobs", "tool_calls", "trace", "meta"):
        plain[name] = json.loads(bytes(plain[name]))
    assert plain == values
