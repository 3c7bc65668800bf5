"""Judges behind gates: unfit by their order effects, audited by labels of people, never trusted unseen."""

from __future__ import annotations

import json

import pytest

from evalkit.app.file_side import FileSide
from evalkit.app.guardrails import emitted
from evalkit.app.judges import Labels, judges_of, no_labels, read_labels, refusals
from evalkit.app.measuring import Bench
from evalkit.app.scoring import prepare
from evalkit.core.errors import ConfigError

PAIR = prepare("judge_pair(judge='gpt', against='other')", extract=None)
KNOWN = emitted((PAIR, prepare("exact_match", extract=None)))
GATED = frozenset({"win_rate", "exact_match"})
N = 120


def column(metric: str, values: list[float], parts: list[dict] | None = None) -> dict:
    size = len(values)
    return {
        "scorer_sig": PAIR.sig, "metric": metric, "status": ["scored"] * size, "value": values, "worst": [None] * size,
        "parts": parts or [None] * size, "worst_parts": [None] * size, "answer": [None] * size,
    }  # fmt: skip


def side(conflicts: int, lean: float) -> FileSide:
    """A candidate of 120 samples of which the first `conflicts` pairs were judged by their order, leaning to a slot."""
    ids = [f"s{n:03}" for n in range(N)]
    clash = [{"conflicts": float(n < conflicts), "pairs": 1.0} for n in range(N)]
    leans = [{"lean": lean if n < conflicts else 0.0, "pairs": 1.0} for n in range(N)]
    cells = {
        "sample_id": ids, "sample_hash": ids, "cluster": ids, "repeat": [0] * N, "tags": [[]] * N, "call_id": ids,
        "error_kind": [None] * N, "output": ids, "shown": ids, "cached": [False] * N, "failed": [False] * N,
        "seconds": [None] * N, "usd": [None] * N,
    }  # fmt: skip
    scores = [
        column("win_rate", [float(n % 2) for n in range(N)]),
        column("conflict_rate", [0.0] * N, clash),
        column("primacy", [0.0] * N, leans),
    ]
    metrics = [metric.name for metric in PAIR.metrics]
    scorers = [{"scorer_sig": PAIR.sig, "spec": PAIR.spec, "extraction": None, "metrics": metrics}]
    return FileSide({"facts": {}, "cells": cells, "scores": scores, "scorers": scorers, "prompts": []}, "file")


def test_a_judge_that_turns_with_the_order_is_unfit():
    told = refusals(side(50, 1.0), KNOWN, GATED)
    assert set(told) == {"win_rate"}
    assert len(told["win_rate"]) == 2
    assert "judge gpt is unfit: its verdicts change with the order in 42% of the pairs" in told["win_rate"][0]
    assert "prefers the first answer" in told["win_rate"][1]
    assert "prefers the second answer" in refusals(side(50, -1.0), KNOWN, GATED)["win_rate"][1]


def test_a_steady_judge_is_fit_and_stays_unaudited_without_labels():
    one = side(6, 0.0)
    assert refusals(one, KNOWN, GATED) == {}
    (judge,), unaudited = judges_of(Bench(one, one, KNOWN), GATED, no_labels(), seed=0)
    assert (judge.name, judge.metric, judge.conflict_rate, judge.primacy) == ("gpt", "win_rate", 0.05, 0.0)
    assert (judge.kappa, judge.labels, judge.same_on_both_sides, unaudited) == (None, 0, True, ("gpt",))


@pytest.mark.parametrize(
    ("agreeing", "count", "unaudited"), [(True, 120, ()), (True, 50, ("gpt",)), (False, 120, ("gpt",))]
)
def test_labels_of_people_audit_a_judge(agreeing, count, unaudited):
    one = side(6, 0.0)
    said = {f"s{n:03}": float(n % 2 if agreeing else (n // 2) % 2) for n in range(count)}
    (judge,), found = judges_of(Bench(one, None, KNOWN), GATED, Labels({"win_rate": {**said, "unknown": 1.0}}), seed=0)
    assert (judge.labels, found, judge.same_on_both_sides) == (count, unaudited, False)
    assert judge.kappa == pytest.approx(1.0 if agreeing else 0.0, abs=0.05)


def test_labels_are_read_by_metric_and_for_all(tmp_path):
    rows = [{"sample_id": "a", "label": 1}, {"sample_id": "b", "label": 0, "metric": "win_rate"}]
    file = tmp_path / "labels.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    found = read_labels(file)
    assert (found.of("win_rate"), found.of("other")) == ({"a": 1.0, "b": 0.0}, {"a": 1.0})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"sample_id": "a", "label": "good"}', ":1:"),
        ('{"sample_id": "a"}', "label"),
        ("oops", "malformed"),
        ('{"sample_id": "a", "label": 1, "who": "me"}', "who"),
        ('{"sample_id": "a", "label": 1}\n{"sample_id": "a", "label": 0}', ":2: sample 'a' is labelled twice"),
        (None, "cannot be read"),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path, text, words):
    file = tmp_path / "labels.jsonl"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_labels(file)
