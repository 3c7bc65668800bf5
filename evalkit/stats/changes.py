"""Which samples got better and which got worse between two entries, by what each does to the metric."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Mean, Sums
from evalkit.core.types import Metric
from evalkit.stats import auc, fold
from evalkit.stats.fold import Additive, Observations
from evalkit.stats.intervals import gradient

Floats = npt.NDArray[np.float64]

SAME = 1e-9


def sample_benefits(metric: Metric, candidate: Observations, baseline: Observations) -> Floats | None:
    """How much each sample's change helps the metric, in the order of the codes, up to scale; 0 = no change.

    Means: the folded values. Sums: the linear influence of the change in parts, halfway between the two totals. Areas
    under the ROC curve: the placements among the other class. Other ranks: None, a sample alone says nothing about
    them. Other folds of whole columns (quantiles): the mean value of the repeats.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    across = metric.fold.across
    if isinstance(across, Mean):
        return sign * (fold.within(metric.fold, candidate) - fold.within(metric.fold, baseline))
    if isinstance(across, Sums):
        return sign * _influence(metric, candidate, baseline)
    if metric.kind == "rank":
        return _placed(metric, candidate, baseline)
    plain = metric.fold.__class__()
    return sign * (fold.within(plain, candidate) - fold.within(plain, baseline))


def counts(benefits: Floats | None) -> tuple[int, int, int]:
    """How many samples are better, worse and the same; all 0 where that is not known."""
    if benefits is None:
        return 0, 0, 0
    known = np.nan_to_num(benefits)
    slack = SAME * float(np.abs(known).max(initial=0.0))
    better, worse = int((known > slack).sum()), int((known < -slack).sum())
    return better, worse, known.size - better - worse


def _influence(metric: Metric, candidate: Observations, baseline: Observations) -> Floats:
    ours, theirs = aligned(candidate, baseline)
    one = fold.statistic(metric.fold, ours, by_sample=True)
    other = fold.statistic(metric.fold, theirs, by_sample=True)
    assert isinstance(one, Additive)
    assert isinstance(other, Additive)
    middle = (one.sums.sum(axis=0) + other.sums.sum(axis=0)) / 2
    slope = np.nan_to_num(gradient(one, middle), posinf=0.0, neginf=0.0)
    return np.asarray((one.sums - other.sums) @ slope, dtype=np.float64)


def _placed(metric: Metric, candidate: Observations, baseline: Observations) -> Floats | None:
    found = paired_placements(metric, candidate, baseline)
    return None if found is None else (found[0].of - found[1].of) * (1.0 if metric.higher_is_better else -1.0)


def paired_placements(
    metric: Metric, candidate: Observations, baseline: Observations
) -> tuple[auc.Placements, auc.Placements] | None:
    """Both sides' placements of an area under the curve with one row per sample and the same true classes; or None."""
    if metric.kind != "rank":
        return None
    ours, theirs = auc.classes(metric.fold, candidate), auc.classes(metric.fold, baseline)
    if ours is None or theirs is None or (ours[1] != theirs[1]).any():
        return None
    one, other = auc.placements(*ours), auc.placements(*theirs)
    return None if one is None or other is None else (one, other)


def aligned(candidate: Observations, baseline: Observations) -> tuple[Observations, Observations]:
    """Both sides with the same parts in the same order, NaN where a side has none, so that rows can change sides."""
    names = sorted({*candidate.parts, *baseline.parts})

    def filled(side: Observations) -> Observations:
        if list(side.parts) == names:
            return side
        absent = np.full(side.sample.size, np.nan)
        parts = {name: side.parts.get(name, absent) for name in names}
        return Observations(side.sample, side.repeat, side.cluster, side.value, parts, side.answers)

    return filled(candidate), filled(baseline)
