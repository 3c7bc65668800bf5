"""The extractive reader: what it takes from which passage, when it abstains, and what it refuses."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.types import Sample

POOL = {"id": "a", "title": "Pool", "text": "The pool was built in 1962. It closes on 3 May, because the roof leaks."}
SHOP = {"id": "b", "title": "Shop", "text": "The kiosk sells ice cream. It raises KioskError without coins."}


def reader(**options):
    return registry.make("baselines", "extractive_reader").__class__(**options)


def read(question, *passages, **options):
    found = reader(**options).read(question, list(passages))
    return found["answer"], found["citations"]


@pytest.mark.parametrize(
    ("question", "answer", "cited"),
    [
        ("Which exception does the kiosk raise without coins?", "KioskError", [2]),
        ("How many lanes has the canteen with its 12 seats?", None, []),
        ("What does the kiosk sell?", "sells ice cream", [2]),
    ],
)
def test_what_is_asked_for_is_cut_out(question, answer, cited):
    assert read(question, POOL, SHOP) == (answer, cited)


def test_numbers_and_defaults_are_found_where_they_are_asked_for():
    width = {"id": "w", "title": "Wrap", "text": "width (default: 70) is the longest line."}
    assert read("How wide is the longest line?", width)[0] == "70"
    assert read("What is the default width of a line?", width)[0] == "70"


def test_whole_sentences_are_an_option():
    answer, cited = read("When was the pool built?", SHOP, POOL, longest=0)
    assert (answer, cited) == ("The pool was built in 1962.", [2])


def test_a_higher_floor_abstains_more_often():
    question = "When was the swimming pool of the village built?"
    assert read(question, POOL)[0] is not None
    assert read(question, POOL, floor=0.99) == (None, [])
    assert read("Why?", POOL) == (None, [])
    assert read(question) == (None, [])


def test_nothing_new_in_the_sentence_leaves_its_first_words():
    text = {"id": "a", "title": "", "text": "Pool built."}
    assert read("Pool built?", text) == ("Pool built.", [1])


@pytest.mark.parametrize("fields", [{}, {"question": "x"}, {"question": 1, "passages": []}, {"question": "x", "passages": ["y"]}])  # fmt: skip
def test_a_sample_of_another_kind_is_a_failure_that_names_what_is_there(fields):
    response = asyncio.run(reader().answer(Sample("s", fields), None))
    assert "has no `question` with `passages`" in response.error.message
    assert ", ".join(sorted(fields)) in response.error.message


@pytest.mark.parametrize(
    ("options", "words"), [({"floor": 2}, "floor=2"), ({"fade": -1}, "fade=-1"), ({"longest": -1}, "longest=-1")]
)
def test_options_are_checked(options, words):
    with pytest.raises(ValueError, match=words):
        reader(**options)


@settings(max_examples=50)
@given(st.text(max_size=80), st.lists(st.text(max_size=120), max_size=3))
def test_any_text_is_read_and_citations_point_to_a_passage(question, texts):
    found = reader(floor=0).read(question, [{"id": str(n), "title": "", "text": text} for n, text in enumerate(texts)])
    assert (found["answer"] is None) == (found["citations"] == [])
    assert all(1 <= number <= len(texts) for number in found["citations"])
    assert found["confidence"] <= 1
