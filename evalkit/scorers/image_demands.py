"""How many of a prompt's checkable demands a picture meets: text, palette, shapes, the result of an edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.options import build
from evalkit.core.types import Blobs, Context, Metric, Response, Row, Sample, Score
from evalkit.scorers import _drawn, _pictures, _reading, image_shapes, image_similarity, palette
from evalkit.scorers import text_in_image as text
from evalkit.scorers._base import OneAnswer, unscorable
from evalkit.scorers._targets import kind

EXTRA = "image"
PROGRAMS = ("tesseract",)
_METRICS = (
    Metric("demands_met", bounds=(0.0, 1.0), primary=True),
    Metric("all_demands_met", kind="mean01", bounds=(0.0, 1.0)),
)
_KNOWN = ("text", "palette", "shapes", "image")


@dataclass(frozen=True, slots=True)
class ImageDemands(OneAnswer):
    """Share of the demands in the target that the picture meets; each demand is a row, met or not.

    text: at most `cer` of its characters are read wrongly. palette: its distance is at most `palette`. shapes: every
    one is there. image: the size is right and the structural similarity to the right result is at least `ssim`. What
    each means is said by `text_in_image`, `palette`, `image_shapes` and `ssim`, which give the measures themselves.
    `mode` is tesseract's page segmentation mode.
    """

    libraries: ClassVar[tuple[str, ...]] = ("pillow", "rapidfuzz", "scikit-image")
    heavy: ClassVar[bool] = True
    cer: float = 0.1
    palette: float = 0.1
    ssim: float = 0.95
    mode: int = 11

    def __post_init__(self) -> None:
        for option in ("cer", "palette", "ssim"):
            value = getattr(self, option)
            if not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise ValueError(f"{option}={value!r} must be from 0 to 1")
        text.TextInImage(mode=self.mode)

    @property
    def version(self) -> int:  # type: ignore[override]
        """As of `text_in_image`: the reader's version is part of it."""
        return text.TextInImage().version

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`demands_met`, a mean of shares, and `all_demands_met`, the share of pictures that meet all."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Check each demand; no picture, or a broken one, is not scorable."""
        wanted = self._demands(sample)
        data, reason = _drawn.picture_of(responses[0], ctx.blobs)
        if data is None:
            return unscorable(_METRICS, reason)
        try:
            rows = tuple(self._row(name, wanted[name], data, ctx.blobs) for name in _KNOWN if name in wanted)
        except _pictures.Unreadable as error:
            return unscorable(_METRICS, str(error))
        share = sum(row.value or 0.0 for row in rows) / len(rows)
        missed = [row.unit for row in rows if not row.value]
        said = f"not met: {', '.join(missed)}" if missed else None
        return {"demands_met": Score(share, reason=said, rows=rows), "all_demands_met": Score(float(not missed))}

    def problem(self, sample: Sample) -> str | None:
        """A target without a demand, or with one that is wrong."""
        try:
            self._demands(sample)
        except ValueError as error:
            return str(error)
        return None

    def _demands(self, sample: Sample) -> dict[str, Any]:
        if not isinstance(sample.target, Mapping):
            raise ValueError(f"the target is {kind(sample.target)}; an object of demands is needed")  # noqa: TRY004 - bad data
        found = {name: _READERS[name](sample) for name in _KNOWN if sample.target.get(name) is not None}
        if not found:
            raise ValueError(f"the target demands nothing; one of {', '.join(_KNOWN)} is needed")
        return found

    def _row(self, name: str, wanted: Any, data: bytes, blobs: Blobs) -> Row:
        checks: dict[str, Callable[[Any, bytes, Blobs], tuple[bool, float]]] = {
            "text": self._text,
            "palette": self._palette,
            "shapes": self._shapes,
            "image": self._image,
        }
        met, measure = checks[name](wanted, data, blobs)
        return Row(name, None, float(met), {"measure": measure})

    def _text(self, wanted: str, data: bytes, _: Blobs) -> tuple[bool, float]:
        errors, characters = text.edits(wanted, _reading.read(data, self.mode), ignore_case=True)
        return errors / characters <= self.cer, errors / characters

    def _palette(self, wanted: Mapping[str, float], data: bytes, _: Blobs) -> tuple[bool, float]:
        far, _said = palette.distance(_drawn.smaller(_pictures.rgb(data)), wanted)
        return far <= self.palette, far

    def _shapes(self, wanted: Sequence[Mapping[str, Any]], data: bytes, _: Blobs) -> tuple[bool, float]:
        rows = image_shapes.held(_drawn.smaller(_pictures.rgb(data)), wanted)
        share = sum(row.value or 0.0 for row in rows) / len(rows)
        return share == 1.0, share

    def _image(self, wanted: Any, data: bytes, blobs: Blobs) -> tuple[bool, float]:
        right, found = image_similarity.gold(wanted, blobs), _pictures.rgb(data)
        if right.shape != found.shape:
            return False, 0.0
        near = image_similarity.similarity(right, found)
        return near >= self.ssim, near


_READERS: dict[str, Callable[[Sample], Any]] = {
    "text": text.TextInImage().wanted,
    "palette": palette.Palette().wanted,
    "shapes": image_shapes.ImageShapes().wanted,
    "image": image_similarity.Ssim().wanted,
}


def make(**options: Any) -> ImageDemands:
    """Build from options; raises ValueError naming the known ones, MissingComponent for what is not installed."""
    text.need_reader()
    _pictures.need_scikit_image()
    return build(ImageDemands, options)
