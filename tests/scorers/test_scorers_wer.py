"""Transcript error rates against jiwer, what the normalisers do, and the rules for what jiwer leaves open."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.errors import MissingComponent
from evalkit.scorers._edits import Edits, aligned, edit_counts, editops
from evalkit.scorers._transcripts import basic, normaliser

ROOT = Path(__file__).parents[2]
RATES = ("wer", "cer", "mer", "wil")


def test_cases_are_current(kit, tmp_path):
    subprocess.run(
        [sys.executable, ROOT / "scripts/make_speech_cases.py", tmp_path, *RATES], check=True, capture_output=True
    )
    assert sorted(file.stem for file in tmp_path.glob("*.json")) == sorted(RATES)
    for file in tmp_path.glob("*.json"):
        now, kept = json.loads(file.read_text("utf-8")), kit.load(file.stem)
        assert now["made_by"]["version"] == version("jiwer")
        assert now["cases"] == kept["cases"], f"{file.name}: jiwer gives other numbers; rerun the script"


texts = st.lists(st.sampled_from(["the", "cat", "sat", "on", "mat", "東京", "a"]), max_size=9).map(" ".join)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_a_corpus_equals_jiwer(kit, pairs):
    references, hypotheses = [one for one, _ in pairs], [other for _, other in pairs]
    for name in RATES:
        process = jiwer.process_characters if name == "cer" else jiwer.process_words
        scorer = registry.make("scorers", f"{name}(normaliser='none')")
        scores = [kit.score(scorer, {"target": one, "output": other})[name] for one, other in pairs]
        whole = process(references, hypotheses)
        if any(references):
            assert kit.fold(scorer.metrics[0], scores)[0] == pytest.approx(getattr(whole, name), abs=1e-12)
        for (one, other), score in zip(pairs, scores, strict=True):
            assert score.value == pytest.approx(getattr(process(one, other), name), abs=1e-12)
        parts = {part: sum(score.parts[part] for score in scores) for part in "sdih"}
        assert parts == {
            "s": whole.substitutions, "d": whole.deletions, "i": whole.insertions, "h": whole.hits
        }  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(texts.map(str.split), texts.map(str.split)), max_size=12))
def test_the_batch_counts_like_one_by_one(pairs):
    counts = edit_counts(iter(pairs))
    assert counts.shape == (len(pairs), 4)
    assert [tuple(row) for row in counts.tolist()] == [tuple(aligned(*pair)[0]) for pair in pairs]


def test_the_batch_counts_more_than_a_chunk():
    pairs = [(["a", "b", "c"], ["b", "c", "a"]), (["a"], [])] * 5000
    assert edit_counts(pairs).sum(axis=0).tolist() == [0, 10_000, 5000, 10_000]


def test_the_mean_of_utterance_rates_is_another_number(kit):
    scorer = registry.make("scorers", "wer")
    items = [
        {"target": "yes", "output": "no"},
        {
            "target": "one two three four five six seven eight nine",
            "output": "one two three four five six seven eight nine",
        },
    ]
    scores = [kit.score(scorer, item)["wer"] for item in items]
    assert kit.fold(scorer.metrics[0], scores)[0] == pytest.approx(0.1)
    assert np.mean([score.value for score in scores]) == 0.5


def test_only_silence_counts_insertions_per_utterance(kit):
    scorer = registry.make("scorers", "wer")
    scores = [kit.score(scorer, {"target": "", "output": said})["wer"] for said in ("", "thank you", "the end of it")]
    assert [score.value for score in scores] == [0.0, 2.0, 4.0]
    assert kit.fold(scorer.metrics[0], scores)[0] == 2.0
    assert scorer.worst(kit.sample({"target": ""}))["wer"].parts == {"s": 0, "d": 0, "i": 1, "h": 0, "n": 1}


def test_silence_does_not_disturb_the_pool(kit):
    scorer = registry.make("scorers", "wer")
    scores = [
        kit.score(scorer, item)["wer"]
        for item in ({"target": "", "output": "hm"}, {"target": "a b c d", "output": "a b c"})
    ]
    assert kit.fold(scorer.metrics[0], scores)[0] == 0.5


def test_a_failed_answer_deletes_every_word(kit):
    scorer = registry.make("scorers", "wer")
    worst = scorer.worst(kit.sample({"target": ["one two three", "one two"]}))
    assert worst["wer"].parts == worst["wer_insertions"].parts == {"s": 0, "d": 2, "i": 0, "h": 0, "n": 1}
    assert {score.value for score in worst.values()} == {1.0}


def test_the_nearest_reference_counts(kit):
    score = kit.one("wer", "meet me at half past two", ["meet me at 2:30", "meet me at half past two"])
    assert (score.value, score.parts["h"]) == (0.0, 6.0)
    assert kit.one("wil", "b", ["a", "b"]).value == 0.0
    assert kit.one("mer", "b c", ["a b c", "x"]).value == pytest.approx(1 / 3)


def test_each_edit_is_shown(kit):
    score = kit.one("wer(normaliser='none')", "the big hat sat mat", "the cat sat on mat")
    assert [row.unit for row in score.rows] == ["I big", "S cat → hat", "D on"]
    assert score.reason == "S 1, D 1, I 1 of 5"
    assert score.answer == "the big hat sat mat"
    assert kit.one("cer(normaliser='none')", "cart", "cat").rows[0].unit == "I r"
    right = kit.one("wer", "the cat", "the cat")
    assert (right.rows, right.reason) == ((), None)


def test_many_edits_are_counted_beyond_the_shown_ones(kit):
    score = kit.one("wer", "", " ".join(["word" * 30] * 100))
    assert len(score.rows) == 61
    assert (score.rows[-1].unit, score.rows[-1].value) == ("more edits", 40.0)
    assert len(score.rows[0].unit) <= 42


def test_basic_keeps_vowel_signs_and_inner_apostrophes():
    assert basic("हिन्दी की किताब!") == "हिन्दी की किताब"
    assert basic("“Don’t” — 'stop', O'Hare: 20%\t_now_") == "don't stop o'hare 20 now"
    assert basic("e\u0301te\u0301") == "\u00e9t\u00e9"


def test_the_traps_of_whispers_normalisers():
    """What the package does, so that nobody is surprised: the page on recognition warns of both."""
    assert normaliser("whisper_english")("$20, twenty-one") == "$2021"
    assert "की" not in normaliser("whisper_basic")("हिन्दी की किताब")


def test_the_normaliser_changes_the_number_and_the_signature(kit):
    item = ("it is twenty one", "It's 21.")
    rates = {
        name: kit.one(f"wer(normaliser={name!r})", item[1], item[0]).value
        for name in ("none", "basic", "whisper_english", "whisper_basic")
    }
    assert rates == {"none": 1.0, "basic": 1.0, "whisper_english": 0.0, "whisper_basic": 0.75}
    assert registry.make("scorers", "wer").libraries == ("rapidfuzz",)
    assert registry.make("scorers", "cer(normaliser='whisper_basic')").libraries == ("rapidfuzz", "whisper-normalizer")


def test_spaces_count_for_characters(kit):
    assert kit.one("cer(normaliser='none')", "ab", "a b").value == pytest.approx(1 / 3)
    assert kit.one("cer(normaliser='none')", "a  b", "a b").value == pytest.approx(1 / 3)
    assert kit.one("cer", " a   b ", "a b").value == 0.0


def test_wrong_options_and_targets(kit):
    with pytest.raises(ValueError, match="known: none, basic, whisper_english, whisper_basic"):
        registry.make("scorers", "wer(normaliser='whisper')")
    scorer = registry.make("scorers", "wer")
    assert "text, a number or a list" in scorer.problem(kit.sample({"target": {"text": "a"}}))
    assert "empty list" in scorer.problem(kit.sample({"target": []}))
    assert scorer.problem(kit.sample({"target": ""})) is None


def test_edits_name_their_sums():
    edits = Edits(1, 2, 3, 4)
    assert (edits.reference, edits.hypothesis, edits.errors) == (7, 8, 6)


def test_missing_packages_name_their_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidfuzz.distance", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[text\]"):
        editops.__wrapped__()
    monkeypatch.setitem(sys.modules, "whisper_normalizer.basic", None)
    with pytest.raises(MissingComponent, match=r"whisper-normalizer: pip install"):
        normaliser.__wrapped__("whisper_basic")
