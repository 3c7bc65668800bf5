from __future__ import annotations

import asyncio
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps

from evalkit import registry
from evalkit.baselines._prompt_rules import COLOURS, wish
from evalkit.core.errors import MissingComponent
from evalkit.core.keys import digest_bytes
from evalkit.core.types import Sample

SOURCE = Path(__file__).parents[2] / "datasets" / "image_prompts" / "sources" / "signs.png"


class Files:
    def __init__(self):
        self.data = {}

    def put(self, data, media_type):
        self.data[digest_bytes(data)] = data
        return {"$blob": digest_bytes(data), "type": media_type}

    def get(self, ref):
        return self.data[ref["$blob"]]


def asked(given, spec="sketch_renderer"):
    files = Files()
    if isinstance(given.get("image"), bytes):
        given = {**given, "image": files.put(given["image"], "image/png")}
    ctx = SimpleNamespace(blobs=files, seed=0, repeat=0)
    response = asyncio.run(registry.make("baselines", spec).answer(Sample("s1", given), ctx))
    picture = None if response.error else Image.open(BytesIO(files.get(response.output)))
    return response, picture


def edited(prompt, spec="sketch_renderer"):
    return asked({"text": prompt, "image": SOURCE.read_bytes()}, spec)[1]


def source():
    with Image.open(SOURCE) as image:
        return image.convert("RGB")


def same(one, other):
    return one.size == other.size and (np.asarray(one) == np.asarray(other.convert("RGB"))).all()


def test_a_picture_has_the_size_that_is_asked_for():
    for size in ("96x40", "33x97", " 64 x 64 "):
        response, picture = asked({"text": "all red", "size": size})
        assert f"{picture.width}x{picture.height}" == size.replace(" ", "")
        assert response.usage == {"requests": 1.0, "characters": 7.0, "images": 1.0}
        assert response.output["type"] == "image/png"
    assert asked({"text": "all red"})[1].size == (256, 256)


@pytest.mark.parametrize("size", ["big", "0x10", "64", "4000x10"])
def test_a_size_that_is_none_is_a_failure(size):
    assert "s1" in asked({"text": "x", "size": size})[0].error.message


def test_a_sample_without_a_prompt_is_a_failure():
    assert "no text in input field 'text'" in asked({"size": "10x10"})[0].error.message


@pytest.mark.parametrize("data", [b"none", SOURCE.read_bytes()[:60]])
def test_a_source_that_is_no_picture_is_a_failure(data):
    assert asked({"text": "mirror it", "image": data})[0].error.kind.value == "candidate_error"


def test_the_same_prompt_gives_the_same_picture():
    prompt = {"text": "Seven red circles", "size": "120x120"}
    assert asked(prompt)[0].output == asked(prompt)[0].output


def test_prompts_are_read_by_rules():
    found = wish("A card on pink paper: 'Happy birthday' and \"Ines\" in black, don't shout")
    assert found.lines == ("Happy birthday", "Ines")
    assert found.ground == COLOURS["pink"]
    assert found.ink == COLOURS["black"]
    found = wish("one quarter orange, three quarters navy")
    assert found.bands == ((COLOURS["orange"], 0.25), (COLOURS["navy"], 0.75))
    assert wish("60% green, 30% white and 10% black").bands[0] == (COLOURS["green"], pytest.approx(0.6))
    assert wish("a third red, the rest blue").bands[1][1] == pytest.approx(2 / 3)
    found = wish("Two small green triangles in the top left corner, and 12 blue circles on white")
    assert [(one.count, one.shape, one.where) for one in found.shapes] == [
        (2, "triangle", "top left"),
        (12, "circle", ""),
    ]
    assert found.ground == COLOURS["white"]
    assert wish("nothing that it knows").bands == ()


def test_colours_and_words_are_drawn():
    _, flag = asked({"text": "Left half black, right half yellow", "size": "80x40"})
    assert (flag.getpixel((10, 20)), flag.getpixel((70, 20))) == (COLOURS["black"], COLOURS["yellow"])
    _, bands = asked({"text": "one quarter red above three quarters navy", "size": "80x40"}, "sketch_renderer(steps=8)")
    assert (bands.getpixel((40, 4)), bands.getpixel((40, 30))) == (COLOURS["red"], COLOURS["navy"])
    _, sign = asked({"text": "The word 'GO', white letters on a green plate", "size": "80x40"})
    pixels = np.asarray(sign).astype(int)
    assert sign.getpixel((1, 1)) == COLOURS["green"]
    assert 0.02 < (pixels.min(axis=-1) > 200).mean() < 0.5
    _, hidden = asked({"text": "The word 'GO' in white on white", "size": "80x40"})
    assert np.asarray(hidden).min() < 60
    _, both = asked({"text": "One red circle at the top; below it 'Sun' on white", "size": "90x90"})
    rows = np.nonzero(np.asarray(both).astype(int).sum(axis=-1) < 450)[0]
    assert rows.min() < 40
    assert rows.max() > 60


def test_shapes_are_drawn_apart_and_in_place():
    from skimage.measure import label

    _, picture = asked({"text": "Five blue squares on a white ground", "size": "200x200"}, "sketch_renderer(steps=8)")
    blue = (np.abs(np.asarray(picture).astype(int) - COLOURS["blue"]).sum(axis=-1)) < 60
    assert label(blue).max() == 5
    _, picture = asked({"text": "One red circle in the bottom right corner of a white page", "size": "100x100"})
    rows, columns = np.nonzero(np.asarray(picture)[..., 1] < 100)
    assert rows.mean() > 60
    assert columns.mean() > 60
    _, picture = asked(
        {"text": "A single red square in the centre, and one black rectangle at the top", "size": "90x90"}
    )
    assert picture.getpixel((45, 45)) == COLOURS["red"]


def test_more_steps_are_finer():
    prompt = {"text": "One red circle in the centre, on white", "size": "160x160"}
    rows, columns = np.mgrid[0:160, 0:160]
    truth = np.where((np.hypot(rows - 79.5, columns - 79.5) < 160 * 0.16)[..., None], COLOURS["red"], 255)
    errors = [np.abs(np.asarray(asked(prompt, f"sketch_renderer(steps={steps})")[1]).astype(int) - truth).mean() for steps in (1, 2, 8)]  # fmt: skip
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize(
    ("prompt", "edit"),
    [
        ("Make it half as bright.", lambda i: i.point(lambda v: round(v * 0.5))),
        ("Increase the brightness by 20%", lambda i: i.point(lambda v: min(255, round(v * 1.2)))),
        ("Reduce the brightness by 30 %", lambda i: i.point(lambda v: round(v * 0.7))),
        ("lower the brightness to 40%", lambda i: i.point(lambda v: round(v * 0.4))),
        ("Crop to the right half", lambda i: i.crop((64, 0, 128, 96))),
        ("Keep the top left quarter", lambda i: i.crop((0, 0, 64, 48))),
        ("Crop to the bottom half", lambda i: i.crop((0, 48, 128, 96))),
        ("rotate it by 90 degrees clockwise", lambda i: i.transpose(Image.Transpose.ROTATE_270)),
        ("Rotate by 90 degrees counterclockwise", lambda i: i.transpose(Image.Transpose.ROTATE_90)),
        ("turn it upside down", lambda i: i.transpose(Image.Transpose.ROTATE_180)),
        ("Mirror it", ImageOps.mirror),
        ("flip it vertically", ImageOps.flip),
        ("in greyscale please", lambda i: i.convert("L").convert("RGB")),
        ("the negative", ImageOps.invert),
        ("Mirror it, then crop to the left half", lambda i: ImageOps.mirror(i).crop((0, 0, 64, 96))),
        ("Sing to it", lambda i: i),
    ],
)
def test_edits_are_exact(prompt, edit):
    assert same(edit(source()), edited(prompt))


def test_recolouring_spares_other_colours():
    pixels, before = np.asarray(edited("Change red to orange")), np.asarray(source())
    red = (before == COLOURS["red"]).all(axis=-1)
    assert (pixels[red] == COLOURS["orange"]).all()
    assert (pixels[~red] == before[~red]).all()


def test_few_steps_edit_coarsely():
    whole, coarse = (
        edited("rotate by 90 degrees clockwise"),
        edited("rotate by 90 degrees clockwise", "sketch_renderer(steps=1)"),
    )
    assert whole.size == coarse.size == (96, 128)
    assert not same(whole.convert("RGB"), coarse)


@pytest.mark.parametrize("steps", [0, 65, 1.5, True])
def test_steps_are_whole_numbers(steps):
    with pytest.raises(ValueError, match="whole number from 1 to 64"):
        registry.make("baselines", f"sketch_renderer(steps={steps})")


def test_without_pillow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[image\]"):
        registry.make("baselines", "sketch_renderer")


def test_the_renderer_means_by_a_colour_what_the_scorer_measures():
    from evalkit.baselines._prompt_rules import COLOURS
    from evalkit.scorers._colours import ANCHORS

    assert COLOURS == ANCHORS
