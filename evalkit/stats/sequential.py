"""Planned looks at growing data without inflating the error: Lan-DeMets O'Brien-Fleming, and alpha over reruns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evalkit.stats.quantiles import normal_probability, normal_quantile

Floats = npt.NDArray[np.float64]

LOOKS = (0.3, 0.6, 1.0)
LEAST_STEP = 0.01
PANELS = 25
NODES = 16
TAIL = 9.0
HALVINGS = 60
FIRST_SHARE = 0.8


def spending(fraction: float, alpha: float = 0.05) -> float:
    """One-sided error spent until an information fraction t in (0, 1]: a(t) = 2 - 2 Phi(z_{a/2} / sqrt t).

    The O'Brien-Fleming-type function (Lan and DeMets 1983); a(1) = alpha. A two-sided plan takes this twice, each side
    with its own alpha.
    """
    return float(2 * normal_probability(normal_quantile(alpha / 2) / np.sqrt(fraction)))


def bounds(fractions: Sequence[float] = LOOKS, alpha: float = 0.05) -> tuple[float, ...]:
    """The z-values that a one-sided test must reach at each look, so that all looks together err with at most alpha.

    `fractions` are the shares of the planned information (samples, or inverse variance), increasing in (0, 1].
    Recursive numerical integration of the density of paths that have not crossed (Armitage, McPherson and Rowe 1969)
    with 25 panels of 16 Gauss-Legendre nodes; good to about 1e-9. At 0.3, 0.6, 1 and alpha 0.05: 3.393, 2.281, 1.680.
    Bounds above 9 (very early looks) are given as 9. Raises ValueError for fractions out of order or closer than 0.01.
    """
    times = _checked(fractions, alpha)
    spent = [spending(t, alpha) for t in times]
    found = [min(TAIL, -normal_quantile(spent[0]))]
    nodes, mass = _start(times[0], found[0])
    for k in range(1, len(times)):
        step = float(np.sqrt(times[k] - times[k - 1]))
        limit = _limit(nodes, mass, step=step, spend=spent[k] - spent[k - 1], scale=float(np.sqrt(times[k])))
        found.append(limit / float(np.sqrt(times[k])))
        nodes, mass = _continue(nodes, mass, step=step, limit=limit, scale=float(np.sqrt(times[k])))
    return tuple(found)


def nominal_alphas(fractions: Sequence[float] = LOOKS, alpha: float = 0.05) -> tuple[float, ...]:
    """The one-sided level at which each look is tested: 1 - Phi(bound).

    A gate decides look k by one-sided bounds at this level (the repeated interval: estimate -+ z_k SE), by whichever
    method the metric has; with t quantiles the same levels hold (Jennison and Turnbull 2000, chapter 3.8).
    """
    return tuple(float(normal_probability(-z)) for z in bounds(fractions, alpha))


def crossed(z: Sequence[float], fractions: Sequence[float] = LOOKS, alpha: float = 0.05) -> int | None:
    """The first look (0, 1, ...) whose z-value reaches its bound; None when none of those made so far does.

    `z` holds the looks made, which may be fewer than planned; a plan is never changed after its first look.
    """
    limits = bounds(fractions, alpha)
    if len(z) > len(limits):
        raise ValueError(f"{len(z)} looks were made, {len(limits)} were planned")
    return next((k for k, (value, limit) in enumerate(zip(z, limits, strict=False)) if value >= limit), None)


def spent(attempt: int, alpha: float = 0.05) -> float:
    """The one-sided error that attempt 1, 2, ... on the same commit may spend; all attempts together stay below alpha.

    The first has 0.8 alpha, each later one half of what is left: 0.1 alpha, 0.05 alpha, ... By the union bound the
    chance that any of endlessly many reruns errs is below alpha, so that rerunning until green does not work. The first
    attempt cannot keep all of alpha: then nothing would be left and every rerun would add error. With 0.8 it needs 9 %
    more samples for the same power, where halving from the start would cost 27 %. Raises ValueError below 1.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1: {attempt}")
    return alpha * (FIRST_SHARE if attempt == 1 else (1 - FIRST_SHARE) / 2.0 ** (attempt - 1))


def _checked(fractions: Sequence[float], alpha: float) -> list[float]:
    times = [float(t) for t in fractions]
    if not 0 < alpha < 0.5:
        raise ValueError(f"a one-sided alpha lies between 0 and 0.5: {alpha}")
    steps = np.diff([0.0, *times])
    if not times or not times[-1] <= 1 or not (steps >= LEAST_STEP - 1e-12).all():
        raise ValueError(f"looks at {fractions}: information fractions rise in (0, 1], at least {LEAST_STEP} apart")
    return times


def _grid(limit: float, scale: float) -> tuple[Floats, Floats]:
    points, weights = np.polynomial.legendre.leggauss(NODES)
    edges = np.linspace(-TAIL * scale, limit, PANELS + 1)
    half = float(edges[1] - edges[0]) / 2
    return (edges[:-1, None] + half * (points + 1)).reshape(-1), np.tile(half * weights, PANELS)


def _density(apart: Floats, sd: float) -> Floats:
    return np.asarray(np.exp(-0.5 * (apart / sd) ** 2) / (sd * np.sqrt(2 * np.pi)), dtype=np.float64)


def _start(time: float, bound: float) -> tuple[Floats, Floats]:
    scale = float(np.sqrt(time))
    nodes, weights = _grid(bound * scale, scale)
    return nodes, weights * _density(nodes, scale)


def _continue(nodes: Floats, mass: Floats, *, step: float, limit: float, scale: float) -> tuple[Floats, Floats]:
    new, weights = _grid(limit, scale)
    return new, weights * (_density(new[:, None] - nodes[None, :], step) @ mass)


def _limit(nodes: Floats, mass: Floats, *, step: float, spend: float, scale: float) -> float:
    """The Brownian value that the paths still running pass with probability `spend`, by bisection."""
    low, high = -TAIL * scale, TAIL * scale
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        passing = float(mass @ normal_probability((nodes - middle) / step))
        low, high = (middle, high) if passing > spend else (low, middle)
    return (low + high) / 2
