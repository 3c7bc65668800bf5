"""How near an edited picture is to the one right result: structural similarity and peak signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.core.options import build
from evalkit.core.types import Blobs, Metric, Sample, Score
from evalkit.scorers import _pictures
from evalkit.scorers._drawn import Demand, Pixels, asked, over_asked

NAMES = ("ssim", "psnr")
EXTRA = "image"
MOST_DB = 100.0
_WINDOW = 7


class _Compared(Demand):
    """Base of both: `target.image` is the right result, and a picture of another size is not scorable."""

    __slots__ = ()
    field: ClassVar[str] = "image"
    libraries: ClassVar[tuple[str, ...]] = ("pillow", "scikit-image")

    def wanted(self, sample: Sample) -> Any:
        """The reference to the right result; raises ValueError where there is none."""
        value = sample.target[self.field]
        if not _pictures.is_reference(value):
            raise ValueError('image must be a stored picture: {"image": {"$file": ...}}')
        return value


@dataclass(frozen=True, slots=True)
class Ssim(_Compared):
    """Structural similarity to `target.image`, mean over the colour channels, up to 1 (Wang et al. 2004; scikit-image).

    `gaussian` = the paper's Gaussian window (sigma 1.5, population covariance); otherwise windows of 7 x 7. Values
    below 0 exist and are rare; a failed answer counts 0.
    """

    gaussian: bool = False

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`ssim`."""
        return (over_asked("ssim", bounds=(-1.0, 1.0), primary=True),)

    def compare(self, wanted: Any, data: bytes, blobs: Blobs) -> Mapping[str, Score]:
        """The mean over windows and channels."""
        right = gold(wanted, blobs)
        return {"ssim": asked(similarity(right, same_size(right, data), gaussian=self.gaussian))}


@dataclass(frozen=True, slots=True)
class Psnr(_Compared):
    """Peak signal-to-noise ratio to `target.image` in dB over all channels (scikit-image).

    Equal pictures have 100 dB instead of infinity, and no picture more. A failed answer counts 0.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`psnr`."""
        return (over_asked("psnr", bounds=(0.0, MOST_DB), unit="dB", primary=True),)

    def compare(self, wanted: Any, data: bytes, blobs: Blobs) -> Mapping[str, Score]:
        """10 log10(255^2 / mean squared error)."""
        from skimage.metrics import peak_signal_noise_ratio

        right = gold(wanted, blobs)
        found = same_size(right, data)
        if (right == found).all():
            return {"psnr": asked(MOST_DB)}
        return {"psnr": asked(min(MOST_DB, float(peak_signal_noise_ratio(right, found, data_range=255))))}


def gold(reference: Any, blobs: Blobs) -> Pixels:
    """The pixels of a target's picture; raises ValueError for one that cannot be read: the data is wrong."""
    try:
        return _pictures.rgb(_pictures.read(reference, blobs, "the target's picture"), "the target's picture")
    except _pictures.Unreadable as error:
        raise ValueError(str(error)) from None


def same_size(right: Pixels, data: bytes) -> Pixels:
    """The answer's pixels; raises Unreadable for a picture that is broken or of another size."""
    found = _pictures.rgb(data)
    if found.shape != right.shape:
        (high, wide), (tall, broad) = found.shape[:2], right.shape[:2]
        raise _pictures.Unreadable(f"the picture is {wide} x {high}, the right result {broad} x {tall}")
    return found


def similarity(right: Pixels, found: Pixels, *, gaussian: bool = False) -> float:
    """Structural similarity of two pictures of one size; pictures smaller than a window have a smaller window."""
    from skimage.metrics import structural_similarity

    side = min(right.shape[:2])
    if side < 3:
        return float((right == found).mean())
    more: dict[str, Any] = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False} if gaussian else {}
    if gaussian and side < 11:
        raise ValueError(f"the pictures are {side} pixels wide or high; the Gaussian window needs 11")
    if not gaussian:
        more["win_size"] = min(_WINDOW, side - 1 + side % 2)
    return float(np.asarray(structural_similarity(right, found, channel_axis=-1, data_range=255, **more)))


def make(name: str, **options: Any) -> Ssim | Psnr:
    """Build by name from options; raises ValueError naming the known ones, MissingComponent without scikit-image."""
    _pictures.need_scikit_image()
    return build(Ssim, options) if name == "ssim" else build(Psnr, options)
