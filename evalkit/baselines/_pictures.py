"""Pictures for baselines: the header is judged before anything is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from evalkit.core.errors import MissingComponent
from evalkit.core.media import refuse_bomb
from evalkit.core.types import Context, Sample


def need_pillow() -> None:
    """Raises MissingComponent that names the extra."""
    try:
        import PIL.Image  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingComponent("reading pictures needs Pillow: pip install 'evalkit[ocr]'") from error


def picture_of(sample: Sample, ctx: Context, field: str = "image") -> Any:
    """The picture of a sample as a Pillow image in RGB.

    Raises ValueError that names the sample for one that is not there, empty, no picture, too large or broken.
    """
    ref = sample.input.get(field)
    if not isinstance(ref, Mapping) or "$blob" not in ref:
        there = ", ".join(sorted(sample.input)) or "nothing"
        raise ValueError(f"sample {sample.id!r} has no picture in input field {field!r} (its input has: {there})")
    try:
        return decoded(ctx.blobs.get(dict(ref)))
    except KeyError as error:
        raise ValueError(f"sample {sample.id!r}: the picture is not stored: {error}") from None
    except ValueError as error:
        raise ValueError(f"sample {sample.id!r}: {error}") from None


def decoded(data: bytes) -> Any:
    """The first frame of a PNG, JPEG, GIF or WebP file in RGB, on white where it is transparent. Raises ValueError."""
    from PIL import Image

    refuse_bomb(data)
    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG", "GIF", "WEBP")) as image:
            if image.has_transparency_data:
                rgba = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)  # noqa: PLW2901
            return image.convert("RGB")
    # Decoders raise these for broken files: cut off data, bad chunks, lengths that do not fit.
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        raise ValueError(f"the picture cannot be decoded: {error}") from None
