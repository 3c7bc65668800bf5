"""A suite's gates as rules: margins, places, and everything wrong with them at once."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.core.types import Metric
from evalkit.gate.rules import advisory, named, resolve

METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", kind="mean01", bounds=(0.0, 1.0)),
        Metric("wer", kind="ratio", higher_is_better=False, bounds=(0.0, None)),
        Metric("latency_p95", kind="quantile", higher_is_better=False, unit="s"),
        Metric("ndcg@10", bounds=(0.0, 1.0)),
        Metric("confidence", bounds=(0.0, 1.0), unit="nats"),
    )
}
LINES = {"gates": 7, "gates[0]": 8, "gates[0].metric": 8, "gates[0].margin": 9, "gates[1]": 12, "gates[1].metric": 12}


def resolved(*gates: dict[str, Any], values: dict[str, float] | None = None) -> Any:
    return resolve(gates, METRICS, values or {}, LINES, "suites/triage.yaml")


def test_fields_become_a_rule() -> None:
    gate = {
        "metric": "accuracy",
        "mode": "noninferiority",
        "margin": 0.03,
        "relative": False,
        "floor": None,
        "slice": "topic:billing",
        "veto": True,
        "description": "money",
    }
    (rule,), problems = resolved(gate)
    assert problems == ()
    assert (rule.metric, rule.mode, rule.margin, rule.slice, rule.veto) == (
        "accuracy",
        "noninferiority",
        0.03,
        "topic:billing",
        True,
    )
    assert (rule.file, rule.line, rule.description, rule.share, rule.gated) == (
        "suites/triage.yaml",
        8,
        "money",
        True,
        True,
    )
    assert (rule.name, rule.margin_default, rule.guardrail) == ("accuracy [topic:billing]", False, False)


@pytest.mark.parametrize(
    ("gate", "values", "margin", "default"),
    [
        ({"metric": "accuracy"}, {}, 0.02, True),
        ({"metric": "wer"}, {"wer": 0.25}, 0.005, True),
        ({"metric": "wer"}, {"wer": -0.25}, 0.005, True),
        ({"metric": "wer", "slice": "lang:de"}, {"wer": 0.25, "wer [lang:de]": 0.5}, 0.01, True),
        ({"metric": "wer", "slice": "lang:fr"}, {"wer": 0.25, "wer [lang:de]": 0.5}, 0.005, True),
        ({"metric": "wer", "margin": 0.1}, {"wer": 0.25}, 0.1, False),
        ({"metric": "wer", "margin": 0.1, "relative": True}, {"wer": 0.25}, 0.025, False),
        ({"metric": "accuracy", "margin": 0.1, "relative": True}, {"accuracy": 0.5}, 0.05, False),
        ({"metric": "wer", "margin": 0.1, "relative": True}, {}, 0.0, False),
        ({"metric": "accuracy", "margin": 0.0}, {}, 0.0, False),
        ({"metric": "accuracy", "mode": "superiority"}, {}, 0.0, False),
        ({"metric": "wer", "mode": "no_regression"}, {"wer": 0.25}, 0.0, False),
        ({"metric": "accuracy", "mode": "threshold", "floor": 0.8}, {}, 0.0, False),
        ({"metric": "accuracy", "mode": "equivalence"}, {}, 0.02, True),
        ({"metric": "confidence"}, {"confidence": 0.5}, 0.01, True),
    ],
)
def test_margins_are_absolute(gate: dict[str, Any], values: dict[str, float], margin: float, default: bool) -> None:
    (rule,), problems = resolved(gate, values=values)
    assert problems == ()
    assert rule.margin == pytest.approx(margin)
    assert rule.margin_default is default


def test_a_rule_knows_its_metric() -> None:
    (wer, slow), _ = resolved({"metric": "wer"}, {"metric": "latency_p95"})
    assert (wer.higher_is_better, wer.share, wer.unit, wer.guardrail) == (False, False, "", False)
    assert (slow.higher_is_better, slow.unit, slow.guardrail, slow.line) == (False, "s", True, 12)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"metric": "acuracy"}, "gates[0].metric: no scorer of this suite emits 'acuracy' (did you mean 'accuracy'?)"),
        (
            {"metric": "zz"},
            "gates[0].metric: no scorer of this suite emits 'zz' (known: accuracy, confidence, latency_p95, ndcg@10, wer)",
        ),
        ({}, "gates[0].metric: no scorer of this suite emits None (known: accuracy, confidence, latency_p95, ndcg@10, wer)"),
        (
            {"metric": "wer", "mode": "regresion"},
            "gates[0].mode: 'regresion' is no mode (did you mean 'regression' or 'no_regression'?)",
        ),
        (
            {"metric": "wer", "mode": "x"},
            "gates[0].mode: 'x' is no mode (known: regression, noninferiority, superiority, equivalence, no_regression, threshold)",
        ),
        ({"metric": "wer", "mode": "threshold"}, "gates[0].floor: `floor` (a number) and `mode: threshold` belong together"),
        ({"metric": "wer", "floor": 0.5}, "gates[0].floor: `floor` (a number) and `mode: threshold` belong together"),
        (
            {"metric": "wer", "mode": "threshold", "floor": float("inf")},
            "gates[0].floor: `floor` (a number) and `mode: threshold` belong together",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(gate: dict[str, Any], message: str) -> None:
    rules, problems = resolved(gate)
    assert rules == ()
    assert [str(problem) for problem in problems] == [f"suites/triage.yaml:8: {message}"]


def test_a_negative_margin_is_said_at_its_own_line() -> None:
    _, (problem,) = resolved({"metric": "wer", "margin": -0.1})
    assert str(problem) == (
        "suites/triage.yaml:9: gates[0].margin: -0.1 is no margin: it is the drop that still counts as equal (a number >= 0)"
    )
    _, (unknown,) = resolved({"metric": "wer", "margin": float("nan")})
    assert unknown.message.startswith("gates[0].margin: nan is no margin")


def test_all_problems_come_at_once_and_good_gates_stay() -> None:
    rules, problems = resolved({"metric": "accuraci"}, {"metric": "wer"}, {"metric": "nope", "margin": 1})
    assert [rule.metric for rule in rules] == ["wer"]
    assert [problem.line for problem in problems] == [8, 7]


def test_gates_without_any_scorer() -> None:
    rules, (problem,) = resolve([{"metric": "accuracy"}], {}, {}, {}, None)
    assert rules == ()
    assert str(problem) == (
        "gates[0].metric: no scorer of this suite emits 'accuracy', nor anything else (add `scorers:`)"
    )


def test_the_same_gate_twice() -> None:
    both = {"metric": "wer", "slice": "a"}
    rules, (problem,) = resolved(both, {**both, "margin": 0.5}, {**both, "mode": "superiority"})
    assert len(rules) == 3
    assert str(problem) == "suites/triage.yaml:12: the gate of wer [a] in mode regression is there twice (line 8)"
    _, (bare,) = resolve([both, both], METRICS, {}, {}, None)
    assert str(bare) == "the gate of wer [a] in mode regression is there twice"


def test_a_metric_of_the_command_line_and_one_that_is_only_looked_at() -> None:
    gate, seen = named(METRICS["wer"], {"wer": 0.5}), advisory(METRICS["accuracy"], {}, "lang:de")
    assert (gate.metric, gate.gated, gate.margin, gate.margin_default, gate.file) == ("wer", True, 0.01, True, None)
    assert (seen.name, seen.gated, seen.margin) == ("accuracy [lang:de]", False, 0.02)
    assert advisory(METRICS["accuracy"], {}).slice == ""
