"""Quantiles of the normal, Student's t and beta distributions; the one place that knows scipy.special."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]


def normal_quantile(probability: float) -> float:
    """The standard normal quantile of a probability in (0, 1)."""
    return float(special.ndtri(probability))


def normal_probability(quantile: float | Floats) -> Floats:
    """The standard normal distribution function, elementwise."""
    return np.asarray(special.ndtr(quantile), dtype=np.float64)


def t_quantile(probability: float, df: float) -> float:
    """Student's t quantile of a probability in (0, 1); `df` > 0 need not be whole."""
    return float(special.stdtrit(df, probability))


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The quantile of a Beta(a, b), a and b > 0."""
    return float(special.betaincinv(a, b, probability))
