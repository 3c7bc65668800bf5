"""Measures of rankings: definitions by brute force, ties by every order of them, and what is no ranking."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from importlib.metadata import version
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.types import Response, Sample
from evalkit.scorers import _rankings
from evalkit.scorers._rankings import Group, ndcg_many

ROOT = Path(__file__).parents[2]
SPECS = ["ndcg@3", "ndcg", "ndcg@3(gain='exp')", "recall@2", "recall", "precision@4", "mrr@3", "mrr", "map", "map@3", "success@2", "hole@3", "recall@2(level=2)", "map(level=2)"]  # fmt: skip
JUDGED = {"a": 3, "b": 1, "c": 0, "d": 2, "e": 1}


def score(spec, output, target=JUDGED, **more):
    scorer = registry.make("scorers", spec)
    (found,) = scorer.mark(Sample("q", {}, target), Response(output=output, **more)).values()
    return found


def value(spec, output, target=JUDGED):
    found = score(spec, output, target)
    assert found.value is not None, found.reason
    return found.value


def with_ties(spec, ties):
    return f"{spec[:-1]}, ties={ties!r})" if spec.endswith(")") else f"{spec}(ties={ties!r})"


def test_golden_tables_are_current(tmp_path):
    subprocess.run(
        [sys.executable, "-W", "ignore", ROOT / "scripts/make_ranking_cases.py", tmp_path],
        check=True,
        capture_output=True,
    )
    written = sorted(tmp_path.glob("*.json"))
    assert len(written) == 7
    for file in written:
        now = json.loads(file.read_text("utf-8"))
        kept = json.loads((ROOT / "tests/cases/scorers" / file.name).read_text("utf-8"))
        assert now["made_by"] == {**kept["made_by"], "version": version(kept["made_by"]["library"])}
        assert now["cases"] == kept["cases"], f"{file.name}: other numbers; rerun the script"


def test_by_hand():
    ranking = ["x", "a", "b", "y", "d"]
    ideal = 3 + 2 / math.log2(3) + 1 / 2 + 1 / math.log2(5)
    assert value("ndcg", ranking) == pytest.approx((3 / math.log2(3) + 1 / 2 + 2 / math.log2(6)) / ideal)
    assert value("ndcg@3", ranking) == pytest.approx((3 / math.log2(3) + 1 / 2) / (3 + 2 / math.log2(3) + 1 / 2))
    assert value("recall@3", ranking) == 2 / 4
    assert value("precision@10", ranking) == 3 / 10
    assert value("mrr@10", ranking) == 1 / 2
    assert value("mrr@1", ranking) == 0
    assert value("map", ranking) == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 4)
    assert value("success@1", ranking) == 0
    assert value("success@2", ranking) == 1
    assert value("hole@4", ranking) == 2 / 4
    assert value("hole@10", ranking) == 2 / 5
    assert value("recall@2(level=3)", ranking) == 1
    assert value("ndcg@1(gain='exp')", ["d"]) == 3 / 7


def test_the_forms_of_a_ranking_say_the_same():
    pairs = [["d", 2.0], ["a", 1], ["x", -3.5]]
    forms = [{"ranking": pairs}, pairs, ["d", "a", "x"], {"ranking": ["d", "a", "x"]}, json.dumps({"ranking": pairs})]
    shuffled = {"ranking": [pairs[2], pairs[0], pairs[1]]}
    assert {value("ndcg@10", form) for form in [*forms, shuffled]} == {value("ndcg@10", pairs)}
    assert value("recall", [17, 4], {"17": 1, "5": 2}) == 0.5


ENTRIES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d", "e", "x", "y", "z"]), st.sampled_from([0.0, 1.0, 2.0])),
    min_size=1,
    max_size=7,
    unique_by=lambda entry: entry[0],
)


def orders(entries):
    """All orders that the scores allow."""
    levels = sorted({score for _, score in entries}, reverse=True)
    groups = [list(permutations([name for name, score in entries if score == level])) for level in levels]
    return [[name for group in chosen for name in group] for chosen in product(*groups)]


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=30, deadline=None)
@given(entries=ENTRIES)
def test_ties_against_every_order(spec, entries):
    pairs = [list(entry) for entry in entries]
    every = [value(spec, order) for order in orders(entries)]
    assert value(with_ties(spec, "expected"), pairs) == pytest.approx(np.mean(every), abs=1e-12)
    worst = max(every) if spec.startswith("hole") else min(every)
    assert value(with_ties(spec, "worst"), pairs) == pytest.approx(worst, abs=1e-12)
    trec = sorted(sorted((name for name, _ in entries), reverse=True), key=lambda name: -dict(entries)[name])
    assert value(spec, pairs) == pytest.approx(value(spec, trec), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=3), st.floats(-60000, 60000, width=16)), min_size=1, max_size=40, unique_by=lambda e: e[0]),
    st.integers(1, 50),
)  # fmt: skip
def test_equal_to_pytrec_eval(entries, k):
    entries = [
        (name, score)
        for name, score in entries
        if "\x00" not in name and not any("\ud800" <= c <= "\udfff" for c in name)
    ]
    if not entries:
        return
    judged = {name: i % 4 for i, (name, _) in enumerate(entries)} | {"not there": 2}
    measures = {f"ndcg_cut.{k}", "ndcg", f"recall.{k}", f"P.{k}", "recip_rank", "map", f"map_cut.{k}", f"success.{k}"}
    theirs = pytrec_eval.RelevanceEvaluator({"q": judged}, measures).evaluate({"q": dict(entries)})["q"]
    specs = {f"ndcg@{k}": f"ndcg_cut_{k}", "ndcg": "ndcg", f"recall@{k}": f"recall_{k}", f"precision@{k}": f"P_{k}", "mrr": "recip_rank", "map": "map", f"map@{k}": f"map_cut_{k}", f"success@{k}": f"success_{k}"}  # fmt: skip
    ours = {spec: value(spec, [list(entry) for entry in entries], judged) for spec in specs}
    assert ours == {spec: pytest.approx(theirs[name], abs=1e-12) for spec, name in specs.items()}


def test_the_many_are_the_ones():
    drawn = np.random.default_rng(5)
    answers, judged = [], []
    for _ in range(40):
        names = [f"d{i}" for i in drawn.permutation(60)]
        scores = drawn.integers(0, 9, 60).tolist() if drawn.random() < 0.5 else sorted(drawn.random(60).tolist())
        answers.append({"ranking": [list(pair) for pair in zip(names, scores, strict=True)]})
        judged.append({f"d{i}": int(drawn.integers(0, 4)) for i in drawn.permutation(60)[:9]} | {"d0": 1})
    for ties in _rankings.TIES:
        for k in (None, 5):
            spec = with_ties("ndcg" if k is None else f"ndcg@{k}", ties)
            each = [value(spec, answer, target) for answer, target in zip(answers, judged, strict=True)]
            assert ndcg_many(answers, judged, k=k, ties=ties).tolist() == each
    assert ndcg_many(["prose", [], ["d"]], [JUDGED] * 3, k=1).tolist() == [0, 0, 2 / 3]
    assert ndcg_many([["a"]], [{"a": 0}]).tolist() == [0]


def test_a_constant_ranker_gets_what_it_deserves():
    names = [f"d{i:02d}" for i in range(50)]
    target = {"d49": 1}
    constant = [[name, 0.5] for name in names]
    # The rule of trec_eval puts the last name first: by luck the constant ranker looks perfect.
    assert value("mrr@10", constant, target) == 1
    assert value("mrr@10(ties='worst')", constant, target) == 0
    harmonic = sum(1 / rank for rank in range(1, 11)) / 50
    assert value("mrr@10(ties='expected')", constant, target) == pytest.approx(harmonic)
    assert value("success@10(ties='expected')", constant, target) == pytest.approx(10 / 50)
    for shift in range(1, 50, 7):
        again = constant[shift:] + constant[:shift]
        for ties in _rankings.TIES:
            assert value(with_ties("ndcg@10", ties), again, target) == value(
                with_ties("ndcg@10", ties), constant, target
            )


def test_single_precision_decides_what_is_tied():
    near = [["b", 1.0], ["a", 1.0 + 1e-9]]
    assert value("mrr", near, {"a": 1}) == 0.5
    assert value("mrr(ties='expected')", near, {"a": 1}) == 0.75
    assert value("mrr", [["b", 1.0], ["a", 1.0 + 1e-6]], {"a": 1}) == 1
    assert value("mrr", [["b", 1e39], ["a", 2e39]], {"a": 1}) == 0.5, "both are infinite in single precision"


BAD = {
    "prose": ("The answer is d.", "not JSON"),
    "a number": (3, "no ranking"),
    "an object without one": ({"documents": ["a"]}, "no ranking"),
    "nothing found": ({"ranking": []}, "no document was retrieved"),
    "twice": (["a", "b", "a"], "'a' stands in the ranking twice"),
    "twice with scores": ([["a", 1], ["a", 2]], "'a' stands in the ranking twice"),
    "twice as number and text": ([7, "7"], "'7' stands in the ranking twice"),
    "NaN": ([["a", 1.0], ["b", float("nan")]], "document 'b' is nan"),
    "infinity": ([["a", float("inf")]], "document 'a' is inf"),
    "no score": ([["a", "high"]], "'a' is not a number"),
    "a truth": ([["a", True]], "'a' is not a number"),
    "too large": ([["a", 10**400]], "too large"),
    "triples": ([["a", 1, 2]], "not [id, score]"),
    "mixed": (["a", ["b", 1]], "not text"),
    "ids that are lists": ([[["a"], 1]], "not text"),
    "null": ([None], "not text"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("spec", ["ndcg@10", "recall@10", "hole@10"])
def test_what_is_no_ranking_has_no_value_and_the_reason(spec, name):
    output, words = BAD[name]
    found = score(spec, output)
    assert found.value is None
    assert words in found.reason
    worst = registry.make("scorers", spec).worst(Sample("q", {}, JUDGED))[spec]
    assert worst.value == (1.0 if spec == "hole@10" else 0.0)


TARGETS = {
    "missing": (None, "judgements are needed"),
    "text": ("a", "judgements are needed"),
    "empty": ({}, "no judgements"),
    "nothing relevant": ({"a": 0}, "no relevant document"),
    "half a grade": ({"a": 1.5}, "whole numbers"),
    "below zero": ({"a": -1}, "whole numbers"),
    "infinite": ({"a": float("inf")}, "whole numbers"),
    "not a number": ({"a": float("nan")}, "whole numbers"),
    "a word": ({"a": "yes"}, "whole numbers"),
    "a truth": ({"a": True}, "whole numbers"),
    "a list of numbers": ([1, 2], "judgements are needed"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_bad_judgements_are_found_before_anything_is_asked(name):
    target, words = TARGETS[name]
    assert words in registry.make("scorers", "recall@10").problem(Sample("q", {}, target))


def test_good_judgements():
    recall = registry.make("scorers", "recall@10")
    assert recall.problem(Sample("q", {}, {"a": 1, "b": 0})) is None
    assert recall.problem(Sample("q", {}, ["a", "b"])) is None
    assert "reaches 3" in registry.make("scorers", "recall@10(level=3)").problem(Sample("q", {}, {"a": 2}))
    assert registry.make("scorers", "hole@10").problem(Sample("q", {}, {"a": 0})) is None
    assert value("recall", ["a", "x"], ["a", "b"]) == 0.5


def test_the_reason_says_where_the_relevant_documents_stand():
    found = score("ndcg@10", ["x", "a", "b"])
    assert found.answer == "x, a, b"
    assert found.reason == "2 of 4 relevant found: a at 2, b at 3; not found: d, e"
    assert "level" not in found.reason
    many = {f"document number {i} with a long name that goes on and on": 1 for i in range(90)}
    told = score("recall@10", [*list(many)[:9], "x"], many).reason
    assert told.startswith("9 of 90 relevant found")
    assert told.endswith("...")
    assert len(told) <= 500


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("precision", "needs a cut-off"),
        ("success", "needs a cut-off"),
        ("hole", "needs a cut-off"),
        ("ndcg@0", "whole number from 1"),
        ("ndcg@10(ties='best')", "known: trec, expected, worst"),
        ("ndcg@10(gain='log')", "known: linear, exp"),
        ("ndcg@10(level=2)", "unknown option 'level'"),
        ("recall@10(gain='exp')", "unknown option 'gain'"),
        ("recall@10(level=0)", "whole number from 1"),
        ("map(level=1.5)", "whole number from 1"),
    ],
)
def test_wrong_options(spec, words):
    with pytest.raises(ValueError, match=words):
        registry.make("scorers", spec)


def test_options_are_part_of_the_signature():
    from evalkit.app.scoring import prepare

    sigs = {prepare(spec, extract=None).sig for spec in ("ndcg@10", "ndcg@5", "ndcg@10(ties='expected')", "ndcg@10(gain='exp')", "recall@10", "recall@10(level=2)")}  # fmt: skip
    assert len(sigs) == 6


def test_the_pieces():
    assert _rankings.groups([0, 0], [1, 2]) == []
    assert _rankings.reciprocal_rank([], 5) == 0
    assert _rankings.success([], 5) == 0
    assert _rankings.success([Group(5, 1, 1)], 5) == 0
    assert _rankings.average_precision([], 3, None) == 0
