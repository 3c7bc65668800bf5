"""Segmentation by objects: each object's best match, the mean IoU over objects, and what was found too much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Row, Sample, Score
from evalkit.scorers import _folds, _masks, _pictures
from evalkit.scorers._base import OneAnswer, unscorable
from evalkit.scorers._masks import Labels
from evalkit.scorers._targets import kind

FALSE = "false object"
_MOST = 10_000
_ROWS = 200
_COUNTS = ("tp", "fp", "fn")
_SUMS = ("iou", "objects")
_MEAN = partial(_folds.ratio, numerator="iou", denominator="objects")
_BY_COUNTS = {"object_f1": _folds.f1, "object_precision": _folds.precision, "object_recall": _folds.recall}
_METRICS = (
    Metric("miou_objects", "ratio", bounds=(0.0, 1.0), fold=Fold(across=Sums(_MEAN, _SUMS)), primary=True),
    *(
        Metric(name, "corpus", bounds=(0.0, 1.0), fold=Fold(across=Sums(fn, _COUNTS)))
        for name, fn in _BY_COUNTS.items()
    ),
    Metric("false_objects", higher_is_better=False, bounds=(0.0, None), on_error="undefined"),
)


@dataclass(frozen=True, slots=True)
class MaskObjects(OneAnswer):
    """Objects of the target against objects of the answer, matched one to one so that the sum of IoU is largest.

    Labels are objects; with `connected`, each connected part (8 neighbours) of each label is one. `miou_objects` is the
    mean IoU over the objects of all pictures, 0 for one without a match: not pooled over pixels, and false objects do
    not lower it. They are told by `object_f1`, `object_precision` and `object_recall` (a match counts from an IoU of
    `threshold` on; 0.5 as in COCO's first step) and by `false_objects`, the mean number per picture of objects that
    are no object's match. Answered objects of fewer than `smallest` pixels are left out.
    """

    libraries: ClassVar[tuple[str, ...]] = ("pillow", "scikit-image", "scipy")
    heavy: ClassVar[bool] = True
    connected: bool = False
    threshold: float = 0.5
    smallest: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.threshold, (int, float)) or not 0 < self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold!r} must be above 0 and at most 1")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`miou_objects`, `object_f1`, `object_precision`, `object_recall`, `false_objects`."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Match objects; a mask of another size, or of more than 10,000 objects, is not scorable."""
        size, count = _masks.check_target(sample), _object_count(sample)
        answer, reason = _masks.answer_mask(responses[0], size, ctx.blobs)
        if answer is None:
            return unscorable(_METRICS, reason)
        truth, names = self._objects(_masks.target_mask(sample, ctx.blobs), 1)
        if len(names) != count:
            raise ValueError(
                f"sample {sample.id!r}: the target's mask has {len(names)} objects, `objects` says {count}"
            )
        found, own = self._objects(answer, self.smallest)
        if len(own) > _MOST:
            return unscorable(_METRICS, f"the mask has {len(own)} objects; more than {_MOST:,} are noise")
        return self._scores(_matches(truth, found, len(names), len(own)), names, own)

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """Every object missed; no worst number of false objects exists."""
        count = 1.0 if self.problem(sample) else float(_object_count(sample))
        missed = Score(0.0, {"tp": 0.0, "fp": 0.0, "fn": count})
        scores = dict.fromkeys(_BY_COUNTS, missed)
        return {
            "miou_objects": Score(0.0, {"iou": 0.0, "objects": count}),
            **scores,
            "false_objects": Score(None),
        }

    def problem(self, sample: Sample) -> str | None:
        """A target without a mask, its size or its number of objects."""
        try:
            _masks.check_target(sample)
            _object_count(sample)
        except ValueError as error:
            return str(error)
        return None

    def _objects(self, mask: Labels, smallest: int) -> tuple[npt.NDArray[np.intp], list[str]]:
        """The mask with objects numbered from 1 on, and what each is called (its label)."""
        numbers = mask.astype(np.intp)
        if self.connected:
            numbers, origin = _parts(numbers)
        else:
            origin = np.arange(int(numbers.max(initial=0)) + 1)
        sizes = np.bincount(numbers.ravel(), minlength=len(origin))
        kept = np.flatnonzero(sizes >= max(1, smallest))
        kept = kept[kept > 0]
        places = np.zeros(len(origin), dtype=np.intp)
        places[kept] = np.arange(1, len(kept) + 1)
        return places[numbers], [str(origin[k]) for k in kept]

    def _scores(self, matched: _Matched, names: Sequence[str], own: Sequence[str]) -> Mapping[str, Score]:
        hits = int((matched.iou >= self.threshold).sum())
        false = [k for k in range(len(own)) if k not in matched.answers]
        rows = [Row(name, "object", float(v)) for name, v in zip(names, matched.iou, strict=True)]
        rows += [Row(own[k], FALSE, None, {"area": float(matched.areas[k])}) for k in false]
        counts = {"tp": float(hits), "fp": float(len(own) - hits), "fn": float(len(names) - hits)}
        total = float(matched.iou.sum())
        mean = total / len(names) if names else float(not own)
        reason = f"{len(false)} objects match nothing" if false else None
        each = {name: _one(fold, counts, mean) for name, fold in _BY_COUNTS.items()}
        sums = {"iou": total, "objects": float(len(names))}
        return {
            "miou_objects": Score(mean, sums, reason=reason, rows=tuple(rows[:_ROWS])),
            **each,
            "false_objects": Score(float(len(false))),
        }


@dataclass(frozen=True, slots=True)
class _Matched:
    """IoU per target object (0 without a match), places of matched answer objects, areas of all answer objects."""

    iou: npt.NDArray[np.float64]
    answers: frozenset[int]
    areas: npt.NDArray[np.intp]


def _matches(truth: npt.NDArray[np.intp], found: npt.NDArray[np.intp], objects: int, own: int) -> _Matched:
    from scipy.optimize import linear_sum_assignment

    pairs = np.bincount((truth * (own + 1) + found).ravel(), minlength=(objects + 1) * (own + 1))
    table = pairs.reshape(objects + 1, own + 1)
    mine, theirs, common = table.sum(axis=1)[1:], table.sum(axis=0)[1:], table[1:, 1:]
    iou = common / np.maximum(mine[:, None] + theirs[None, :] - common, 1)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    best = np.zeros(objects)
    best[rows] = iou[rows, columns]
    taken = frozenset(int(c) for r, c in zip(rows, columns, strict=True) if iou[r, c] > 0)
    return _Matched(best, taken, theirs)


def _parts(numbers: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Connected parts of each label, numbered from 1 on, and the label that each comes from (0 for the ground)."""
    from skimage.measure import label

    parts = label(numbers, background=0, connectivity=2).astype(np.intp)
    origin = np.zeros(int(parts.max(initial=0)) + 1, dtype=np.intp)
    origin[parts] = numbers
    return parts, origin


def _one(fold: Callable[[_folds.Columns], _folds.Floats], counts: Mapping[str, float], empty: float) -> Score:
    """A picture's own value by the metric's fold; where there is nothing to count, what finding nothing is worth."""
    value = float(fold({name: np.array([count]) for name, count in counts.items()})[0])
    return Score(empty if np.isnan(value) else value, counts)


def _object_count(sample: Sample) -> int:
    """How many objects the target says it has: `objects`, a number or a list, else the number of its `masks`."""
    said = sample.target.get("objects", sample.target.get("masks")) if isinstance(sample.target, Mapping) else None
    if isinstance(said, (list, tuple)):
        return len(said)
    if type(said) is not int or said < 0:
        raise ValueError(f"the target's `objects` is {kind(said)}; their number, or a list of them, is needed")
    return said


def make(**options: Any) -> MaskObjects:
    """Build from options; raises ValueError naming the known ones, MissingComponent without scikit-image."""
    _pictures.need_scikit_image()
    return build(MaskObjects, options)
