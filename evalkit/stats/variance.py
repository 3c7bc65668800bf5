"""Where the uncertainty of a mean comes from: the samples, or the repeats of a sample (Miller 2024); what flips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.fold import PASS_TOLERANCE, Observations
from evalkit.stats.power import repeats_worth

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Epochs:
    """Var(mean) = (omega2 + sigma2 / repeats) / samples.

    `sigma2` = mean variance within a sample, `omega2` = variance between samples (clamped at 0 for display), `se` =
    standard error as run, `se_floor` = what is left with endless repeats, `se_fixed` = that of these very samples
    (estimand fixed_suite: only the generation varies), sqrt(mean_i(s_i^2 / K_i) / n). `worth` = the repeats beyond
    which more change little; new samples beat repeats at equal cost where sigma2 <= omega2. `identical` = every sample
    got the same value in all its repeats, which at temperature > 0 smells of a cache.
    """

    samples: int
    repeats: float
    omega2: float
    sigma2: float
    se: float
    se_floor: float
    identical: bool
    se_fixed: float
    worth: int


def decompose(seen: Observations) -> Epochs | None:
    """Split the variance of per-row values; None below two samples, two repeats, or where a value is missing.

    Unequal repeats enter by their harmonic mean. Samples are taken as independent: with clusters, read `sigma2` only.
    """
    if seen.samples < 2 or np.isnan(seen.value).any():
        return None
    count = np.bincount(seen.sample)
    if count.min() < 2:
        return None
    means = np.bincount(seen.sample, weights=seen.value) / count
    squares = np.bincount(seen.sample, weights=(seen.value - means[seen.sample]) ** 2)
    sigma2 = float((squares / (count - 1)).mean())
    repeats = float(count.size / (1 / count).sum())
    between = float(means.var(ddof=1))
    omega2 = max(0.0, between - sigma2 / repeats)
    return Epochs(
        samples=seen.samples,
        repeats=repeats,
        omega2=omega2,
        sigma2=sigma2,
        se=float(np.sqrt(between / seen.samples)),
        se_floor=float(np.sqrt(omega2 / seen.samples)),
        identical=bool((squares == 0).all()),
        se_fixed=float(np.sqrt((squares / (count - 1) / count).mean() / seen.samples)),
        worth=repeats_worth(omega2, sigma2),
    )


def flip_rates(seen: Observations) -> Floats:
    """How often two repeats of a sample disagree about passing: 2c(n-c)/(n(n-1)) of c passes in n runs, unbiased.

    One value per sample in the order of the codes, 0..1; NaN below two repeats or where a value is missing.
    """
    count = np.bincount(seen.sample).astype(np.float64)
    passed = np.bincount(seen.sample, weights=seen.value >= 1 - PASS_TOLERANCE)
    with np.errstate(all="ignore"):
        rates: Floats = 2 * passed * (count - passed) / (count * (count - 1))
    rates[np.isnan(np.bincount(seen.sample, weights=seen.value)) | (count < 2)] = np.nan
    return rates
