"""Adjusted p-values for several tests at once: Holm, Benjamini-Hochberg, Benjamini-Yekutieli."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Family-wise adjusted p-values, valid under any dependence (Holm 1979), in the order given.

    The i-th smallest of m is multiplied by m - i + 1, then made monotone from below and cut at 1. Reject where the
    adjusted value is at most alpha: the chance of any false rejection is at most alpha. Raises ValueError outside 0..1.
    """
    given = _checked(p)
    order = np.argsort(given, kind="stable")
    factors = np.arange(given.size, 0, -1)
    return _back(order, np.maximum.accumulate(given[order] * factors))


def benjamini_hochberg(p: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values for the false discovery rate (Benjamini and Hochberg 1995), in the order given.

    Holds for independent or positively dependent tests. Reject where the adjusted value is at most q: of what is
    rejected, a share of at most q is expected to be false. Raises ValueError outside 0..1.
    """
    return _step_up(_checked(p), 1.0)


def benjamini_yekutieli(p: Sequence[float]) -> tuple[float, ...]:
    """As `benjamini_hochberg`, times 1 + 1/2 + ... + 1/m, for any dependence (Benjamini and Yekutieli 2001)."""
    given = _checked(p)
    return _step_up(given, float((1.0 / np.arange(1, given.size + 1)).sum()))


def _step_up(given: Floats, price: float) -> tuple[float, ...]:
    order = np.argsort(given, kind="stable")
    factors = price * given.size / np.arange(1, given.size + 1)
    return _back(order, np.minimum.accumulate((given[order] * factors)[::-1])[::-1])


def _back(order: npt.NDArray[np.intp], adjusted: Floats) -> tuple[float, ...]:
    out = np.empty(order.size)
    out[order] = np.minimum(adjusted, 1.0)
    return tuple(out.tolist())


def _checked(p: Sequence[float]) -> Floats:
    given = np.asarray(p, dtype=np.float64)
    wrong = given[~((given >= 0) & (given <= 1))]
    if wrong.size:
        raise ValueError(f"{wrong[0]} is no p-value: it must lie in 0..1; leave out tests that could not be made")
    return given
