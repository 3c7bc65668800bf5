from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from evalkit import registry
from evalkit.core.types import Sample

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "datasets" / "image_prompts"
ITEMS = [json.loads(line) for line in (FOLDER / "samples.jsonl").read_text("utf-8").splitlines()]


def test_every_demand_can_be_checked():
    assert len(ITEMS) >= 60
    scorers = {
        "text": "text_in_image", "palette": "palette", "shapes": "image_shapes", "image": "ssim", "size": "image_size",
    }  # fmt: skip
    for item in ITEMS:
        target = {name: {"$blob": "0" * 64} if name == "image" else value for name, value in item["target"].items()}
        assert set(target) <= set(scorers)
        for spec in (*(scorers[name] for name in target), "image_demands"):
            assert registry.make("scorers", spec).problem(Sample(item["id"], item["input"], target)) is None, item["id"]


def test_kinds_and_tags_are_what_the_targets_say():
    kinds = Counter(tag for item in ITEMS for tag in item["tags"] if tag.startswith("kind:"))
    assert min(kinds.values()) >= 5
    for item in ITEMS:
        demands = {tag.removeprefix("demand:") for tag in item["tags"] if tag.startswith("demand:")}
        assert demands == set(item["target"]) - {"size"}, item["id"]
        high, wide = item["target"]["size"]
        assert item["input"]["size"] == f"{wide}x{high}", item["id"]
        assert ("image" in item["input"]) == ("image" in item["target"]) == ("kind:edit" in item["tags"])


def test_results_have_the_size_that_is_asked_for_and_differ_from_their_source():
    for item in ITEMS:
        if "image" not in item["input"]:
            continue
        with (
            Image.open(FOLDER / item["target"]["image"]["$file"]) as right,
            Image.open(FOLDER / item["input"]["image"]) as source,
        ):
            assert [right.height, right.width] == item["target"]["size"], item["id"]
            same = right.size == source.size and bool(
                (np.asarray(right.convert("RGB")) == np.asarray(source.convert("RGB"))).all()
            )
            assert same == (item["id"] == "e-nothing"), item["id"]


def test_files_are_small_and_none_is_left_over():
    named = {item["input"]["image"] for item in ITEMS if "image" in item["input"]}
    named |= {item["target"]["image"]["$file"] for item in ITEMS if "image" in item["target"]}
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*")}
    assert named <= there
    assert {path for path in there - named if not path.startswith("sources/")} == set()
    assert max(path.stat().st_size for path in FOLDER.glob("*/*")) <= 60_000


def test_the_script_makes_the_same_pixels(tmp_path):
    script = ROOT / "scripts/make_image_edits.py"
    subprocess.run([sys.executable, "-W", "ignore", script, tmp_path], check=True, capture_output=True)
    for file in sorted(tmp_path.glob("*/*.png")):
        with Image.open(file) as made, Image.open(FOLDER / file.relative_to(tmp_path)) as kept:
            assert (
                hashlib.sha256(np.asarray(made).tobytes()).digest()
                == hashlib.sha256(np.asarray(kept).tobytes()).digest()
            )
