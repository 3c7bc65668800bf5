"""Objects by one threshold: Otsu's on lightness, each connected part an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._masking import Labels, Pixels, Segmenter, need_scikit_image, otsu_foreground, without_specks
from evalkit.core.options import build

EXTRA = "image"
VERSION = 1


@dataclass(frozen=True)
class Otsu(Segmenter):
    """Otsu's threshold after smoothing by `sigma` pixels; what the border shows more of is the ground.

    Connected parts of at least `smallest` pixels are objects, so those that touch become one. Colour, texture and
    uneven light are beyond it.
    """

    sigma: float = 1.0
    smallest: int = 30
    kind: ClassVar[str] = "otsu"
    version: ClassVar[int] = VERSION

    def objects(self, pixels: Pixels) -> Labels:
        """Connected parts of the foreground."""
        from skimage.measure import label

        return without_specks(label(otsu_foreground(pixels, self.sigma)), self.smallest)


def make(**options: Any) -> Otsu:
    """Options: `sigma`, `smallest`, `image` (input field). Raises MissingComponent without scikit-image."""
    need_scikit_image()
    return build(Otsu, options)
