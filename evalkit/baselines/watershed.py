"""Objects by watershed: Otsu's foreground, cut where it narrows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.baselines._masking import Labels, Pixels, Segmenter, need_scikit_image, otsu_foreground, without_specks
from evalkit.core.options import build

EXTRA = "image"
VERSION = 1


@dataclass(frozen=True)
class Watershed(Segmenter):
    """Otsu's foreground flooded from the peaks of its distance to the ground, so that touching objects come apart.

    Peaks are at least `distance` pixels from each other; `sigma` smooths lightness, `smallest` is in pixels. Long and
    jagged shapes fall apart too.
    """

    sigma: float = 1.0
    distance: int = 10
    smallest: int = 30
    kind: ClassVar[str] = "watershed"
    version: ClassVar[int] = VERSION

    def objects(self, pixels: Pixels) -> Labels:
        """One object per peak of the distance map."""
        from scipy.ndimage import distance_transform_edt, gaussian_filter
        from skimage.feature import peak_local_max
        from skimage.measure import label
        from skimage.segmentation import watershed

        front = otsu_foreground(pixels, self.sigma)
        depth = gaussian_filter(distance_transform_edt(front), 1.0)
        peaks = peak_local_max(depth, min_distance=self.distance, labels=label(front), exclude_border=False)
        markers = np.zeros(front.shape, dtype=np.int32)
        markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        return without_specks(watershed(-depth, markers, mask=front).astype(np.intp), self.smallest)


def make(**options: Any) -> Watershed:
    """Options: `sigma`, `distance`, `smallest`, `image` (input field). Raises MissingComponent without scikit-image."""
    need_scikit_image()
    return build(Watershed, options)
