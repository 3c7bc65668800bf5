"""How simulations are judged: seeds from names, 99.9 % binomial intervals, 300 replications or 2,000 at night."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy.stats import binomtest

REPLICATIONS = [300, pytest.param(2000, marks=pytest.mark.nightly)]


def source(name: str) -> np.random.Generator:
    """A generator seeded by the hash of a test's name."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))


def interval(hits: int, n: int) -> tuple[float, float]:
    """The exact 99.9 % interval of a rate."""
    found = binomtest(int(hits), n).proportion_ci(0.999)
    return float(found.low), float(found.high)


def at_most(hits: int, n: int, target: float) -> bool:
    """Whether a rate of at most `target` may have given these hits."""
    return interval(hits, n)[0] <= target


def at_least(hits: int, n: int, target: float) -> bool:
    """Whether a rate of at least `target` may have given these hits."""
    return interval(hits, n)[1] >= target
