"""The area under the ROC curve in closed form: DeLong's variance of one area and of the difference of two."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Fold, Mean, Whole
from evalkit.stats.fold import Observations
from evalkit.stats.intervals import Interval
from evalkit.stats.quantiles import normal_quantile

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FAR = 0.9
_PROBE_SCORE = np.array([0.1, 0.4, 0.4, 0.35, 0.8, 0.7, 0.4])
_PROBE_POSITIVE = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0])
_PROBE_WEIGHTS = np.array([[1.0, 2.0, 1.0, 3.0, 1.0, 0.5, 1.0], [1.0] * 7])
_PROBE_AREAS = (4.0 / 9.0, 7.0 / 12.0)


@dataclass(frozen=True, slots=True)
class Placements:
    """Where each sample stands among the other class, 0..1, ties half: DeLong's structural components.

    A positive's is the share of negatives below it, a negative's the share of positives above it.
    """

    of: Floats
    positive: Flags

    @property
    def area(self) -> float:
        """The area under the curve."""
        return float(self.of[self.positive].mean())

    @property
    def least(self) -> int:
        """The size of the smaller class."""
        return int(min(self.positive.sum(), (~self.positive).sum()))


def placements(score: Floats, positive: Flags) -> Placements | None:
    """Placements of all samples in O(n log n) by midranks (Sun and Xu 2014); None unless both classes have two."""
    ones = int(positive.sum())
    zeros = positive.size - ones
    if min(ones, zeros) < 2:
        return None
    overall = midranks(score)
    within = np.empty(score.size)
    within[positive], within[~positive] = midranks(score[positive]), midranks(score[~positive])
    below = overall - within
    return Placements(np.where(positive, below / zeros, 1 - below / ones), positive)


def midranks(values: Floats) -> Floats:
    """Ranks from 1, the mean rank for ties."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place.reshape(-1)], dtype=np.float64)


def delong_se(of: Floats, positive: Flags) -> float:
    """The standard error of an area, or with differences of placements that of a difference (DeLong et al. 1988)."""
    ones, zeros = of[positive], of[~positive]
    return math.sqrt(float(ones.var(ddof=1)) / ones.size + float(zeros.var(ddof=1)) / zeros.size)


def interval(found: Placements, level: float) -> Interval:
    """One area by DeLong, on the logit scale above 0.9 and below 0.1, where the area itself is skewed."""
    area, se = found.area, delong_se(found.of, found.positive)
    wide = normal_quantile(0.5 + level / 2) * se
    if not 0 < area < 1 or 1 - FAR <= area <= FAR:
        return Interval(area - wide, area + wide, "delong", se)
    centre, half = math.log(area / (1 - area)), wide / (area * (1 - area))
    return Interval(_expit(centre - half), _expit(centre + half), "delong-logit", se)


def _expit(value: float) -> float:
    return math.exp(-math.log1p(math.exp(-value))) if value > -700 else 0.0


def classes(fold: Fold, seen: Observations) -> tuple[Floats, Flags] | None:
    """Scores and classes by sample where the fold is an area under the curve of one row per sample; else None."""
    positive = seen.parts.get("positive")
    if positive is None or seen.samples != seen.sample.size or not is_area(fold):
        return None
    if any(name.startswith("t:") for name in seen.parts) or np.isnan(seen.value).any() or np.isnan(positive).any():
        return None
    order = np.argsort(seen.sample, kind="stable")
    return seen.value[order], positive[order] > 0


def is_area(fold: Fold) -> bool:
    """Whether a fold computes the area under the ROC curve of columns `value` and `positive`: it is tried on a few."""
    if not isinstance(fold.within, Mean) or not isinstance(fold.across, Whole):
        return False
    columns: Mapping[str, Floats] = {"value": _PROBE_SCORE, "positive": _PROBE_POSITIVE}
    try:
        found = np.asarray(fold.across.fn(columns, _PROBE_WEIGHTS), dtype=np.float64)
    except (KeyError, IndexError, ValueError):
        # A fold of other columns has no answer here, so it is no such area.
        return False
    return found.shape == (2,) and bool(np.allclose(found, _PROBE_AREAS, rtol=1e-9, atol=0))
