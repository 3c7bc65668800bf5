"""A judge's mean put right by a small random sample of human labels: PPI++ and Rogan-Gladen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.quantiles import normal_quantile, t_quantile

Floats = npt.NDArray[np.float64]

SMALL_SAMPLE = 100
LEAST_YOUDEN = 0.2


@dataclass(frozen=True, slots=True)
class Labelled:
    """Human labels `y` beside the judge's scores `f` of the same items, and the judge's scores of all others.

    The labelled items are a random sample of the same distribution as the others, drawn by us: not the first ones, not
    the ones somebody chose to look at. Judge, judge prompt and data are the same on both sides.
    """

    y: Floats
    f: Floats
    others: Floats

    def __post_init__(self) -> None:
        if self.y.shape != self.f.shape:
            raise ValueError(f"{self.y.size} human labels and {self.f.size} judge scores of the same items")
        if self.y.size < 2 or self.others.size < 2:
            raise ValueError(f"{self.y.size} labelled and {self.others.size} other items: at least two of each")
        if not all(np.isfinite(column).all() for column in (self.y, self.f, self.others)):
            raise ValueError("a label or a score is missing: leave the item out of both lists, and say how many")


@dataclass(frozen=True, slots=True)
class Corrected:
    """A corrected mean with its interval; `lam` = how much the judge is believed (0 = human labels alone, 1 = fully).

    `labelled` and `others` count items, `df` None = normal quantile. `human_se` is the standard error that the human
    labels alone would have: what the judge saves shows against it.
    """

    value: float
    low: float
    high: float
    se: float
    lam: float
    labelled: int
    others: int
    df: float | None
    human_se: float


def ppi(data: Labelled, *, level: float = 0.95, lam: float | None = None) -> Corrected:
    """The PPI++ mean: lam mean(f_others) + mean(y - lam f) (Angelopoulos, Duchi and Zrnic 2023).

    lam = Cov(y, f) / ((1 + n/N) Var f), cut to 0..1; V = lam^2 Var(f_others)/N + Var(y - lam f)/n, all with n - 1 in
    the denominator, and t(n-1) quantiles below 100 labels, where normal ones cover too little. A given `lam` is taken
    as it is; 0 gives the human labels alone.
    """
    value, variance, used = _stratum(data, lam)
    n = data.y.size
    df = None if n >= SMALL_SAMPLE else float(n - 1)
    alone = float(data.y.std(ddof=1) / np.sqrt(n))
    return _around(value, variance, df, level=level, rest=(used, n, data.others.size, alone))


def ppi_difference(a: Labelled, b: Labelled, *, level: float = 0.95) -> Corrected:
    """PPI++ of a - b for two candidates on the same items, in the same order: applied to the paired differences."""
    if a.y.size != b.y.size or a.others.size != b.others.size:
        raise ValueError("paired differences need the same labelled and the same other items of both candidates")
    return ppi(Labelled(a.y - b.y, a.f - b.f, a.others - b.others), level=level)


def ppi_stratified(strata: Sequence[Labelled], shares: Sequence[float], *, level: float = 0.95) -> Corrected:
    """PPI++ within strata that were labelled at different rates (by the judge's score, say), then weighted.

    `shares` are the strata's known shares of the population and add up to 1. Variances add with squared shares; the
    degrees of freedom are Satterthwaite's, used below 100 labels in all. `lam` is the mean by share.
    """
    if len(strata) != len(shares) or abs(sum(shares) - 1) > 1e-9 or min(shares) < 0:
        raise ValueError(f"{len(strata)} strata with shares {list(shares)}: one share each, adding up to 1")
    weights = np.array(shares)
    found = [_stratum(data, None) for data in strata]
    values, variances, lams = (np.array(column) for column in zip(*found, strict=True))
    parts = weights**2 * variances
    labelled = sum(data.y.size for data in strata)
    freedom = np.array([data.y.size - 1 for data in strata])
    total = float(parts.sum())
    df = None
    if labelled < SMALL_SAMPLE and total > 0:
        df = total**2 / float((parts**2 / freedom).sum())
    alone = np.sqrt(
        sum(w**2 * float(data.y.var(ddof=1)) / data.y.size for w, data in zip(weights, strata, strict=True))
    )
    rest = (float(weights @ lams), labelled, sum(data.others.size for data in strata), float(alone))
    return _around(float(weights @ values), total, df, level=level, rest=rest)


def _stratum(data: Labelled, lam: float | None) -> tuple[float, float, float]:
    n, others = data.y.size, data.others.size
    used = _lam(data) if lam is None else lam
    rest = data.y - used * data.f
    value = used * float(data.others.mean()) + float(rest.mean())
    variance = used**2 * float(data.others.var(ddof=1)) / others + float(rest.var(ddof=1)) / n
    return value, variance, used


def _lam(data: Labelled) -> float:
    spread = float(data.f.var(ddof=1))
    if spread <= 0:
        return 0.0
    together = float(((data.y - data.y.mean()) * (data.f - data.f.mean())).sum() / (data.y.size - 1))
    return float(np.clip(together / ((1 + data.y.size / data.others.size) * spread), 0.0, 1.0))


def _around(
    value: float, variance: float, df: float | None, *, level: float, rest: tuple[float, int, int, float]
) -> Corrected:
    se = float(np.sqrt(variance))
    tail = 0.5 + level / 2
    half = se * (normal_quantile(tail) if df is None else t_quantile(tail, df))
    lam, labelled, others, alone = rest
    return Corrected(value, value - half, value + half, se, lam, labelled, others, df, alone)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A judge against humans on a calibration set: true and false positives and negatives, humans being right."""

    tp: int
    fn: int
    tn: int
    fp: int

    @property
    def sensitivity(self) -> float:
        """tp / (tp + fn)."""
        return self.tp / (self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """tn / (tn + fp)."""
        return self.tn / (self.tn + self.fp)


@dataclass(frozen=True, slots=True)
class Prevalence:
    """A rate corrected for the judge's errors, kept in 0..1; `low`..`high` from a bootstrap, `se_delta` beside it."""

    value: float
    low: float
    high: float
    se: float
    se_delta: float


def rogan_gladen(
    positive: int, n: int, calibration: Calibration, *, seed: int, level: float = 0.95, resamples: int = 4000
) -> Prevalence:
    """The true rate behind a judge that said yes to `positive` of `n`: (p + spec - 1)/(sens + spec - 1).

    Rogan and Gladen (1978), for error rates that come from another study; with labels from the same distribution `ppi`
    is narrower. `se_delta` is the delta method's, with the uncertainty of all three rates. `se` and the bounds are a
    parametric bootstrap over both samples, which the delta method undercuts for small calibrations; its rates are
    pulled in by half a case, so that a calibration without an error is not taken as proof that there is none. Raises
    ValueError where sens + spec - 1 < 0.2: such a judge hardly knows more than a coin.
    """
    if min(calibration.tp + calibration.fn, calibration.tn + calibration.fp, n) < 1:
        raise ValueError("a calibration needs positive and negative items, and the judge must have judged some")
    sens, spec, p = calibration.sensitivity, calibration.specificity, positive / n
    youden = sens + spec - 1
    if youden < LEAST_YOUDEN:
        raise ValueError(
            f"sensitivity {sens:.2f} + specificity {spec:.2f} - 1 = {youden:.2f} is below {LEAST_YOUDEN}: "
            "this judge hardly knows more than a coin; improve it or label by hand"
        )
    value = (p + spec - 1) / youden
    yes, no = calibration.tp + calibration.fn, calibration.tn + calibration.fp
    delta = p * (1 - p) / n + value**2 * sens * (1 - sens) / yes + (1 - value) ** 2 * spec * (1 - spec) / no
    source = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))

    def drawn(hits: int, size: int) -> Floats:
        return source.binomial(size, (hits + 0.5) / (size + 1), resamples) / size

    again, hit, spared = drawn(positive, n), drawn(calibration.tp, yes), drawn(calibration.tn, no)
    gap = hit + spared - 1
    with np.errstate(all="ignore"):
        draws = np.where(gap > 0, np.clip((again + spared - 1) / gap, 0.0, 1.0), np.nan)
    # A resample in which the judge knows nothing leaves the rate open: it counts for both ends.
    tail = (1 - level) / 2
    low = float(np.quantile(np.where(np.isnan(draws), 0.0, draws), tail))
    high = float(np.quantile(np.where(np.isnan(draws), 1.0, draws), 1 - tail))
    centre = min(1.0, max(0.0, value))
    se = float(np.nanstd(draws, ddof=1))
    return Prevalence(centre, min(low, centre), max(high, centre), se, float(np.sqrt(delta)) / youden)
