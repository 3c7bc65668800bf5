"""What a drawn page is made of: fonts, a canvas that writes text, written dates and sums, and damage."""

from __future__ import annotations

import io
import random
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont

FOLDER = Path("/usr/share/fonts/truetype")
FACES = {
    "sans": ("dejavu/DejaVuSans.ttf", "dejavu/DejaVuSans-Bold.ttf"),
    "serif": ("dejavu/DejaVuSerif.ttf", "dejavu/DejaVuSerif-Bold.ttf"),
    "mono": ("dejavu/DejaVuSansMono.ttf", "dejavu/DejaVuSansMono-Bold.ttf"),
    "grotesque": ("liberation/LiberationSans-Regular.ttf", "liberation/LiberationSans-Bold.ttf"),
    "roman": ("liberation/LiberationSerif-Regular.ttf", "liberation/LiberationSerif-Bold.ttf"),
    "typewriter": ("liberation/LiberationMono-Regular.ttf", "liberation/LiberationMono-Bold.ttf"),
    "narrow": ("liberation/LiberationSansNarrow-Regular.ttf", "liberation/LiberationSansNarrow-Bold.ttf"),
}
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
COLOURS = {
    "red": "#cc2222", "blue": "#2255cc", "green": "#228833", "orange": "#ee8811", "purple": "#883399",
    "grey": "#888888", "brown": "#7a4a20", "pink": "#ee88bb",
}  # fmt: skip
CONDITIONS = ("clean", "low_res", "clean", "skew", "noise", "clean", "blur", "jpeg", "clean", "dim", "turned")
LIMIT = 60_000


@cache
def font(face: str, size: int, *, bold: bool = False) -> Any:
    """A font by face and size; without the font files the one inside Pillow, so that gold can be made anywhere."""
    path = FOLDER / FACES[face][bold]
    return ImageFont.truetype(str(path), size) if path.exists() else ImageFont.load_default(size)


@dataclass
class Page:
    """A page that is being drawn: text is written in one face; `lines` is what a reader reads, top to bottom."""

    image: Image.Image
    face: str
    ink: str = "#111111"
    lines: list[str] = field(default_factory=list)

    @classmethod
    def blank(cls, width: int, height: int, face: str, *, paper: str = "#ffffff", ink: str = "#111111") -> Page:
        """An empty page of so many pixels."""
        return cls(Image.new("RGB", (width, height), paper), face, ink)

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        """What lines and boxes are drawn with."""
        return ImageDraw.Draw(self.image)

    def write(self, at: tuple[float, float], text: str, size: int = 18, **how: Any) -> None:
        """Write text at a point; `anchor`, `bold`, `ink` as Pillow names them."""
        shape = font(self.face, size, bold=how.get("bold", False))
        self.draw.text(at, text, font=shape, fill=how.get("ink", self.ink), anchor=how.get("anchor", "la"))

    def row(self, y: float, left: str, right: str = "", *, size: int = 18, bold: bool = False) -> None:
        """One line with text at the left and at the right margin, added to what a reader reads."""
        self.write((28, y), left, size, bold=bold)
        if right:
            self.write((self.image.width - 28, y), right, size, bold=bold, anchor="ra")
        self.lines.append(f"{left} {right}".strip())

    def say(self, *lines: str) -> None:
        """Add to what a reader reads."""
        self.lines.extend(lines)

    def cut(self, bottom: float) -> None:
        """Drop what is below."""
        self.image = self.image.crop((0, 0, self.image.width, int(bottom)))


@dataclass
class Drawn:
    """A finished page with its gold: fields and their description, what a reader reads, and the answers' data."""

    page: Page
    fields: Mapping[str, Any] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def wrapped(text: str, width: int) -> list[str]:
    """A paragraph in lines of at most `width` characters: the same breaks whatever the font."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def dated(day: date, style: str) -> str:
    """A date as it is written in one of five styles."""
    return {
        "iso": day.isoformat(),
        "long": f"{day.day} {MONTHS[day.month - 1]} {day.year}",
        "us_long": f"{MONTHS[day.month - 1]} {day.day}, {day.year}",
        "dmy_dot": f"{day.day:02d}.{day.month:02d}.{day.year}",
        "dmy_slash": f"{day.day:02d}/{day.month:02d}/{day.year}",
    }[style]


def amount(cents: int, style: str) -> str:
    """A sum of money; where days are written with dots, a comma stands before the cents."""
    text = f"{cents / 100:,.2f}"
    return text.translate(str.maketrans(",.", ".,")) if style == "dmy_dot" else text


def damaged(image: Image.Image, condition: str, rng: random.Random) -> Image.Image:
    """The picture as a bad scanner, camera or network would leave it."""
    if condition == "low_res":
        return image.resize((int(image.width * 0.52), int(image.height * 0.52)), Image.Resampling.BILINEAR)
    if condition == "blur":
        return image.filter(ImageFilter.GaussianBlur(1.5))
    if condition == "skew":
        angle = rng.choice((-1, 1)) * rng.uniform(2.0, 5.0)
        return image.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=image.getpixel((1, 1)))
    if condition == "turned":
        return image.rotate(rng.choice((90, 180, 270)), expand=True)
    if condition == "dim":
        return ImageEnhance.Brightness(ImageEnhance.Contrast(image).enhance(0.28)).enhance(0.85)
    return noisy(image, rng) if condition == "noise" else image


def noisy(image: Image.Image, rng: random.Random) -> Image.Image:
    """Specks over a picture, from the given generator and no other; colours stay, since questions ask for them."""
    grain = Image.frombytes("L", image.size, rng.randbytes(image.width * image.height))
    dark, light = grain.point(lambda v: 255 * (v < 9)), grain.point(lambda v: 255 * (v > 247))
    speckled = ImageChops.lighter(
        ImageChops.subtract(image, Image.merge("RGB", [dark] * 3)), Image.merge("RGB", [light] * 3)
    )
    return Image.blend(speckled, Image.merge("RGB", [grain.filter(ImageFilter.BoxBlur(1))] * 3), 0.18)


def encoded(image: Image.Image, condition: str) -> tuple[str, bytes]:
    """The file's ending and bytes, at most 60 kB: PNG with a palette, JPEG for what has grain or artefacts."""
    if condition in ("clean", "turned", "low_res", "dim"):
        for colours in (64, 24, 12):
            out = io.BytesIO()
            image.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
            if out.tell() <= LIMIT:
                return "png", out.getvalue()
    for quality in (14, 10) if condition == "jpeg" else (72, 55, 40, 30, 20):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality, optimize=True)
        if out.tell() <= LIMIT:
            return "jpg", out.getvalue()
    raise ValueError(f"a page of {image.size} does not fit in {LIMIT} bytes")
