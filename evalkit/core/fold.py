"""How many scores become one number: `within` the repeats of a sample, then `across` samples.

A fold is a value, so one statistics room resamples every metric. Arrays are duck-typed: this floor imports no numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Array = Any
Columns = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Mean:
    """The (weighted) mean of the values."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Add each part over the samples, then `fn` of the sums.

    `fn` gets part name -> array of shape [B] (one sum per resample; a part that no sample has is absent) and returns an
    array of shape [B], NaN where the metric is not defined. `keys` names parts that are always present (0 if unused).
    """

    fn: Callable[[Columns], Array]
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Whole:
    """`fn` of all samples at once.

    `fn(columns, weights)` gets part name -> array of shape [n] (the score itself is column `value`; absent parts are
    NaN) and weights of shape [B, n]; it returns an array of shape [B], NaN where the metric is not defined.
    """

    fn: Callable[[Columns, Array], Array]


@dataclass(frozen=True, slots=True)
class PassAt:
    """Unbiased pass@k of n repeats with c passes: 1 - C(n-c, k) / C(n, k) (Chen et al. 2021); refused when n < k."""

    k: int


@dataclass(frozen=True, slots=True)
class PassAll:
    """pass^k of n repeats with c passes: C(c, k) / C(n, k) (tau-bench); refused when n < k."""

    k: int


@dataclass(frozen=True, slots=True)
class Majority:
    """1 when the most frequent extracted answer is a right one; ties between answers count their right share."""


Within = Mean | PassAt | PassAll | Majority
Across = Mean | Sums | Whole


@dataclass(frozen=True, slots=True)
class Fold:
    """`within` repeats of one sample, then `across` samples."""

    within: Within = Mean()
    across: Across = Mean()
