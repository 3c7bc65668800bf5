"""Text in pictures by tesseract: found at validation, run in one thread, its version part of every number."""

from __future__ import annotations

import re
import shutil
from functools import cache, lru_cache
from typing import Any

from evalkit.core.errors import MissingComponent
from evalkit.scorers import _pictures

HOW = "install tesseract (Debian: tesseract-ocr) and pip install 'evalkit[ocr]'"
TIMEOUT_S = 30
_SMALL, _ENLARGED = 600, 3


def engine() -> Any:
    """The pytesseract module. Raises MissingComponent where it, the program or Pillow is not installed."""
    _pictures.need_pillow()
    try:
        import pytesseract
    except ImportError:
        raise MissingComponent(f"text in pictures is read by tesseract: {HOW}") from None
    if shutil.which("tesseract") is None:
        raise MissingComponent(f"text in pictures is read by the program tesseract: {HOW}")
    return pytesseract


@cache
def version() -> tuple[int, ...]:
    """The program's version as numbers, such as (5, 3, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", str(engine().get_tesseract_version()))[:3])


def label() -> str:
    """The program with its version, for a reader."""
    return "tesseract " + ".".join(map(str, version()))


# Two scorers ask about the same picture, and reading one takes a quarter of a second.
@lru_cache(maxsize=64)
def read(data: bytes, mode: int) -> str:
    """The text of a picture, white space collapsed; `mode` is tesseract's page segmentation mode.

    Pictures of less than 600 pixels are enlarged three times, as small letters are read badly. Raises Unreadable for a
    broken picture.
    """
    from PIL import Image

    pixels = _pictures.rgb(data)
    image = Image.fromarray(pixels).convert("L")
    if max(image.size) < _SMALL:
        image = image.resize((image.width * _ENLARGED, image.height * _ENLARGED), Image.Resampling.LANCZOS)
    found = engine().image_to_string(image, config=f"--psm {mode}", timeout=TIMEOUT_S)
    return " ".join(str(found).split())
