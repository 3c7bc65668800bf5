"""Every reference passes all tests of its problem, every wrong solution fails one, and no two statements are alike."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from evalkit import registry
from evalkit.core.types import Response, Sample
from evalkit.sandbox.sandbox import Sandbox
from evalkit.scorers import _code_tests

ROOT = Path(__file__).parents[2]
PROBLEMS = [json.loads(line) for line in (ROOT / "datasets/code/problems.jsonl").read_text("utf-8").splitlines()]
SAMPLES = {row["id"]: Sample(row["id"], row["input"], row["target"], tags=tuple(row["tags"])) for row in PROBLEMS}
SPEC = "tests_pass(compare='lines', cpu_s=2.0)"


class Running:
    """The part of a context that running programs needs."""

    def __init__(self):
        self.sandbox = Sandbox()


def judged(programs):
    """The scores of (sample, program) pairs, a few at once."""
    scorer, ctx = registry.make("scorers", SPEC), Running()

    async def every():
        waiting = asyncio.Semaphore(4)

        async def one(sample, program):
            async with waiting:
                return await scorer.score(sample, (Response(output=f"```python\n{program}```"),), ctx)

        return await asyncio.gather(*(one(*pair) for pair in programs))

    return [scores["tests_pass"] for scores in asyncio.run(every())]


def wrong(pick):
    return [(row["id"], each["why"], each["code"]) for row in PROBLEMS for each in pick(row["target"]["wrong"])]


def passing(listed):
    """Which of the wrong solutions pass."""
    scores = judged([(SAMPLES[ident], code) for ident, _, code in listed])
    return [(ident, why) for (ident, why, _), score in zip(listed, scores, strict=True) if score.value != 0]


def test_every_reference_passes_and_shows_its_examples():
    rows = [(SAMPLES[row["id"]], row["target"]["reference"]) for row in PROBLEMS]
    shown = [
        (Sample(row["id"], {}, {**row["target"], "tests": row["input"]["examples"]}), row["target"]["reference"])
        for row in PROBLEMS
    ]
    failed = [
        (pair[0].id, score.reason)
        for pair, score in zip([*rows, *shown], judged([*rows, *shown]), strict=True)
        if score.value != 1
    ]
    assert failed == []


def test_a_wrong_solution_of_each_problem_fails():
    assert passing(wrong(lambda those: those[1:2])) == []


@pytest.mark.nightly
def test_every_wrong_solution_fails():
    assert passing(wrong(lambda those: those)) == []


@pytest.mark.nightly
def test_references_pass_on_a_busy_machine_too():
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3 * (os.cpu_count() or 1))]
    try:
        scores = judged([(SAMPLES[row["id"]], row["target"]["reference"]) for row in PROBLEMS])
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert [score.reason for score in scores if score.value != 1] == []


def test_some_wrong_solutions_are_only_too_slow():
    slow = wrong(lambda those: [one for one in those if "tries" in one["why"] and "all" in one["why"]])
    reasons = [score.reason for score in judged([(SAMPLES[ident], code) for ident, _, code in slow])]
    assert len(reasons) >= 2
    assert all(reason.startswith("timeout: ") for reason in reasons), reasons


def test_there_is_enough_of_everything():
    assert len(PROBLEMS) >= 40
    assert len({row["id"] for row in PROBLEMS}) == len(PROBLEMS)
    for row in PROBLEMS:
        tests, examples = row["target"]["tests"], row["input"]["examples"]
        assert len(tests) >= 8, row["id"]
        assert len(examples) == 2, row["id"]
        asked = [json.dumps(test.get("input", test.get("args"))) for test in (*tests, *examples)]
        assert len(set(asked)) == len(asked), row["id"]
        assert len(row["target"]["wrong"]) >= 2, row["id"]
        assert len({one["code"] for one in row["target"]["wrong"]} | {row["target"]["reference"]}) > len(
            row["target"]["wrong"]
        )
        assert ("function" in row["target"]) == ("signature" in row["input"]), row["id"]
        assert _code_tests.tests_of(SAMPLES[row["id"]]).reference
    tags = Counter(tag for row in PROBLEMS for tag in row["tags"])
    assert min(tags[f"difficulty:{name}"] for name in ("easy", "medium", "hard")) >= 10
    assert min(tags["form:stdin"], tags["form:function"]) >= 15
    assert sum(tag.startswith("topic:") for tag in tags) >= 12
    assert all(
        sum(tag.startswith(kind) for tag in row["tags"]) == 1
        for row in PROBLEMS
        for kind in ("difficulty:", "topic:", "form:")
    )


def test_statements_do_not_say_the_solution():
    for row in PROBLEMS:
        assert row["input"]["text"] == " ".join(row["input"]["text"].split())
        assert not {"reference", "wrong", "tests"} & set(row["input"])
        assert row["target"]["reference"] not in json.dumps(row["input"])
