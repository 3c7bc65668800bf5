"""Two entries on the same samples: the difference with its bounds and p-values, by the method that the metric needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Mean
from evalkit.core.types import Difference, Metric
from evalkit.stats import apart, auc, binary, fold
from evalkit.stats.changes import aligned, counts, paired_placements, sample_benefits
from evalkit.stats.drawn import Drawing, by_draws
from evalkit.stats.findings import Asked, Bounds, Finding, by_clusters, by_influence, by_normal, flat
from evalkit.stats.fold import Additive, Observations
from evalkit.stats.intervals import Clusters, influence_se, influences
from evalkit.stats.power import mde
from evalkit.stats.quantiles import normal_quantile
from evalkit.stats.randomise import Sides
from evalkit.stats.resample import affordable

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two entries' scores on the same samples: sample codes and cluster codes mean the same on both sides.

    Repeats may differ in number. Raises ValueError where samples or their clusters differ.
    """

    candidate: Observations
    baseline: Observations

    def __post_init__(self) -> None:
        ours, theirs = self.candidate, self.baseline
        if ours.samples != theirs.samples:
            raise ValueError(
                f"the candidate has {ours.samples} samples, the baseline {theirs.samples}; a pair has the same ones"
            )
        for name, side in (("candidate", ours), ("baseline", theirs)):
            absent = np.flatnonzero(np.bincount(side.sample, minlength=ours.samples) == 0)
            if absent.size:
                raise ValueError(f"the {name} lacks {absent.size} of {ours.samples} samples (first: {absent[0]})")
        apart = np.flatnonzero(fold.cluster_of_sample(ours) != fold.cluster_of_sample(theirs))
        if apart.size:
            raise ValueError(f"{apart.size} samples are in different clusters on the two sides (first: {apart[0]})")

    @property
    def single(self) -> bool:
        """Whether each side has one row per sample, and no two samples share a cluster."""
        n = self.candidate.samples
        return self.candidate.sample.size == self.baseline.sample.size == n == self.candidate.groups


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one pair: is the benefit below `null`, with one-sided errors of `alpha`.

    `null` is 0 for regression, minus the margin for non-inferiority and equivalence.
    """

    metric: Metric
    pair: Pair
    null: float = 0.0
    alpha: float = 0.05

    @property
    def asked(self) -> Asked:
        """The question without its data."""
        return asked(self.metric, self.null, self.alpha)


def asked(metric: Metric, null: float, alpha: float) -> Asked:
    """The question with the room that the metric's bounds leave a difference."""
    low, high = metric.bounds
    return Asked(null, alpha, high - low if low is not None and high is not None else None)


def compare(question: Question, *, seed: int, resamples: int = 10_000) -> Difference:
    """The difference of a pair on one metric.

    0/1 scores, one row per sample, no clusters: Tango's score bounds and exact McNemar. Other means: cluster-robust t
    on the clusters' differences (CR2 when few or uneven), exact sign flips for fewer than ten clusters. Ratios of sums:
    linearised. Area under the ROC curve of one row per sample: DeLong. All others: paired cluster bootstrap and
    approximate randomisation. Where all clusters agree, bounds come from their number and the metric's range. `delta`
    is None where a row has no score or the metric is not defined. Raises ValueError for a fold that cannot be taken.
    """
    return compare_all([question], seed=seed, resamples=resamples)[0]


def compare_all(questions: Sequence[Question], *, seed: int, resamples: int = 10_000) -> list[Difference]:
    """Every question; what must be resampled shares one weight matrix per number of clusters.

    The answers are those of `compare`, byte for byte, in the same order.
    """
    if resamples < 1:
        raise ValueError(f"resamples={resamples} must be at least 1")
    found: dict[int, Finding] = {}
    values: dict[int, tuple[float, float] | str] = {}
    drawings: dict[tuple[int, int], list[tuple[int, Drawing]]] = {}
    for place, question in enumerate(questions):
        values[place] = both = _values(question.metric, question.pair.candidate, question.pair.baseline)
        if isinstance(both, str):
            continue
        closed = _closed(question)
        if closed is not None:
            found[place] = closed
            continue
        drawing = _drawing(question, _sign(question.metric) * (both[0] - both[1]))
        used = (
            resamples if isinstance(drawing.sides.candidate, Additive) else affordable(resamples, drawing.sides.groups)
        )
        drawings.setdefault((drawing.sides.groups, used), []).append((place, drawing))
    for (_, used), listed in drawings.items():
        drawn = by_draws([drawing for _, drawing in listed], seed=seed, resamples=used)
        found.update((place, finding) for (place, _), finding in zip(listed, drawn, strict=True))
    return [_told(one, values[place], found.get(place), seed=seed) for place, one in enumerate(questions)]


def _sign(metric: Metric) -> float:
    return 1.0 if metric.higher_is_better else -1.0


def _values(metric: Metric, candidate: Observations, baseline: Observations) -> tuple[float, float] | str:
    """The metric of both sides, or why there is none."""
    if not candidate.sample.size or not baseline.sample.size:
        return "none (no observations)"
    missing, rows = candidate.missing + baseline.missing, candidate.sample.size + baseline.sample.size
    if missing:
        return f"none ({missing} of {rows} scores undefined)"
    ours, theirs = fold.value(metric, candidate), fold.value(metric, baseline)
    if ours is None or theirs is None:
        return "none (not defined on these data)"
    return ours, theirs


def _closed(question: Question) -> Finding | None:
    """The finding by a closed form; None where only resampling serves."""
    metric = question.metric
    if isinstance(metric.fold.across, Mean):
        return _means(question)
    if metric.kind == "ratio":
        return _ratios(question)
    return _areas(question)


def _means(question: Question) -> Finding:
    pair, metric = question.pair, question.metric
    ours, theirs = fold.within(metric.fold, pair.candidate), fold.within(metric.fold, pair.baseline)
    cluster = fold.cluster_of_sample(pair.candidate)
    sign = _sign(metric)
    if pair.single and metric.bounds == (0.0, 1.0) and _zero_one(ours) and _zero_one(theirs) and ours.size > 1:
        more, less = int((ours > theirs).sum()), int((theirs > ours).sum())
        gained, lost = (more, less) if metric.higher_is_better else (less, more)
        found = binary.paired(binary.Discordant(gained, lost, ours.size), question.asked)
    else:
        found = by_clusters(Clusters.of(sign * (ours - theirs), cluster), question.asked)
    one, other = Clusters.of(ours, cluster), Clusters.of(theirs, cluster)
    return _beside(found, one.residuals / one.n, other.residuals / other.n)


def _zero_one(values: Floats) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _ratios(question: Question) -> Finding | None:
    sides = _sides(question)
    ours, theirs = sides.candidate, sides.baseline
    if not isinstance(ours, Additive) or not isinstance(theirs, Additive):
        return None
    one, other = influences(ours), influences(theirs)
    if one is None or other is None:
        return None
    ones = np.ones((1, ours.groups))
    sign = _sign(question.metric)
    benefit = sign * float(ours.evaluate(ones)[0] - theirs.evaluate(ones)[0])
    found = by_influence(benefit, (sign * one, sign * other), question.asked)
    return _beside(found, one, other)


def _areas(question: Question) -> Finding | None:
    pair = question.pair
    both = paired_placements(question.metric, pair.candidate, pair.baseline) if pair.single else None
    if both is None:
        return None
    one, other = both
    sign = _sign(question.metric)
    benefit = sign * (one.area - other.area)
    se = auc.delong_se(one.of - other.of, one.positive)
    if se <= 1e-12:
        return flat(benefit, one.least, question.asked)
    found = by_normal(benefit, se, question.asked, method="delong")
    alone, beside = auc.delong_se(one.of, one.positive), auc.delong_se(other.of, other.positive)
    spread = alone * beside
    shared = (alone**2 + beside**2 - se**2) / (2 * spread) if spread > 0 else None
    return replace(found, se_unpaired=math.hypot(alone, beside), correlation=_correlation(shared))


def _beside(found: Finding, one: Floats, other: Floats) -> Finding:
    """The finding with what the same data would give unpaired, from both sides' centred influences."""
    if one.size < 2:
        return found
    spread = float(np.sqrt((one**2).sum() * (other**2).sum()))
    shared = float((one * other).sum()) / spread if spread > 0 else None
    unpaired_se = math.hypot(influence_se(one), influence_se(other))
    return replace(found, se_unpaired=unpaired_se, correlation=_correlation(shared))


def _correlation(value: float | None) -> float | None:
    return None if value is None else min(1.0, max(-1.0, value))


def _sides(question: Question) -> Sides:
    ours, theirs = aligned(question.pair.candidate, question.pair.baseline)
    return Sides(fold.statistic(question.metric.fold, ours), fold.statistic(question.metric.fold, theirs))


def _drawing(question: Question, benefit: float) -> Drawing:
    return Drawing(_sides(question), _sign(question.metric), benefit, question.asked)


def _told(question: Question, values: tuple[float, float] | str, found: Finding | None, *, seed: int) -> Difference:
    pair, metric = question.pair, question.metric
    n, groups = pair.candidate.samples, pair.candidate.groups
    if isinstance(values, str) or found is None:
        return nothing(question.asked, str(values), n=n, groups=groups)
    better, worse, same = counts(sample_benefits(metric, pair.candidate, pair.baseline))
    plain = difference(metric, values, found, question.asked)
    return replace(plain, n=n, groups=groups, better=better, worse=worse, same=same, seed=seed)


def nothing(about: Asked, why: str, *, n: int, groups: int) -> Difference:
    """No difference, and the reason where the method stands."""
    empty = (None,) * 9
    return Difference(*empty, n=n, groups=groups, method=why, alpha=about.alpha, null=about.null)


def difference(metric: Metric, values: tuple[float, float], found: Finding, about: Asked) -> Difference:
    """A finding about a benefit as a difference candidate - baseline in the metric's own direction.

    Bounds lie around the difference and inside what the metric's bounds allow.
    """
    ours, theirs = values
    benefit = _sign(metric) * (ours - theirs)
    low, high = _turned(metric, _inside(found.two, benefit, about.limit))
    lower, upper = _turned(metric, _inside(found.one, benefit, about.limit))
    return Difference(
        candidate=ours,
        baseline=theirs,
        delta=ours - theirs,
        low=low,
        high=high,
        lower=lower,
        upper=upper,
        p_value=found.p_value,
        p_fail=found.p_fail,
        n=0,
        groups=0,
        method=found.method,
        alpha=about.alpha,
        null=about.null,
        se=found.se,
        df=found.df,
        se_unpaired=found.se_unpaired,
        correlation=found.correlation,
        mde=_mde(found, about.alpha),
        resamples=found.resamples,
    )


def _inside(bounds: Bounds, benefit: float, limit: float | None) -> Bounds:
    low, high = bounds
    if limit is not None:
        low, high = (None if low is None else max(low, -limit)), (None if high is None else min(high, limit))
    return (None if low is None else min(low, benefit)), (None if high is None else max(high, benefit))


def _turned(metric: Metric, bounds: Bounds) -> Bounds:
    if metric.higher_is_better:
        return bounds
    low, high = bounds
    return (None if high is None else 0.0 - high), (None if low is None else 0.0 - low)


def _mde(found: Finding, alpha: float) -> float | None:
    """What is found in 80 % of cases, from the standard error; without one, from the width of the one-sided bounds."""
    se = found.se
    if not se:
        low, high = found.one
        se = None if low is None or high is None else (high - low) / 2 / normal_quantile(1 - alpha)
    return mde(se, alpha=alpha) if se else None


def against(
    metric: Metric, seen: Observations, floor: float, *, seed: int, resamples: int = 10_000, alpha: float = 0.05
) -> Difference:
    """One entry against an absolute floor (a ceiling where lower is better): `baseline` is the floor.

    Bounds are those of the single value by `summary.estimate`'s methods, less the floor; `p_fail` is for "the value is
    at least the floor". `delta` is None where a row has no score or the metric is not defined.
    """
    about = asked(metric, 0.0, alpha)
    values = _values(metric, seen, seen)
    if isinstance(values, str):
        return nothing(about, values, n=seen.samples, groups=seen.groups)
    found = apart.against_floor(metric, seen, floor, about, seed=seed, resamples=resamples)
    told = difference(metric, (values[0], floor), found, replace(about, limit=None))
    return replace(told, n=seen.samples, groups=seen.groups, seed=seed, paired=False)


def unpaired(
    metric: Metric,
    candidate: Observations,
    baseline: Observations,
    *,
    seed: int,
    resamples: int = 10_000,
    alpha: float = 0.05,
) -> Difference:
    """Two entries on samples of their own, as if independent; `n` and `groups` are those of the smaller side.

    Welch's t for means, square and add (Newcombe's hybrid for 0/1 scores) for what has an interval in closed form,
    else both sides are resampled on their own.
    """
    about = asked(metric, 0.0, alpha)
    n, groups = min(candidate.samples, baseline.samples), min(candidate.groups, baseline.groups)
    values = _values(metric, candidate, baseline)
    if isinstance(values, str):
        return nothing(about, values, n=n, groups=groups)
    found = apart.between(metric, candidate, baseline, about, seed=seed, resamples=resamples)
    told = difference(metric, values, found, about)
    return replace(told, n=n, groups=groups, se_unpaired=found.se, seed=seed, paired=False)
