"""Where the uncertainty of a mean comes from: the samples, or the repeats of a sample (Miller 2024)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.stats.fold import Observations


@dataclass(frozen=True, slots=True)
class Epochs:
    """Var(mean) = (omega2 + sigma2 / repeats) / samples.

    `sigma2` = mean variance within a sample, `omega2` = variance between samples (clamped at 0 for display), `se` =
    standard error as run, `se_floor` = what is left with endless repeats. `identical` = every sample got the same value
    in all its repeats, which at temperature > 0 smells of a cache.
    """

    samples: int
    repeats: float
    omega2: float
    sigma2: float
    se: float
    se_floor: float
    identical: bool


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
    )
