from __future__ import annotations

import asyncio
import json
import pickle

import pytest

from evalkit.baselines.keyword import bundled, make
from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Sample

LEXICON = {
    "topic": {
        "default": "other",
        "labels": {"fruit": {"apple*": 2, "very ripe": 1.5}, "stone": {"granite": 2, "hard": 1}},
    },
    "tone": {"default": "calm", "labels": {"loud": {"!": 1, "shout": 1, "quiet": -1}}},
}


def labels(text, lexicon=LEXICON):
    return make(lexicon=lexicon).labels(text)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("two APPLES please", "fruit"),
        ("pineapples", "other"),
        ("it is very\n  ripe", "fruit"),
        ("very nearly ripe", "other"),
        ("granite, apple", "fruit"),
        ("granite is hard, apple", "stone"),
        ("hard hard hard apples", "fruit"),
        ("", "other"),
    ],
)
def test_the_heaviest_label_wins_and_the_first_one_a_tie(text, topic):
    assert labels(text)["topic"] == topic


def test_negative_weights_keep_the_default():
    assert labels("shout, but quiet")["tone"] == "calm"
    assert labels("shout")["tone"] == "loud"


def test_the_answer_is_json_of_every_field():
    response = asyncio.run(make().answer(Sample("t", {"text": "I was hacked, help!"}), None))
    assert json.loads(response.output) == {"category": "security", "priority": "urgent"}
    assert response.finish is Finish.STOP
    assert response.usage == {"requests": 1.0, "characters": 19.0}
    assert response.seconds >= 0


def test_another_text_field():
    response = asyncio.run(make(lexicon=LEXICON, text="body").answer(Sample("t", {"body": "granite"}), None))
    assert json.loads(response.output) == {"topic": "stone", "tone": "calm"}


@pytest.mark.parametrize("value", [{}, {"text": None}, {"text": ["a"]}, {"row": {"a": 1}}])
def test_a_sample_without_text_is_a_failure_that_names_it(value):
    response = asyncio.run(make().answer(Sample("tk-9", value), None))
    assert response.error.kind is ErrorKind.CANDIDATE
    assert "tk-9" in response.error.message
    assert "'text'" in response.error.message


def test_the_fingerprint_follows_the_lexicon_not_its_name():
    assert make().fingerprint == make(lexicon=bundled("support")).fingerprint
    heavier = json.loads(json.dumps(LEXICON))
    heavier["topic"]["labels"]["fruit"]["apple*"] = 3
    prints = {make(lexicon=LEXICON).fingerprint, make(lexicon=heavier).fingerprint, make(text="body").fingerprint}
    assert len(prints) == 3


def test_it_pickles():
    again = pickle.loads(pickle.dumps(make(lexicon=LEXICON)))
    assert again.labels("granite") == labels("granite")


@pytest.mark.parametrize(
    ("lexicon", "said"),
    [
        ("suport", "support"),
        ("xyz", "known: support"),
        ({"a": {"labels": {}}}, "'a' needs exactly"),
        ({"a": {"default": "x", "labels": []}}, "'a' needs exactly"),
        ({"a": "x"}, "'a' needs exactly"),
        ({"a": {"default": "x", "labels": {"y": ["word"]}}}, "'y'"),
        ({"a": {"default": "x", "labels": {"y": {"word": "2"}}}}, "number as its weight"),
        ({"a": {"default": "x", "labels": {"y": {"word": True}}}}, "number as its weight"),
        ({"a": {"default": "x", "labels": {"y": {"word": float("nan")}}}}, "number as its weight"),
        ({"a": {"default": "x", "labels": {"y": {" ": 1}}}}, "empty phrase"),
    ],
)
def test_a_wrong_lexicon_says_what_is_wrong(lexicon, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        make(lexicon=lexicon)


def test_the_bundled_lexicon_knows_the_tickets_labels():
    rules = bundled("support")
    assert set(rules["category"]["labels"]) == {
        "billing", "refund", "login", "shipping", "bug", "feature_request", "account_change", "security",
    }  # fmt: skip
    assert {rules["priority"]["default"], *rules["priority"]["labels"]} == {"low", "normal", "high", "urgent"}
