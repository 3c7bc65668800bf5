"""Sentences, the two summarisers, and the judge that counts words."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.baselines._sentences import sentences, words
from evalkit.core.types import Sample

STORY = (
    "Dr. A. Holm opened the pool at 9.30. The pool was closed for weeks because the pool's filters broke! "
    "“Never again,” said the mayor. Ice cream was free.\nThe filters of the pool are new."
)


def ask(spec, **fields):
    return asyncio.run(registry.make("baselines", spec).answer(Sample("s1", fields), None))


def test_sentences_end_at_signs_and_lines_but_not_after_titles():
    assert sentences(STORY) == [
        "Dr. A. Holm opened the pool at 9.30.",
        "The pool was closed for weeks because the pool's filters broke!",
        "“Never again,” said the mayor.",
        "Ice cream was free.",
        "The filters of the pool are new.",
    ]
    assert sentences(" \n ") == []
    assert words("Don't PANIC") == ["don", "t", "panic"]


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_sentences_lose_no_word(text):
    assert words(" ".join(sentences(text))) == words(text)


def test_lead_is_the_beginning():
    assert ask("lead_summary", text=STORY).output == "Dr. A. Holm opened the pool at 9.30."
    assert ask("lead_summary(count=9)", text=STORY).output.endswith("are new.")


def test_extractive_takes_the_typical_sentences_in_their_order():
    assert ask("extractive_summary", text=STORY).output.startswith("The pool was closed")
    two = ask("extractive_summary(count=2)", text=STORY).output
    assert two == "The pool was closed for weeks because the pool's filters broke! The filters of the pool are new."
    assert ask("extractive_summary", text="!!! ???").output == "!!! ???"


@pytest.mark.parametrize("spec", ["lead_summary", "extractive_summary"])
def test_empty_texts_and_counts_are_refused(spec):
    assert "empty" in ask(spec, text=" ").error.message
    assert "has no text" in ask(spec, body="x").error.message
    with pytest.raises(ValueError, match="count=0"):
        registry.make("baselines", f"{spec}(count=0)")


def verdict(**fields):
    return json.loads(ask("lexical_judge", **fields).output)


SOURCE = "The pool closes on Monday for five weeks because the filters are worn out. Tickets stay valid."


def test_grades_follow_overlap_with_the_reference():
    reference = "The pool closes for five weeks."
    grades = [
        verdict(answer=a, reference=reference, scale=5)["score"] for a in (reference, "The pool is closed.", "Bananas")
    ]
    assert grades == [5, 3, 1]
    assert verdict(answer=reference, reference=reference, scale=10)["score"] == 10
    assert verdict(answer=reference, reference=reference, scale="x")["score"] == 5


def test_without_a_reference_faithful_and_short_beats_copied_and_invented():
    short, copied, invented = "The pool closes for five weeks.", SOURCE, "The mayor has resigned over the zoo."
    assert verdict(source=SOURCE, a=short, b=copied)["verdict"] == "first"
    assert verdict(source=SOURCE, a=invented, b=short)["verdict"] == "second"
    assert verdict(source=SOURCE, a=short, b=short)["verdict"] == "tie"
    assert verdict(a="x", b="y")["verdict"] == "tie"
    assert verdict(answer="", source=SOURCE)["score"] == 1


TEXTS = st.text("abc de", max_size=12)


@settings(max_examples=50)
@given(TEXTS, TEXTS, TEXTS, st.booleans())
def test_swapping_the_answers_swaps_the_verdict(source, one, other, ties):
    swapped = {"first": "second", "second": "first", "tie": "tie"}
    first = verdict(source=source, a=one, b=other, ties=ties)["verdict"]
    second = verdict(source=source, a=other, b=one, ties=ties)["verdict"]
    assert first == swapped[second] or (one == other and not ties)
    assert ties or first != "tie"


def test_what_it_cannot_judge_is_a_failure():
    assert "has neither `answer` nor `a` and `b`" in ask("lexical_judge", text="x").error.message
    with pytest.raises(ValueError, match="margin=2"):
        registry.make("baselines", "lexical_judge(margin=2)")
