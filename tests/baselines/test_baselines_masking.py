from __future__ import annotations

import asyncio
import sys
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage.draw import disk

from evalkit import registry
from evalkit.baselines._masking import as_png, otsu_foreground
from evalkit.core.errors import MissingComponent
from evalkit.core.keys import digest_bytes
from evalkit.core.types import Sample

NAMES = ("otsu", "watershed", "felzenszwalb")


class Files:
    def __init__(self):
        self.data = {}

    def put(self, data, media_type):
        self.data[digest_bytes(data)] = data
        return {"$blob": digest_bytes(data), "type": media_type}

    def get(self, ref):
        return self.data[ref["$blob"]]


def discs(*places, ground=200, thing=60, shape=(80, 110)):
    pixels = np.full((*shape, 3), ground, np.uint8)
    for row, column, radius in places:
        pixels[disk((row, column), radius, shape=shape)] = thing
    return pixels


def answered(spec, data):
    files = Files()
    if isinstance(data, np.ndarray):
        stream = BytesIO()
        Image.fromarray(data).save(stream, "PNG")
        data = stream.getvalue()
    sample = Sample("s1", {"image": files.put(data, "image/png")})
    response = asyncio.run(registry.make("baselines", spec).answer(sample, SimpleNamespace(blobs=files)))
    if response.error:
        return response
    assert response.output["type"] == "image/png"
    return np.asarray(Image.open(BytesIO(files.get(response.output))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("ground", "thing"), [(200, 60), (40, 190)])
def test_objects_apart_are_found_whichever_is_lighter(name, ground, thing):
    mask = answered(name, discs((25, 25, 14), (50, 80, 16), ground=ground, thing=thing))
    truth = discs((25, 25, 14), (50, 80, 16), ground=0, thing=1)[..., 0] > 0
    assert (truth & (mask > 0)).sum() / (truth | (mask > 0)).sum() > 0.7
    assert 0 != mask[25, 25] != mask[50, 80] != 0
    assert mask[2, 2] == mask[2, 108] == 0
    # Regions of even colour: the soft edge of an object is a region of its own.
    assert (mask.max() > 2) == (name == "felzenszwalb")


def test_only_watershed_cuts_objects_that_touch():
    touching = discs((40, 35, 16), (40, 66, 16))
    assert answered("otsu", touching).max() == 1
    assert answered("watershed", touching).max() == 2


def test_only_felzenszwalb_sees_colour():
    pixels = np.full((80, 110, 3), (130, 100, 140), np.uint8)
    pixels[disk((40, 50), 20)] = (60, 132, 120)
    mask = answered("felzenszwalb", pixels)
    assert mask[40, 50] > 0
    assert mask[5, 5] == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_of_nothing_has_no_object(name):
    assert answered(name, discs()).max() == 0


def test_a_flat_picture_has_no_threshold():
    assert not otsu_foreground(np.full((9, 9, 3), 0.4), 1.0).any()


@pytest.mark.parametrize("name", NAMES)
def test_specks_are_left_out(name):
    mask = answered(f"{name}(smallest=100)", discs((25, 25, 14), (60, 90, 2)))
    assert mask[25, 25] > 0
    assert mask[60, 90] == 0


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_broken_picture_is_a_failed_answer(data):
    response = answered("otsu", data)
    assert response.error.kind.value == "candidate_error"
    assert "pictur" in response.error.message or "png" in response.error.message


def test_a_picture_that_breaks_off_is_a_failed_answer():
    stream = BytesIO()
    Image.fromarray(discs()).save(stream, "PNG")
    assert "cannot be decoded" in answered("otsu", stream.getvalue()[:60]).error.message


def test_a_sample_without_a_picture_is_a_failed_answer():
    response = asyncio.run(registry.make("baselines", "otsu").answer(Sample("s1", {"text": "?"}), SimpleNamespace()))
    assert response.error.message == "sample 's1' has no picture in input field 'image'"


def test_many_labels_need_sixteen_bits():
    labels = np.arange(400).reshape(20, 20)
    assert (np.asarray(Image.open(BytesIO(as_png(labels)))) == labels).all()


@pytest.mark.parametrize("name", NAMES)
def test_without_scikit_image_the_extra_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[image\]"):
        registry.make("baselines", name)


@pytest.mark.parametrize("spec", ["segmentation", "boundary_f", "mask_objects"])
def test_without_the_libraries_the_scorers_name_the_extra(spec, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image" if spec != "mask_objects" else "skimage", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[image\]"):
        registry.make("scorers", spec)
