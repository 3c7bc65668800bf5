from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SETS = sorted(path.parent.name for path in (ROOT / "datasets").glob("*/samples.jsonl"))
WORDED = ("text", "question", "query", "prompt")
CATEGORIES = {"billing", "refund", "login", "shipping", "bug", "feature_request", "account_change", "security"}
PRIORITIES = {"low", "normal", "high", "urgent"}
KINDS = {"invoice", "delivery", "meeting", "listing", "booking"}
FACTS = {"kind", "organisation", "person", "reference", "amount", "currency", "date", "time", "place"}
WEEKDAYS = {
    0: "monday montag mandag måndag lundi lunes lunedì poniedziałek",
    1: "tuesday dienstag tirsdag tisdag mardi martes martedì wtorek",
    2: "wednesday mittwoch onsdag mercredi miércoles mercoledì środa",
    3: "thursday donnerstag torsdag jeudi jueves giovedì czwartek",
    4: "friday freitag fredag vendredi viernes venerdì piątek",
    5: "saturday samstag lørdag lördag samedi sábado sabato sobota",
    6: "sunday sonntag søndag söndag dimanche domingo domenica niedziela",
}
DAY_OF = {word: day for day, words in WEEKDAYS.items() for word in words.split()}


def read(name):
    lines = (ROOT / "datasets" / name / "samples.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def text_of(item):
    """What was written for an item, in whatever field its family has for it; None where it has no words."""
    return next((item["input"][field] for field in WORDED if isinstance(item["input"].get(field), str)), None)


# Passages of Python's documentation are quoted, not written; documents are drawn by a generator with exact gold.
QUOTED = {"corpus", "documents"}


def written():
    """Every written text with its data set and id; a copy that names its origin is the origin's."""
    for path in sorted((ROOT / "datasets").glob("*/*.jsonl")):
        if path.parent.name in QUOTED:
            continue
        for line in path.read_text("utf-8").splitlines():
            item = json.loads(line)
            text = text_of(item) if isinstance(item.get("input"), dict) else None
            if text and "origin" not in item.get("meta", {}):
                yield path.parent.name, item["id"], text


def shingles(text):
    """Word 3-shingles after masking numbers and capitalised words that do not start a sentence."""
    masked = []
    for sentence in re.split(r"(?<=[.!?:])\s+", text):
        for place, word in enumerate(sentence.split()):
            bare = word.strip(".,;:!?\"'()")
            if re.search(r"\d", bare):
                masked.append("<number>")
            elif place and bare[:1].isupper():
                masked.append("<name>")
            else:
                masked.append(bare.lower())
    return frozenset(zip(masked, masked[1:], masked[2:], strict=False)) or frozenset([tuple(masked)])


def jaccard(one, other):
    return len(one & other) / len(one | other) if one | other else 1.0


def test_shingles_catch_a_template():
    first = shingles("Dear team, my order 1234 for Anna Berg has not arrived since 3 May, please look into it.")
    second = shingles("Dear team, my order 77 for Milo Kant has not arrived since 21 June, please look into it.")
    assert jaccard(first, second) > 0.6


def alike(texts):
    """Pairs of texts whose shingles overlap by more than 0.6 (Jaccard); only those that share any are compared."""
    sets = [shingles(text) for *_, text in texts]
    seen, found = defaultdict(list), []
    for place, own in enumerate(sets):
        shared = Counter(other for shingle in own for other in seen[shingle])
        for other, common in shared.items():
            if common / (len(own) + len(sets[other]) - common) > 0.6:
                found.append((texts[other], texts[place]))
        for shingle in own:
            seen[shingle].append(place)
    return found


def test_alike_texts_are_found():
    texts = [
        ("a", "1", "the cat sat on 3 mats"),
        ("a", "2", "a dog ran"),
        ("b", "1", "the cat sat on 9 mats"),
        ("b", "2", "ok"),
    ]
    assert [(one[:2], other[:2]) for one, other in alike(texts)] == [(("a", "1"), ("b", "1"))]


def test_no_two_texts_are_made_of_one_template():
    texts = list(dict.fromkeys(written()))
    assert len(texts) >= 1000
    assert alike(texts) == []


@pytest.mark.parametrize("name", SETS)
def test_ids_are_unique(name):
    items = read(name)
    assert len({item["id"] for item in items}) == len(items)


@pytest.mark.parametrize("name", [name for name in SETS if "length:" in str(read(name)[0].get("tags"))])
def test_texts_are_tidy_and_tagged(name):
    for item in read(name):
        text = text_of(item)
        assert text == " ".join(text.split()), item["id"]
        words = len(text.split())
        length = "short" if words < 35 else "medium" if words < 65 else "long"
        assert f"length:{length}" in item["tags"], item["id"]
        assert sum(tag.startswith("lang:") for tag in item["tags"]) == 1, item["id"]
        assert len(set(item["tags"])) == len(item["tags"]), item["id"]


@pytest.mark.parametrize("card", sorted((ROOT / "datasets").glob("*/card.yaml")), ids=lambda path: path.parent.name)
def test_cards_say_what_a_user_must_know(card):
    said = yaml.safe_load(card.read_text("utf-8"))
    assert said["name"] == card.parent.name
    for key in ("title", "source", "licence", "how_made", "fields", "limits", "ceiling", "items"):
        assert said.get(key), f"{card}: {key}"
    samples = card.parent / "samples.jsonl"
    if samples.exists():
        assert said["items"] == len(read(card.parent.name))


def test_no_python_below_data_folders():
    assert [str(path) for folder in ("datasets", "suites") for path in (ROOT / folder).rglob("*.py")] == []


def test_tickets_follow_their_label_sets():
    items = read("tickets")
    assert len(items) >= 96
    for item in items:
        target = item["target"]
        assert set(target) == {"category", "priority"}, item["id"]
        assert target["category"] in CATEGORIES, item["id"]
        assert target["priority"] in PRIORITIES, item["id"]
        assert f"category:{target['category']}" in item["tags"]
        assert f"priority:{target['priority']}" in item["tags"]
        tempting = [tag.removeprefix("near_miss:") for tag in item["tags"] if tag.startswith("near_miss:")]
        assert set(tempting) <= CATEGORIES - {target["category"]}, item["id"]


def test_tickets_cover_every_label():
    items = read("tickets")
    assert min(Counter(item["target"]["category"] for item in items).values()) >= 10
    assert min(Counter(item["target"]["priority"] for item in items).values()) >= 10
    groups = Counter(item["group"] for item in items if "group" in item)
    assert groups
    assert min(groups.values()) >= 2


def test_extraction_targets_are_normalised():
    items = read("extraction")
    assert len(items) >= 60
    for item in items:
        target = item["target"]
        assert set(target) == FACTS, item["id"]
        assert target["kind"] in KINDS, item["id"]
        assert target["currency"] is None or re.fullmatch("[A-Z]{3}", target["currency"]), item["id"]
        assert (target["amount"] is None) == (target["currency"] is None), item["id"]
        assert target["time"] is None or re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", target["time"]), item["id"]
        assert target["date"] is None or date.fromisoformat(target["date"]).isoformat() == target["date"]


def test_names_and_references_stand_in_the_text():
    for item in read("extraction"):
        for field in ("organisation", "person", "reference", "place"):
            value = item["target"][field]
            assert value is None or value in item["input"]["text"], f"{item['id']}: {field} {value!r}"


def test_every_fact_is_absent_somewhere():
    items = read("extraction")
    absent = Counter(field for item in items for field, value in item["target"].items() if value is None)
    assert set(absent) == FACTS - {"kind"}
    assert Counter(item["target"]["kind"] for item in items).keys() == KINDS


def test_weekdays_beside_the_target_date_are_right():
    checked = 0
    for item in read("extraction"):
        target = item["target"]["date"]
        if target is None or any(tag in ("trap:relative_date", "trap:conditional") for tag in item["tags"]):
            continue
        day = date.fromisoformat(target)
        pattern = rf"(\w+),?\s+(?:the\s+|den\s+)?{day.day}(?:st|nd|rd|th|\.)?\s"
        for word in re.findall(pattern, item["input"]["text"].lower()):
            if word in DAY_OF:
                assert DAY_OF[word] == day.weekday(), item["id"]
                checked += 1
    assert checked >= 15
