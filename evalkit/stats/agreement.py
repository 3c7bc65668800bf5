"""How far raters agree beyond chance: kappa, Gwet's AC, Krippendorff's alpha, rank correlations, each with bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from evalkit.core.ledger import Estimate
from evalkit.stats import resample
from evalkit.stats.fold import Additive, Full
from evalkit.stats.intervals import clopper_pearson, wilson

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Scale = Literal["nominal", "ordinal", "interval"]

RESAMPLES = 1000
LEAST_AGREEMENT = 0.4
MOST_BELOW_HUMANS = 0.1
LEAST_LABELS = 100
MOST_CATEGORIES = 50
MOST_PATTERNS = 2000
NOTHING = Estimate(None, None, None, 0, 0, "none (no item has two ratings)")


def confusion(a: Sequence[float], b: Sequence[float], categories: Sequence[float]) -> Codes:
    """Counts `[k, k]`: rows are a's labels, columns b's, in the order of `categories`.

    Raises ValueError for a label that is none of them, or for lists of different lengths.
    """
    rows, columns = _codes(a, categories), _codes(b, categories)
    if rows.size != columns.size:
        raise ValueError(f"{rows.size} labels against {columns.size}: both must label the same items")
    size = len(categories)
    return np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)


def accuracy(table: Codes) -> Estimate:
    """The share of a confusion matrix on its diagonal, with Wilson's interval; None without items."""
    n, right = int(table.sum()), int(np.trace(table))
    if not n:
        return NOTHING
    low, high = wilson(right, n)
    share = right / n
    return Estimate(share, low, high, n, n, "wilson", float(np.sqrt(share * (1 - share) / n)))


def kappa(
    a: Sequence[float],
    b: Sequence[float],
    *,
    seed: int,
    categories: Sequence[float] | None = None,
    ordinal: bool = False,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Cohen's kappa of two raters (Cohen 1960), -1..1; quadratic weights over the places if `ordinal` (Cohen 1968).

    `categories` in their order; None takes those that occur. Bootstrap interval by item; None where chance explains
    everything because only one label was ever given.
    """
    known = _known(np.array([a, b], dtype=np.float64), categories)
    size = len(known)
    cells = _codes(a, known) * size + _codes(b, known)
    apart = 1.0 - _weights(size, ordinal=ordinal)

    def parts(totals: Floats) -> tuple[Floats, Floats]:
        shares = totals.reshape(-1, size, size) / totals.sum(axis=1)[:, None, None]
        chance = shares.sum(axis=2)[:, :, None] * shares.sum(axis=1)[:, None, :]
        return (shares * apart).sum(axis=(1, 2)), (chance * apart).sum(axis=(1, 2))

    return _estimate(Disagreement(np.eye(size * size)[cells], parts), seed=seed, resamples=resamples)


def gwet(
    ratings: npt.ArrayLike,
    *,
    seed: int,
    categories: Sequence[float] | None = None,
    ordinal: bool = False,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Gwet's AC1, or AC2 with quadratic weights if `ordinal` (Gwet 2008, 2014): stable when one label is frequent.

    `ratings[items, raters]`, NaN where a rater did not rate. Agreement is over items with two ratings or more, chance
    agreement sum(w) / (q (q-1)) sum pi (1 - pi) over all items. Declare `categories`: with the single one that occurred
    there is no chance to correct for, and the result is None.
    """
    table = _ratings(ratings)
    table = table[(~np.isnan(table)).any(axis=1)]
    if not table.size:
        return NOTHING
    known = _known(table, categories)
    size, counts = len(known), _counts(table, known)
    weights = _weights(size, ordinal=ordinal)
    raters = counts.sum(axis=1)
    several = raters >= 2
    pairs = np.where(several, raters * (raters - 1), 1.0)
    agreed = np.where(several, (counts * (counts @ weights - 1)).sum(axis=1) / pairs, 0.0)
    sums = np.column_stack([several - agreed, several, counts / raters[:, None]]).astype(np.float64)

    def parts(totals: Floats) -> tuple[Floats, Floats]:
        shares = totals[:, 2:] / totals[:, 2:].sum(axis=1)[:, None]
        chance = weights.sum() / (size * (size - 1)) * (shares * (1 - shares)).sum(axis=1) if size > 1 else 1.0
        return totals[:, 0] / totals[:, 1], 1.0 - np.broadcast_to(chance, totals.shape[:1])

    return _estimate(Disagreement(sums, parts), seed=seed, resamples=resamples)


def krippendorff(ratings: npt.ArrayLike, *, seed: int, scale: Scale, resamples: int = RESAMPLES) -> Estimate:
    """Krippendorff's alpha = 1 - D_o/D_e for any number of raters and missing ratings (Krippendorff 2011).

    `ratings[items, raters]`, NaN where a rater did not rate; items with one rating say nothing. The difference of two
    ratings is 0/1 (nominal), of their mid-ranks squared (ordinal), or of their values squared (interval). None where
    nothing varies. Raises ValueError for more than 50 different values on a nominal or ordinal scale.
    """
    table = _ratings(ratings)
    table = table[(~np.isnan(table)).sum(axis=1) >= 2]
    if not table.size:
        return NOTHING
    if scale == "interval":
        return _estimate(_moments(table), seed=seed, resamples=resamples)
    known = _known(table, None)
    size, counts = len(known), _counts(table, known)
    if size > MOST_CATEGORIES:
        raise ValueError(f"{size} different ratings are no {scale} scale of at most {MOST_CATEGORIES}; take interval")
    raters = counts.sum(axis=1)
    together = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(size)
    sums = (together / (raters - 1)[:, None, None]).reshape(len(counts), size * size)

    def parts(totals: Floats) -> tuple[Floats, Floats]:
        seen = totals.reshape(-1, size, size)
        margin = seen.sum(axis=2)
        n = margin.sum(axis=1)
        place = np.cumsum(margin, axis=1) - margin / 2
        apart = (place[:, :, None] - place[:, None, :]) ** 2 if scale == "ordinal" else 1.0 - np.eye(size)[None]
        most = np.maximum(apart.max(axis=(1, 2)), 1e-300)
        chance = (margin[:, :, None] * margin[:, None, :] * apart).sum(axis=(1, 2))
        return (seen * apart).sum(axis=(1, 2)) / (n * most), chance / (n * (n - 1) * most)

    return _estimate(Disagreement(sums, parts), seed=seed, resamples=resamples)


def _moments(table: Floats) -> Disagreement:
    """The interval scale needs no categories: squared differences are sums of powers."""
    raters = (~np.isnan(table)).sum(axis=1).astype(np.float64)
    first, second = np.nansum(table, axis=1), np.nansum(table**2, axis=1)
    apart = (2 * raters * second - 2 * first**2) / np.maximum(raters - 1, 1)
    width = float(np.nanmax(table) - np.nanmin(table)) ** 2

    def parts(totals: Floats) -> tuple[Floats, Floats]:
        n, total, squares, seen = totals.T
        most = max(width, 1e-300)
        return seen / (n * most), 2 * (n * squares - total**2) / (n * (n - 1) * most)

    return Disagreement(np.column_stack([raters, first, second, apart]), parts)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Sums by item and what they come to: observed and expected disagreement, both in 0..1 of the largest possible."""

    sums: Floats
    parts: Callable[[Floats], tuple[Floats, Floats]]

    def beyond_chance(self, totals: Floats) -> Floats:
        """1 - observed/expected, `[B]`; NaN where nothing is expected."""
        observed, expected = self.parts(totals)
        return 1.0 - observed / np.where(expected > 1e-12, expected, np.nan)


def _estimate(one: Disagreement, *, seed: int, resamples: int) -> Estimate:
    n = int(one.sums.shape[0])
    if not n:
        return NOTHING
    statistic = Additive(one.sums, one.beyond_chance)
    total = one.sums.sum(axis=0)[None, :]
    value = float(statistic.at(total)[0])
    if not np.isfinite(value):
        return Estimate(None, None, None, n, n, "none (only one label was given)")
    observed, expected = one.parts(total)
    if observed[0] <= 1e-12:
        # No disagreement was seen, so a bootstrap sees no spread: the exact bound of its share stands in.
        agreed = clopper_pearson(n, n)[0]
        return Estimate(value, max(-1.0, float(1 - (1 - agreed) / expected[0])), 1.0, n, n, "bounded (all agree)", 0.0)
    found = resample.interval(statistic, seed=seed, resamples=resamples)
    if found.se is None or found.se <= 1e-12:
        return Estimate(value, None, None, n, n, f"none ({found.method})")
    return Estimate(value, found.low, found.high, n, n, found.method, found.se)


def spearman(a: Sequence[float], b: Sequence[float], *, seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Spearman's rank correlation with mid-ranks for ties, bootstrapped by item; None where one side is constant."""
    return _correlation(a, b, _weighted_spearman, seed=seed, resamples=resamples)


def kendall(a: Sequence[float], b: Sequence[float], *, seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Kendall's tau-b, bootstrapped by item; None where one side is constant.

    No interval for more than 2,000 different pairs of scores: its cost grows with their square.
    """
    return _correlation(a, b, _weighted_kendall, seed=seed, resamples=resamples)


def _correlation(
    a: Sequence[float],
    b: Sequence[float],
    fn: Callable[[Mapping[str, Floats], Floats], Floats],
    *,
    seed: int,
    resamples: int,
) -> Estimate:
    both = np.column_stack([np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)])
    n = int(both.shape[0])
    distinct, place = np.unique(both, axis=0, return_inverse=True)
    columns = {"a": distinct[:, 0], "b": distinct[:, 1]}
    size = int(distinct.shape[0])
    with np.errstate(all="ignore"):
        value = float(fn(columns, np.bincount(place.reshape(-1), minlength=size)[None, :].astype(np.float64))[0])
    if not np.isfinite(value):
        return Estimate(None, None, None, n, n, "none (one side does not vary)")
    if size > MOST_PATTERNS:
        return Estimate(value, None, None, n, n, f"none ({size} different pairs)")
    whole = Full(columns, np.arange(size), np.ones(size), size, fn)
    counts = np.bincount(place.reshape(-1), minlength=size)
    draws = resample.bootstrap([whole], resample.Weights(counts, resamples, seed))[0]
    kept = draws[np.isfinite(draws)]
    if kept.size < (1 - resample.MOST_UNDEFINED) * resamples or np.ptp(kept) == 0:
        return Estimate(value, None, None, n, n, "none (no variation)")
    low, high = resample.percentile(kept, 0.95)
    method = f"bootstrap-percentile (B={resamples})"
    return Estimate(value, min(low, value), max(high, value), n, n, method, float(kept.std(ddof=1)))


def _weighted_spearman(columns: Mapping[str, Floats], weights: Floats) -> Floats:
    total = weights.sum(axis=1)
    apart = []
    for name in ("a", "b"):
        distinct, place = np.unique(columns[name], return_inverse=True)
        mass = weights @ np.eye(distinct.size)[place.reshape(-1)]
        ranks = (np.cumsum(mass, axis=1) - mass / 2)[:, place.reshape(-1)]
        apart.append(ranks - total[:, None] / 2)
    first, second = apart
    spread = (weights * first**2).sum(axis=1) * (weights * second**2).sum(axis=1)
    return np.asarray((weights * first * second).sum(axis=1) / np.sqrt(spread), dtype=np.float64)


def _weighted_kendall(columns: Mapping[str, Floats], weights: Floats) -> Floats:
    signs = [np.sign(columns[name][:, None] - columns[name][None, :]) for name in ("a", "b")]
    both, first, second = (
        ((weights @ matrix) * weights).sum(axis=1) for matrix in (signs[0] * signs[1], *map(np.abs, signs))
    )
    return np.asarray(both / np.sqrt(first * second), dtype=np.float64)


def fit_to_gate(
    judge_human_low: float | None, human_human: float | None, labels: int, *, judge_human: float | None = None
) -> tuple[str, ...]:
    """Why a judge's scores must not decide a gate unaided: one reason per rule that it breaks; empty when it is fit.

    Fit = at least 100 double-labelled items, a lower bound of the judge-human agreement (kappa or AC1) of at least 0.4,
    and agreement within 0.1 of that between humans where that is known. `judge_human` is the agreement itself; without
    it the lower bound is compared, which is stricter.
    """
    reasons = []
    if labels < LEAST_LABELS:
        reasons.append(f"{labels} double-labelled items (at least {LEAST_LABELS})")
    if judge_human_low is None:
        reasons.append("its agreement with humans is not known")
    elif judge_human_low < LEAST_AGREEMENT:
        reasons.append(f"its agreement with humans may be as low as {judge_human_low:.2f} (at least {LEAST_AGREEMENT})")
    reached = judge_human_low if judge_human is None else judge_human
    if reached is not None and human_human is not None and reached < human_human - MOST_BELOW_HUMANS:
        reasons.append(f"it agrees with humans by {reached:.2f}, humans with each other by {human_human:.2f}")
    return tuple(reasons)


def _ratings(ratings: npt.ArrayLike) -> Floats:
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"ratings of shape {table.shape}: one row per item, at least two columns of raters")
    return table


def _known(table: Floats, categories: Sequence[float] | None) -> list[float]:
    return [float(c) for c in (np.unique(table[~np.isnan(table)]) if categories is None else categories)]


def _codes(labels: Sequence[float], categories: Sequence[float]) -> Codes:
    places = {float(label): place for place, label in enumerate(categories)}
    wrong = next((label for label in labels if float(label) not in places), None)
    if wrong is not None:
        raise ValueError(f"{wrong} is none of the labels {list(categories)}")
    return np.array([places[float(label)] for label in labels], dtype=np.int64)


def _counts(table: Floats, known: Sequence[float]) -> Floats:
    """How many raters gave each category to each item `[items, k]`."""
    present = table[~np.isnan(table)]
    codes = np.full(table.shape, -1, dtype=np.int64)
    codes[~np.isnan(table)] = _codes(present.tolist(), known)
    return np.stack([(codes == place).sum(axis=1) for place in range(len(known))], axis=1).astype(np.float64)


def _weights(size: int, *, ordinal: bool) -> Floats:
    if not ordinal or size < 2:
        return np.eye(size)
    places = np.arange(size)
    return np.asarray(1.0 - ((places[:, None] - places[None, :]) / (size - 1)) ** 2, dtype=np.float64)
