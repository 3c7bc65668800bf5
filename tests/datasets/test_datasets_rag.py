"""The questions point into the corpus, their answers stand there, and baselines neither solve nor miss them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from evalkit.scorers._normalise import squad

ROOT = Path(__file__).parents[2]


def lines(name):
    return [json.loads(line) for line in (ROOT / "datasets" / name).read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def questions():
    return lines("rag/samples.jsonl")


@pytest.fixture(scope="module")
def passages():
    return {one["id"]: one["input"]["text"] for one in lines("corpus/passages.jsonl")}


def accepted(one):
    answer = one["target"]["answer"]
    return [] if answer is None else [answer] if isinstance(answer, str) else answer


def test_there_are_enough_of_both_kinds(questions):
    absent = [one for one in questions if not accepted(one)]
    assert len(questions) >= 60
    assert len(absent) >= 10
    assert yaml.safe_load((ROOT / "datasets/rag/card.yaml").read_text("utf-8"))["items"] == len(questions)
    for one in questions:
        told = dict(tag.split(":") for tag in one["tags"])
        assert set(told) == {"kind", "answerable"}
        assert told["answerable"] == ("yes" if accepted(one) else "no"), one["id"]
        assert (told["kind"] == "absent") == (not accepted(one)), one["id"]
        assert bool(one["target"]["passages"]) == bool(accepted(one)), one["id"]
    groups = Counter(one["group"] for one in questions)
    assert len(groups) >= 10
    assert min(groups.values()) >= 3


def test_an_accepted_answer_stands_in_a_cited_passage(questions, passages):
    for one in questions:
        cited = [squad(passages[ident]) for ident in one["target"]["passages"]]
        if cited:
            assert any(squad(answer) in text for answer in accepted(one) for text in cited), one["id"]


def test_answers_are_short(questions):
    for one in questions:
        for answer in accepted(one):
            assert 0 < len(squad(answer).split()) <= 9, one["id"]


def test_what_is_absent_names_something_that_the_corpus_does_not_have(questions, passages):
    corpus = " ".join(passages.values()).lower()
    strange = "gigabytes freebsd walrus dictator pypy redis postgresql hourly centimetres abolished nvidia rabbitmq mathematician einsum"  # fmt: skip
    for one in questions:
        if not accepted(one):
            named = [word for word in strange.split() if word in one["input"]["question"].lower()]
            assert named, one["id"]
            assert any(f" {word} " not in corpus for word in named), one["id"]
