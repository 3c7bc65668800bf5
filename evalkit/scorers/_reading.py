"""Text in pictures by tesseract: found at validation, run in one thread, its version part of every number."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache, lru_cache
from io import BytesIO

from evalkit.core.errors import MissingComponent
from evalkit.scorers import _pictures

TIMEOUT_S = 60
_SMALL, _ENLARGED = 600, 3


def program() -> str:
    """Where tesseract is. Raises MissingComponent where it or Pillow is not installed."""
    _pictures.need_pillow()
    found = shutil.which("tesseract")
    if found is None:
        raise MissingComponent("text in pictures is read by tesseract: install tesseract (Debian: tesseract-ocr)")
    return found


@cache
def version() -> tuple[int, ...]:
    """The program's version as numbers, such as (5, 3, 0)."""
    command = [program(), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)  # noqa: S603 - fixed
    return tuple(int(part) for part in re.findall(r"\d+", (said.stdout or said.stderr).splitlines()[0])[:3])


def label() -> str:
    """The program with its version, for a reader."""
    return "tesseract " + ".".join(map(str, version()))


# Two scorers ask about the same picture, and reading one takes a quarter of a second.
@lru_cache(maxsize=64)
def read(data: bytes, mode: int) -> str:
    """The English text of a picture, white space collapsed; `mode` is tesseract's page segmentation mode.

    Pictures of less than 600 pixels are enlarged three times, as small letters are read badly. Raises Unreadable for a
    broken picture, RuntimeError where tesseract itself fails.
    """
    from PIL import Image

    image = Image.fromarray(_pictures.rgb(data)).convert("L")
    if max(image.size) < _SMALL:
        image = image.resize((image.width * _ENLARGED, image.height * _ENLARGED), Image.Resampling.LANCZOS)
    stream = BytesIO()
    image.save(stream, "PNG")
    # One thread: on few processors tesseract's own threads wait for each other.
    command = ["env", "OMP_THREAD_LIMIT=1", program(), "stdin", "stdout", "-l", "eng", "--psm", str(mode)]
    done = subprocess.run(  # noqa: S603 - no shell; the picture goes to standard input
        command, input=stream.getvalue(), capture_output=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"tesseract ended with {done.returncode}: {done.stderr.decode('utf-8', 'replace')[:300]}")
    return " ".join(done.stdout.decode("utf-8", "replace").split())
