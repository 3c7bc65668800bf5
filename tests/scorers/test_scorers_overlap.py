"""BLEU, chrF and TER of resampled corpora against sacrebleu, signatures, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF, TER

from evalkit import registry

WORDS = st.lists(
    st.sampled_from(["the", "a", "cat", "sat", "on", "mat", ".", ",", "red", "7", "Über"]), max_size=9
).map(" ".join)
CORPUS = st.lists(st.tuples(WORDS.filter(bool), WORDS, st.integers(0, 3)), min_size=1, max_size=7)
ENGINES = {
    "bleu": BLEU(force=True),
    "bleu(smooth='floor')": BLEU(smooth_method="floor", force=True),
    "bleu(smooth='add-k')": BLEU(smooth_method="add-k", force=True),
    "bleu(smooth='none')": BLEU(smooth_method="none", force=True),
    "chrf": CHRF(),
    "chrf(word_order=2)": CHRF(word_order=2),
    "ter": TER(),
}


@pytest.mark.parametrize("spec", ENGINES)
@settings(max_examples=15, deadline=None)
@given(CORPUS)
def test_a_weighted_corpus_is_sacrebleus_corpus_of_copies(kit, spec, rows):
    scorer = registry.make("scorers", spec)
    scores = [kit.score(scorer, {"target": gold, "output": said})[scorer.metrics[0].name] for gold, said, _ in rows]
    weights = np.array([[times for _, _, times in rows], [1] * len(rows)], dtype=float)
    found = kit.fold(scorer.metrics[0], scores, weights)
    for row, value in zip(weights.astype(int), found, strict=True):
        copies = [(gold, said) for (gold, said, _), times in zip(rows, row, strict=True) for _ in range(times)]
        if not copies:
            assert np.isnan(value)
            continue
        golds, said = zip(*copies, strict=True)
        assert value == pytest.approx(ENGINES[spec].corpus_score(list(said), [list(golds)]).score, abs=1e-9)


def test_signatures_are_sacrebleus():
    assert registry.make("scorers", "bleu(tokenize='intl', lowercase=True)").signature.startswith(
        "nrefs:1|case:lc|eff:no|tok:intl|smooth:exp|version:"
    )
    assert "nc:6|nw:2" in registry.make("scorers", "chrf(word_order=2)").signature
    assert "tok:tercom|norm:no|punct:yes" in registry.make("scorers", "ter").signature


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("bleu(tokenize='spm')", "tokenize='spm' is unknown"),
        ("bleu(smooth='linear')", "smooth='linear' is unknown"),
        ("chrf(char_order=0)", "char_order=0 must be a whole number from 1 to 10"),
        ("chrf(beta=True)", "beta=True must be"),
    ],
)
def test_options_are_checked_and_no_tokenizer_downloads(spec, words):
    with pytest.raises(ValueError, match=words):
        registry.make("scorers", spec)


@pytest.mark.parametrize("spec", ["bleu", "chrf", "ter", "rouge"])
def test_endless_answers_are_refused_with_a_reason(kit, spec):
    assert "longer than 20000 characters" in kit.one(spec, "word " * 5000, "word").reason


def test_empty_texts_have_finite_scores(kit):
    assert kit.one("bleu", "", "").value == 0
    assert kit.one("chrf", "", "").value == 0
    assert kit.one("ter", "", "").value == 0
    assert kit.one("ter", "something", "").value == 100
    assert kit.one("rouge", "", "a word").value == 0


def test_summary_level_rouge_takes_lines_as_sentences(kit):
    scorer = registry.make("scorers", "rouge")
    target = "the cat sat\nthe dog ran"
    turned = kit.score(scorer, {"target": target, "output": "the dog ran\nthe cat sat"})
    assert turned["rougeLsum"].value == 1
    assert turned["rougeL"].value == 0.5
    flat = kit.score(scorer, {"target": target.replace("\n", " "), "output": "the dog ran the cat sat"})
    assert flat["rougeLsum"].value == flat["rougeL"].value


def test_stems_are_an_option(kit):
    assert kit.one("rouge", "closing pools", "closed pool").value == 1
    assert kit.one("rouge(stemmer=False)", "closing pools", "closed pool").value == 0
