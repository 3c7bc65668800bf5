"""Whether a picture has the colours that were asked for, in the shares that were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.core.options import build
from evalkit.core.types import Blobs, Metric, Sample, Score
from evalkit.scorers import _colours, _pictures
from evalkit.scorers._drawn import Demand, asked, over_asked, smaller
from evalkit.scorers._targets import number

EXTRA = "image"
_METRICS = (
    over_asked("palette_distance", higher_is_better=False, bounds=(0.0, 1.0), on_error=1.0, primary=True),
    over_asked("palette_delta_e", higher_is_better=False, bounds=(0.0, None), on_error="undefined"),
)


@dataclass(frozen=True, slots=True)
class Palette(Demand):
    """Distance of the picture's shares of named colours from `target.palette`, {name: share}, which sum to 1 at most.

    Each pixel gets the name of the nearest of thirteen anchors in CIE Lab (scikit-image). `palette_distance` is half
    the sum of the absolute differences of the shares, 0 (as asked) to 1 (none of it); what is asked for short of 1 may
    be of any colour. `palette_delta_e` is the mean CIE 1976 distance of the pixels to the nearest colour that was asked
    for.
    """

    field: ClassVar[str] = "palette"
    libraries: ClassVar[tuple[str, ...]] = ("pillow", "scikit-image")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`palette_distance` and `palette_delta_e`, lower is better."""
        return _METRICS

    def wanted(self, sample: Sample) -> dict[str, float]:
        """The shares by name."""
        return shares(sample.target[self.field])

    def compare(self, wanted: dict[str, float], data: bytes, blobs: Blobs) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Both distances."""
        pixels = smaller(_pictures.rgb(data))
        far, said = distance(pixels, wanted)
        anchors = np.array([[_colours.ANCHORS[name] for name in wanted]], dtype=np.uint8)
        gaps = np.linalg.norm(_colours.lab(pixels)[:, :, None] - _colours.lab(anchors)[0], axis=-1).min(axis=-1)
        return {"palette_distance": asked(far, answer=said), "palette_delta_e": asked(float(gaps.mean()))}


def shares(value: Any) -> dict[str, float]:
    """Shares by colour name. Raises ValueError for an unknown name and for shares that are none."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError("palette must be an object of colour names with their shares")
    found = {
        _colours.known(name, "palette"): number(share, f"palette: the share of {name}") for name, share in value.items()
    }
    if min(found.values()) < 0 or sum(found.values()) > 1.001:
        raise ValueError(f"palette: shares must be 0 or more and sum to 1 at most; they sum to {sum(found.values()):g}")
    return found


def distance(pixels: Any, wanted: Mapping[str, float]) -> tuple[float, str]:
    """Half the sum of absolute differences of shares, and what was found in words."""
    counts = np.bincount(_colours.named(pixels).ravel(), minlength=len(_colours.NAMES))
    found = dict(zip(_colours.NAMES, counts / counts.sum(), strict=True))
    named = sum(abs(found[name] - share) for name, share in wanted.items())
    rest = max(0.0, 1 - sum(wanted.values())) - (1 - sum(found[name] for name in wanted))
    there = sorted(((share, name) for name, share in found.items() if share >= 0.01), reverse=True)
    said = ", ".join(f"{name} {share:.0%}" for share, name in there[:6])
    return float(min(1.0, (named + abs(rest)) / 2)), said


def make(**options: Any) -> Palette:
    """Build from options; raises ValueError naming the known ones, MissingComponent without scikit-image."""
    _pictures.need_scikit_image()
    return build(Palette, options)
