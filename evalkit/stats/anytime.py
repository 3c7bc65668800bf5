"""Evidence that may be looked at whenever one likes: e-processes and confidence sequences for unplanned monitoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.quantiles import beta_probability, log_beta

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

GRID = 1001
TRUNCATION = 0.5
SLICE = 512
LEAST_CLUSTERS = 50
HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Band:
    """A confidence sequence: after every observation t, `low[t]`..`high[t]` holds the mean, for all t at once.

    NaN where it is not defined (`asymptotic` before 50 clusters).
    """

    low: Floats
    high: Floats

    def intersected(self) -> Band:
        """Each bound the best so far: allowed while the mean stays what it is, never for watching drift."""
        return Band(np.fmax.accumulate(self.low), np.fmin.accumulate(self.high))


def discordant(better: npt.ArrayLike, worse: npt.ArrayLike) -> Floats:
    """log e against "better and worse are equally likely": B(b+1, w+1) 2^(b+w), the uniform mixture of likelihoods.

    `better` and `worse` count discordant pairs so far (numbers or running counts, elementwise). Under the null the
    chance that e ever reaches 1/alpha is at most alpha (Ville 1939; Robbins 1970): reject at log e >= log(1/alpha).
    """
    b, w = _counts(better, worse)
    return np.asarray(log_beta(b + 1, w + 1) + (b + w) * np.log(2), dtype=np.float64)


def discordant_one_sided(better: npt.ArrayLike, worse: npt.ArrayLike) -> Floats:
    """As `discordant` against "better is at most as likely as worse": the mixture lies on (1/2, 1] alone.

    2 B(b+1, w+1) P(Beta(b+1, w+1) > 1/2) 2^(b+w); swap the arguments to test for harm. -inf where all speaks against.
    """
    b, w = _counts(better, worse)
    with np.errstate(divide="ignore"):
        above = np.log(beta_probability(0.5, w + 1, b + 1))
    return np.asarray(log_beta(b + 1, w + 1) + above + (b + w + 1) * np.log(2), dtype=np.float64)


def _counts(better: npt.ArrayLike, worse: npt.ArrayLike) -> tuple[Floats, Floats]:
    b, w = np.asarray(better, dtype=np.float64), np.asarray(worse, dtype=np.float64)
    if (b < 0).any() or (w < 0).any():
        raise ValueError("counts of pairs cannot be negative")
    return b, w


def proportion(
    successes: npt.ArrayLike, n: npt.ArrayLike, *, alpha: float = 0.05, a: float = 1.0, b: float = 1.0
) -> Band:
    """Robbins' beta-binomial confidence sequence of a proportion, from running counts of successes and trials.

    { p : B(k+a, n-k+b) / B(a, b) / (p^k (1-p)^(n-k)) < 1/alpha } (Robbins 1970); a and b weigh the mixture. The set is
    an interval around k/n; both ends by bisection. 0..1 before the first trial.
    """
    k, total = np.atleast_1d(np.asarray(successes, dtype=np.float64)), np.atleast_1d(np.asarray(n, dtype=np.float64))
    if (k < 0).any() or (k > total).any():
        raise ValueError("successes lie between 0 and the number of trials")
    threshold = log_beta(k + a, total - k + b) - log_beta(a, b) + np.log(alpha)
    centre = np.divide(k, total, out=np.full(k.shape, 0.5), where=total > 0)
    ends = []
    for edge in (0.0, 1.0):
        out, into = np.full(k.shape, edge), centre.copy()
        kept = _log_likelihood(k, total, out) > threshold
        for _ in range(HALVINGS):
            middle = (out + into) / 2
            inside = _log_likelihood(k, total, middle) > threshold
            out, into = np.where(inside, out, middle), np.where(inside, middle, into)
        ends.append(np.where(kept, edge, out))
    return Band(ends[0], ends[1])


def _log_likelihood(k: Floats, n: Floats, p: Floats) -> Floats:
    with np.errstate(all="ignore"):
        hits = np.where(k > 0, k * np.log(p), 0.0)
        misses = np.where(n - k > 0, (n - k) * np.log1p(-p), 0.0)
    return hits + misses


def betting(values: npt.ArrayLike, *, alpha: float = 0.05, grid: int = GRID) -> Band:
    """The hedged betting confidence sequence of the mean of values in 0..1, in the order in which they came.

    Waudby-Smith and Ramdas (2024): wealth K+(m) = prod(1 + l(x - m)) and K-(m) = prod(1 - l(x - m)), the half-half
    hedge max(K+/2, K-/2) < 1/alpha keeps m. Bets l_t = sqrt(2 log(2/alpha) / (s2_{t-1} t log(t+1))) from what came
    before, cut at 1/(2m) and 1/(2(1-m)). Exact for any distribution in 0..1 and any time of looking. Take paired
    differences as (d+1)/2, unequal clusters as cluster means. The set on `grid` points is widened by one point each
    way, so that the grid never makes it too narrow. Time and memory: n x grid, in slices. Raises ValueError outside
    0..1.
    """
    x = _unit(values)
    bets = _bets(x, alpha)
    means = np.linspace(0.0, 1.0, grid)
    with np.errstate(divide="ignore"):
        most_up, most_down = TRUNCATION / means, TRUNCATION / (1 - means)
    limit = np.log(1 / alpha) + np.log(2)
    up, down = np.zeros(grid), np.zeros(grid)
    low, high = np.empty(x.size), np.empty(x.size)
    for start in range(0, x.size, SLICE):
        part = slice(start, start + SLICE)
        apart, bet = x[part, None] - means, bets[part, None]
        ups = up + np.cumsum(np.log1p(np.minimum(bet, most_up) * apart), axis=0)
        downs = down + np.cumsum(np.log1p(-np.minimum(bet, most_down) * apart), axis=0)
        up, down = ups[-1], downs[-1]
        low[part], high[part] = _ends(np.maximum(ups, downs), limit, means)
    return Band(low, high)


def _unit(values: npt.ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64).reshape(-1)
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError("values lie in 0..1: rescale a bounded metric, and paired differences d as (d + 1)/2")
    return x


def _running(x: Floats) -> tuple[Floats, Floats]:
    """The regularised mean after each value, and the variance before each: what a bet may know."""
    t = np.arange(1, x.size + 1)
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (t + 1)
    return mean, np.concatenate([[0.25], variance])[: x.size]


def _bets(x: Floats, alpha: float) -> Floats:
    t = np.arange(1, x.size + 1)
    return np.asarray(np.sqrt(2 * np.log(2 / alpha) / (_running(x)[1] * t * np.log(t + 1))), dtype=np.float64)


def _ends(wealth: Floats, limit: float, means: Floats) -> tuple[Floats, Floats]:
    """The outermost kept points of each row, one point further out; the poorest point stands for a set between two."""
    kept = wealth < limit
    kept[np.arange(wealth.shape[0]), wealth.argmin(axis=1)] = True
    first, last = kept.argmax(axis=1), means.size - 1 - kept[:, ::-1].argmax(axis=1)
    return means[np.maximum(first - 1, 0)], means[np.minimum(last + 1, means.size - 1)]


def empirical_bernstein(values: npt.ArrayLike, *, alpha: float = 0.05) -> Band:
    """The predictable plug-in empirical-Bernstein sequence of values in 0..1: closed form, wider than `betting`.

    Waudby-Smith and Ramdas (2024, theorem 2): sum(l x)/sum(l) +- (log(2/alpha) + sum v psi(l))/sum(l), with
    v_t = 4 (x_t - mu_{t-1})^2, psi(l) = (-log(1-l) - l)/4 and the bets of `betting` cut at 1/2. A check on it.
    """
    x = _unit(values)
    mean, _ = _running(x)
    before = np.concatenate([[0.5], mean])[: x.size]
    bets = np.minimum(_bets(x, alpha), TRUNCATION)
    total = np.cumsum(bets)
    price = np.cumsum(4 * (x - before) ** 2 * (-np.log1p(-bets) - bets) / 4)
    centre, half = np.cumsum(bets * x) / total, (np.log(2 / alpha) + price) / total
    return Band(np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0))


def asymptotic(values: npt.ArrayLike, *, alpha: float = 0.05, best_at: int = 500) -> Band:
    """An asymptotic confidence sequence of a mean without bounds (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2024).

    mean +- s sqrt(2 (n r^2 + 1)/(n^2 r^2) log(sqrt(n r^2 + 1)/alpha)), tightest near n = `best_at` with
    r^2 = (-2 log a + log(-2 log a + 1))/best_at. `values` are independent: cluster means of equal clusters, or
    linearised sums. NaN before 50 of them, and where they do not vary, since the central limit theorem carries it.
    """
    x = np.asarray(values, dtype=np.float64).reshape(-1)
    n = np.arange(1, x.size + 1)
    mean = np.cumsum(x) / n
    start = float(x[0]) if x.size else 0.0
    shifted = x - start
    variance = np.cumsum(shifted**2) / n - (np.cumsum(shifted) / n) ** 2
    spread = np.sqrt(np.maximum(variance * n / np.maximum(n - 1, 1), 0.0))
    ratio = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / best_at
    grown = n * ratio + 1
    half = spread * np.sqrt(2 * grown / (n**2 * ratio) * np.log(np.sqrt(grown) / alpha))
    half = np.where((n < LEAST_CLUSTERS) | (spread <= 1e-12 * np.maximum(1.0, np.abs(mean))), np.nan, half)
    return Band(mean - half, mean + half)


def msprt(total: npt.ArrayLike, n: npt.ArrayLike, *, variance: float, prior: float) -> Floats:
    """log e of the mixture sequential probability ratio test against mean 0, normal mixture of variance `prior`.

    log e = log(s2/(s2 + n tau2))/2 + tau2 S^2/(2 s2 (s2 + n tau2)) with S the running sum (Robbins 1970; Johari et al.
    2022). Exact for a known variance only; kept as the well-known equivalent of `asymptotic`.
    """
    sums, count = np.asarray(total, dtype=np.float64), np.asarray(n, dtype=np.float64)
    grown = variance + count * prior
    return np.asarray(0.5 * np.log(variance / grown) + prior * sums**2 / (2 * variance * grown), dtype=np.float64)
