"""Baseline files: written the same each time, read to the last number, everything wrong told at once."""

from __future__ import annotations

import copy
import json

import pytest

from evalkit.app.baseline_file import MOST_PROBLEMS, body, parsed, read, written
from evalkit.core.errors import ConfigError, InvalidRun

TEXTS = ("entry_id", "run_id", "suite", "suite_hash", "data_hash", "task_hash", "family", "candidate", "fingerprint")
ENTRY = {
    "facts": {
        **dict.fromkeys(TEXTS, "x"), "status": "complete", "started": "2026-01-01T00:00:00Z", "git_commit": None,
        "git_branch": "main", "generation": 0, "seed": 0, "repeats": 1, "planned": 2, "candidate_spec": {},
        "versions": {}, "spec": {},
    },
    "prompts": [{"prompt_hash": "p", "name": "", "role": "user", "body": "{{ text }}"}],
    "scorers": [{"scorer_sig": "g", "spec": "exact_match", "extraction": None, "metrics": ["exact_match"]}],
    "cells": {
        "sample_id": ["a", "b"], "sample_hash": ["1", "2"], "cluster": ["a", "b"], "repeat": [0, 0], "tags": [[], ["k:v"]],
        "call_id": ["c", None], "error_kind": [None, None], "output": ["o", None], "shown": ["yes", None],
        "cached": [False, True], "failed": [False, False], "seconds": [0.5, None], "usd": [None, 0],
    },
    "scores": [
        {
            "scorer_sig": "g", "metric": "exact_match", "status": ["scored", ""], "value": [1, None], "worst": [None, 0.0],
            "parts": [{"n": 1}, None], "worst_parts": [None, None], "answer": [None, "x"],
        }
    ],
}  # fmt: skip


def text(change=None) -> str:
    entry = copy.deepcopy(ENTRY)
    if change is not None:
        change(entry)
    return json.dumps(body([entry]))


def told(content: str) -> list[str]:
    with pytest.raises(ConfigError) as wrong:
        parsed(content, "b.json")
    assert all(problem.file == "b.json" for problem in wrong.value.problems)
    return [problem.message for problem in wrong.value.problems]


def test_what_is_written_is_read(tmp_path):
    file = tmp_path / "b.json"
    file.write_text(written([ENTRY], "t"))
    assert read(file) == [ENTRY]
    two = [{**ENTRY, "facts": {**ENTRY["facts"], "candidate": name}} for name in ("b", "a")]
    assert written(two, "t") == written(two[::-1], "t")


CHANGES = {
    "facts missing": (lambda e: e.pop("facts"), "entries[0].facts: an object is needed"),
    "a fact missing": (lambda e: e["facts"].pop("seed"), "entries[0].facts.seed is missing"),
    "a fact of another type": (lambda e: e["facts"].update(repeats=True), "entries[0].facts.repeats: a whole number of at least 0 is needed, not True"),
    "prompts": (lambda e: e.update(prompts={}), "entries[0].prompts: a list is needed"),
    "a prompt": (lambda e: e.update(prompts=["x"]), "entries[0].prompts[0]: an object is needed"),
    "a scorer": (lambda e: e["scorers"][0].update(code="import os"), "entries[0].scorers[0].code: there is no such key"),
    "cells": (lambda e: e.update(cells=[]), "entries[0].cells: an object of columns is needed"),
    "a column": (lambda e: e["cells"].update(tags="k:v"), "entries[0].cells.tags: a list is needed"),
    "a tag": (lambda e: e["cells"].update(tags=[[], [1]]), "entries[0].cells.tags[1]: a list of texts is needed, not [1]"),
    "a negative time": (lambda e: e["cells"].update(seconds=[-1, None]), "entries[0].cells.seconds[0]: a finite number of at least 0, or null is needed, not -1"),
    "a truth value for a number": (lambda e: e["scores"][0].update(value=[True, None]), "entries[0].scores[0].value[0]: a finite number or null is needed, not True"),
    "another status": (lambda e: e["scores"][0].update(status=["good", ""]), "entries[0].scores[0].status[0]: scored, unscorable, errored or empty is needed, not 'good'"),
    "parts": (lambda e: e["scores"][0].update(parts=[{"n": None}, None]), "entries[0].scores[0].parts[0]: an object of finite numbers, or null is needed, not {'n': None}"),
    "scores": (lambda e: e.update(scores=None), "entries[0].scores: a list is needed"),
    "a nameless score": (lambda e: e["scores"][0].pop("metric"), "entries[0].scores[0]: scorer_sig and metric are needed, as text"),
    "two contents of a sample": (lambda e: e["cells"].update(sample_id=["a", "a"], repeat=[0, 1]), "entries[0].cells[1]: sample 'a' has two contents"),
    "a long value": (lambda e: e["facts"].update(planned="9" * 99), f"entries[0].facts.planned: a whole number of at least 0 is needed, not '{'9' * 56}..."),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_what_is_wrong_is_named_by_its_place(change, words):
    assert told(text(change)) == [words]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "is no evalkit baseline"),
        ('{"evalkit_baseline": 1, "entries": []}', "a list of at least one entry"),
        ('{"evalkit_baseline": 1, "entries": [1]}', "entries[0]: an object is needed"),
        ('{"evalkit_baseline": "1"}', "version '1'"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_baseline_is_refused(content, words):
    assert words in told(content)[0]


def test_many_problems_end_with_their_number():
    def spoil(entry):
        entry["cells"] = {name: column * 20 for name, column in entry["cells"].items()}
        entry["scores"] = []

    found = told(text(spoil))
    assert (len(found), found[-1]) == (MOST_PROBLEMS + 1, "and 18 more problems")


def test_files_that_are_not_there_or_not_text(tmp_path):
    with pytest.raises(InvalidRun, match="there is no baseline file"):
        read(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "bytes.json")
