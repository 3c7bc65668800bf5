"""Closed-form intervals: Wilson, Clopper-Pearson, t, cluster-robust, CR2, clustered Wilson, linearised ratios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.fold import Additive
from evalkit.stats.quantiles import beta_quantile, normal_quantile, t_quantile

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

SMALL_GROUPS = 30
LARGE_SHARE = 0.20
GRADIENT_STEP = 1e-6
FLAT = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """`low`..`high` (None = not defined), the method's name, the standard error, its degrees of freedom.

    `resamples` counts what was drawn; 0 for a closed form.
    """

    low: float | None
    high: float | None
    method: str
    se: float | None = None
    df: float | None = None
    resamples: int = 0


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927), as statsmodels' `proportion_confint(method="wilson")`."""
    return _score_interval(successes / n, n, normal_quantile(0.5 + level / 2))


def _score_interval(p: float, n: float, quantile: float) -> tuple[float, float]:
    squared = quantile * quantile
    centre = (p + squared / (2 * n)) / (1 + squared / n)
    half = quantile / (1 + squared / n) * float(np.sqrt(p * (1 - p) / n + squared / (4 * n * n)))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    # At the ends the bound is exact; the subtraction would leave dust such as 1e-17.
    return (0.0 if p == 0 else low), (1.0 if p == 1 else high)


def clopper_pearson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The exact (conservative) interval of a proportion from beta quantiles (Clopper and Pearson 1934)."""
    tail = (1 - level) / 2
    low = 0.0 if successes <= 0 else beta_quantile(tail, successes, n - successes + 1)
    high = 1.0 if successes >= n else beta_quantile(1 - tail, successes + 1, n - successes)
    return low, high


def mean_t(values: Floats, level: float = 0.95) -> Interval:
    """mean +- t(n-1) s/sqrt(n) of independent values; no bounds for n < 2."""
    n = values.size
    if n < 2:
        return Interval(None, None, "t")
    return _around(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)), n - 1, level=level, method="t")


def _around(centre: float, se: float, df: float, *, level: float, method: str) -> Interval:
    half = t_quantile(0.5 + level / 2, df) * se
    return Interval(centre - half, centre + half, method, se, df)


@dataclass(frozen=True, slots=True)
class Clusters:
    """Residual sums and sizes of clusters around the overall mean: what every cluster-robust variance needs."""

    mean: float
    residuals: Floats
    sizes: Floats

    @classmethod
    def of(cls, values: Floats, cluster: Codes) -> Clusters:
        """From one value and one cluster code (0..G-1) per sample."""
        mean = float(values.mean())
        return cls(
            mean,
            np.bincount(cluster, weights=values - mean).astype(np.float64),
            np.bincount(cluster).astype(np.float64),
        )

    @property
    def groups(self) -> int:
        """G, the number of clusters."""
        return int(self.sizes.size)

    @property
    def n(self) -> float:
        """The number of samples."""
        return float(self.sizes.sum())

    @property
    def uneven(self) -> bool:
        """Whether the plain correction is too rough: fewer than 30 clusters, or one holds more than 20 %."""
        return self.groups < SMALL_GROUPS or bool(self.sizes.max() > LARGE_SHARE * self.n)

    def variance(self) -> float:
        """CR1: G/(G-1) sum_g S_g^2 / n^2; G >= 2."""
        return float(self.groups / (self.groups - 1) * (self.residuals**2).sum() / self.n**2)

    def variance_cr2(self) -> float:
        """CR2 of a mean: sum_g S_g^2/(1 - n_g/n) / n^2 (Bell and McCaffrey 2002); G >= 2."""
        return float((self.residuals**2 / (1 - self.sizes / self.n)).sum() / self.n**2)

    def df_cr2(self) -> float:
        """Satterthwaite's degrees of freedom of CR2 under equal variances; G-1 when clusters are of equal size."""
        leverage = self.sizes**2 / (1 - self.sizes / self.n)
        diagonal = (self.sizes**2).sum() / self.n**4
        off = (leverage.sum() ** 2 - (leverage**2).sum()) / self.n**6
        return float((1 / self.n) ** 2 / (diagonal + off))

    def robust(self) -> tuple[float, float, str]:
        """Standard error, degrees of freedom, method: CR1 with t(G-1), CR2 with Satterthwaite's df when few or uneven.

        Clusters of one sample each give the plain t. G >= 2.
        """
        if self.uneven and (self.sizes != self.sizes[0]).any():
            return float(np.sqrt(self.variance_cr2())), self.df_cr2(), "cluster-cr2"
        alone = bool((self.sizes == 1).all())
        return float(np.sqrt(self.variance())), self.groups - 1.0, "t" if alone else "cluster-t"

    @property
    def flat(self) -> bool:
        """Whether all clusters agree up to rounding, so that an estimated variance says nothing."""
        return bool(np.abs(self.residuals).max() <= FLAT * max(1.0, abs(self.mean)) * self.sizes.max())


def cluster_mean(clusters: Clusters, level: float = 0.95) -> Interval:
    """A mean with clusters by its robust standard error; no bounds for G < 2."""
    if clusters.groups < 2:
        return Interval(None, None, "cluster-t")
    se, df, method = clusters.robust()
    return _around(clusters.mean, se, df, level=level, method=method)


def cluster_wilson(clusters: Clusters, level: float = 0.95) -> Interval:
    """A proportion with clusters: Wilson with n_eff = p(1-p)/V capped at n and a t(G-1) quantile.

    At 0 or 1, where V = 0, Clopper-Pearson on the G clusters. No bounds for G < 2.
    """
    if clusters.groups < 2:
        return Interval(None, None, "cluster-wilson")
    p, groups = clusters.mean, clusters.groups
    if p <= 0 or p >= 1:
        low, high = clopper_pearson(round(p) * groups, groups, level)
        return Interval(low, high, "cluster-clopper", 0.0, groups - 1)
    variance = clusters.variance()
    effective = min(clusters.n, p * (1 - p) / variance) if variance > 0 else clusters.n
    low, high = _score_interval(p, effective, t_quantile(0.5 + level / 2, groups - 1))
    return Interval(low, high, "cluster-wilson", float(np.sqrt(variance)), groups - 1)


def gradient(sums: Additive, total: Floats) -> Floats:
    """The gradient of a function of sums at `total[P]` by central differences, exact to about 1e-9."""
    steps = GRADIENT_STEP * np.where(total == 0, 1.0, np.abs(total))
    moved = np.concatenate([total + np.diag(steps), total - np.diag(steps)])
    up, down = np.split(sums.at(moved), 2)
    with np.errstate(all="ignore"):
        slope: Floats = (up - down) / (2 * steps)
    return slope


def influences(sums: Additive) -> Floats | None:
    """How much each cluster moves a smooth function of sums, centred, shape [G]; None where that is not finite.

    For a ratio r = E/W that of a cluster is (E_g - r W_g)/W, the linearised ratio (Woodruff 1971).
    """
    total = sums.sums.sum(axis=0)
    with np.errstate(all="ignore"):
        found: Floats = (sums.sums - total / sums.groups) @ gradient(sums, total)
    return found if np.isfinite(found).all() else None


def linearised(sums: Additive, level: float = 0.95) -> Interval:
    """A smooth function of sums by its influences: V = G/(G-1) sum_g influence_g^2, t(G-1).

    No bounds for G < 2 or where the gradient is not finite.
    """
    moved = influences(sums) if sums.groups > 1 else None
    if moved is None:
        return Interval(None, None, "linearised")
    centre = float(sums.at(sums.sums.sum(axis=0)[None, :])[0])
    se = influence_se(moved)
    return _around(centre, se, sums.groups - 1, level=level, method="linearised")


def influence_se(moved: Floats) -> float:
    """sqrt(G/(G-1) sum_g influence_g^2) of G >= 2 influences."""
    return float(np.sqrt(moved.size / (moved.size - 1) * (moved**2).sum()))
