from __future__ import annotations

import asyncio
import json
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
from PIL import Image, ImageDraw

from evalkit import registry
from evalkit.core.errors import MissingComponent
from evalkit.core.types import Response, Sample
from evalkit.scorers import _colours, _reading, _vectors, palette
from evalkit.scorers.image_distribution import fid, kid

ROOT = Path(__file__).parents[2]
MEDIA = ROOT / "tests" / "cases" / "media"
OF_PICTURES = ("image_demands", "text_in_image", "palette", "image_shapes", "ssim", "psnr", "image_size", "determinism")


@pytest.fixture
def blobs(kit):
    return type(kit.priced.blobs)()


def stored(blobs, pixels, kind="PNG", **more):
    stream = BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, kind, **more)
    return blobs.put(stream.getvalue(), f"image/{kind.lower()}")


def asked(blobs, spec, output, target, times=1):
    scorer = registry.make("scorers", spec)
    ctx = SimpleNamespace(blobs=blobs, seed=0, repeat=0)
    return asyncio.run(scorer.score(Sample("s", {}, target), [Response(output)] * times, ctx))


def target_for(blobs):
    right = stored(blobs, np.zeros((20, 30, 3), np.uint8))
    shapes = [{"colour": "red", "count": 1}]
    return {"text": "A", "palette": {"red": 1.0}, "shapes": shapes, "image": right, "size": [20, 30]}


@pytest.mark.parametrize("spec", OF_PICTURES)
def test_what_is_no_picture_is_not_scorable_and_says_why(blobs, spec):
    good = BytesIO()
    Image.new("RGB", (30, 20)).save(good, "PNG")
    good = good.getvalue()
    bomb = good[:16] + (60_000).to_bytes(4, "big") * 2 + good[24:]
    told = {b"": "file is empty", b"hello": "no PNG, JPEG", bomb: "more than 50,000,000 are not decoded"}
    if spec != "image_size":
        told[good[:50]] = "cannot be decoded"
    cases = [(blobs.put(data, "image/png"), words) for data, words in told.items()]
    cases += [({"$blob": "0" * 64, "type": "image/png"}, "is not stored"), ("a fine picture", "not JSON"), ([1, 2], "is a list, not a picture")]  # fmt: skip
    for output, words in cases:
        for score in asked(blobs, spec, output, target_for(blobs), times=2).values():
            assert score.value is None
            assert words in score.reason


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("wrap", [lambda ref: ref, lambda ref: {"image": ref}, lambda ref: [ref], json.dumps])
def test_every_kind_of_picture_is_read_in_every_wrapping(blobs, kind, wrap):
    ref = stored(blobs, np.full((24, 36, 3), (220, 30, 30), np.uint8), kind)
    found = asked(blobs, "palette", wrap(ref), {"palette": {"red": 1.0}})
    assert found["palette_distance"].value == 0.0


def test_transparent_pixels_are_white(blobs):
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:10] = (220, 30, 30, 255)
    found = asked(blobs, "palette", stored(blobs, pixels), {"palette": {"red": 0.5, "white": 0.5}})
    assert found["palette_distance"].value == 0.0


def test_every_anchor_has_its_own_name():
    anchors = np.array([list(_colours.ANCHORS.values())], np.uint8)
    assert [_colours.NAMES[place] for place in _colours.named(anchors)[0]] == list(_colours.NAMES)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(_colours.NAMES), min_size=1, max_size=12), st.data())
def test_palette_distance_is_a_distance(names, data):
    pixels = np.array([[_colours.ANCHORS[name] for name in names]], np.uint8)
    shares = {name: names.count(name) / len(names) for name in names}
    assert palette.distance(pixels, shares)[0] == pytest.approx(0, abs=1e-12)
    other = data.draw(st.sampled_from(_colours.NAMES))
    far, said = palette.distance(pixels, {other: 1.0})
    assert far == pytest.approx(1 - shares.get(other, 0.0))
    most = max(names, key=names.count)
    assert any(name in said for name in names if names.count(name) == names.count(most))


def test_what_a_palette_leaves_open_may_have_any_colour(blobs):
    pixels = np.zeros((10, 40, 3), np.uint8)
    pixels[:, :20] = _colours.ANCHORS["green"]
    ref = stored(blobs, pixels)
    assert asked(blobs, "palette", ref, {"palette": {"green": 0.5}})["palette_distance"].value == 0.0
    assert asked(blobs, "palette", ref, {"palette": {"green": 0.8}})["palette_distance"].value == pytest.approx(0.3)


def test_large_pictures_are_sampled(blobs):
    pixels = np.zeros((900, 1300, 3), np.uint8)
    pixels[:, 650:] = 255
    found = asked(blobs, "palette", stored(blobs, pixels), {"palette": {"black": 0.5, "white": 0.5}})
    assert found["palette_distance"].value < 0.01


@pytest.mark.parametrize(
    ("spec", "target", "words"),
    [
        ("palette", {"palette": {"mauve": 1}}, "'mauve' is no known colour; known: black"),
        ("palette", {"palette": {"red": 0.8, "blue": 0.4}}, "sum to 1.2"),
        ("palette", {"palette": {"red": -0.1}}, "0 or more"),
        ("palette", {"palette": []}, "object of colour names"),
        ("text_in_image", {"text": " "}, "text is text; the text that the picture must show is needed"),
        ("text_in_image", {"text": 4}, "text is a number"),
        ("image_shapes", {"shapes": []}, "must be a list"),
        ("image_shapes", {"shapes": [{"colour": "red", "count": 1, "size": 2}]}, "shapes[0] must be an object"),
        ("image_shapes", {"shapes": [{"colour": "red", "count": "one"}]}, "count must be a whole number"),
        (
            "image_shapes",
            {"shapes": [{"colour": "red", "count": 1, "shape": "blob"}]},
            "'blob' is unknown; known: circle",
        ),
        (
            "image_shapes",
            {"shapes": [{"colour": "red", "count": 1, "where": "north"}]},
            "'north' is unknown; known: left",
        ),
        ("ssim", {"image": "a.png"}, "must be a stored picture"),
        ("image_size", {"size": [0, 4]}, "[height, width] in pixels is needed"),
        ("image_demands", {"size": [4, 4]}, "the target demands nothing"),
        ("image_demands", {"palette": {"mauve": 1}}, "no known colour"),
        ("image_demands", 3, "an object of demands is needed"),
        ("palette", "red", "an object of demands is needed"),
    ],
)
def test_a_wrong_demand_is_found_at_validation(spec, target, words):
    assert words in registry.make("scorers", spec).problem(Sample("s", {}, target))


def test_a_target_picture_that_is_broken_is_a_defect(blobs):
    target = {"image": blobs.put(b"none", "image/png")}
    ref = stored(blobs, np.zeros((20, 30, 3), np.uint8))
    for spec in ("ssim", "psnr", "image_demands"):
        with pytest.raises(ValueError, match="the target's picture cannot be read"):
            asked(blobs, spec, ref, target)


def test_samples_that_do_not_ask_count_nowhere(kit, blobs):
    scorer = registry.make("scorers", "palette")
    metric = scorer.metrics[0]
    ref = stored(blobs, np.full((20, 20, 3), (220, 30, 30), np.uint8))
    asks = asked(blobs, "palette", ref, {"palette": {"blue": 1.0}})["palette_distance"]
    other = asked(blobs, "palette", ref, {"text": "A"})["palette_distance"]
    assert (other.value, other.parts) == (None, {"sum": 0.0, "asked": 0.0})
    assert kit.fold(metric, [asks, other])[0] == 1.0
    failed = [
        scorer.worst(Sample("s", {}, target))["palette_distance"]
        for target in ({"palette": {"blue": 1.0}}, {"text": "A"})
    ]
    assert [worst.parts["asked"] for worst in failed] == [1.0, 0.0]
    worst = registry.make("scorers", "text_in_image").worst(Sample("s", {}, {"text": "two words"}))
    assert worst["text_cer"].parts == {"errors": 9.0, "characters": 9.0}


def word(text, size=(240, 80)):
    from PIL import ImageFont

    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((size[0] / 2, size[1] / 2), text, "black", ImageFont.load_default(32), "mm")
    return image


def test_text_is_read_and_the_reader_is_named(blobs):
    target = {"text": "Delayed"}
    assert asked(blobs, "text_in_image", stored(blobs, word("Delayed")), target)["text_cer"].value == 0.0
    wrong = asked(blobs, "text_in_image", stored(blobs, word("Departed")), target)["text_cer"]
    assert 0 < wrong.value <= 1
    assert wrong.reason.startswith(f"{_reading.label()} reads ")
    blank = asked(blobs, "text_in_image", stored(blobs, Image.new("RGB", (200, 80), "white")), target)
    assert blank["text_cer"].value == 1.0
    big = asked(blobs, "text_in_image", stored(blobs, word("Delayed", (900, 300))), target)
    assert big["text_cer"].value == 0.0


def test_case_counts_where_it_is_asked_to(blobs):
    ref = stored(blobs, word("Delayed"))
    assert asked(blobs, "text_in_image", ref, {"text": "DELAYED"})["text_exact"].value == 1.0
    assert asked(blobs, "text_in_image(ignore_case=False)", ref, {"text": "DELAYED"})["text_exact"].value == 0.0


def test_the_readers_version_is_the_scorers():
    scorer = registry.make("scorers", "text_in_image")
    major, minor = _reading.version()[:2]
    assert scorer.version == registry.make("scorers", "image_demands").version
    assert f"{scorer.version}".startswith(f"1{major:02d}{minor:02d}")


@pytest.mark.parametrize("spec", ["text_in_image", "image_demands"])
def test_without_tesseract_it_is_said_at_validation(spec, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingComponent, match="Debian: tesseract-ocr"):
        registry.make("scorers", spec)


@pytest.mark.parametrize(
    ("module", "spec", "extra"),
    [
        ("rapidfuzz", "text_in_image", "ocr"),
        ("skimage", "palette", "image"),
        ("skimage", "image_shapes", "image"),
        ("skimage", "ssim", "image"),
        ("skimage", "image_demands", "image"),
        ("imagehash", "determinism", "image"),
        ("PIL.Image", "determinism", "image"),
    ],
)
def test_without_a_library_the_extra_is_named(module, spec, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingComponent, match=rf"evalkit\[{extra}\]"):
        registry.make("scorers", spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("text_in_image(mode=14)", "page segmentation mode"),
        ("image_size(tolerance=-1)", "0 or more"),
        ("image_demands(cer=2)", "from 0 to 1"),
        ("clip_score(path='tests/cases/media/clip.npz', by='name')", "known: file, sample"),
    ],
)
def test_wrong_options_are_refused(spec, words):
    with pytest.raises(ValueError, match=words):
        registry.make("scorers", spec)


def drawn(*shapes, size=(120, 90)):
    image = Image.new("RGB", size, "white")
    canvas = ImageDraw.Draw(image)
    for kind, box, colour in shapes:
        fill = _colours.ANCHORS[colour]
        if kind == "triangle":
            left, top, right, bottom = box
            canvas.polygon([(left, bottom), (right, bottom), ((left + right) / 2, top)], fill=fill)
        else:
            (canvas.ellipse if kind == "circle" else canvas.rectangle)(box, fill=fill)
    return image


@pytest.mark.parametrize(
    ("kind", "box"),
    [
        ("circle", (10, 10, 40, 40)),
        ("square", (10, 10, 40, 40)),
        ("rectangle", (10, 10, 70, 40)),
        ("triangle", (10, 10, 40, 40)),
    ],
)
def test_outlines_are_told_apart(blobs, kind, box):
    ref = stored(blobs, drawn((kind, box, "green")))
    for other in ("circle", "square", "rectangle", "triangle"):
        found = asked(blobs, "image_shapes", ref, {"shapes": [{"colour": "green", "shape": other, "count": 1}]})
        assert found["shapes_met"].value == float(other == kind)
        assert found["shapes_met"].rows[0].parts["found"] == float(other == kind)


def test_shapes_that_touch_are_one(blobs):
    ref = stored(blobs, drawn(("square", (10, 10, 30, 30), "blue"), ("square", (31, 10, 51, 30), "blue")))
    found = asked(blobs, "image_shapes", ref, {"shapes": [{"colour": "blue", "count": 2}]})
    assert (found["shapes_met"].value, found["shape_count_error"].value) == (0.0, 1.0)


def test_specks_are_no_shapes(blobs):
    ref = stored(blobs, drawn(("square", (10, 10, 30, 30), "blue"), ("square", (60, 60, 62, 62), "blue")))
    found = asked(blobs, "image_shapes", ref, {"shapes": [{"colour": "blue", "count": 1, "where": "top left"}]})
    assert found["shapes_met"].value == 1.0


def test_a_tiny_picture_has_a_similarity(blobs):
    one, two = np.zeros((2, 2, 3), np.uint8), np.full((4, 9, 3), 7, np.uint8)
    for pixels in (one, two):
        ref = stored(blobs, pixels)
        assert asked(blobs, "ssim", ref, {"image": ref})["ssim"].value == 1.0
    ref = stored(blobs, two)
    with pytest.raises(ValueError, match="the Gaussian window needs 11"):
        asked(blobs, "ssim(gaussian=True)", ref, {"image": ref})


def test_equal_pictures_have_a_hundred_decibels_and_no_picture_more(blobs):
    black = np.zeros((300, 300, 3), np.uint8)
    nearly = black.copy()
    nearly[0, 0, 0] = 1
    right = {"image": stored(blobs, black)}
    assert asked(blobs, "psnr", stored(blobs, black), right)["psnr"].value == 100.0
    assert 90 < asked(blobs, "psnr", stored(blobs, nearly), right)["psnr"].value <= 100
    assert asked(blobs, "psnr", stored(blobs, 255 - black), right)["psnr"].value == 0.0


def test_repeats_of_equal_pixels_in_other_files_are_identical(blobs):
    scorer = registry.make("scorers", "determinism")
    assert (scorer.takes, scorer.min_repeats) == ("repeats", 2)
    pixels = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    one, two = stored(blobs, pixels), stored(blobs, pixels, compress_level=0)
    assert one["$blob"] != two["$blob"]
    ctx = SimpleNamespace(blobs=blobs)
    found = asyncio.run(scorer.score(Sample("s", {}), [Response(one), Response(two)], ctx))
    assert (found["identical_pixels"].value, found["phash_distance"].value) == (1.0, 0.0)
    broken = asyncio.run(scorer.score(Sample("s", {}), [Response(one), Response(None)], ctx))
    assert broken["identical_pixels"].value is None


def features(tmp_path, images, references, name="f.npz", **more):
    arrays = {
        "images": images, "images_ids": np.array([f"i{k}" for k in range(len(images))]),
        "references": references, "references_ids": np.array([f"r{k}" for k in range(len(references))]), **more,
    }  # fmt: skip
    np.savez(tmp_path / name, **arrays)
    return str(tmp_path / name)


def whole(fold, path, count, weights=None):
    rows = {"row": np.arange(count, dtype=float), "value": np.zeros(count)}
    return fold(rows, np.ones((1, count)) if weights is None else weights, path=path)


def exactly(drawn, n, mean, spread):
    """A sample whose mean and covariance are exactly those asked for."""
    found = drawn.normal(size=(n, len(mean)))
    found -= found.mean(axis=0)
    found = np.linalg.solve(np.linalg.cholesky(np.cov(found, rowvar=False)), found.T).T
    return found @ np.linalg.cholesky(spread).T + mean


@pytest.mark.parametrize("n", [12, 60])
def test_fid_of_gaussians_has_its_closed_form(tmp_path, n):
    drawn = np.random.default_rng(n)
    d = 5
    one, other = drawn.normal(size=d), drawn.normal(size=d)
    first, second = drawn.uniform(0.5, 3, d), drawn.uniform(0.5, 3, d)
    images, references = exactly(drawn, n, one, np.diag(first)), exactly(drawn, 40, other, np.diag(second))
    # Diagonal covariances: the sum over the axes of the squared differences of means and of standard deviations.
    expected = ((one - other) ** 2).sum() + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    assert whole(fid, features(tmp_path, images, references), n)[0] == pytest.approx(expected, rel=1e-9)


def test_fid_of_one_axis_by_hand(tmp_path):
    images, references = np.array([[0.0], [2.0]]), np.array([[5.0], [9.0]])
    # Means 1 and 7, variances 2 and 8: 36 + 2 + 8 - 2 sqrt(16) = 38.
    assert whole(fid, features(tmp_path, images, references), 2)[0] == pytest.approx(38.0)


def test_fid_of_equal_sets_is_zero(tmp_path):
    images = np.random.default_rng(1).normal(size=(30, 8))
    assert whole(fid, features(tmp_path, images, images.copy()), 30)[0] == pytest.approx(0, abs=1e-9)


def test_fid_with_more_features_than_pictures_agrees_with_the_matrix_root(tmp_path):
    from scipy.linalg import sqrtm

    drawn = np.random.default_rng(2)
    images, references = drawn.normal(0.3, 1.4, (9, 20)), drawn.normal(size=(50, 20))
    first, second = np.cov(images, rowvar=False), np.cov(references, rowvar=False)
    gap = images.mean(axis=0) - references.mean(axis=0)
    root = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0)).sum()
    expected = gap @ gap + np.trace(first) + np.trace(second) - 2 * root
    assert whole(fid, features(tmp_path, images, references), 9)[0] == pytest.approx(expected, rel=1e-6)
    assert np.isfinite(sqrtm(second)).all()


def test_kid_is_unbiased_and_may_be_negative(tmp_path):
    drawn = np.random.default_rng(3)
    sets = [whole(kid, features(tmp_path, drawn.normal(size=(20, 4)), drawn.normal(size=(20, 4)), f"{i}.npz"), 20)[0] for i in range(60)]  # fmt: skip
    assert min(sets) < 0 < max(sets)
    assert abs(np.mean(sets)) < 3 * np.std(sets) / np.sqrt(len(sets))


def test_kid_by_hand(tmp_path):
    images, references = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    # k(x, y) = (xy + 1)^3: within 1 and 27, between (1 + 1 + 8 + 27) / 4.
    assert whole(kid, features(tmp_path, images, references), 2)[0] == pytest.approx(1 + 27 - 2 * 37 / 4)


@pytest.mark.parametrize("fold", [fid, kid])
def test_fewer_than_two_pictures_have_no_distance(tmp_path, fold):
    path = features(
        tmp_path, np.random.default_rng(4).normal(size=(3, 2)), np.random.default_rng(5).normal(size=(4, 2))
    )
    weights = np.array([[1.0, 0, 0], [0, 0, 0], [5, 0, 0], [1, 1, 0]])
    assert np.isnan(whole(fold, path, 3, weights)).tolist() == [True, True, True, False]
    assert np.isnan(whole(fold, path, 1)).all()
    assert np.isnan(fold({"value": np.zeros(2)}, np.ones((1, 2)), path=path)).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": np.array([[np.nan, 1.0]] * 3)}, "holds NaN or infinity, first for 'i0'"),
        ({"images": np.ones((3, 3))}, "different dimensions: 2, 3"),
        ({"images": np.ones(3)}, r"numbers \[n, d\] with n ids"),
        ({"images_ids": np.array(["a", "a", "b"])}, "an id occurs twice"),
        ({"images_ids": np.array(["a"])}, r"numbers \[n, d\] with n ids"),
        ({"references": np.ones((1, 2)), "references_ids": np.array(["r"])}, "fewer than 2 references"),
        ({"images": np.array([{"a": 1}], dtype=object)}, "no .npz file of plain arrays"),
    ],
)
def test_features_that_cannot_be_used_are_refused(tmp_path, change, words):
    path = features(tmp_path, np.ones((3, 2)), np.ones((4, 2)))
    with np.load(path) as told:
        arrays = dict(told)
    np.savez(path, **{**arrays, **change})
    with pytest.raises(ValueError, match=words):
        registry.make("scorers", f"fid(path='{path}')")


def test_features_that_are_too_large_are_refused(tmp_path, monkeypatch):
    path = features(tmp_path, np.ones((3, 2)), np.ones((4, 2)))
    monkeypatch.setattr(_vectors, "LARGEST", 100)
    with pytest.raises(ValueError, match="more than 100 are not read"):
        registry.make("scorers", f"fid(path='{path}')")


def test_a_reader_that_fails_is_a_defect(monkeypatch, tmp_path):
    broken = tmp_path / "tesseract"
    broken.write_text("#!/bin/sh\necho no language >&2\nexit 3\n", "utf-8")
    broken.chmod(0o755)
    monkeypatch.setattr(_reading, "program", lambda: str(broken))
    with pytest.raises(RuntimeError, match="tesseract ended with 3: no language"):
        _reading.read((MEDIA / "bands.png").read_bytes(), 7)


def test_files_that_are_no_features_are_refused(tmp_path):
    (tmp_path / "x.npz").write_text("none", "utf-8")
    np.savez(tmp_path / "y.npz", images=np.ones((2, 2)))
    for path, words in (
        ("x.npz", "no .npz file"),
        ("y.npz", "needs arrays images and images_ids"),
        ("z.npz", "No such file"),
    ):
        with pytest.raises(ValueError, match=words):
            registry.make("scorers", f"kid(path='{tmp_path / path}')")
    with pytest.raises(ValueError, match=r"must name an \.npz file"):
        registry.make("scorers", "kid(path='')")


def test_other_features_are_another_version(tmp_path):
    images = np.random.default_rng(6).normal(size=(3, 2))
    one = registry.make("scorers", f"fid(path='{features(tmp_path, images, images)}')").version
    other = registry.make("scorers", f"fid(path='{features(tmp_path, images, images + 1, 'g.npz')}')").version
    assert one != other


def test_features_are_filed_under_the_answered_file(blobs):
    spec = "fid(path='tests/cases/media/features.npz')"
    for output, words in (
        ("a picture", "no features for the picture None"),
        ({"$blob": "0" * 64}, "no features for the picture 0000"),
    ):
        assert words in asked(blobs, spec, output, None)["fid"].reason


@pytest.mark.parametrize(("ident", "value"), [("s2", 2.5 * 0.96), ("s3", 0.0), ("s4", 0.0)])
def test_clip_score_by_hand(ident, value, tmp_path):
    with np.load(MEDIA / "clip.npz") as told:
        np.savez(tmp_path / "c.npz", images=told["images"], images_ids=told["images_ids"], texts=told["texts"].repeat(4, 0), texts_ids=told["images_ids"])  # fmt: skip
    scorer = registry.make("scorers", f"clip_score(path='{tmp_path / 'c.npz'}', by='sample')")
    assert [metric.name for metric in scorer.metrics] == ["clip_score"]
    found = asyncio.run(scorer.score(Sample(ident, {}), [Response("x")], SimpleNamespace()))
    assert found["clip_score"].value == pytest.approx(value, abs=2e-3)


def test_clip_score_says_what_is_missing():
    spec = "clip_score(path='tests/cases/media/clip.npz', by='{}')"
    by_file, by_sample = (registry.make("scorers", spec.format(by)) for by in ("file", "sample"))
    assert "texts_ids has no 's2'" in by_sample.problem(Sample("s2", {}))
    none = asyncio.run(by_file.score(Sample("s1", {}), [Response("words")], SimpleNamespace()))
    assert none["clip_score"].reason == "the answer is not a stored file, so it has no vector"
    other = asyncio.run(by_sample.score(Sample("s9", {}), [Response("words")], SimpleNamespace()))
    assert "no vector for the picture s9" in other["clip_score"].reason
    with pytest.raises(ValueError, match="no vector for sample 's2'"):
        asyncio.run(by_sample.score(Sample("s2", {}), [Response("words")], SimpleNamespace()))


def test_seconds_per_image_counts_what_was_made(kit):
    scorer = registry.make("scorers", "seconds_per_image")

    def timed(**item):
        return kit.score(scorer, item)["seconds_per_image"]

    assert timed(output=[1, 2, 3, 4], seconds=2.0).value == 0.5
    assert timed(output="x", seconds=2.0, usage={"images": 0}).reason == "no picture was made"
    assert timed(output="x").reason == "the time was not measured"


def test_library_cases_are_current(kit, tmp_path):
    script = ROOT / "scripts/make_image_cases.py"
    subprocess.run([sys.executable, "-W", "ignore", script, tmp_path], check=True, capture_output=True)
    written = sorted(tmp_path.glob("*.json"))
    assert len(written) == 12
    for file in written:
        now, kept = json.loads(file.read_text("utf-8")), kit.load(file.stem)
        library = kept["made_by"]["library"]
        assert now["made_by"]["version"] == ("definition" if library == "none" else version(library))
        assert now["cases"] == kept["cases"], f"{file.name}: rerun the script"
