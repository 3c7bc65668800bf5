"""Whether the same prompt gives the same picture again: identical pixels, and perceptual hashes where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np

from evalkit.core.errors import MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers import _pictures
from evalkit.scorers._base import OneAnswer, unscorable
from evalkit.scorers._drawn import Pixels, picture_of

EXTRA = "image"
_METRICS = (
    Metric("identical_pixels", bounds=(0.0, 1.0), primary=True),
    Metric("phash_distance", higher_is_better=False, bounds=(0.0, 1.0), on_error=1.0),
)


@dataclass(frozen=True, slots=True)
class Determinism(OneAnswer):
    """How alike the pictures of a sample's repeats are, over all pairs of them; at least two repeats are needed.

    `identical_pixels` is the share of pairs of the same size and pixels (whatever their files' bytes). `phash_distance`
    is the mean share of the 64 bits of the perceptual hash (imagehash) that differ: 0 is alike to the eye, 0.5 is what
    unrelated pictures have. One repeat without a picture leaves the sample without a score. Deterministic is not good
    and various is not bad: it says whether a number can be repeated.
    """

    takes: ClassVar[Literal["one", "pair", "repeats"]] = "repeats"
    libraries: ClassVar[tuple[str, ...]] = ("pillow", "imagehash")
    heavy: ClassVar[bool] = True
    min_repeats: ClassVar[int] = 2

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`identical_pixels`, and `phash_distance`, lower is better."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """Compare every repeat with every other."""
        pictures: list[Pixels] = []
        for response in responses:
            data, reason = picture_of(response, ctx.blobs)
            if data is None:
                return unscorable(_METRICS, reason)
            try:
                pictures.append(_pictures.rgb(data))
            except _pictures.Unreadable as error:
                return unscorable(_METRICS, str(error))
        if len(pictures) < 2:
            return unscorable(_METRICS, "one answer says nothing about repeats; the suite needs at least 2")
        hashes = [_hash(pixels) for pixels in pictures]
        pairs = list(combinations(range(len(pictures)), 2))
        same = [float(np.array_equal(pictures[i], pictures[j])) for i, j in pairs]
        apart = [float(np.mean(hashes[i] != hashes[j])) for i, j in pairs]
        differing = same.count(0.0)
        reason = f"{differing} of {len(pairs)} pairs differ" if differing else None
        return {
            "identical_pixels": Score(sum(same) / len(same), reason=reason),
            "phash_distance": Score(sum(apart) / len(apart)),
        }


def _hash(pixels: Pixels) -> Any:
    """The 64 bits of the perceptual hash."""
    from imagehash import phash
    from PIL import Image

    return np.asarray(phash(Image.fromarray(pixels)).hash)


def make(**options: Any) -> Determinism:
    """No options. Raises MissingComponent without imagehash."""
    _pictures.need_pillow()
    try:
        import imagehash  # noqa: F401 - only whether it is there
    except ImportError:
        raise MissingComponent(f"comparing repeats needs imagehash: {_pictures.EXTRA}") from None
    return build(Determinism, options)
