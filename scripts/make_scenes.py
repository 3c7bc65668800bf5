"""Make the scenes of datasets/scenes: pictures whose masks are exact because the objects in them were placed.

Usage: python scripts/make_scenes.py [folder]

Photographs and textures come out of the scikit-image wheel (all CC0 or public domain); nothing is downloaded.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import data as photographs
from skimage.transform import resize

FOLDER = Path(__file__).parents[1] / "datasets" / "scenes"
SIZES = ((208, 160), (160, 160), (176, 208), (240, 176))
QUALITY = 88
SMALLEST = 40
PALETTE = [0, 0, 0] + [
    int(v) for k in range(1, 256) for v in (k * 67 % 200 + 55, k * 131 % 200 + 55, k * 29 % 200 + 55)
]
PHOTOS = ("brick", "grass", "gravel", "coffee", "chelsea", "moon", "rocket", "hubble_deep_field")
Bools = Any
Pixels = Any


@dataclass
class Scene:
    """A picture in the making: `pixels` [h, w, 3] in 0..255, `labels` [h, w] with 0 for the ground."""

    width: int
    height: int
    drawn: np.random.Generator
    pixels: Pixels = field(init=False)
    labels: Pixels = field(init=False)
    objects: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pixels = np.zeros((self.height, self.width, 3))
        self.labels = np.zeros((self.height, self.width), np.uint8)

    @property
    def grid(self) -> tuple[Pixels, Pixels]:
        """Row and column of every pixel's centre."""
        rows, columns = np.mgrid[0 : self.height, 0 : self.width]
        return rows.astype(float), columns.astype(float)

    def paint(self, where: Bools, texture: Pixels, name: str) -> bool:
        """Put an object on top; False (and nothing changes) where it or what it covers would hardly be seen."""
        after = np.where(where, len(self.objects) + 1, self.labels)
        sizes = np.bincount(after.ravel(), minlength=len(self.objects) + 2)[1:]
        if sizes.min() < SMALLEST:
            return False
        self.pixels = np.where(where[..., None], texture, self.pixels)
        self.labels = after.astype(np.uint8)
        self.objects.append(name)
        return True


def about(scene: Scene, margin: float = 0.14) -> tuple[float, float]:
    """A place for a centre."""
    draw = scene.drawn.uniform
    return draw(margin, 1 - margin) * scene.height, draw(margin, 1 - margin) * scene.width


def turned(scene: Scene, at: tuple[float, float], angle: float) -> tuple[Pixels, Pixels]:
    """Coordinates around a centre, turned by an angle in radians."""
    rows, columns = scene.grid
    y, x = rows - at[0], columns - at[1]
    return y * math.cos(angle) - x * math.sin(angle), y * math.sin(angle) + x * math.cos(angle)


def disc(scene: Scene, at: tuple[float, float], size: float) -> Bools:
    y, x = turned(scene, at, 0)
    return y**2 + x**2 <= size**2


def ellipse(scene: Scene, at: tuple[float, float], size: float) -> Bools:
    y, x = turned(scene, at, scene.drawn.uniform(0, math.pi))
    return (y / size) ** 2 + (x / (size * scene.drawn.uniform(0.4, 0.8))) ** 2 <= 1


def box(scene: Scene, at: tuple[float, float], size: float) -> Bools:
    y, x = turned(scene, at, scene.drawn.uniform(0, math.pi))
    return (abs(y) <= size * 0.9) & (abs(x) <= size * scene.drawn.uniform(0.35, 0.9))


def star(scene: Scene, at: tuple[float, float], size: float) -> Bools:
    y, x = turned(scene, at, scene.drawn.uniform(0, math.pi))
    corners = int(scene.drawn.integers(4, 8))
    return np.hypot(y, x) <= size * (0.72 + 0.28 * np.cos(corners * np.arctan2(y, x)))


def blob(scene: Scene, at: tuple[float, float], size: float) -> Bools:
    y, x = turned(scene, at, 0)
    angle, edge = np.arctan2(y, x), np.full(y.shape, 1.0)
    for k in range(2, 6):
        edge += scene.drawn.uniform(-0.5, 0.5) / k * np.cos(k * angle + scene.drawn.uniform(0, 2 * math.pi))
    return np.hypot(y, x) <= size * np.clip(edge, 0.3, 1.5) * 0.9


def ring(scene: Scene, at: tuple[float, float], size: float) -> Bools:
    y, x = turned(scene, at, 0)
    inner = scene.drawn.uniform(0.4, 0.7)
    return (np.hypot(y, x) <= size) & (np.hypot(y, x) >= size * inner)


def wire(scene: Scene, at: tuple[float, float], size: float) -> Bools:
    """A bent line two to four pixels wide."""
    y, x = turned(scene, at, scene.drawn.uniform(0, math.pi))
    bent = y - size * 0.3 * np.sin(x / size * scene.drawn.uniform(1, 3))
    return (abs(bent) <= scene.drawn.uniform(0.9, 1.9)) & (abs(x) <= size * 2.2)


def hoop(scene: Scene, at: tuple[float, float], size: float) -> Bools:
    y, x = turned(scene, at, 0)
    return abs(np.hypot(y, x) - size) <= scene.drawn.uniform(0.9, 1.7)


def horse(scene: Scene, at: tuple[float, float], size: float) -> Bools:
    """The silhouette of a real horse, from a photograph."""
    shape = ~photographs.horse().astype(bool)
    high, wide = int(size * 2.2), int(size * 2.2 * shape.shape[1] / shape.shape[0])
    small = resize(shape.astype(float), (high, wide), order=1, anti_aliasing=True) > 0.5
    small = small[:, ::-1] if scene.drawn.random() < 0.5 else small
    where = np.zeros((scene.height, scene.width), bool)
    top = int(np.clip(at[0] - high / 2, 0, max(0, scene.height - high)))
    left = int(np.clip(at[1] - wide / 2, 0, max(0, scene.width - wide)))
    part = small[: scene.height - top, : scene.width - left]
    where[top : top + part.shape[0], left : left + part.shape[1]] = part
    return where


SOLID: tuple[Callable[..., Bools], ...] = (disc, ellipse, box, star, blob)


def colour(scene: Scene, low: float = 0, high: float = 255) -> Pixels:
    return scene.drawn.uniform(low, high, 3)


def flat(scene: Scene, rgb: Pixels) -> Pixels:
    return np.broadcast_to(np.asarray(rgb, float), scene.pixels.shape)


def shaded(scene: Scene, rgb: Pixels, strength: float = 0.25) -> Pixels:
    """A colour that grows lighter in one direction."""
    y, x = turned(scene, (scene.height / 2, scene.width / 2), scene.drawn.uniform(0, 2 * math.pi))
    return flat(scene, rgb) * (1 + strength * y / scene.height + 0 * x)[..., None]


def striped(scene: Scene, rgb: Pixels, other: Pixels) -> Pixels:
    y, _ = turned(scene, about(scene), scene.drawn.uniform(0, math.pi))
    wide = scene.drawn.uniform(3, 7)
    return np.where((np.sin(y * math.pi / wide) > 0)[..., None], flat(scene, rgb), flat(scene, other))


def grained(scene: Scene, rgb: Pixels, strength: float = 18) -> Pixels:
    """A colour with coarse grain."""
    grain = ndimage.gaussian_filter(scene.drawn.normal(size=scene.labels.shape), 1.5) * 4
    return flat(scene, rgb) + strength * grain[..., None]


def photo(scene: Scene, name: str) -> Pixels:
    """A part of a photograph, as large as the scene."""
    whole = np.asarray(getattr(photographs, name)())
    whole = np.stack([whole] * 3, axis=-1) if whole.ndim == 2 else whole[..., :3]
    scale = min(whole.shape[0] / scene.height, whole.shape[1] / scene.width) * scene.drawn.uniform(0.5, 1.0)
    high, wide = int(scene.height * scale), int(scene.width * scale)
    top = int(scene.drawn.integers(0, whole.shape[0] - high + 1))
    left = int(scene.drawn.integers(0, whole.shape[1] - wide + 1))
    part = whole[top : top + high, left : left + wide] / 255
    return resize(part, (scene.height, scene.width), anti_aliasing=True) * 255


def any_photo(scene: Scene) -> Pixels:
    return photo(scene, PHOTOS[int(scene.drawn.integers(len(PHOTOS)))])


def grey(value: float) -> Pixels:
    return np.full(3, value)


def contrast(scene: Scene, gap: float) -> tuple[Pixels, Pixels]:
    """Colours of ground and objects, `gap` grey values apart; which is the lighter one is drawn."""
    low = scene.drawn.uniform(30, 225 - gap)
    pair = (grey(low) + scene.drawn.uniform(-15, 15, 3), grey(low + gap) + scene.drawn.uniform(-15, 15, 3))
    return pair if scene.drawn.random() < 0.5 else pair[::-1]


def scatter(scene: Scene, count: int, shapes: Any, texture: Callable[[], Pixels], *, apart: bool = True) -> None:
    """Place objects; `apart` keeps two pixels of ground between them."""
    for _ in range(400):
        if len(scene.objects) == count:
            return
        shape = shapes[int(scene.drawn.integers(len(shapes)))]
        where = shape(scene, about(scene), scene.drawn.uniform(0.09, 0.17) * min(scene.height, scene.width))
        if apart and (ndimage.binary_dilation(where, iterations=3) & (scene.labels > 0)).any():
            continue
        scene.paint(where, texture(), shape.__name__)


def number(scene: Scene, low: int, high: int) -> int:
    return int(scene.drawn.integers(low, high + 1))


def plain(scene: Scene) -> None:
    ground, thing = contrast(scene, 90)
    scene.pixels = shaded(scene, ground, 0.1)
    scatter(scene, number(scene, 3, 6), SOLID, lambda: grained(scene, thing + scene.drawn.uniform(-20, 20, 3), 6))


def textured(scene: Scene) -> None:
    ground, thing = contrast(scene, 80)
    scene.pixels = grained(scene, ground, 25)
    scatter(scene, number(scene, 3, 5), SOLID, lambda: striped(scene, thing, thing + scene.drawn.uniform(-70, 40, 3)))


def touching(scene: Scene) -> None:
    """Discs and boxes in rows that touch along an edge of at least one pixel."""
    ground, thing = contrast(scene, 100)
    scene.pixels = grained(scene, ground, 8)
    size = 0.11 * min(scene.height, scene.width)
    for row in range(number(scene, 1, 2)):
        at = (scene.height * (0.3 + 0.4 * row), scene.width * 0.16)
        for _ in range(number(scene, 2, 4)):
            scene.paint(disc(scene, at, size) & (scene.labels == 0), grained(scene, thing, 8), "disc")
            step = scene.drawn.uniform(-0.5, 0.5)
            at = (at[0] + 1.9 * size * math.sin(step), at[1] + 1.9 * size * math.cos(step))


def overlap(scene: Scene) -> None:
    """Objects on top of each other, each in its own colour."""
    ground, thing = contrast(scene, 90)
    scene.pixels = grained(scene, ground, 8)
    middle = about(scene, 0.35)
    for _ in range(number(scene, 4, 6)):
        near = (middle[0] + scene.drawn.normal(0, 24), middle[1] + scene.drawn.normal(0, 30))
        shape = SOLID[int(scene.drawn.integers(len(SOLID)))]
        scene.paint(shape(scene, near, 26), shaded(scene, thing + scene.drawn.uniform(-45, 45, 3)), shape.__name__)


def shadow(scene: Scene) -> None:
    """Objects that cast a shadow, which is ground; in most scenes they are about as dark as it."""
    low, high = (190, 235) if scene.drawn.random() < 0.3 else (45, 75)
    scene.pixels = grained(scene, grey(scene.drawn.uniform(120, 150)), 8)
    scatter(scene, number(scene, 3, 5), SOLID, lambda: grained(scene, grey(scene.drawn.uniform(low, high)), 8))
    cast = ndimage.shift((scene.labels > 0).astype(float), (9, 12), order=0)
    cast = ndimage.gaussian_filter(cast, 2) * (scene.labels == 0)
    scene.pixels = scene.pixels * (1 - 0.6 * cast)[..., None]


def noise(scene: Scene) -> None:
    ground, thing = contrast(scene, 75)
    scene.pixels = flat(scene, ground)
    scatter(scene, number(scene, 3, 5), SOLID, lambda: flat(scene, thing))
    scene.pixels = scene.pixels + scene.drawn.normal(0, scene.drawn.uniform(45, 85), scene.pixels.shape)


def low_contrast(scene: Scene) -> None:
    ground, thing = contrast(scene, 22)
    scene.pixels = grained(scene, ground, 3)
    scatter(scene, number(scene, 3, 5), SOLID, lambda: grained(scene, thing, 3))
    scene.pixels = scene.pixels + scene.drawn.normal(0, 5, scene.pixels.shape)


def thin(scene: Scene) -> None:
    ground, thing = contrast(scene, 95)
    scene.pixels = grained(scene, ground, 8)
    scatter(scene, number(scene, 3, 6), (wire, hoop), lambda: flat(scene, thing))


def uneven(scene: Scene) -> None:
    """Light that falls off: the ground on one side is as bright as the objects on the other."""
    ground, thing = contrast(scene, 70)
    scene.pixels = grained(scene, ground, 6)
    scatter(scene, number(scene, 3, 6), SOLID, lambda: grained(scene, thing, 6))
    y, _ = turned(scene, (scene.height / 2, scene.width / 2), scene.drawn.uniform(0, 2 * math.pi))
    scene.pixels = scene.pixels * (1 + 0.9 * y / np.abs(y).max())[..., None]


def photo_ground(scene: Scene) -> None:
    """Plain objects on a photograph."""
    scene.pixels = any_photo(scene)
    scatter(scene, number(scene, 2, 5), SOLID, lambda: shaded(scene, colour(scene, 20, 240)))


def photo_thing(scene: Scene) -> None:
    """Objects cut out of photographs, on a plain ground."""
    ground, _ = contrast(scene, 60)
    scene.pixels = shaded(scene, ground, 0.15)
    scatter(scene, number(scene, 2, 4), (*SOLID, horse), lambda: any_photo(scene))


def photo_both(scene: Scene) -> None:
    """Objects cut out of one photograph, on another one."""
    first, second = scene.drawn.permutation(len(PHOTOS))[:2]
    scene.pixels = photo(scene, PHOTOS[first])
    scatter(scene, number(scene, 2, 4), (*SOLID, horse), lambda: photo(scene, PHOTOS[second]))


def hue(scene: Scene) -> None:
    """Objects that differ from the ground by colour and hardly by lightness."""
    light = scene.drawn.uniform(110, 150)
    tints = np.array([[60, -20, 30], [-50, 25, -60], [-30, 0, 90], [40, -5, -90]]) * 1.0
    first, second = scene.drawn.permutation(len(tints))[:2]
    scene.pixels = grained(scene, light + tints[first], 5)
    scatter(scene, number(scene, 3, 5), SOLID, lambda: grained(scene, light + tints[second], 5))


def mixed(scene: Scene) -> None:
    """Objects lighter than the ground beside darker ones."""
    scene.pixels = grained(scene, grey(scene.drawn.uniform(115, 140)), 8)
    shades = iter([45, 215] * 200)
    scatter(scene, number(scene, 4, 6), SOLID, lambda: grained(scene, grey(next(shades)), 8))


def hollow(scene: Scene) -> None:
    ground, thing = contrast(scene, 85)
    scene.pixels = grained(scene, ground, 8)
    scatter(scene, number(scene, 3, 5), (ring,), lambda: grained(scene, thing, 8))


def silhouette(scene: Scene) -> None:
    ground, thing = contrast(scene, 70)
    scene.pixels = grained(scene, ground, 20)
    scene.paint(
        horse(scene, about(scene, 0.4), 0.36 * min(scene.height, scene.width)), grained(scene, thing, 12), "horse"
    )


def empty(scene: Scene) -> None:
    """Nothing but ground: every object that is found is a false one."""
    scene.pixels = any_photo(scene) if scene.drawn.random() < 0.5 else grained(scene, colour(scene, 60, 200), 14)


KINDS: dict[Callable[[Scene], None], int] = {
    plain: 5, textured: 5, touching: 6, overlap: 6, shadow: 5, noise: 5, low_contrast: 5, thin: 5, uneven: 5,
    photo_ground: 6, photo_thing: 5, photo_both: 4, hue: 5, mixed: 4, hollow: 4, silhouette: 3, empty: 2,
}  # fmt: skip


def taken(scene: Scene) -> Pixels:
    """The picture as a camera takes it: slightly soft, 8 bits."""
    soft = ndimage.gaussian_filter(scene.pixels, (0.6, 0.6, 0))
    return np.clip(np.rint(soft), 0, 255).astype(np.uint8)


def main(folder: Path) -> None:
    """Write pictures, masks and samples.jsonl."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    lines = []
    for order, (kind, count) in enumerate(KINDS.items()):
        for i in range(count):
            drawn = np.random.default_rng([20, order, i])
            scene = Scene(*SIZES[int(drawn.integers(len(SIZES)))], drawn)
            kind(scene)
            name = f"{kind.__name__}-{i + 1}"
            Image.fromarray(taken(scene)).save(folder / "images" / f"{name}.jpg", quality=QUALITY, optimize=True)
            mask = Image.fromarray(scene.labels, mode="P")
            mask.putpalette(PALETTE)
            mask.save(folder / "masks" / f"{name}.png", optimize=True)
            many = "none" if not scene.objects else "one" if len(scene.objects) == 1 else "several"
            lines.append({
                "id": name,
                "input": {"image": f"images/{name}.jpg"},
                "target": {
                    "mask": {"$file": f"masks/{name}.png"},
                    "size": [scene.height, scene.width],
                    "objects": scene.objects,
                },
                "tags": [f"kind:{kind.__name__}", f"objects:{many}"],
            })  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "samples.jsonl").write_text(text, "utf-8")
    print(f"{len(lines)} scenes in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
