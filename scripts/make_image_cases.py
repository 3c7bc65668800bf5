"""Regenerate the golden cases of the picture scorers with scikit-image, imagehash, rapidfuzz and scipy; CI diffs them.

Usage: python scripts/make_image_cases.py [folder]; with --media as the only argument: draw what the cases look at
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evalkit.core.keys import digest_bytes

ROOT = Path(__file__).parents[1] / "tests" / "cases"
MEDIA = ROOT / "media"
FILES = ("smooth", "noisy", "bands", "smaller", "word", "shapes", "two_discs")
COMMAND = "python scripts/make_image_cases.py"
Item = dict[str, Any]


def value(number: float) -> float:
    """Fifteen significant digits, since golden values are compared to 1e-12."""
    return float(f"{float(number):.15g}")


def draw_media() -> None:
    """Small pictures, and features of known Gaussians."""
    drawn = np.random.default_rng(8)
    rows, columns = np.mgrid[0:40, 0:56]
    smooth = np.stack([rows * 6, columns * 4, 255 - rows * 3 - columns], axis=-1).astype(np.uint8)
    noisy = np.clip(smooth + drawn.normal(0, 15, smooth.shape), 0, 255).astype(np.uint8)
    bands = np.zeros((40, 60, 3), np.uint8)
    bands[:, :30], bands[:, 30:45], bands[:, 45:] = (40, 80, 210), (255, 255, 255), (220, 30, 30)
    for name, pixels in {"smooth": smooth, "noisy": noisy, "bands": bands, "smaller": smooth[:30, :30]}.items():
        Image.fromarray(pixels).save(MEDIA / f"{name}.png", optimize=True)
    word = Image.new("RGB", (220, 80), "white")
    ImageDraw.Draw(word).text((110, 40), "OPEN DAILY", "black", ImageFont.load_default(34), "mm")
    word.save(MEDIA / "word.png", optimize=True)
    shapes = Image.new("RGB", (120, 90), "white")
    canvas = ImageDraw.Draw(shapes)
    canvas.ellipse((10, 8, 34, 32), fill=(220, 30, 30))
    canvas.ellipse((80, 8, 104, 32), fill=(220, 30, 30))
    canvas.rectangle((46, 55, 70, 79), fill=(40, 80, 210))
    canvas.polygon([(84, 84), (114, 84), (99, 54)], fill=(30, 150, 50))
    shapes.save(MEDIA / "shapes.png", optimize=True)
    ids = np.array([digest_bytes((MEDIA / f"{name}.png").read_bytes()) for name in FILES])
    np.savez(
        MEDIA / "features.npz",
        images=drawn.normal(0.5, 1.5, (len(FILES), 6)),
        images_ids=ids,
        references=drawn.normal(0, 1, (25, 6)),
        references_ids=np.array([f"r{i}" for i in range(25)]),
    )
    np.savez(
        MEDIA / "clip.npz",
        images=np.array([[1.0, 0, 0], [0.6, 0.8, 0], [-1, 0.5, 0], [0, 0, 0]], np.float16),
        images_ids=np.array(["s1", "s2", "s3", "s4"]),
        texts=np.array([[0.8, 0.6, 0.0]], np.float16),
        texts_ids=np.array(["s1"]),
        references=np.array([[0.0, 1.0, 0.0]], np.float16),
        references_ids=np.array(["s1"]),
    )


def pixels(name: str) -> Any:
    return np.asarray(Image.open(MEDIA / name).convert("RGB"))


def item(target: Any, output: str | None, **more: Any) -> Item:
    """One sample and the file that is answered."""
    return {"target": target, "output": None if output is None else {"$file": output}, **more}


def edits(name: str) -> list[Item]:
    """Structural similarity or signal-to-noise ratio of pairs, by scikit-image."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    def measure(one: Any, other: Any) -> float:
        if name == "ssim":
            return float(structural_similarity(one, other, channel_axis=-1, data_range=255))
        return 100.0 if (one == other).all() else float(peak_signal_noise_ratio(one, other, data_range=255))

    pairs = [("smooth.png", "noisy.png"), ("smooth.png", "smooth.png"), ("noisy.png", "two_discs.png")]
    items = [item({"image": {"$file": right}}, answer) for right, answer in pairs]
    numbers = [value(measure(pixels(right), pixels(answer))) for right, answer in pairs]
    items += [item({"image": {"$file": "smooth.png"}}, "smaller.png"), item({"palette": {"red": 1}}, "smooth.png")]
    items[3]["reason"], items[4]["reason"] = "is 30 x 30, the right result 56 x 40", "asks for no image"
    scores = [{name: number} for number in [*numbers, None, None]]
    cases = [
        {"name": "pairs", "spec": name, "items": items, "scores": scores, "value": {name: value(np.mean(numbers))}}
    ]
    if name == "ssim":
        more = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        one, other = pixels("smooth.png"), pixels("noisy.png")
        number = value(structural_similarity(one, other, channel_axis=-1, data_range=255, **more))
        cases.append({"name": "paper", "spec": "ssim(gaussian=True)", "items": items[:1], "scores": [{"ssim": number}]})
    return cases


def palettes() -> list[Item]:
    """Shares by counting, colour differences by scikit-image."""
    from skimage.color import deltaE_cie76, rgb2lab

    exact = {"blue": 0.5, "white": 0.25, "red": 0.25}
    green = rgb2lab(np.array([[[30, 150, 50]]], np.uint8))
    far = deltaE_cie76(rgb2lab(pixels("bands.png")), green).mean()
    items = [
        item({"palette": exact}, "bands.png"),
        item({"palette": {"blue": 0.25, "white": 0.25, "red": 0.5}}, "bands.png"),
        item({"palette": {"green": 1.0}}, "bands.png"),
        item({"palette": {"blue": 0.5}}, "bands.png"),
        item({"text": "x"}, "bands.png", reason="asks for no palette"),
    ]
    shares = [0.0, 0.25, 1.0, 0.0, None]
    scores: list[Item] = [{"palette_distance": share} for share in shares]
    scores[0]["palette_delta_e"] = 0.0
    scores[2]["palette_delta_e"] = value(far)
    return [
        {"name": "bands", "spec": "palette", "items": items, "scores": scores, "value": {"palette_distance": 0.3125}}
    ]


def texts() -> list[Item]:
    """A word that tesseract reads without an error; edit distances by rapidfuzz."""
    from rapidfuzz.distance import Levenshtein

    wanted = ["OPEN DAILY", "open  daily", "OPEN DAY", "CLOSED"]
    errors = [Levenshtein.distance(" ".join(w.split()).casefold(), "open daily") for w in wanted]
    lengths = [len(" ".join(w.split())) for w in wanted]
    items = [item({"text": w}, "word.png") for w in wanted] + [item({}, "word.png", reason="asks for no text")]
    items[2]["reason"] = "reads 'OPEN DAILY'"
    scores: list[Item] = [
        {"text_cer": value(e / n), "text_exact": float(not e)} for e, n in zip(errors, lengths, strict=True)
    ]
    scores.append({"text_cer": None, "text_exact": None})
    whole = {"text_cer": value(sum(errors) / sum(lengths)), "text_exact": 0.5}
    return [{"name": "one word", "spec": "text_in_image", "items": items, "scores": scores, "value": whole}]


def repeats() -> list[Item]:
    """Perceptual hashes by imagehash."""
    from imagehash import phash

    names = ["smooth.png", "noisy.png", "two_discs.png"]
    hashes = [phash(Image.open(MEDIA / name)) for name in names]
    gaps = [(hashes[i] - hashes[j]) / 64 for i, j in ((0, 1), (0, 2), (1, 2))]
    same = item(None, "smooth.png", more=[{"output": {"$file": "smooth.png"}}])
    other = item(None, names[0], more=[{"output": {"$file": name}} for name in names[1:]])
    alone = item(None, "smooth.png", reason="one answer says nothing about repeats")
    scores = [
        {"identical_pixels": 1.0, "phash_distance": 0.0},
        {"identical_pixels": 0.0, "phash_distance": value(np.mean(gaps))},
        {"identical_pixels": None, "phash_distance": None},
    ]
    return [{"name": "pairs", "spec": "determinism", "items": [same, other, alone], "scores": scores}]


def distributions(name: str) -> list[Item]:
    """Frechet distance by scipy's matrix square root, MMD by the double sum of its definition."""
    from scipy.linalg import sqrtm

    with np.load(MEDIA / "features.npz") as told:
        one, other = told["images"], told["references"]
    if name == "fid":
        first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
        gap = one.mean(axis=0) - other.mean(axis=0)
        whole = gap @ gap + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))
    else:
        kernel = [[(a @ b / len(a) + 1) ** 3 for b in (*one, *other)] for a in (*one, *other)]
        table, n, m = np.array(kernel), len(one), len(other)
        own, rest = table[:n, :n], table[n:, n:]
        whole = (own.sum() - np.trace(own)) / (n * (n - 1)) + (rest.sum() - np.trace(rest)) / (m * (m - 1))
        whole -= 2 * table[:n, n:].mean()
    spec = f"{name}(path='tests/cases/media/features.npz')"
    items = [item(None, f"{file}.png") for file in FILES]
    values = [{name: value(((row - other.mean(axis=0)) ** 2).sum())} for row in one]
    return [{"name": "all", "spec": spec, "items": items, "scores": values, "value": {name: float(f"{whole:.12g}")}}]


def clips() -> list[Item]:
    """By hand: cosines of short vectors."""
    with np.load(MEDIA / "clip.npz") as told:
        image, text, other = (told[name].astype(float) for name in ("images", "texts", "references"))
    plain = 2.5 * float(image[0] @ text[0] / np.linalg.norm(text[0]))
    near = float(other[0] @ text[0] / np.linalg.norm(text[0]))
    scores = [{"clip_score": value(plain), "ref_clip_score": value(2 * plain * near / (plain + near))}]
    spec = "clip_score(path='tests/cases/media/clip.npz', by='sample')"
    return [{"name": "one", "spec": spec, "items": [{"output": "a picture"}], "scores": scores}]


def by_hand() -> dict[str, list[Item]]:
    """What needs no library."""
    two = {"colour": "red", "shape": "circle", "count": 2, "where": "top"}
    one = {"colour": "blue", "shape": "square", "count": 1, "where": "bottom"}
    three = {"colour": "green", "shape": "triangle", "count": 1, "where": "bottom right"}
    shapes = [
        item({"shapes": [two, one, three]}, "shapes.png"),
        item(
            {"shapes": [two, {**one, "where": "left"}, {**three, "count": 3}]},
            "shapes.png",
            reason="1 blue square left",
        ),
        item(
            {"shapes": [{"colour": "red", "shape": "square", "count": 0}, {"colour": "navy", "count": 1}]}, "shapes.png"
        ),
        item({"text": "x"}, "shapes.png", reason="asks for no shapes"),
    ]
    met = [(1.0, 0.0), (1 / 3, 2 / 3), (0.5, 0.5), (None, None)]
    sizes = [
        item({"size": [40, 56]}, "smooth.png"),
        item({"size": [56, 40]}, "smooth.png", reason="56 x 40 instead of 40 x 56"),
    ]
    near = [item({"size": [41, 55]}, "smooth.png")]
    demands = [
        item({"text": "OPEN DAILY", "palette": {"white": 0.9}, "size": [1, 1]}, "word.png"),
        item({"text": "CLOSED", "palette": {"white": 0.9}}, "word.png", reason="not met: text"),
        item({"image": {"$file": "smooth.png"}}, "smaller.png", reason="not met: image"),
        item({"image": {"$file": "smooth.png"}}, "smooth.png"),
        item({"shapes": [two]}, "shapes.png"),
    ]
    share = [1.0, 0.5, 0.0, 1.0, 1.0]
    timed: list[Item] = [{"output": "x", "seconds": 3.0, "usage": {"images": 2}}, {"output": "x", "seconds": 1.0}]
    found = [{"shapes_met": m, "shape_count_error": e} for m, e in met]
    times = [{"seconds_per_image": 1.5}, {"seconds_per_image": 1.0}]
    whole = {"seconds_per_image": 4 / 3}
    held = [{"demands_met": part, "all_demands_met": float(part == 1)} for part in share]
    right, wrong = {"image_size": 1.0}, {"image_size": 0.0}
    return {
        "image_shapes": [{"name": "shapes", "spec": "image_shapes", "items": shapes, "scores": found}],
        "image_size": [
            {"name": "sizes", "spec": "image_size", "items": sizes, "scores": [right, wrong]},
            {"name": "nearly", "spec": "image_size(tolerance=1)", "items": near, "scores": [right]},
        ],
        "image_demands": [{"name": "demands", "spec": "image_demands", "items": demands, "scores": held}],
        "seconds_per_image": [
            {"name": "times", "spec": "seconds_per_image", "items": timed, "scores": times, "value": whole}
        ],
    }


def main(folder: Path) -> None:
    """Write one file per scorer."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "ssim": ("scikit-image", edits("ssim")),
        "psnr": ("scikit-image", edits("psnr")),
        "palette": ("scikit-image", palettes()),
        "text_in_image": ("rapidfuzz", texts()),
        "determinism": ("imagehash", repeats()),
        "fid": ("scipy", distributions("fid")),
        "kid": ("numpy", distributions("kid")),
        "clip_score": ("numpy", clips()),
        **{name: ("none", cases) for name, cases in by_hand().items()},
    }
    for name, (library, cases) in made.items():
        told = {
            "library": library,
            "version": "definition" if library == "none" else version(library),
            "command": COMMAND,
        }
        lines = ",\n ".join(json.dumps(case) for case in cases)
        (folder / f"{name}.json").write_text(f'{{"made_by": {json.dumps(told)}, "cases": [\n {lines}]}}\n', "utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--media"]:
        draw_media()
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "scorers")
