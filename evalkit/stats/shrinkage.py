"""The best of many noisy candidates looks better than it is: shrunken estimates, and how much the top is flattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST = 4
HALVINGS = 100


@dataclass(frozen=True, slots=True)
class Shrunk:
    """K estimates pulled towards their common mean.

    `estimates[k] = mean + (1 - pull[k]) (value[k] - mean)`; `tau2` is the variance between the true values (at least
    0), `pull` 0 = as measured, 1 = all the way. Fewer than four candidates are left as they are (pull 0).
    """

    estimates: tuple[float, ...]
    mean: float
    tau2: float
    pull: tuple[float, ...]


def shrink(values: Sequence[float], ses: Sequence[float]) -> Shrunk:
    """Empirical-Bayes James-Stein estimates, positive part, for unequal standard errors (Efron and Morris 1975).

    tau2 solves sum (y - mu)^2 / (se^2 + tau2) = K - 1 with mu the weighted mean; then the pull is
    (K-3)/(K-1) se^2/(se^2 + tau2). Where no tau2 >= 0 solves it the pull is min(1, (K-3)/Q) with Q that sum at 0. For
    equal se both are James and Stein's (K-3) se^2 / sum (y - ybar)^2, at most 1. The candidates are taken as
    exchangeable; that is an assumption, and the reason why this stands beside a measured value, never in its place.
    Raises ValueError for values that are not finite, errors that are not above 0, or unequal lengths.
    """
    y, variance = _checked(values, ses)
    count = y.size
    if count < LEAST:
        return Shrunk(tuple(y.tolist()), float(y.mean()) if count else 0.0, 0.0, (0.0,) * count)
    tau2 = _between(y, variance)
    weights = 1 / (variance + tau2)
    mean = float((weights * y).sum() / weights.sum())
    if tau2 > 0:
        pull = (count - 3) / (count - 1) * variance / (variance + tau2)
    else:
        excess = _excess(y, variance, 0.0)
        pull = np.full(count, min(1.0, (count - 3) / excess) if excess > 0 else 1.0)
    estimates = mean + (1 - pull) * (y - mean)
    return Shrunk(tuple(estimates.tolist()), mean, tau2, tuple(pull.tolist()))


def optimism(values: Sequence[float], covariance: Floats, *, seed: int, draws: int = 10_000) -> float:
    """By how much the measured value of the best candidate is expected to exceed its true value; at least 0.

    The winner's curse, by simulation: the truth is set to the shrunken estimates, measured again `draws` times with
    `covariance[K, K]` (paired candidates err together, which makes the curse smaller), and what the winner of each
    draw has above its truth is averaged. `values` are higher-is-better. 0 for a single candidate.
    """
    measured = np.asarray(values, dtype=np.float64)
    if measured.size < 2:
        return 0.0
    truth = np.array(shrink(values, np.sqrt(np.diag(covariance)).tolist()).estimates)
    source = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    noise = source.standard_normal((draws, measured.size)) @ _root(covariance).T
    winner = (truth + noise).argmax(axis=1)
    return max(0.0, float(noise[np.arange(draws), winner].mean()))


def _root(covariance: Floats) -> Floats:
    # Paired candidates may be perfectly correlated, where Cholesky fails and an eigendecomposition does not.
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), dtype=np.float64)


def _checked(values: Sequence[float], ses: Sequence[float]) -> tuple[Floats, Floats]:
    y, errors = np.asarray(values, dtype=np.float64), np.asarray(ses, dtype=np.float64)
    if y.shape != errors.shape:
        raise ValueError(f"{y.size} values and {errors.size} standard errors")
    if not np.isfinite(y).all() or not np.isfinite(errors).all() or (errors <= 0).any():
        raise ValueError("shrinking needs finite values with standard errors above 0; leave out candidates without")
    return y, errors**2


def _excess(y: Floats, variance: Floats, tau2: float) -> float:
    weights = 1 / (variance + tau2)
    mean = (weights * y).sum() / weights.sum()
    return float((weights * (y - mean) ** 2).sum())


def _between(y: Floats, variance: Floats) -> float:
    """The root of the falling function `_excess` = K - 1, by bisection; 0 where it starts below."""
    goal = y.size - 1
    if _excess(y, variance, 0.0) <= goal:
        return 0.0
    low, high = 0.0, float(((y - y.mean()) ** 2).sum())
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _excess(y, variance, middle) > goal else (low, middle)
    return (low + high) / 2
