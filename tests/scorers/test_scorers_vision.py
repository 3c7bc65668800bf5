"""ANLS, relaxed accuracy and count error beyond their golden cases: padding, bounds, options, wrong targets."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.errors import MissingComponent
from evalkit.core.types import Sample
from evalkit.scorers.count_error import count

ROOT = Path(__file__).parents[2]
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


def test_library_cases_are_current(kit, tmp_path):
    command = [sys.executable, ROOT / "scripts/make_vision_cases.py", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    now, kept = json.loads((tmp_path / "anls.json").read_text("utf-8")), kit.load("anls")
    assert now["made_by"] == kept["made_by"]
    assert now["made_by"]["version"] == version("rapidfuzz")
    assert now["cases"] == kept["cases"]


@given(gold=TEXT, answer=TEXT, left=st.text(" \t\n", max_size=9), right=st.text(" \t\n", max_size=9))
@settings(max_examples=50)
def test_padding_changes_no_anls(kit, gold, answer, left, right):
    plain, padded = kit.one("anls", answer, gold), kit.one("anls", left + answer + right, gold)
    assert plain.value == padded.value
    assert kit.one("anls", answer, left + gold + right).value == plain.value
    assert 0 <= plain.value <= 1
    assert kit.one("anls", gold, gold).value == 1


def test_an_answer_half_of_whose_characters_differ_is_another_answer(kit):
    assert kit.one("anls", "abcd", "abxy").value == 0
    assert kit.one("anls", "abcx", "abcd").value == 0.75
    assert kit.one("anls(threshold=1.0)", "abcd", "abxy").value == 0.5
    assert kit.one("anls", "", "").value == 1
    assert kit.one("anls", "", "a").value == 0
    assert "50% of the characters differ" in kit.one("anls", "abcd", "abxy").reason


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("anls(threshold=0.0)", "above 0"),
        ("anls(threshold=1.5)", "at most 1"),
        ("relaxed_accuracy(tolerance=-0.1)", "at least 0"),
        ("relaxed_accuracy(years='never')", "known: exact, relaxed"),
        ("relaxed_accuracy(percent='x')", "known: fraction, ignore"),
        ("relaxed_accuracy(decimal=';')", "known: ., ,"),
        ("count_error(cap=0)", "above 0"),
    ],
)
def test_options_out_of_range_are_named(spec, said):
    with pytest.raises(ValueError, match=said):
        registry.make("scorers", spec)


@pytest.mark.parametrize("spec", ["anls", "relaxed_accuracy", "count_error"])
@pytest.mark.parametrize("target", [None, {"a": 1}, [], [["x"]]])
def test_a_wrong_target_is_found_before_anything_is_asked(spec, target):
    assert "target" in registry.make("scorers", spec).problem(Sample("s", {}, target))


def test_without_rapidfuzz_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidfuzz.distance", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[ocr\]"):
        registry.make("scorers", "anls")


@given(st.floats(-1e6, 1e6).filter(lambda v: abs(v) > 1e-3))
@settings(max_examples=50)
def test_numbers_are_relaxed_symmetrically_around_the_target(kit, target):
    for factor, right in ((1.0, 1), (1.04, 1), (0.96, 1), (1.06, 0), (0.94, 0)):
        written = f"{target * factor:.9f}"
        gold = f"{target:.9f}"
        assert kit.one("relaxed_accuracy", written, gold).value == right, (gold, written)


def test_numbers_too_large_or_long_are_text(kit):
    assert kit.one("relaxed_accuracy", "1e999", "1e999").value == 1
    assert kit.one("relaxed_accuracy", "1e999", "5").value == 0
    assert kit.one("relaxed_accuracy", "9" * 500, "9" * 500).value == 1
    assert kit.one("relaxed_accuracy", "9" * 500, "5").value == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [("7", 7), ("There are 12.", 12), ("Three, no: five", 5), ("none", 0), ("lots", None), ("", None), ("1,204 people", 1204)],
)  # fmt: skip
def test_counts_are_read(text, found):
    assert count(text) == found


def test_only_tagged_samples_count(kit):
    import asyncio

    from evalkit.core.types import Response

    scorer = registry.make("scorers", "count_error(tag='answer:count')")
    counted, other = Sample("a", {}, 4, tags=("answer:count",)), Sample("b", {}, "blue", tags=("answer:text",))
    scores = [
        asyncio.run(scorer.score(sample, (Response(output=said),), None))
        for sample, said in ((counted, "6"), (other, "7"))
    ]
    error, exact = scorer.metrics
    assert kit.fold(error, [one["count_error"] for one in scores]) == [2.0]
    assert kit.fold(exact, [one["count_exact"] for one in scores]) == [0.0]
    assert scorer.problem(other) is None
    assert scorer.worst(other)["count_error"].parts == {"error": 0.0, "exact": 0.0, "n": 0.0}
    assert scorer.worst(counted)["count_error"].parts == {"error": 10.0, "exact": 0.0, "n": 1.0}
