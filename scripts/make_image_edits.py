"""Make the source pictures of datasets/image_prompts and, for each edit that is asked, the one right result.

Usage: python scripts/make_image_edits.py [folder]

Photographs come out of the scikit-image wheel (CC0 or public domain), drawings are made here; nothing is downloaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps
from skimage import data as photographs

FOLDER = Path(__file__).parents[1] / "datasets" / "image_prompts"
SIZE = (128, 96)


def photo(name: str, box: tuple[int, int, int, int]) -> Image.Image:
    """A part of a photograph, made small."""
    return (
        Image.fromarray(np.asarray(getattr(photographs, name)()))
        .convert("RGB")
        .crop(box)
        .resize(SIZE, Image.Resampling.LANCZOS)
    )


def signs() -> Image.Image:
    """Flat shapes in the plain colours, without soft edges."""
    image = Image.new("RGB", SIZE, (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle((8, 8, 47, 47), fill=(220, 30, 30))
    draw.ellipse((60, 10, 99, 49), fill=(40, 80, 210))
    draw.polygon([(20, 90), (60, 90), (40, 58)], fill=(30, 150, 50))
    draw.rectangle((76, 60, 121, 88), fill=(220, 30, 30))
    return image


def house() -> Image.Image:
    """A house, a sun and a lawn."""
    image = Image.new("RGB", SIZE, (50, 190, 190))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 70, 127, 95), fill=(30, 150, 50))
    draw.rectangle((40, 40, 88, 80), fill=(245, 140, 30))
    draw.polygon([(34, 40), (94, 40), (64, 14)], fill=(120, 75, 40))
    draw.ellipse((100, 6, 121, 27), fill=(245, 220, 40))
    draw.rectangle((58, 58, 70, 80), fill=(20, 30, 90))
    return image


def steps() -> Image.Image:
    """Grey steps from black to white."""
    row = np.repeat(np.linspace(0, 255, 8).round().astype(np.uint8), SIZE[0] // 8)
    return Image.fromarray(np.broadcast_to(row, (SIZE[1], SIZE[0])).copy()).convert("RGB")


SOURCES: dict[str, Callable[[], Image.Image]] = {
    "coffee": lambda: photo("coffee", (100, 40, 500, 340)),
    "cat": lambda: photo("chelsea", (60, 0, 440, 285)),
    "rocket": lambda: photo("rocket", (150, 60, 550, 360)),
    "gravel": lambda: photo("gravel", (0, 0, 400, 300)),
    "signs": signs,
    "house": house,
    "steps": steps,
}


def scaled(image: Image.Image, factor: float) -> Image.Image:
    """Every value times a factor, rounded, at most 255."""
    return Image.fromarray(np.clip(np.rint(np.asarray(image) * factor), 0, 255).astype(np.uint8))


def swapped(image: Image.Image, old: tuple[int, int, int], new: tuple[int, int, int]) -> Image.Image:
    """Every pixel of exactly one colour in another one."""
    pixels = np.asarray(image).copy()
    pixels[(pixels == old).all(axis=-1)] = new
    return Image.fromarray(pixels)


def grey(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


RED, GREEN, BLUE, YELLOW, ORANGE, PURPLE = (
    (220, 30, 30),
    (30, 150, 50),
    (40, 80, 210),
    (245, 220, 40),
    (245, 140, 30),
    (130, 50, 160),
)
TURQUOISE, NAVY = (50, 190, 190), (20, 30, 90)
EDITS: dict[str, tuple[str, Callable[[Image.Image], Image.Image]]] = {
    "darker": ("coffee", lambda i: scaled(i, 0.5)),
    "brighter": ("rocket", lambda i: scaled(i, 1.5)),
    "left-half": ("cat", lambda i: i.crop((0, 0, 64, 96))),
    "quarter": ("coffee", lambda i: i.crop((64, 48, 128, 96))),
    "turn-right": ("rocket", lambda i: i.transpose(Image.Transpose.ROTATE_270)),
    "turn-left": ("house", lambda i: i.transpose(Image.Transpose.ROTATE_90)),
    "upside-down": ("cat", lambda i: i.transpose(Image.Transpose.ROTATE_180)),
    "mirror": ("house", ImageOps.mirror),
    "flip": ("gravel", ImageOps.flip),
    "grey": ("coffee", grey),
    "negative": ("steps", ImageOps.invert),
    "red-to-blue": ("signs", lambda i: swapped(i, RED, BLUE)),
    "sky": ("house", lambda i: swapped(i, TURQUOISE, NAVY)),
    "frame": ("gravel", lambda i: ImageOps.expand(i.crop((8, 8, 120, 88)), 8, (0, 0, 0))),
    "dark-grey": ("cat", lambda i: scaled(grey(i), 0.7)),
    "mirror-top": ("signs", lambda i: ImageOps.mirror(i.crop((0, 0, 128, 48)))),
    "nothing": ("coffee", lambda i: i),
    "two-swaps": ("signs", lambda i: swapped(swapped(i, GREEN, ORANGE), BLUE, PURPLE)),
}


def main(folder: Path) -> None:
    """Write sources and results."""
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    (folder / "results").mkdir(exist_ok=True)
    for name, make in SOURCES.items():
        make().save(folder / "sources" / f"{name}.png", optimize=True)
    for name, (source, edit) in EDITS.items():
        edit(SOURCES[source]()).save(folder / "results" / f"{name}.png", optimize=True)
    print(f"{len(SOURCES)} sources and {len(EDITS)} results in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
