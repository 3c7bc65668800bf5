"""Segmentation by regions: intersection over union and Dice of each picture, and IoU per class pooled over the set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO
from typing import Any, ClassVar

import numpy as np

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Blobs, Context, Metric, Response, Sample, Score
from evalkit.scorers import _masks, _pictures
from evalkit.scorers._base import OneAnswer, trouble, unscorable
from evalkit.scorers._folds import Columns, Floats, divide
from evalkit.scorers._masks import Bools, Labels

GROUND, OBJECT = "ground", "object"
_SHOWN = 360
_HIT, _MISSED, _EXTRA, _NEITHER = (70, 160, 90), (215, 60, 60), (60, 110, 215), (24, 24, 28)


def pooled_iou(columns: Columns, *, classes: tuple[str, ...], given: bool) -> Floats:
    """Mean over classes of pooled intersection / pooled union, [B]; NaN without a sample.

    A class without a pixel in targets and answers counts 0 where classes are `given`, and not at all where they are not
    (scikit-learn's `jaccard_score(average="macro", zero_division=0)` with and without `labels`).
    """
    empty = np.zeros_like(columns["n"])
    unions = np.stack([columns.get(f"u:{name}", empty) for name in classes])
    each = divide(np.stack([columns.get(f"i:{name}", empty) for name in classes]), unions)
    counted = np.full(empty.shape, float(len(classes))) if given else (unions > 0).sum(axis=0)
    return np.where(columns["n"] > 0, divide(np.nansum(each, axis=0), counted), np.nan)


@lru_cache(maxsize=64)
def _metrics(classes: tuple[str, ...], *, given: bool) -> tuple[Metric, ...]:
    fold = Fold(across=Sums(partial(pooled_iou, classes=classes, given=given), ("n",)))
    return (
        Metric("iou", bounds=(0.0, 1.0), primary=True),
        Metric("dice", bounds=(0.0, 1.0)),
        Metric("miou_pooled", kind="corpus", bounds=(0.0, 1.0), fold=fold),
    )


@dataclass(frozen=True, slots=True)
class Segmentation(OneAnswer):
    """Overlap of the answered mask with the target's: `iou` and `dice` per picture, `miou_pooled` over the set.

    Without `labels`, everything but 0 is the object: `iou` and `dice` are the object's, `miou_pooled` is the mean of
    the IoU of ground and object. With `labels`, a list of label values, each is a class (name 0 too where the ground is
    one): `iou` and `dice` are means over the classes that a picture or its answer has. `miou_pooled` adds the pixels of
    all pictures before it divides, class by class; it is not the mean over pictures, nor over objects. Pixels of the
    target that are `void` count nowhere. A mask without an object for a picture without one is 1. `picture` stores
    where both agree (green), what was missed (red) and what was too much (blue). A failed answer is wrong everywhere.
    """

    libraries: ClassVar[tuple[str, ...]] = ("pillow",)
    heavy: ClassVar[bool] = True
    labels: tuple[int, ...] = ()
    void: int | None = None
    picture: bool = True

    def __post_init__(self) -> None:
        good = isinstance(self.labels, tuple) and all(type(n) is int and n >= 0 for n in self.labels)
        if not good or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels={self.labels!r} must be a list of different whole numbers >= 0")
        if self.void is not None and (type(self.void) is not int or self.void in self.labels):
            raise ValueError(f"void={self.void!r} must be a whole number that is none of the labels")

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(map(str, self.labels)) or (GROUND, OBJECT)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`iou`, `dice`, `miou_pooled`."""
        return _metrics(self._names, given=bool(self.labels))

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Compare the masks; one of another size is not scorable."""
        size = _masks.check_target(sample)
        answer, reason = _masks.answer_mask(responses[0], size, ctx.blobs)
        if answer is None:
            return unscorable(self.metrics, reason)
        return self._compare(_masks.target_mask(sample, ctx.blobs), answer, ctx.blobs)

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """No pixel right: every class has an intersection of 0 and a union of the whole picture."""
        high, wide = (1, 1) if self.problem(sample) else _masks.size_of(sample.target)
        unions = {f"u:{name}": float(high * wide) for name in self._names}
        return {"iou": Score(0.0), "dice": Score(0.0), "miou_pooled": Score(0.0, {"n": 1.0, **unions})}

    def problem(self, sample: Sample) -> str | None:
        """A target without a mask or its size."""
        return trouble(_masks.check_target, sample)

    def _compare(self, truth: Labels, answer: Labels, blobs: Blobs) -> Mapping[str, Score]:
        seen = None if self.void is None else truth != self.void
        if self.labels:
            pairs = {str(n): (_kept(truth == n, seen), _kept(answer == n, seen)) for n in self.labels}
            found = {name: _areas(*pair) for name, pair in pairs.items()}
            iou, dice = _mean_over(found)
            parts = _parts(found)
            both = _masks.foreground(truth), _masks.foreground(answer)
        else:
            both = _kept(_masks.foreground(truth), seen), _kept(_masks.foreground(answer), seen)
            mine, theirs, common = _areas(*both)
            iou, dice = _overlap(mine, theirs, common)
            whole = truth.size if seen is None else int(np.count_nonzero(seen))
            ground = (whole - mine, whole - theirs, whole - mine - theirs + common)
            parts = _parts({GROUND: ground, OBJECT: (mine, theirs, common)})
        blob = _shown(*both, blobs) if self.picture else None
        return {
            "iou": Score(iou, blob=blob, reason=_said(*both)),
            "dice": Score(dice),
            "miou_pooled": Score(_mean_of_ratios(parts, self._names, given=bool(self.labels)), parts),
        }


def _kept(mask: Bools, seen: Bools | None) -> Bools:
    return mask if seen is None else mask & seen


def _areas(truth: Bools, answer: Bools) -> tuple[int, int, int]:
    common = int(np.count_nonzero(truth & answer))
    return int(np.count_nonzero(truth)), int(np.count_nonzero(answer)), common


def _overlap(truth: int, answer: int, common: int) -> tuple[float, float]:
    """IoU and Dice; 1 where both are empty."""
    if not truth + answer:
        return 1.0, 1.0
    return common / (truth + answer - common), 2 * common / (truth + answer)


def _mean_over(found: Mapping[str, tuple[int, int, int]]) -> tuple[float, float]:
    there = [_overlap(*areas) for areas in found.values() if areas[0] + areas[1]] or [(1.0, 1.0)]
    return sum(iou for iou, _ in there) / len(there), sum(dice for _, dice in there) / len(there)


def _parts(found: Mapping[str, tuple[int, int, int]]) -> dict[str, float]:
    parts = {"n": 1.0}
    for name, (truth, answer, common) in found.items():
        if truth + answer:
            parts |= {f"i:{name}": float(common), f"u:{name}": float(truth + answer - common)}
    return parts


def _mean_of_ratios(parts: Mapping[str, float], names: tuple[str, ...], *, given: bool) -> float:
    """The pooled IoU of one picture; 1 where nothing is there and nothing was found."""
    there = [name for name in names if parts.get(f"u:{name}")]
    counted = len(names) if given else len(there)
    return sum(parts[f"i:{name}"] / parts[f"u:{name}"] for name in there) / counted if counted else 1.0


def _said(truth: Bools, answer: Bools) -> str | None:
    if truth.any() == answer.any():
        return None
    return "nothing was found" if truth.any() else "something was found where nothing is"


def _shown(truth: Bools, answer: Bools, blobs: Blobs) -> str:
    """The hash of a small picture of agreement and errors."""
    from PIL import Image

    step = max(1, -(-max(truth.shape) // _SHOWN))
    codes = (truth[::step, ::step] + 2 * answer[::step, ::step].astype(np.uint8)).astype(np.uint8)
    image = Image.fromarray(codes, mode="P")
    image.putpalette([*_NEITHER, *_MISSED, *_EXTRA, *_HIT])
    stream = BytesIO()
    image.save(stream, "PNG")
    return blobs.put(stream.getvalue(), "image/png")["$blob"]


def make(**options: Any) -> Segmentation:
    """Build from options; raises ValueError naming the known ones, MissingComponent without Pillow."""
    _pictures.need_pillow()
    return build(Segmentation, options)
