"""Segmentation by contours: the boundary F of DAVIS, and its mean with the region's IoU."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers import _masks, _pictures
from evalkit.scorers._base import OneAnswer, trouble, unscorable
from evalkit.scorers._masks import Bools

_METRICS = tuple(
    Metric(name, bounds=(0.0, 1.0), primary=not place)
    for place, name in enumerate(("boundary_f", "boundary_precision", "boundary_recall", "j_and_f"))
)


@dataclass(frozen=True, slots=True)
class BoundaryF(OneAnswer):
    """How well the contour of the answered mask follows the target's (Perazzi et al. 2016, DAVIS), 0..1.

    Boundaries are one pixel wide. A boundary pixel is matched when the other boundary has one within
    ceil(`tolerance` x diagonal) pixels; a `tolerance` of 1 or more is that number of pixels. Precision is the matched
    share of the answer's boundary, recall that of the target's. Where only the answer has no boundary, precision is 1
    and recall 0; where only the target has none, precision is 0 and recall 1; where neither has one, both are 1.
    `j_and_f` is the mean of IoU and boundary F. Everything but 0 is the object.
    """

    libraries: ClassVar[tuple[str, ...]] = ("pillow", "scipy")
    heavy: ClassVar[bool] = True
    tolerance: float = 0.008

    def __post_init__(self) -> None:
        if not isinstance(self.tolerance, (int, float)) or not 0 < self.tolerance < math.inf:
            raise ValueError(
                f"tolerance={self.tolerance!r} must be above 0: a share of the diagonal, or pixels from 1 on"
            )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`boundary_f`, `boundary_precision`, `boundary_recall`, `j_and_f`."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Compare the contours; a mask of another size is not scorable."""
        size = _masks.check_target(sample)
        answer, reason = _masks.answer_mask(responses[0], size, ctx.blobs)
        if answer is None:
            return unscorable(_METRICS, reason)
        mine, theirs = _masks.foreground(_masks.target_mask(sample, ctx.blobs)), _masks.foreground(answer)
        precision, recall = self.agreement(mine, theirs)
        f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        union = np.count_nonzero(mine | theirs)
        j = float(np.count_nonzero(mine & theirs) / union) if union else 1.0
        values = (f, precision, recall, (j + f) / 2)
        return {metric.name: Score(value) for metric, value in zip(_METRICS, values, strict=True)}

    def problem(self, sample: Sample) -> str | None:
        """A target without a mask or its size."""
        return trouble(_masks.check_target, sample)

    def agreement(self, truth: Bools, answer: Bools) -> tuple[float, float]:
        """Precision and recall of the boundary of `answer` [h, w] against that of `truth`."""
        wanted, found = boundary(truth), boundary(answer)
        if not wanted.any() or not found.any():
            return float(not found.any()), float(not wanted.any())
        radius = self.tolerance if self.tolerance >= 1 else math.ceil(self.tolerance * math.hypot(*truth.shape))
        box = _box(wanted | found)
        wanted, found = wanted[box], found[box]
        return _matched(found, wanted, radius), _matched(wanted, found, radius)


def boundary(mask: Bools) -> Bools:
    """The one-pixel boundary of a mask [h, w]: where a pixel differs from its right, lower or lower right neighbour."""
    # Repeating the last row and column makes the border of the picture no boundary, as in the DAVIS evaluation.
    wide = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    edge: Bools = (mask ^ wide[:-1, 1:]) | (mask ^ wide[1:, :-1]) | (mask ^ wide[1:, 1:])
    return edge


def _matched(one: Bools, other: Bools, radius: float) -> float:
    """Share of the pixels of `one` that have one of `other` within the radius: dilation by a disk, by distances."""
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(~other)
    return float(np.count_nonzero(distance[one] <= radius) / np.count_nonzero(one))


def _box(mask: Bools) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def make(**options: Any) -> BoundaryF:
    """Build from options; raises ValueError naming the known ones, MissingComponent without Pillow."""
    _pictures.need_pillow()
    return build(BoundaryF, options)
