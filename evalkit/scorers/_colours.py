"""Colours by name: which of thirteen names a pixel has, by the nearest anchor in CIE Lab."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

ANCHORS: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 30, 30),
    "green": (30, 150, 50),
    "blue": (40, 80, 210),
    "yellow": (245, 220, 40),
    "orange": (245, 140, 30),
    "purple": (130, 50, 160),
    "pink": (245, 150, 190),
    "brown": (120, 75, 40),
    "turquoise": (50, 190, 190),
    "navy": (20, 30, 90),
}
"""Name -> sRGB of the colour that is meant."""

NAMES = tuple(ANCHORS)


def lab(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """CIE Lab (D65, 2 degrees) of sRGB pixels [..., 3] in 0..255."""
    from skimage.color import rgb2lab

    found: npt.NDArray[np.float64] = rgb2lab(pixels)
    return found


@cache
def _anchors() -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = lab(np.array([list(ANCHORS.values())], dtype=np.uint8))[0]
    return found


def named(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Places in NAMES [h, w] of the nearest anchor of each pixel [h, w, 3], by CIE 1976 distance in Lab."""
    flat, places = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    distance = np.linalg.norm(lab(flat[None])[0][:, None] - _anchors()[None], axis=-1)
    found: npt.NDArray[np.intp] = distance.argmin(axis=1)[places.ravel()].reshape(pixels.shape[:2])
    return found


def known(name: Any, where: str) -> str:
    """A colour's name. Raises ValueError that lists the known ones."""
    if name not in ANCHORS:
        raise ValueError(f"{where}: {name!r:.40} is no known colour; known: {', '.join(NAMES)}")
    return str(name)
