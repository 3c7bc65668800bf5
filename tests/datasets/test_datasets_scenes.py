from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

FOLDER = Path(__file__).parents[2] / "datasets" / "scenes"
ITEMS = [json.loads(line) for line in (FOLDER / "samples.jsonl").read_text("utf-8").splitlines()]


def mask_of(item):
    with Image.open(FOLDER / item["target"]["mask"]["$file"]) as image:
        return np.asarray(image)


def test_masks_fit_their_pictures_and_name_every_object():
    assert len(ITEMS) >= 60
    for item in ITEMS:
        mask = mask_of(item)
        with Image.open(FOLDER / item["input"]["image"]) as image:
            assert list(mask.shape) == item["target"]["size"] == [image.height, image.width], item["id"]
        sizes = np.bincount(mask.ravel(), minlength=1)[1:]
        assert len(sizes) == len(item["target"]["objects"]), item["id"]
        assert (sizes >= 40).all(), item["id"]


def test_difficulties_are_what_their_tags_say():
    kinds = Counter(tag for item in ITEMS for tag in item["tags"] if tag.startswith("kind:"))
    assert len(kinds) >= 15
    for item in ITEMS:
        mask = mask_of(item)
        several = len(item["target"]["objects"])
        assert f"objects:{'none' if not several else 'one' if several == 1 else 'several'}" in item["tags"]
        parts = ndimage.label(mask > 0, np.ones((3, 3)))[1]
        if "kind:touching" in item["tags"] or "kind:overlap" in item["tags"]:
            assert parts < several, item["id"]
        if "kind:thin" in item["tags"]:
            assert ndimage.distance_transform_edt(mask > 0).max() <= 3, item["id"]
        if "kind:empty" in item["tags"]:
            assert mask.max() == 0


def test_files_are_small_and_none_is_left_over():
    named = {item["input"]["image"] for item in ITEMS} | {item["target"]["mask"]["$file"] for item in ITEMS}
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*")}
    assert there == named
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    assert max(sizes) <= 60_000
    assert sum(sizes) <= 2_500_000
