"""The utterances are what their card says; the texts to be said cover what it promises."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import soundfile
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "datasets/utterances"


def read(name):
    return [json.loads(line) for line in (ROOT / "datasets" / name / "samples.jsonl").read_text("utf-8").splitlines()]


def tags(rows, kind):
    return Counter(tag.partition(":")[2] for row in rows for tag in row["tags"] if tag.startswith(f"{kind}:"))


def spoken(row):
    return row["target"] if isinstance(row["target"], str) else row["target"][0]


def test_every_utterance_has_its_recording():
    rows = read("utterances")
    assert len(rows) >= 120
    files = {file.name for file in (FOLDER / "audio").iterdir()}
    assert files == {Path(row["input"]["audio"]).name for row in rows}
    assert sum(file.stat().st_size for file in FOLDER.rglob("*")) < 8_000_000
    for row in rows:
        info = soundfile.info(FOLDER / row["input"]["audio"])
        assert (info.samplerate, info.channels, info.format, info.subtype) == (16_000, 1, "FLAC", "PCM_16")
        assert info.duration == pytest.approx(row["meta"]["seconds"], abs=0.001)


def test_voices_conditions_and_kinds_are_many():
    rows = read("utterances")
    assert len(tags(rows, "voice")) >= 10
    assert tags(rows, "condition").keys() == {"clean", "noise-20db", "noise-10db", "telephone", "reverb", "no-speech"}
    assert min(tags(rows, "condition").values()) >= 8
    assert min(tags(rows, "kind").values()) >= 10
    for row in rows:
        assert row["group"] == row["id"] if "kind:silence" in row["tags"] else f"voice:{row['group']}" in row["tags"]


def test_silence_has_an_empty_reference_and_speech_has_none():
    rows = read("utterances")
    silent = [row for row in rows if row["target"] == ""]
    assert len(silent) >= 8
    assert all(("kind:silence" in row["tags"]) == (row in silent) for row in rows)


def test_the_script_is_what_is_said_and_no_two_sentences_are_alike():
    lines = [line.split("\t") for line in (FOLDER / "script.tsv").read_text("utf-8").splitlines()]
    rows = [row for row in read("utterances") if row["target"]]
    assert [line[1] for line in lines] == [spoken(row) for row in rows]
    sets = [
        frozenset(zip(words, words[1:], words[2:], strict=False))
        for words in (spoken(row).lower().split() for row in rows)
    ]
    assert len({spoken(row) for row in rows}) == len(rows)
    assert max(len(a & b) / len(a | b) for a, b in combinations(sets, 2) if a | b) <= 0.6


def test_the_card_says_that_nobody_was_recorded():
    card = yaml.safe_load((FOLDER / "card.yaml").read_text("utf-8"))
    assert "Synthetic speech" in card["source"]


def test_texts_to_be_said_cover_what_is_hard():
    rows = read("tts_texts")
    assert len(rows) >= 40
    assert tags(rows, "kind").keys() >= {"name", "number", "date", "abbreviation", "unit", "mixed"}
    for row in rows:
        assert row["target"] == " ".join(row["target"].lower().split()), row["id"]
        assert not any(char.isdigit() for char in row["target"]), row["id"]
