"""Ratios: Fieller's interval of one ratio, and paired log ratios of per-series errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.fold import Additive, Observations, cluster_of_sample
from evalkit.stats.intervals import Clusters, Interval
from evalkit.stats.quantiles import t_probability, t_quantile

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

NOISY = 0.10
EXACT = 1e-7


@dataclass(frozen=True, slots=True)
class Parts:
    """A ratio as what it divides: the sums of each cluster above and below the line, shape [G] each."""

    above: Floats
    below: Floats

    @property
    def noise(self) -> float:
        """The coefficient of variation of the denominator's mean; G >= 2."""
        groups = self.below.size
        return float(self.below.std(ddof=1) / math.sqrt(groups) / abs(self.below.mean()))


def parts_of(sums: Additive) -> Parts | None:
    """Numerator and denominator of a function of sums, found by trying it out; None where it is no such ratio.

    For a.t / b.t, two steps from one point along each axis give two linear equations for that axis' a and b, up to a
    common factor. What was found is then tried at two other points and at the data's own total.
    """
    names = sums.sums.shape[1]
    start = 1.0 + np.modf(math.sqrt(2) * np.arange(1, names + 1))[0]
    here = float(sums.at(start[None, :])[0])
    near, far = sums.at(start + np.eye(names)), sums.at(start + 3.0 * np.eye(names))
    # near (1 + b) = here + a and far (1 + 3 b) = here + 3 a, where b.start = 1.
    apart = 3.0 * (far - near)
    with np.errstate(all="ignore"):
        below = np.where(np.abs(apart) > EXACT, (3.0 * near - far - 2.0 * here) / apart, 0.0)
        above = near * (1.0 + below) - here
        tried = np.stack([start, start[::-1] * 1.7, start**2, sums.sums.sum(axis=0)])
        right = np.allclose((tried @ above) / (tried @ below), sums.at(tried), rtol=EXACT, atol=EXACT)
    return Parts(sums.sums @ above, sums.sums @ below) if right else None


def fieller(parts: Parts, level: float) -> Interval:
    """A ratio of cluster sums by Fieller (1954), t(G-1): every value that a t test of above - r below lets stand.

    No bounds where the denominator itself may be 0 at that level; G >= 2.
    """
    groups = parts.above.size
    top, bottom = float(parts.above.mean()), float(parts.below.mean())
    spread = np.cov(parts.above, parts.below) / groups
    quantile = t_quantile(0.5 + level / 2, groups - 1) ** 2
    a = bottom**2 - quantile * float(spread[1, 1])
    b = top * bottom - quantile * float(spread[0, 1])
    c = top**2 - quantile * float(spread[0, 0])
    if a <= 0:
        return Interval(None, None, "fieller (unbounded)")
    half = math.sqrt(max(0.0, b * b - a * c))
    se = math.sqrt(max(0.0, _ratio_variance(top / bottom, spread))) / abs(bottom)
    return Interval((b - half) / a, (b + half) / a, "fieller", se, groups - 1)


def _ratio_variance(ratio: float, spread: Floats) -> float:
    return float(spread[0, 0] - 2 * ratio * spread[0, 1] + ratio**2 * spread[1, 1])


@dataclass(frozen=True, slots=True)
class LogRatio:
    """Geometric mean of candidate / baseline over series, with its 95 % interval and two-sided p; below 1 = smaller.

    `samples` counts the series that have a ratio, `excluded` those whose error is 0 on a side. None where fewer than
    two clusters are left.
    """

    ratio: float | None
    low: float | None
    high: float | None
    p_value: float | None
    samples: int
    groups: int
    excluded: int


def log_ratio(candidate: Observations, baseline: Observations, *, level: float = 0.95) -> LogRatio:
    """Paired log ratios of positive per-sample errors (MASE, WQL, RMSSE...): cluster-robust t on the logarithms.

    The values of both sides are means of their repeats. Raises ValueError for a negative or missing value, or where the
    sides have different samples.
    """
    ours, theirs = _errors(candidate, "candidate"), _errors(baseline, "baseline")
    if ours.size != theirs.size:
        raise ValueError(f"{ours.size} samples of the candidate, {theirs.size} of the baseline; a pair has the same")
    kept = (ours > 0) & (theirs > 0)
    left, excluded = int(kept.sum()), int((~kept).sum())
    if not left:
        return LogRatio(None, None, None, None, 0, 0, excluded)
    codes = np.unique(cluster_of_sample(candidate)[kept], return_inverse=True)[1].reshape(-1).astype(np.int64)
    clusters = Clusters.of(np.log(ours[kept]) - np.log(theirs[kept]), codes)
    ratio = math.exp(clusters.mean)
    if clusters.groups < 2:
        return LogRatio(ratio, None, None, None, left, clusters.groups, excluded)
    if clusters.flat:
        same = abs(clusters.mean) <= EXACT
        return LogRatio(ratio, ratio, ratio, 1.0 if same else 0.0, left, clusters.groups, excluded)
    se, df, _ = clusters.robust()
    half = t_quantile(0.5 + level / 2, df) * se
    low, high = math.exp(clusters.mean - half), math.exp(clusters.mean + half)
    p_value = min(1.0, 2 * t_probability(-abs(clusters.mean) / se, df))
    return LogRatio(ratio, low, high, p_value, left, clusters.groups, excluded)


def _errors(side: Observations, name: str) -> Floats:
    if np.isnan(side.value).any() or (side.value < 0).any():
        raise ValueError(f"the {name} has missing or negative errors; a log ratio needs one of at least 0 per sample")
    return np.bincount(side.sample, weights=side.value) / np.bincount(side.sample)
