"""What the segmentation baselines share: a picture in, a label mask as a palette PNG out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.baselines._answering import Named, failed, respond
from evalkit.core.errors import MissingComponent
from evalkit.core.media import refuse_bomb
from evalkit.core.types import Blobs, Context, Response, Sample

Labels = npt.NDArray[np.intp]
Pixels = npt.NDArray[np.float64]
_LARGEST = 65535


def need_scikit_image() -> None:
    """Raises MissingComponent that names the extra."""
    try:
        import PIL.Image  # noqa: F401 - only whether they are there
        import skimage  # noqa: F401
    except ImportError as error:
        raise MissingComponent("this baseline needs scikit-image: pip install 'evalkit[image]'") from error


@dataclass(frozen=True)
class Segmenter(Named):
    """Base of baselines that find objects in the picture of input field `image`.

    The answer is a reference to a palette PNG of the picture's size: 0 is the ground, other values are objects.
    """

    image: str = "image"

    def objects(self, pixels: Pixels) -> Labels:
        """Labels [h, w] of a picture [h, w, 3] in 0..1."""
        raise NotImplementedError

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Answer with a mask; a sample without a picture that can be read is a failure."""
        ref = sample.input.get(self.image)
        if not isinstance(ref, dict) or "$blob" not in ref:
            return failed(f"sample {sample.id!r} has no picture in input field {self.image!r}")
        _load()
        return respond("", lambda: mask_of(ref, ctx.blobs, self.objects))


def _load() -> None:
    """Import what is needed, so that the first answer's time is not that of an import."""
    from scipy import ndimage  # noqa: F401 - loaded, not used
    from skimage import color, feature, filters, measure, segmentation  # noqa: F401 - loaded, not used


def mask_of(ref: Any, blobs: Blobs, find: Callable[[Pixels], Labels]) -> Any:
    """A reference to the mask of a stored picture. Raises ValueError for one that cannot be read or is too large."""
    return blobs.put(as_png(find(pixels_of(blobs.get(ref)))), "image/png")


def pixels_of(data: bytes) -> Pixels:
    """Pixels [h, w, 3] in 0..1. Raises ValueError for what is no picture, too large or broken."""
    from PIL import Image

    refuse_bomb(data)
    try:
        image = Image.open(BytesIO(data)).convert("RGB")
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"the picture cannot be decoded: {error}") from None
    return np.asarray(image, dtype=np.float64) / 255


def as_png(labels: Labels) -> bytes:
    """Labels as a PNG: a palette of bright colours up to 255 labels, 16 bits of grey above; the most are 65535."""
    from PIL import Image

    if labels.max(initial=0) > 255:
        image = Image.fromarray(np.minimum(labels, _LARGEST).astype(np.uint16))
    else:
        image = Image.fromarray(labels.astype(np.uint8), mode="P")
        image.putpalette([0, 0, 0, *(k * step % 200 + 55 for k in range(1, 256) for step in (67, 131, 29))])
    stream = BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def otsu_foreground(pixels: Pixels, sigma: float) -> npt.NDArray[np.bool_]:
    """The side of Otsu's threshold (1979) on smoothed lightness that holds less of the picture's border, [h, w].

    A picture of one grey value has no foreground.
    """
    from skimage.color import rgb2gray
    from skimage.filters import gaussian, threshold_otsu

    grey = gaussian(rgb2gray(pixels), sigma)
    if np.ptp(grey) == 0:
        return np.zeros(grey.shape, dtype=bool)
    light: npt.NDArray[np.bool_] = grey > threshold_otsu(grey)
    border = np.concatenate([light[0], light[-1], light[1:-1, 0], light[1:-1, -1]])
    return ~light if border.mean() > 0.5 else light


def without_specks(labels: Labels, smallest: int) -> Labels:
    """Labels without objects of fewer than `smallest` pixels, numbered from 1 on without gaps."""
    sizes = np.bincount(labels.ravel())
    kept = np.flatnonzero(sizes >= smallest)
    kept = kept[kept > 0]
    numbers = np.zeros(len(sizes), dtype=np.intp)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return numbers[labels]
