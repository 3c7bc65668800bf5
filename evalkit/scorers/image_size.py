"""Whether a picture has the size that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.media import picture
from evalkit.core.options import build
from evalkit.core.types import Blobs, Metric, Sample, Score
from evalkit.scorers._drawn import Demand, asked, over_asked

_METRICS = (over_asked("image_size", bounds=(0.0, 1.0), primary=True),)


@dataclass(frozen=True, slots=True)
class ImageSize(Demand):
    """1 where width and height are within `tolerance` pixels of `target.size`, [height, width], by the header."""

    tolerance: int = 0
    field: ClassVar[str] = "size"
    libraries: ClassVar[tuple[str, ...]] = ()
    heavy: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if type(self.tolerance) is not int or self.tolerance < 0:
            raise ValueError(f"tolerance={self.tolerance!r} must be a whole number of pixels, 0 or more")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`image_size`."""
        return _METRICS

    def wanted(self, sample: Sample) -> tuple[int, int]:
        """Height and width."""
        return size_of(sample.target[self.field])

    def compare(self, wanted: tuple[int, int], data: bytes, blobs: Blobs) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Compare with the header."""
        found = picture(data)
        off = max(abs(found.height - wanted[0]), abs(found.width - wanted[1]))
        reason = (
            f"{found.width} x {found.height} instead of {wanted[1]} x {wanted[0]}" if off > self.tolerance else None
        )
        return {
            "image_size": asked(float(off <= self.tolerance), answer=f"{found.width}x{found.height}", reason=reason)
        }


def size_of(value: Any) -> tuple[int, int]:
    """Height and width. Raises ValueError for anything but two whole numbers above 0."""
    good = isinstance(value, (list, tuple)) and len(value) == 2 and all(type(n) is int and n > 0 for n in value)
    if not good:
        raise ValueError(f"size is {value!r:.60}; [height, width] in pixels is needed")
    return value[0], value[1]


def make(**options: Any) -> ImageSize:
    """Build from options; raises ValueError naming the known ones."""
    return build(ImageSize, options)
