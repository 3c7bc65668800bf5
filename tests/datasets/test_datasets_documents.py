"""The rendered documents: gold that the generator computes, pictures that are small and whole, tags that are true."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from PIL import Image

from evalkit import registry
from evalkit.core.media import picture
from evalkit.core.types import Sample

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "datasets" / "documents"
FILES = ("fields", "questions", "transcripts")
IMAGES = sorted((FOLDER / "images").iterdir())


def read(name):
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


def test_the_gold_is_what_the_generator_computes(tmp_path):
    command = [sys.executable, ROOT / "scripts/make_documents.py", tmp_path, "--gold-only"]
    subprocess.run(command, check=True, capture_output=True)
    for name in FILES:
        assert (tmp_path / f"{name}.jsonl").read_bytes() == (FOLDER / f"{name}.jsonl").read_bytes(), name


def test_pictures_are_many_small_and_used():
    assert len(IMAGES) >= 120
    sizes = [path.stat().st_size for path in IMAGES]
    assert max(sizes) <= 60_000
    assert sum(sizes) <= 5_000_000
    named = {item["input"]["image"] for name in FILES for item in read(name)}
    assert named == {f"images/{path.name}" for path in IMAGES}


@pytest.mark.parametrize("path", IMAGES[::6], ids=lambda path: path.stem)
def test_headers_say_what_decoding_gives(path):
    data = path.read_bytes()
    image = Image.open(io.BytesIO(data))
    image.load()
    assert (picture(data).width, picture(data).height) == image.size
    assert picture(data).media_type == {".png": "image/png", ".jpg": "image/jpeg"}[path.suffix]


def test_every_kind_is_there_and_nearly_half_of_the_pages_are_clean():
    pages = {item["input"]["image"]: item["tags"] for name in FILES for item in read(name)}
    tags = Counter(tag for each in pages.values() for tag in each if not tag.startswith("answer:"))
    kinds = {tag for tag in tags if tag.startswith("kind:")}
    assert len(kinds) == 10
    assert min(tags[kind] for kind in kinds) >= 11
    conditions = {"clean", "low_res", "blur", "noise", "jpeg", "skew", "dim", "turned"}
    assert {tag for tag in tags if tag.startswith("condition:")} == {f"condition:{name}" for name in conditions}
    assert 0.3 < tags["condition:clean"] / len(pages) < 0.5
    assert tags["trap:injection"] >= 12


def test_questions_are_answered_in_the_form_that_their_tag_says():
    items = read("questions")
    kinds = Counter(tag for item in items for tag in item["tags"] if tag.startswith("answer:"))
    assert min(kinds.values()) >= 30
    assert len({item["input"]["question"] for item in items}) == len(items)
    for item in items:
        kind, target = item["tags"][-1], item["target"]
        if kind == "answer:count":
            assert type(target) is int
            assert 0 <= target <= 20
        elif kind == "answer:number":
            assert type(target) in (int, float)
            # A quantity between 1800 and 2100 would be taken for a year by relaxed accuracy.
            assert not (1800 <= target <= 2100 and float(target).is_integer()), item["id"]
        else:
            assert isinstance(target, (str, list)), item["id"]


@pytest.mark.parametrize(("name", "suite"), [("fields", "documents"), ("questions", "document_qa"), ("transcripts", "transcription")])  # fmt: skip
def test_gold_scores_best_by_every_quality_scorer(name, suite):
    import asyncio

    from evalkit.core.types import Response

    specs = yaml.safe_load((ROOT / "suites" / f"{suite}.yaml").read_text("utf-8"))["scorers"]
    scorers = [registry.make("scorers", spec) for spec in specs if spec not in ("latency", "cost", "refusal", "length")]
    for item in read(name):
        sample = Sample(item["id"], item["input"], item["target"], tags=tuple(item["tags"]), meta=item.get("meta", {}))
        gold = item["target"][0] if isinstance(item["target"], list) else item["target"]
        response = Response(output=gold if isinstance(gold, str) else json.dumps(gold))
        for scorer in scorers:
            assert scorer.problem(sample) is None
            main = scorer.metrics[0]
            value = asyncio.run(scorer.score(sample, (response,), None))[main.name].value
            best = main.bounds[1] if main.higher_is_better else main.bounds[0]
            assert value == best, (item["id"], main.name, value)


def test_sums_on_documents_agree():
    for item in read("fields"):
        target = item["target"]
        if target.get("net") is not None:
            assert round(target["net"] + target["tax"], 2) == target["total"], item["id"]
        assert set(target) == set(item["input"]["fields"]), item["id"]


def test_content_is_written_page_by_page():
    said = {}
    for file in sorted((FOLDER / "content").glob("*.yaml")):
        said |= yaml.safe_load(file.read_text("utf-8"))
    letters = [" ".join(letter["body"]) for letter in said["letters"]]

    def shingles(text):
        words = text.lower().split()
        return set(zip(words, words[1:], words[2:], strict=False))

    for place, one in enumerate(letters):
        for other in letters[:place]:
            assert len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other)) < 0.1
    assert len({page["title"] for kind in ("bars", "lines", "pies", "tables", "dialogs", "dashboards") for page in said[kind]}) == 76  # fmt: skip
