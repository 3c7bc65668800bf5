"""The normal, Student's t, beta, binomial and F distributions; the one place that knows scipy.special."""

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


def t_probability(quantile: float, df: float) -> float:
    """Student's t distribution function; `df` > 0 need not be whole."""
    return float(special.stdtr(df, quantile))


def binomial_probability(successes: int, n: int, rate: float) -> float:
    """P(X <= successes) of a Binomial(n, rate)."""
    return float(special.bdtr(successes, n, rate))


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The quantile of a Beta(a, b), a and b > 0."""
    return float(special.betaincinv(a, b, probability))


def beta_probability(quantile: float | Floats, a: float | Floats, b: float | Floats) -> Floats:
    """The distribution function of a Beta(a, b), elementwise; a and b > 0."""
    return np.asarray(special.betainc(a, b, quantile), dtype=np.float64)


def log_beta(a: float | Floats, b: float | Floats) -> Floats:
    """The logarithm of the beta function, elementwise; a and b > 0."""
    return np.asarray(special.betaln(a, b), dtype=np.float64)


def f_tail(value: float, df_above: float, df_below: float) -> float:
    """The probability that an F with (df_above, df_below) degrees of freedom exceeds `value`."""
    return float(special.fdtrc(df_above, df_below, value))
