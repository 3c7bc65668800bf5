"""Pictures by rules: reads a prompt for words, colours, shapes and edits, and draws them; more steps draw better."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from io import BytesIO
from random import Random
from typing import Any, ClassVar

from evalkit.baselines import _picture_edits
from evalkit.baselines._answering import Named, failed, respond, text_of
from evalkit.baselines._prompt_rules import Rgb, Wanted, Wish, wish
from evalkit.core.errors import MissingComponent
from evalkit.core.keys import digest
from evalkit.core.media import refuse_bomb
from evalkit.core.options import build
from evalkit.core.types import Blobs, Context, Response, Sample

VERSION = 1
EXTRA = "image"
_SIZE = re.compile(r"(\d{1,4})\s*x\s*(\d{1,4})")
_FULL = 4
_MOST_STEPS = 64
_MOST_SIDE = 2048
Canvas = Any


@dataclass(frozen=True)
class SketchRenderer(Named):
    """Draws what rules find in the prompt (`text`), at the size of input field `size` ("256x192"), or edits `image`.

    `steps` is the effort: resolution (4 draws pixel by pixel, 1 at a quarter of it, 8 at twice, smoothed), tries for
    each shape's place, and rounds of fitting the letters. It knows thirteen colours, four shapes, numbers up to twelve,
    quoted words and seven edits; it does not calculate, negate or imagine.
    """

    steps: int = 4
    text: str = "text"
    kind: ClassVar[str] = "sketch_renderer"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if type(self.steps) is not int or not 1 <= self.steps <= _MOST_STEPS:
            raise ValueError(f"steps={self.steps!r} must be a whole number from 1 to {_MOST_STEPS}")

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Answer with a reference to a PNG; a prompt without text, or a source that is no picture, is a failure."""
        try:
            prompt = text_of(sample, self.text)
        except ValueError as error:
            return failed(str(error))
        _load()
        response = respond(prompt, lambda: self._stored(prompt, sample, ctx.blobs))
        return replace(response, usage={**response.usage, "images": 1.0}) if response.error is None else response

    @property
    def scale(self) -> float:
        """Canvas pixels per pixel of the picture."""
        return min(self.steps, 2 * _FULL) / _FULL

    def _stored(self, prompt: str, sample: Sample, blobs: Blobs) -> Any:
        source = sample.input.get("image")
        picture = self.draw(prompt, _size(sample)) if source is None else self.edit(prompt, _opened(source, blobs))
        stream = BytesIO()
        picture.save(stream, "PNG")
        return blobs.put(stream.getvalue(), "image/png")

    def edit(self, prompt: str, image: Any) -> Any:
        """The source after the edits of the prompt; few steps work on a smaller copy."""
        if self.scale >= 1:
            return _picture_edits.edited(image, prompt)
        small = image.resize(tuple(max(1, round(side * self.scale)) for side in image.size))
        whole = _picture_edits.edited(image, prompt)
        return _picture_edits.edited(small, prompt).resize(whole.size)

    def draw(self, prompt: str, size: tuple[int, int]) -> Any:
        """A picture of `size` (width, height)."""
        from PIL import Image, ImageDraw

        found = wish(prompt)
        wide, high = (max(8, round(side * self.scale)) for side in size)
        image = Image.new("RGB", (wide, high), found.ground)
        canvas = ImageDraw.Draw(image)
        _draw_bands(canvas, found, wide, high)
        self._draw_shapes(canvas, found, wide, high)
        if found.lines:
            self._draw_text(canvas, found, wide, high)
        return image.resize(size, Image.Resampling.LANCZOS if self.scale > 1 else Image.Resampling.BILINEAR)

    def _draw_shapes(self, canvas: Canvas, found: Wish, wide: int, high: int) -> None:
        count = sum(one.count for one in found.shapes)
        radius = max(1.0, min(wide, high) * min(0.16, 0.28 / max(1.0, count**0.5)))
        drawn = Random(digest([count, [one.where for one in found.shapes]]))  # noqa: S311 - places, not secrets
        taken: list[tuple[float, float]] = []
        for one in found.shapes:
            for _ in range(one.count):
                place = self._place(drawn, one, taken, (wide, high, radius))
                taken.append(place)
                _draw_shape(canvas, one, place, radius)

    def _place(
        self, drawn: Random, one: Wanted, taken: list[tuple[float, float]], room: tuple[int, int, float]
    ) -> tuple[float, float]:
        """The best of some tries: the one farthest from what is there already."""
        wide, high, radius = room
        left, right = _span(one.where, "left", "right", wide, radius)
        top, bottom = _span(one.where, "top", "bottom", high, radius)
        if one.where == "centre" and one.count == 1:
            return wide / 2, high / 2
        tries = [(drawn.uniform(left, right), drawn.uniform(top, bottom)) for _ in range(8 * self.steps)]
        return max(tries, key=lambda at: min(((at[0] - x) ** 2 + (at[1] - y) ** 2 for x, y in taken), default=0.0))

    def _draw_text(self, canvas: Canvas, found: Wish, wide: int, high: int) -> None:
        """The lines, centred, in the largest size that some rounds of bisection find to fit."""
        from PIL import ImageFont

        low, most = 4.0, high / len(found.lines)
        lines = _wrapped(found.lines, wide, high)
        for _ in range(2 + self.steps):
            middle = (low + most) / 2
            box = canvas.multiline_textbbox((0, 0), lines, font=ImageFont.load_default(middle), align="center")
            fits = box[2] - box[0] <= 0.9 * wide and box[3] - box[1] <= 0.8 * high
            low, most = (middle, most) if fits else (low, middle)
        ink = _readable(found.ink, found.bands[0][0] if found.bands else found.ground)
        at = (wide / 2, high * (0.75 if found.shapes else 0.5))
        canvas.multiline_text(at, lines, fill=ink, font=ImageFont.load_default(low), anchor="mm", align="center")


def _span(where: str, first: str, second: str, length: float, radius: float) -> tuple[float, float]:
    """Where a centre may be along one side, given words such as "top left"."""
    margin = radius * 1.2
    low, high = margin, max(margin, length - margin)
    if where == "centre":
        return length * 0.42, length * 0.58
    if first in where:
        return low, max(low, length * 0.3)
    if second in where:
        return min(high, length * 0.7), high
    return low, high


def _draw_bands(canvas: Canvas, found: Wish, wide: int, high: int) -> None:
    start, length = 0.0, wide if found.columns else high
    for colour, share in found.bands:
        end = start + share * length
        across = (start, 0, end, high) if found.columns else (0, start, wide, end)
        canvas.rectangle([round(side) for side in across], fill=colour)
        start = end


def _draw_shape(canvas: Canvas, one: Wanted, place: tuple[float, float], radius: float) -> None:
    x, y = place
    if one.shape == "circle":
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=one.colour)
    elif one.shape == "triangle":
        canvas.polygon([(x - radius, y + radius), (x + radius, y + radius), (x, y - radius)], fill=one.colour)
    else:
        wider = radius * (1.6 if one.shape == "rectangle" else 0.9)
        canvas.rectangle((x - wider, y - radius * 0.9, x + wider, y + radius * 0.9), fill=one.colour)


def _wrapped(lines: tuple[str, ...], wide: int, high: int) -> str:
    """Long lines broken so that the block is about as wide as the picture."""
    from textwrap import wrap

    longest = max(len(line) for line in lines)
    limit = max(8, round((2.0 * wide / high * longest) ** 0.5 * 1.6))
    return "\n".join("\n".join(wrap(line, limit)) or line for line in lines)


def _readable(ink: Rgb, ground: Rgb) -> Rgb:
    if abs(sum(ink) - sum(ground)) > 150:
        return ink
    return (0, 0, 0) if sum(ground) > 380 else (255, 255, 255)


def _size(sample: Sample) -> tuple[int, int]:
    said = _SIZE.fullmatch(str(sample.input.get("size", "256x256")).strip())
    if said is None:
        raise ValueError(
            f"sample {sample.id!r}: size {sample.input.get('size')!r:.40} is not width x height, as in 256x192"
        )
    wide, high = int(said[1]), int(said[2])
    if not (0 < wide <= _MOST_SIDE and 0 < high <= _MOST_SIDE):
        raise ValueError(f"sample {sample.id!r}: {wide}x{high} is not from 1x1 to {_MOST_SIDE}x{_MOST_SIDE}")
    return wide, high


def _opened(source: Any, blobs: Blobs) -> Any:
    """The source picture; raises ValueError for what is none."""
    from PIL import Image

    data = blobs.get(source)
    refuse_bomb(data)
    try:
        return Image.open(BytesIO(data)).convert("RGB")
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"the source picture cannot be decoded: {error}") from None


def _load() -> None:
    """Import Pillow's parts, so that the first answer's time is not that of an import."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps  # noqa: F401 - loaded, not used

    Image.init()


def make(**options: Any) -> SketchRenderer:
    """Options: `steps`, `text` (input field). Raises MissingComponent without Pillow."""
    try:
        import PIL.Image  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingComponent("sketch_renderer needs Pillow: pip install 'evalkit[image]'") from error
    return build(SketchRenderer, options)
