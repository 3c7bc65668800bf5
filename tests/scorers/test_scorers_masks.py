from __future__ import annotations

import asyncio
import itertools
import json
import math
import subprocess
import sys
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evalkit import registry
from evalkit.core.types import Response, Sample
from evalkit.scorers import _masks
from evalkit.scorers.boundary_f import boundary

ROOT = Path(__file__).parents[2]
SQUARE = {"size": [4, 5], "counts": [5, 2, 2, 2, 9]}
SCORERS = ("segmentation(picture=False)", "boundary_f", "mask_objects")


def png(array, **more):
    stream = BytesIO()
    Image.fromarray(array, **more).save(stream, "PNG")
    return stream.getvalue()


def scores(kit, spec, output, target=None, **more):
    target = {"mask": SQUARE, "objects": 1} if target is None else target
    return kit.score(registry.make("scorers", spec), {"output": output, "target": target, **more})


@pytest.fixture
def blobs(kit):
    return type(kit.priced.blobs)()


def asked(blobs, spec, output, target):
    scorer = registry.make("scorers", spec)
    ctx = SimpleNamespace(blobs=blobs, seed=0, repeat=0)
    return asyncio.run(scorer.score(Sample("s", {}, target), [Response(output)], ctx))


def coded(counts):
    """COCO's compressed text of run lengths, by its definition."""
    text = ""
    for place, count in enumerate(counts):
        number = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits, number = number & 31, number >> 5
            more = number != (-1 if bits & 16 else 0)
            text += chr((bits | 32 if more else bits) + 48)
    return text


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_runs_are_read_column_by_column_compressed_or_not(high, wide, data):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=high * wide, max_size=high * wide))).reshape(high, wide)
    flat = [False, *mask.ravel(order="F"), None]
    counts, run = [], 0
    for before, now in itertools.pairwise(flat):
        if now is None or now != before:
            counts.append(run)
            run = 0
        run += 1
    said = {"size": [high, wide], "counts": counts}
    assert (_masks.runs(said) == mask).all()
    assert (_masks.runs({**said, "counts": coded(counts)}) == mask).all()


def test_long_runs_survive_compression():
    counts = [1000, 20_000, 31, 1, 900, 17, 16, 35]
    said = {"size": [5, 4400], "counts": coded(counts)}
    assert _masks.runs(said).sum() == 20_000 + 1 + 17 + 35


def test_a_known_compressed_text():
    # 5 = 00101 -> chr(48 + 5); 2 -> '2', 2 -> '2'; then 2 - 2 = 0 -> '0', 9 - 2 = 7 -> '7'.
    assert (_masks.runs({"size": [4, 5], "counts": "52207"}) == _masks.runs(SQUARE)).all()


@pytest.mark.parametrize("spec", SCORERS)
@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"size": [5, 4], "counts": [20]}, "the mask is 4 x 5, the picture 5 x 4"),
        ({"size": [4, 5], "counts": [5, 2]}, "cover 7 pixels; 5 x 4 = 20 are needed"),
        ({"size": [4, 5], "counts": [-1, 21]}, "whole numbers >= 0"),
        ({"size": [4, 5], "counts": [1.5, 18.5]}, "whole numbers >= 0"),
        ({"size": [4, 5], "counts": [True] * 20}, "whole numbers >= 0"),
        ({"size": [4, 5], "counts": "\x7f"}, "compressed counts hold"),
        ({"size": [4, 5], "counts": "o" * 40}, "number without end"),
        ({"size": [4, 5], "counts": "o"}, "end within a number"),
        ({"size": [4, 5], "counts": None}, "whole numbers >= 0"),
        ({"size": [100_000, 100_000], "counts": [10**10]}, "more than 50,000,000 are not decoded"),
        ({"size": "4x5", "counts": [20]}, "[height, width] in pixels is needed"),
        ({"size": [0, 5], "counts": []}, "[height, width] in pixels is needed"),
        ({"counts": [20]}, "[height, width] in pixels is needed"),
        ({"$blob": "0" * 64, "type": "image/png"}, "is not stored"),
        ("the mask is in the middle", "not JSON"),
        (7, "a picture or run lengths"),
        ({"mask": None}, "a picture or run lengths"),
        ([SQUARE, {"size": [2, 2], "counts": [4]}], "mask 2 is 2 x 2, the picture 5 x 4"),
        ([{"mask": SQUARE, "label": 0}], "label of mask 1"),
        ([{"mask": SQUARE, "label": "cat"}], "label of mask 1"),
        ([SQUARE] * 10_001, "too many"),
    ],
)  # fmt: skip
def test_what_is_no_mask_is_not_scorable_and_says_why(kit, spec, output, words):
    for score in scores(kit, spec, output).values():
        assert score.value is None
        assert words in score.reason


@pytest.mark.parametrize("spec", SCORERS)
def test_broken_files_are_not_scorable(blobs, spec):
    good = png(np.zeros((4, 5), np.uint8))
    bomb = good[:16] + (60_000).to_bytes(4, "big") * 2 + good[24:]
    colour = png(np.stack([np.zeros((4, 5), np.uint8), np.ones((4, 5), np.uint8) * 9, np.zeros((4, 5), np.uint8)], -1))
    told = {
        b"": "the picture's file is empty",
        b"GIF": "no PNG, JPEG, GIF or WebP",
        good[:40]: "cannot be decoded",
        bomb: "more than 50,000,000 are not decoded",
        colour: "is a colour picture",
    }
    for data, words in told.items():
        ref = blobs.put(data, "image/png")
        for score in asked(blobs, spec, ref, {"mask": SQUARE, "objects": 1}).values():
            assert score.value is None
            assert words in score.reason


@pytest.mark.parametrize(
    "same",
    [
        lambda mask: png(mask.astype(np.uint8)),
        lambda mask: png(mask.astype(np.uint8) * 255),
        lambda mask: png(mask.astype(bool)),
        lambda mask: png(mask.astype(np.uint16) * 40_000),
        lambda mask: png(np.stack([mask.astype(np.uint8) * 255] * 3, -1)),
        lambda mask: png(np.stack([mask.astype(np.uint8) * 7] * 3 + [np.full(mask.shape, 255, np.uint8)], -1)),
    ],
)
def test_every_kind_of_png_mask_is_read(blobs, same):
    mask = _masks.runs(SQUARE)
    ref = blobs.put(same(mask), "image/png")
    for spec in SCORERS:
        for name, score in asked(blobs, spec, {"mask": ref}, {"mask": SQUARE, "objects": 1}).items():
            assert score.value == (0.0 if name == "false_objects" else 1.0)


def test_fractions_are_no_labels(blobs):
    stream = BytesIO()
    Image.fromarray(np.full((4, 5), 0.5, np.float32)).save(stream, "TIFF")
    mask = blobs.put(stream.getvalue(), "image/tiff")
    assert "no PNG, JPEG, GIF or WebP" in asked(blobs, "segmentation", mask, {"mask": SQUARE})["iou"].reason


def test_palette_indexes_are_labels(blobs):
    mask = _masks.runs(SQUARE).astype(np.uint8) * 3
    image = Image.fromarray(mask, mode="L").convert("P")
    image.putdata(mask.ravel().tolist())
    stream = BytesIO()
    image.save(stream, "PNG")
    ref = blobs.put(stream.getvalue(), "image/png")
    found = asked(
        blobs, "segmentation(labels=[3], picture=False)", ref, {"masks": [{"mask": SQUARE, "label": 3}], "size": [4, 5]}
    )
    assert found["iou"].value == 1.0


@pytest.mark.parametrize("output", [[], {"masks": []}, {"size": [4, 5], "counts": [20]}, "[]"])
def test_an_empty_mask_is_an_answer(kit, output):
    empty = {"mask": {"size": [4, 5], "counts": [20]}, "objects": 0}
    for spec in SCORERS:
        for name, score in scores(kit, spec, output, empty).items():
            assert score.value == (0.0 if name == "false_objects" else 1.0)
    found = scores(kit, "boundary_f", output)
    assert (found["boundary_precision"].value, found["boundary_recall"].value) == (1.0, 0.0)
    assert found["boundary_f"].value == 0.0


def test_pooled_iou_is_not_the_mean_of_ious(kit):
    scorer = registry.make("scorers", "segmentation(picture=False)")
    small = {"size": [1, 4], "counts": [0, 2, 2]}
    large = {"size": [10, 10], "counts": [0, 80, 20]}
    items = [
        {"target": {"mask": small}, "output": {"size": [1, 4], "counts": [2, 2]}},
        {"target": {"mask": large}, "output": large},
    ]
    each = [kit.score(scorer, item) for item in items]
    iou, _, pooled = scorer.metrics
    assert kit.fold(iou, [one["iou"] for one in each])[0] == 0.5
    ground, thing = 20 / 24, 80 / 84
    assert kit.fold(pooled, [one["miou_pooled"] for one in each])[0] == pytest.approx((ground + thing) / 2)


def test_a_failed_answer_counts_as_wrong_at_every_pixel(kit):
    scorer = registry.make("scorers", "segmentation(picture=False)")
    target = {"mask": SQUARE}
    right = kit.score(scorer, {"target": target, "output": SQUARE})
    inverse = kit.score(scorer, {"target": target, "output": {"size": [4, 5], "counts": [0, 5, 2, 2, 2, 9]}})
    worst = scorer.worst(Sample("s", {}, target))
    pooled = scorer.metrics[2]
    assert inverse["miou_pooled"].parts == {"n": 1.0, "i:ground": 0, "u:ground": 20, "i:object": 0, "u:object": 20}
    with_worst = kit.fold(pooled, [right["miou_pooled"], worst["miou_pooled"]])[0]
    assert with_worst == kit.fold(pooled, [right["miou_pooled"], inverse["miou_pooled"]])[0] < 1


def test_void_pixels_count_nowhere(kit):
    target = {"masks": [{"mask": SQUARE, "label": 1}, {"mask": {"size": [4, 5], "counts": [0, 5, 15]}, "label": 255}], "size": [4, 5]}  # fmt: skip
    everything = {"size": [4, 5], "counts": [0, 5, 0, 2, 2, 2, 9]}
    found = scores(kit, "segmentation(void=255, picture=False)", everything, target)
    assert found["iou"].value == 1.0
    assert found["miou_pooled"].parts["u:ground"] == 20 - 5 - 4
    assert scores(kit, "segmentation(picture=False)", SQUARE, target)["iou"].value < 1


def test_a_class_that_is_nowhere_is_zero_where_classes_are_given(kit):
    target = {"masks": [{"mask": SQUARE, "label": 1}], "size": [4, 5]}
    found = scores(kit, "segmentation(labels=[1, 2], picture=False)", [SQUARE], target)
    assert found["iou"].value == 1.0
    assert found["miou_pooled"].value == 0.5


def test_the_picture_shows_hits_misses_and_extras(blobs):
    shifted = {"size": [4, 5], "counts": [9, 2, 2, 2, 5]}
    found = asked(blobs, "segmentation", shifted, {"mask": SQUARE})
    image = Image.open(BytesIO(blobs.get(found["iou"].blob)))
    assert image.size == (5, 4)
    codes = np.asarray(image)
    truth, answer = _masks.runs(SQUARE), _masks.runs(shifted)
    assert (codes == truth + 2 * answer).all()
    assert image.convert("RGB").getpixel((2, 1)) == (70, 160, 90)


def test_the_picture_of_a_large_mask_is_small(blobs):
    big = {"size": [1000, 1500], "counts": [0, 1_500_000]}
    found = asked(blobs, "segmentation", big, {"mask": big})
    assert max(Image.open(BytesIO(blobs.get(found["iou"].blob))).size) <= 360


def test_objects_are_matched_one_to_one_with_a_row_each(kit):
    boxes = np.zeros((6, 12), int)
    boxes[1:5, 1:4], boxes[1:5, 6:9] = 1, 2
    target = {"masks": [box(boxes == 1), box(boxes == 2)], "size": [6, 12]}
    over_both, tail = boxes > 0, np.zeros(boxes.shape, bool)
    over_both[1:5, 4:6] = True
    tail[0, 10:12] = True
    found = scores(kit, "mask_objects", [box(over_both), box(tail)], target)
    rows = found["miou_objects"].rows
    # One blob over two objects is the match of one of them, never of both.
    assert sorted(row.value for row in rows if row.group == "object") == [0.0, 12 / 32]
    assert [(row.unit, row.value, row.parts["area"]) for row in rows if row.group == "false object"] == [
        ("2", None, 2.0)
    ]
    assert found["miou_objects"].parts == {"iou": 12 / 32, "objects": 2.0}
    assert found["object_f1"].parts == {"tp": 0.0, "fp": 2.0, "fn": 2.0}
    assert found["false_objects"].value == 1.0
    assert "1 objects match nothing" in found["miou_objects"].reason


def box(mask):
    mask = np.asarray(mask, bool)
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return {"size": list(mask.shape), "counts": [int(n) for n in np.diff(np.concatenate([[0], edges, [mask.size]]))]}


def test_connected_parts_can_be_objects(kit):
    mask = np.zeros((6, 12), bool)
    mask[1:3, 1:3] = mask[3:5, 3:5] = mask[1:4, 8:11] = True
    target = {"mask": box(mask), "objects": 2}
    assert scores(kit, "mask_objects(connected=True)", box(mask), target)["miou_objects"].value == 1.0
    with pytest.raises(ValueError, match="has 1 objects, `objects` says 2"):
        scores(kit, "mask_objects", box(mask), target)


def test_specks_can_be_left_out(kit):
    mask = np.zeros((6, 12), bool)
    mask[1:5, 1:5] = True
    speck = np.zeros((6, 12), bool)
    speck[0, 11] = True
    target = {"mask": box(mask), "objects": 1}
    assert scores(kit, "mask_objects", [box(mask), box(speck)], target)["object_precision"].value == 0.5
    assert scores(kit, "mask_objects(smallest=2)", [box(mask), box(speck)], target)["object_precision"].value == 1.0


def test_noise_is_no_segmentation(blobs):
    ref = blobs.put(png(np.arange(150 * 150, dtype=np.uint16).reshape(150, 150)), "image/png")
    whole = {"size": [150, 150], "counts": [0, 22_500]}
    found = asked(blobs, "mask_objects", ref, {"mask": whole, "objects": 1})
    assert "more than 10,000 are noise" in found["miou_objects"].reason


def test_an_empty_picture_with_a_false_object(kit):
    empty = {"mask": {"size": [4, 5], "counts": [20]}, "objects": 0}
    found = scores(kit, "mask_objects", SQUARE, empty)
    assert found["miou_objects"].value == 0.0
    assert found["miou_objects"].parts == {"iou": 0.0, "objects": 0.0}
    assert (found["object_precision"].value, found["object_recall"].value, found["false_objects"].value) == (
        0.0,
        0.0,
        1.0,
    )


@pytest.mark.parametrize("spec", SCORERS)
@pytest.mark.parametrize(
    ("target", "words"),
    [
        (None, "an object with a `mask` is needed"),
        ({"objects": 1}, "the target has no mask"),
        ({"masks": [3], "size": [4, 5]}, "the target has no mask"),
        ({"mask": {"$blob": "0" * 64, "type": "image/png"}, "objects": 1}, "the target has no `size: [height, width]`"),
        ({"mask": {"$blob": "0" * 64}, "size": [0, 4], "objects": 1}, "[height, width] in pixels is needed"),
    ],
)
def test_a_target_without_a_mask_is_found_at_validation(spec, target, words):
    scorer = registry.make("scorers", spec)
    assert words in scorer.problem(Sample("s", {}, target))
    assert all(score.value in (0.0, None) for score in scorer.worst(Sample("s", {}, target)).values())


@pytest.mark.parametrize("objects", [None, -1, "two", True])
def test_the_number_of_objects_is_needed(objects):
    scorer = registry.make("scorers", "mask_objects")
    assert "`objects` is" in scorer.problem(Sample("s", {}, {"mask": SQUARE, "objects": objects}))


def test_a_target_of_another_size_than_it_says_is_a_defect(blobs):
    ref = blobs.put(png(np.zeros((3, 3), np.uint8)), "image/png")
    with pytest.raises(ValueError, match="the target's mask is 3 x 3, but its size says 5 x 4"):
        asked(blobs, "segmentation", SQUARE, {"mask": ref, "size": [4, 5]})


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("segmentation(labels=[1, 1])", "different whole numbers"),
        ("segmentation(labels=['cat'])", "different whole numbers"),
        ("segmentation(labels=[1], void=1)", "none of the labels"),
        ("boundary_f(tolerance=0)", "must be above 0"),
        ("mask_objects(threshold=0)", "above 0 and at most 1"),
        ("mask_objects(threshold='half')", "above 0 and at most 1"),
    ],
)
def test_wrong_options_are_refused(spec, words):
    with pytest.raises(ValueError, match=words):
        registry.make("scorers", spec)


def test_the_border_of_the_picture_is_no_boundary():
    assert not boundary(np.ones((5, 7), bool)).any()
    half = np.zeros((5, 7), bool)
    half[:, :3] = True
    assert (np.argwhere(boundary(half))[:, 1] == 2).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_boundary_agreement_is_dilation_by_a_disk(seed, radius):
    from skimage.morphology import dilation, disk

    drawn = np.random.default_rng(seed)
    truth, answer = drawn.random((2, 14, 17)) < 0.2
    one, other = boundary(truth), boundary(answer)
    if not one.any() or not other.any():
        return
    precision, recall = registry.make("scorers", f"boundary_f(tolerance={radius})").agreement(truth, answer)
    assert precision == pytest.approx((other & dilation(one, disk(radius))).sum() / other.sum())
    assert recall == pytest.approx((one & dilation(other, disk(radius))).sum() / one.sum())


def test_the_radius_is_a_share_of_the_diagonal(kit):
    scorer = registry.make("scorers", "boundary_f(tolerance=0.1)")
    mask = np.zeros((30, 40), bool)
    mask[8:20, 8:20] = True
    radius = math.ceil(0.1 * 50)
    assert scorer.agreement(mask, np.roll(mask, radius, axis=1)) == (1.0, 1.0)
    assert min(scorer.agreement(mask, np.roll(mask, radius + 1, axis=1))) < 1.0


def test_library_cases_are_current(kit, tmp_path):
    script = ROOT / "scripts/make_mask_cases.py"
    subprocess.run([sys.executable, "-W", "ignore", script, tmp_path], check=True, capture_output=True)
    written = sorted(tmp_path.glob("*.json"))
    assert len(written) == 3
    for file in written:
        now, kept = json.loads(file.read_text("utf-8")), kit.load(file.stem)
        assert now["made_by"]["version"] == version(kept["made_by"]["library"])
        assert now["cases"] == kept["cases"], f"{file.name}: rerun the script"
