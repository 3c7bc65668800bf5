"""The messages and rewritings keep what their cards say."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INTENTS = {"book", "change", "cancel", "status", "refund", "luggage", "lost_property", "fare"}
TYPES = {"place", "date", "time", "service", "reference", "money"}
KINDS = {"summary", "shorten", "plain", "formal", "polite", "headline", "bullets"}
NUMBERS = {"seven": 7, "eight": 8, "nine": 9, "ten": 10}


def read(name):
    return [json.loads(line) for line in (ROOT / "datasets" / name / "samples.jsonl").read_text("utf-8").splitlines()]


def test_every_message_has_an_intent_and_spans_that_stand_in_it():
    items = read("intents")
    assert len(items) >= 240
    assert sum(bool(item["entities"]) for item in items) >= 100
    for item in items:
        assert item["intent"] in INTENTS, item["id"]
        assert f"intent:{item['intent']}" in item["tags"], item["id"]
        end = 0
        for span in item["entities"]:
            assert set(span) == {"type", "start", "end", "text"}, item["id"]
            assert span["type"] in TYPES, item["id"]
            assert end <= span["start"] < span["end"], item["id"]
            end = span["end"]
            text = item["input"]["text"]
            assert text[span["start"] : end] == span["text"] == span["text"].strip(), item["id"]
            assert not re.match(r"\w", text[end : end + 1]), f"{item['id']}: {span['text']} ends inside a word"


def test_messages_cover_intents_types_languages_and_near_misses():
    items = read("intents")
    assert min(Counter(item["intent"] for item in items).values()) >= 40
    assert min(Counter(span["type"] for item in items for span in item["entities"]).values()) >= 25
    tags = Counter(tag for item in items for tag in item["tags"])
    assert sum(count for tag, count in tags.items() if tag.startswith("near_miss:")) >= 100
    assert len([tag for tag in tags if tag.startswith("lang:")]) >= 8
    for item in items:
        tempting = {tag.removeprefix("near_miss:") for tag in item["tags"] if tag.startswith("near_miss:")}
        assert tempting <= INTENTS - {item["intent"]}, item["id"]
    groups = [item["group"] for item in items if "group" in item]
    assert set(Counter(groups).values()) == {2}


@pytest.mark.parametrize(
    ("type_", "pattern"),
    [("money", r"\d"), ("reference", r"[A-Z0-9-]{6,}"), ("service", r"\d")],
)
def test_spans_look_like_their_type(type_, pattern):
    for item in read("intents"):
        for span in item["entities"]:
            if span["type"] == type_:
                assert re.search(pattern, span["text"]), f"{item['id']}: {span['text']}"


def test_no_booking_code_and_no_sum_is_left_unmarked():
    for item in read("intents"):
        text = item["input"]["text"]
        covered = {place for span in item["entities"] for place in range(span["start"], span["end"])}
        for code in re.finditer(
            r"\b(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-Z0-9]{6}\b|\b\d+ (?:euros?|pounds|francs)\b", text
        ):
            assert set(range(*code.span())) <= covered, f"{item['id']}: {code[0]}"


def test_references_keep_to_their_instructions():
    items = read("rewrites")
    assert len(items) >= 60
    for item in items:
        assert set(item["input"]) == {"text", "instruction"}, item["id"]
        (kind,) = (tag.removeprefix("kind:") for tag in item["tags"] if tag.startswith("kind:"))
        assert kind in KINDS, item["id"]
        limit = re.search(r"at most (\w+) words", item["input"]["instruction"])
        if limit:
            most = NUMBERS.get(limit[1]) or int(limit[1])
            assert len(item["target"].split()) <= most, item["id"]
        lines = item["target"].split("\n")
        assert (kind == "bullets") == (len(lines) > 1), item["id"]
        assert kind != "bullets" or all(line.startswith("- ") for line in lines), item["id"]
        assert kind in ("bullets", "plain", "polite", "formal") or len(item["target"]) < len(item["input"]["text"]), item["id"]
    assert len({item["input"]["instruction"] for item in items}) > 40
