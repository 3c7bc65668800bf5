"""Objects by regions of even colour (Felzenszwalb and Huttenlocher 2004); what the border shows is ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.baselines._masking import Labels, Pixels, Segmenter, need_scikit_image, without_specks
from evalkit.core.options import build

EXTRA = "image"
VERSION = 1


@dataclass(frozen=True)
class Felzenszwalb(Segmenter):
    """Regions of even colour, of which some are taken for ground.

    Ground are those that hold more than `border` of the picture's border, or touch it and fill an eighth of it.
    `scale` is the wish for large regions, `sigma` the smoothing before, `smallest` the fewest pixels of a region. It
    sees colour; a patch of a textured ground is an object to it, and so is the soft edge of one.
    """

    scale: float = 300.0
    sigma: float = 0.8
    smallest: int = 50
    border: float = 0.08
    kind: ClassVar[str] = "felzenszwalb"
    version: ClassVar[int] = VERSION

    def objects(self, pixels: Pixels) -> Labels:
        """Regions that are not ground."""
        from skimage.segmentation import felzenszwalb

        regions = felzenszwalb(pixels, scale=self.scale, sigma=self.sigma, min_size=self.smallest)
        frame = np.concatenate([regions[0], regions[-1], regions[1:-1, 0], regions[1:-1, -1]])
        share = np.bincount(frame, minlength=int(regions.max()) + 1) / len(frame)
        large = np.bincount(regions.ravel()) >= regions.size / 8
        ground = (share > self.border) | (large & (share > 0))
        return without_specks(np.where(ground[regions], 0, regions + 1), 1)


def make(**options: Any) -> Felzenszwalb:
    """Options: `scale`, `sigma`, `smallest`, `border`, `image`. Raises MissingComponent without scikit-image."""
    need_scikit_image()
    return build(Felzenszwalb, options)
