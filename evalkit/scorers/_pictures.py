"""Pictures of samples and answers as arrays; what is no picture, too large or broken is a ValueError, never a crash."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.core.errors import MissingComponent
from evalkit.core.media import refuse_bomb
from evalkit.core.types import Blobs

Array = npt.NDArray[Any]
EXTRA = "pip install 'evalkit[image]'"


class Unreadable(ValueError):
    """A picture that cannot be read or compared: the answer's fault, with the reason."""


def need_pillow() -> None:
    """Raises MissingComponent where Pillow is not installed, so that it is found before anything is asked."""
    try:
        import PIL.Image  # noqa: F401 - only whether it is there
    except ImportError:
        raise MissingComponent(f"reading pictures needs Pillow: {EXTRA}") from None


def need_scikit_image() -> None:
    """Raises MissingComponent where scikit-image or Pillow is not installed."""
    need_pillow()
    try:
        import skimage  # noqa: F401 - only whether it is there
    except ImportError:
        raise MissingComponent(f"measuring pictures needs scikit-image: {EXTRA}") from None


def is_reference(value: Any) -> bool:
    """Whether a value is a reference to a stored file."""
    return isinstance(value, Mapping) and isinstance(value.get("$blob"), str)


def read(ref: Mapping[str, str], blobs: Blobs, what: str = "the picture") -> bytes:
    """The bytes of a referenced picture whose header promises at most 50 million pixels.

    Raises Unreadable (a ValueError), beginning with `what`, for a file that is not there, is no picture or is too
    large.
    """
    try:
        data = blobs.get(ref)
    except KeyError:
        raise Unreadable(f"{what} is not stored: {str(ref.get('$blob'))[:16]}") from None
    try:
        refuse_bomb(data)
    except ValueError as error:
        raise Unreadable(f"{what} cannot be read: {error}") from None
    return data


def decoded(data: bytes, what: str = "the picture") -> Any:
    """A Pillow image with its pixels loaded; raises Unreadable for a file that is broken behind its header."""
    from PIL import Image, UnidentifiedImageError

    try:
        refuse_bomb(data)
        image = Image.open(BytesIO(data))
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, EOFError, ValueError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{what} cannot be decoded: {error}") from None
    return image


def rgb(data: bytes, what: str = "the picture") -> npt.NDArray[np.uint8]:
    """Pixels [h, w, 3] in 0..255; transparent pixels are shown on white."""
    from PIL import Image

    image = decoded(data, what)
    if "A" in image.getbands() or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))
