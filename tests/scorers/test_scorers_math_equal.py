from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.errors import MissingComponent
from evalkit.scorers import _math, _math_child

ROOT = Path(__file__).parents[2]


def test_golden_cases_are_what_math_verify_says_now(kit, tmp_path):
    script = ROOT / "scripts/make_math_cases.py"
    subprocess.run([sys.executable, "-W", "ignore", script, tmp_path], check=True, capture_output=True)
    now, kept = json.loads((tmp_path / "math_equal.json").read_text("utf-8")), kit.load("math_equal")
    assert now["made_by"]["version"] == version("math-verify")
    assert now["cases"] == kept["cases"], "math-verify gives other verdicts; rerun the script"


@pytest.mark.parametrize(
    ("target", "output", "value"),
    [
        ("3+\\sqrt{2}", "Answer: sqrt(2) + 3", 1),
        ("3+\\sqrt{2}", "The answer is √2+3.", 1),
        ("3+\\sqrt{2}", "3+\\sqrt{2}", 1),
        ("3+\\sqrt{2}", "Answer: 3", 0),
        ("x-3", "**Answer:** x - 3.", 1),
        ("2x^2+3x-20", "Answer: 2*x**2 + 3*x - 20", 1),
        ("9\\sqrt{3}", "Answer: 9√3 cm", 1),
        ("25\\pi", "25 pi", 1),
        ("180/11", "Answer: 16 4/11", 1),
        ("[1,2]", "Answer: (1,2)", 0),
        (7, "Answer: 7.5", 0),
        (7, "Answer: 7", 1),
        (7, "Answer: 6\n\nwait.\nAnswer:\n\n**7**", 1),
        (7, "Answer: 7. Check: 3 + 4 = 7, not 8", 0),
        ([1, 7], "Answer: 7", 1),
        ("Vera", "So it must be her.\nAnswer: **vera**", 1),
        ("Vera", "The answer is Vera, since nobody is shorter.", 1),
        ("Vera", "\\boxed{\\text{Vera}}", 1),
        ("Vera", "Answer: Tom", 0),
        ("Vera", "Vera or Tom or Uwe", 0),
        ("22:03", "Answer: 22:03.", 1),
        ("22:03", "Answer: 22:30", 0),
        ("2024-02-12", "2024-02-12", 1),
        ("P", "answer: p", 1),
        ("yes", 'Answer: "Yes"', 1),
        (5, "<think>it is 4</think>Answer: 5", 1),
    ],
)  # fmt: skip
def test_what_is_read_beyond_the_library(kit, target, output, value):
    assert kit.one("math_equal", output, target).value == value


@pytest.mark.parametrize("output", ["<think>4, so", "I give up", "", "Answer:"])
def test_nothing_to_read_is_not_scorable(kit, output):
    score = kit.one("math_equal", output, 4)
    assert score.value is None
    assert score.reason
    assert kit.one("math_equal", "", "Vera").value is None


def test_equal_numbers_are_one_answer(kit):
    said = ["0.5", "1/2", "$\\frac{1}{2}$", "50%", "x = 0.5", "Answer: 0.50"]
    assert {kit.one("math_equal", text, "1/2").answer for text in said} == {"0.5"}
    assert kit.one("math_equal", "Answer: 3/4", "3/4").answer == "0.75"


def test_what_cannot_be_computed_ends_and_the_next_answer_is_scored(kit):
    tower = kit.one("math_equal(timeout=1)", "$9^{9^{9^{9}}}$", 5)
    assert tower.value is None
    assert tower.reason == "took longer than 1 s to read or compare"
    assert kit.one("math_equal(timeout=1)", "x = 5", 5).value == 1


def test_a_child_that_died_is_replaced():
    child = _math.Mathematician()
    try:
        assert child.ask(["5", "$x=5$"], 30) == [True, "5"]
        assert child._process is not None
        child._process.kill()
        child._process.wait()
        assert child.ask(["5"], 30) is True
    finally:
        child.close()


def test_it_works_outside_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(_math.verdict("5", "$4+1$", _math.MARKERS, 20).value))
    thread.start()
    thread.join()
    assert found == [1.0]


def test_the_child_answers_line_by_line():
    replies = io.StringIO()
    requests = [["$5$", "$2+3$"], ["$5$", "none"], ["$5$"], ["no"], [1, 2]]
    _math_child.serve(io.StringIO("".join(json.dumps(line) + "\n" for line in requests)), replies)
    ready, *said = map(json.loads, replies.getvalue().splitlines())
    assert ready is True
    assert said[:4] == [[True, "5"], [None, None], True, False]
    assert said[4][0] is None


def test_targets_are_checked(kit):
    problem = registry.make("scorers", "math_equal").problem
    assert problem(kit.sample({"target": "3+\\sqrt{2}"})) is None
    assert problem(kit.sample({"target": ["1/2", 0.5, "half"]})) is None
    assert "neither" in problem(kit.sample({"target": "%%%"})) or "does not read" in problem(
        kit.sample({"target": "%%%"})
    )
    assert "empty" in problem(kit.sample({"target": "  "}))
    assert "an object" in problem(kit.sample({"target": {"a": 1}}))


def test_a_target_that_never_ends_is_a_problem(kit):
    problem = registry.make("scorers", "math_equal(timeout=1)").problem(kit.sample({"target": "$9^{9^{9^{9}}}$"}))
    assert problem is None or "does not read" in problem


@pytest.mark.parametrize("spec", ["math_equal(timeout=0)", "math_equal(timeout=1.5)", "math_equal(markers=[1])"])
def test_options_are_checked(spec):
    with pytest.raises(ValueError, match=r"timeout|markers"):
        registry.make("scorers", spec)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "math_verify", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[math\]"):
        registry.make("scorers", "math_equal")


@settings(max_examples=40, deadline=None)
@given(
    st.integers(-(10**6), 10**6),
    st.sampled_from(["{}", "Answer: {}", "**Answer:** {}.", "$x = {}$", "so \\boxed{{{}}}"]),
)
def test_an_integer_equals_itself_in_any_form(number, form):
    assert _math.verdict(str(number), form.format(number), _math.MARKERS, 20).value == 1.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**4), st.integers(1, 10**4))
def test_another_integer_is_wrong(number, more):
    assert _math.verdict(str(number), f"Answer: {number + more}", _math.MARKERS, 20).value == 0.0
