"""Whether a picture shows the shapes that were asked for: colour, kind, number and place on a plain ground."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.options import build
from evalkit.core.types import Blobs, Metric, Row, Sample, Score
from evalkit.scorers import _colours, _pictures
from evalkit.scorers._drawn import Demand, Pixels, asked, over_asked, smaller

EXTRA = "image"
_METRICS = (
    over_asked("shapes_met", bounds=(0.0, 1.0), primary=True),
    over_asked("shape_count_error", higher_is_better=False, bounds=(0.0, None), on_error="undefined"),
)
_SMALLEST = 0.002
_ROUND = 0.85
_LOW, _HIGH = 0.38, 0.62


@dataclass(frozen=True, slots=True)
class ImageShapes(Demand):
    """Share of the demands in `target.shapes` that hold; each is {"colour", "count", "shape"?, "where"?}.

    Connected parts (8 neighbours, at least 0.2 % of the picture) of each named colour are told apart by their outline:
    circle, square, rectangle, triangle, each upright. A demand holds when exactly `count` parts of that colour and kind
    are there and their centres are where they should be: left, right, top, bottom (beyond the outer 38 %), two of
    these, or centre (between 38 and 62 % both ways). `shape_count_error` is the mean absolute error of the counts.
    """

    field: ClassVar[str] = "shapes"
    libraries: ClassVar[tuple[str, ...]] = ("pillow", "scikit-image")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`shapes_met`, and `shape_count_error`, lower is better."""
        return _METRICS

    def wanted(self, sample: Sample) -> list[Mapping[str, Any]]:
        """The demands."""
        return demands(sample.target[self.field])

    def compare(self, wanted: Sequence[Mapping[str, Any]], data: bytes, blobs: Blobs) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Look for each."""
        rows = tuple(held(smaller(_pictures.rgb(data)), wanted))
        missed = [row.unit for row in rows if not row.value]
        met = sum(row.value or 0.0 for row in rows) / len(rows)
        off = sum(row.parts["off"] for row in rows) / len(rows)
        return {
            "shapes_met": asked(met, reason=f"not so: {'; '.join(missed)}" if missed else None, rows=rows),
            "shape_count_error": asked(off),
        }


def demands(value: Any) -> list[Mapping[str, Any]]:
    """The demands; raises ValueError that says which one is wrong."""
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError("shapes must be a list of {colour, count, shape?, where?}")
    for place, demand in enumerate(value):
        here = f"shapes[{place}]"
        if not isinstance(demand, Mapping) or not set(demand) <= {"colour", "count", "shape", "where"}:
            raise ValueError(f"{here} must be an object of colour, count, shape and where: {demand!r:.60}")
        _colours.known(demand.get("colour"), here)
        if type(demand.get("count")) is not int or demand["count"] < 0:
            raise ValueError(f"{here}: count must be a whole number, 0 or more: {demand.get('count')!r:.20}")
        if demand.get("shape") is not None and demand["shape"] not in KINDS:
            raise ValueError(f"{here}: shape {demand['shape']!r:.20} is unknown; known: {', '.join(KINDS)}")
        if demand.get("where") is not None and not set(str(demand["where"]).split()) <= set(PLACES):
            raise ValueError(f"{here}: where {demand['where']!r:.20} is unknown; known: {', '.join(PLACES)}")
    return list(value)


def held(pixels: Pixels, wanted: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row per demand: 1 where it holds; `off` is the absolute error of the count."""
    from skimage.measure import label, regionprops

    names = _colours.named(pixels)
    rows = []
    for demand in wanted:
        mask = names == _colours.NAMES.index(demand["colour"])
        parts = [part for part in regionprops(label(mask, connectivity=2)) if part.area >= _SMALLEST * mask.size]
        fitting = [part for part in parts if demand.get("shape") is None or KINDS[demand["shape"]](part)]
        placed = all(_there(part, mask.shape, demand.get("where")) for part in fitting)
        off = abs(len(fitting) - demand["count"])
        words = " ".join(
            str(demand[key]) for key in ("count", "colour", "shape", "where") if demand.get(key) is not None
        )
        rows.append(Row(words, None, float(not off and placed), {"off": float(off), "found": float(len(fitting))}))
    return rows


def _upright(part: Any) -> tuple[float, float]:
    """Height and width of the box around a part."""
    top, left, bottom, right = part.bbox
    return float(bottom - top), float(right - left)


def _square(part: Any) -> bool:
    high, wide = _upright(part)
    return bool(part.extent > 0.9 and min(high, wide) / max(high, wide) > _ROUND)


def _rectangle(part: Any) -> bool:
    high, wide = _upright(part)
    return bool(part.extent > 0.9 and min(high, wide) / max(high, wide) <= _ROUND)


def _circle(part: Any) -> bool:
    high, wide = _upright(part)
    return bool(0.70 < part.extent < 0.88 and part.solidity > 0.88 and min(high, wide) / max(high, wide) > _ROUND)


def _triangle(part: Any) -> bool:
    return bool(0.40 < part.extent < 0.64 and part.solidity > 0.85)


KINDS: dict[str, Callable[[Any], bool]] = {
    "circle": _circle,
    "square": _square,
    "rectangle": _rectangle,
    "triangle": _triangle,
}
PLACES: dict[str, Callable[[float, float], bool]] = {
    "left": lambda _, x: x < _LOW,
    "right": lambda _, x: x > _HIGH,
    "top": lambda y, _: y < _LOW,
    "bottom": lambda y, _: y > _HIGH,
    "centre": lambda y, x: _LOW <= y <= _HIGH and _LOW <= x <= _HIGH,
}


def _there(part: Any, shape: tuple[int, ...], where: str | None) -> bool:
    row, column = part.centroid
    return all(PLACES[word](row / shape[0], column / shape[1]) for word in (where or "").split())


def make(**options: Any) -> ImageShapes:
    """Build from options; raises ValueError naming the known ones, MissingComponent without scikit-image."""
    _pictures.need_scikit_image()
    return build(ImageShapes, options)
