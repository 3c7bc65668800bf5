"""`pytest --evalkit` over real projects, in a pytest of its own: what passes, fails, is skipped, and what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest

import evalkit.testing as checks
from evalkit.core.errors import ConfigError, InvalidRun

RIGHT = [{"id": f"s{i:03d}", "text": f"item {i}", "target": f"answer {i}"} for i in range(120)]
FLOOR = [{"metric": "exact_match", "mode": "threshold", "floor": 0.6}]
NO_DROP = [{"metric": "exact_match", "margin": 0.05}]


def project(root: Path, *, gates: Sequence[object] = FLOOR, wrong: int = 10, suite: str = "facts") -> Path:
    """A suite of 120 items and a recorded candidate that answers all but the first `wrong` of them rightly."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "suites").mkdir(exist_ok=True)
    (root / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in RIGHT), "utf-8")
    answers(root, wrong)
    (root / "evalkit.yaml").write_text(
        json.dumps({"candidates": {"recorded": {"provider": "replay", "model": "answers.jsonl"}}}), "utf-8"
    )
    written = {
        "name": suite, "family": "generalist", "dataset": {"path": "../facts.jsonl", "fields": {"input": {"text": "text"}}}, "scorers": ["exact_match"],
        "candidates": ["recorded"], "gates": list(gates),
    }  # fmt: skip
    (root / "suites" / f"{suite}.yaml").write_text(json.dumps(written), "utf-8")
    return root


def answers(root: Path, wrong: int, first: int = 0) -> None:
    """Recorded answers of which some, from the `first` on, are wrong."""
    rows = [
        {"id": row["id"], "output": "no" if first <= i < first + wrong else row["target"]}
        for i, row in enumerate(RIGHT)
    ]
    (root / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def pytested(root: Path, *words: str) -> tuple[int, str]:
    """A pytest in a process of its own, with nothing of this one's options."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-rs", *words],
        cwd=root, env=kept, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_suite_is_an_item_per_candidate(tmp_path):
    root = project(tmp_path / "p")
    code, said = pytested(root, "--evalkit", "suites/", "-v", "--junitxml", "junit.xml")
    assert code == 0, said
    assert "recorded PASSED" in said
    assert "1 passed" in said
    (case,) = ET.parse(root / "junit.xml").getroot().iter("testcase")
    assert case.get("name") == "recorded"
    (shown,) = [p.get("value") for p in case.iter("property") if p.get("name") == "exact_match"]
    assert re.search(r"0\.91\d*, 95 % .* n 120", shown)


def test_a_gate_that_fails_says_why_without_a_traceback(tmp_path):
    code, said = pytested(project(tmp_path / "p", wrong=90), "--evalkit", "suites/")
    assert code == 1, said
    assert "REGRESSION" in said
    assert "Traceback" not in said
    assert "pytest_plugin.py" not in said


@pytest.mark.parametrize(("policy", "code", "word"), [("pr", 0, "1 skipped"), ("release", 1, "1 failed")])
def test_what_is_undecided_is_never_passed(tmp_path, policy, code, word):
    root = project(tmp_path / "p", wrong=48)
    ended, said = pytested(root, "--evalkit", "suites/", "--evalkit-policy", policy)
    assert (ended, word in said) == (code, True), said
    assert "INCONCLUSIVE" in said


def test_a_suite_without_gates_asserts_nothing_and_says_so(tmp_path):
    code, said = pytested(project(tmp_path / "p", gates=()), "--evalkit", "suites/facts.yaml")
    assert (code, "1 skipped" in said, "nothing is asserted" in said) == (0, True, True), said


def test_a_missing_baseline_fails(tmp_path):
    code, said = pytested(project(tmp_path / "p", gates=NO_DROP), "--evalkit", "suites/")
    assert (code, "there is no baseline 'main'" in said) == (1, True), said


def test_what_is_wrong_with_a_suite_is_a_collection_error_with_its_line(tmp_path):
    root = project(tmp_path / "p")
    (root / "suites/typo.yaml").write_text("family: generalist\nscorer: [exact_match]\n", "utf-8")
    code, said = pytested(root, "--evalkit", "suites/")
    assert code == 2, said
    assert re.search(r"typo\.yaml:2: .*scorer", said)
    assert "Traceback" not in said


def test_named_tests_run_beside_suites_and_others_do_not(tmp_path):
    root = project(tmp_path / "p")
    (root / "test_own.py").write_text("def test_own():\n    pass\n", "utf-8")
    assert "1 passed" in pytested(root, "--evalkit", "suites/")[1]
    assert "2 passed" in pytested(root, "test_own.py", "--evalkit", "suites/")[1]
    assert "1 passed" in pytested(root)[1], "without the option, suites are no tests"


def test_options_reach_the_run(tmp_path):
    root = project(tmp_path / "p")
    code, said = pytested(root, "--evalkit", "suites/", "--evalkit-candidate", "replay/answers.jsonl",
                        "--evalkit-limit", "60", "--evalkit-budget-usd", "1", "-v")  # fmt: skip
    assert code == 0, said
    assert "replay/answers.jsonl PASSED" in said


@pytest.fixture
def here(tmp_path, monkeypatch):
    root = project(tmp_path / "p", gates=NO_DROP)
    monkeypatch.chdir(root)
    return root


def regress(root: Path, wrong: int, first: int = 0) -> str:
    """A first run as the baseline, then other answers; returns the first run's id."""
    import evalkit

    before = evalkit.run("suites/facts.yaml").run_id
    answers(root, wrong, first)
    return before


def test_the_assertion_holds_where_nothing_got_worse(here):
    (one,) = checks.assert_no_regression("suites/facts.yaml", baseline=regress(here, 9))
    assert one.verdict.outcome == "pass"


def test_the_assertion_fails_on_a_regression(here):
    with pytest.raises(checks.ModelRegression, match="REGRESSION") as failed:
        checks.assert_no_regression("suites/facts.yaml", baseline=regress(here, 60))
    assert failed.value.outcome == "regression"
    assert isinstance(failed.value, AssertionError)


def test_the_assertion_takes_a_function_and_judges_it(here):
    first = regress(here, 10)
    with pytest.raises(checks.ModelRegression):
        checks.assert_no_regression("suites/facts.yaml", {"recorded": lambda text: "no"}, baseline=first)


def test_the_assertion_s_policy_says_what_undecided_means(here):
    first = regress(here, 12, first=5)
    with pytest.raises(checks.ModelRegression, match="INCONCLUSIVE") as failed:
        checks.assert_no_regression("suites/facts.yaml", baseline=first)
    assert failed.value.outcome == "inconclusive"
    with pytest.warns(checks.InconclusiveWarning, match="INCONCLUSIVE"):
        checks.assert_no_regression("suites/facts.yaml", baseline=first, policy="pr")


def test_a_run_that_may_not_be_judged_fails_the_assertion(here):
    first = regress(here, 10)
    (here / "answers.jsonl").write_text('{"id": "s000", "output": "x"}\n', "utf-8")
    with pytest.raises(checks.ModelRegression, match="may not be judged") as failed:
        checks.assert_no_regression("suites/facts.yaml", baseline=first)
    assert failed.value.outcome == "invalid"


def test_the_assertion_raises_what_is_wrong_with_the_suite(here):
    (here / "suites/typo.yaml").write_text("family: generalist\nscorer: [exact_match]\n", "utf-8")
    with pytest.raises(ConfigError):
        checks.assert_no_regression("suites/typo.yaml")
    project(here, gates=(), suite="open")
    with pytest.raises(InvalidRun, match="nothing is asserted"):
        checks.assert_no_regression("suites/open.yaml")
