"""Pairs of entries of every kind of metric, drawn from a generator: what the tests of comparisons share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from evalkit.core.fold import Fold, Majority, PassAt, Sums, Whole
from evalkit.core.types import Metric
from evalkit.scorers import _folds
from evalkit.stats.fold import Observations
from evalkit.stats.paired import Pair, Question, compare

ACCURACY = Metric("accuracy", "mean01", bounds=(0.0, 1.0))
SCORE = Metric("score", bounds=(0.0, 1.0))
TOKENS = Metric("tokens", higher_is_better=False, bounds=(0.0, None))
PASS2 = Metric("pass@2", bounds=(0.0, 1.0), fold=Fold(PassAt(2)))
VOTE = Metric("majority", bounds=(0.0, 1.0), fold=Fold(Majority()))
WER = Metric("wer", "ratio", False, (0.0, None), Fold(across=Sums(lambda c: c["errors"] / c["words"])), 1.0)
F1 = Metric("f1", "corpus", True, (0.0, 1.0), Fold(across=Sums(_folds.f1, ("tp", "fp", "fn"))))
RMSE = Metric("rmse", "corpus", False, (0.0, None), Fold(across=Sums(_folds.root_mean_square, ("n", "se"))))
AUC = Metric("auc", "rank", True, (0.0, 1.0), Fold(across=Whole(_folds.roc_auc)))
PRECISION = Metric("average_precision", "rank", True, (0.0, 1.0), Fold(across=Whole(_folds.average_precision)))
P95 = Metric("p95", "quantile", False, (0.0, None), Fold(across=Whole(partial(_folds.quantile, q=0.95))))

Drawn = tuple[Metric, Observations, Observations]


def entry(values, cluster=None, parts=None, repeats: int = 1, answers=()) -> Observations:
    """Rows of consecutive samples with the same number of repeats; `cluster` has one code per sample."""
    y = np.asarray(values, dtype=float)
    sample = np.repeat(np.arange(y.size // repeats), repeats)
    groups = sample if cluster is None else np.asarray(cluster)[sample]
    return Observations(sample, np.tile(np.arange(repeats), y.size // repeats), groups, y, parts or {}, answers)


def asked(
    metric: Metric, candidate: Observations, baseline: Observations, *, seed: int = 5, resamples: int = 200, **more
):
    """The comparison of two entries."""
    return compare(Question(metric, Pair(candidate, baseline), **more), seed=seed, resamples=resamples)


def binary(drawn: np.random.Generator, n: int = 40) -> Drawn:
    return ACCURACY, entry(drawn.random(n) < 0.7), entry(drawn.random(n) < 0.6)


def bounded(drawn: np.random.Generator, n: int = 40) -> Drawn:
    return SCORE, entry(drawn.random(n)), entry(drawn.random(n) ** 2)


def skewed(drawn: np.random.Generator, n: int = 40) -> Drawn:
    base = drawn.exponential(100, n)
    return TOKENS, entry(base * drawn.uniform(0.8, 1.3, n)), entry(base)


def clustered(drawn: np.random.Generator, n: int = 60) -> Drawn:
    cluster = np.sort(drawn.integers(0, n // 5, n))
    cluster = np.unique(cluster, return_inverse=True)[1]
    return ACCURACY, entry(drawn.random(n) < 0.7, cluster), entry(drawn.random(n) < 0.6, cluster)


def repeated(drawn: np.random.Generator, n: int = 30) -> Drawn:
    rate = drawn.random(n)
    ours, theirs = drawn.random(3 * n) < np.repeat(rate, 3), drawn.random(2 * n) < np.repeat(rate, 2)
    return ACCURACY, entry(ours, repeats=3), entry(theirs, repeats=2)


def passing(drawn: np.random.Generator, n: int = 30) -> Drawn:
    return PASS2, entry(drawn.random(3 * n) < 0.5, repeats=3), entry(drawn.random(2 * n) < 0.4, repeats=2)


def voting(drawn: np.random.Generator, n: int = 20) -> Drawn:
    def side(rate: float) -> Observations:
        right = drawn.random(3 * n) < rate
        return entry(right, repeats=3, answers=tuple("right" if one else "wrong" for one in right))

    return VOTE, side(0.7), side(0.5)


def ratio(drawn: np.random.Generator, n: int = 40) -> Drawn:
    words = drawn.integers(3, 30, n).astype(float)

    def side(rate: float) -> Observations:
        errors = drawn.binomial(words.astype(int), rate).astype(float)
        return entry(errors / words, parts={"errors": errors, "words": words})

    return WER, side(0.2), side(0.25)


def corpus(drawn: np.random.Generator, n: int = 40) -> Drawn:
    true = drawn.random(n) < 0.5

    def side(rate: float) -> Observations:
        said = np.where(drawn.random(n) < rate, true, ~true)
        parts = {"tp": true & said, "fp": ~true & said, "fn": true & ~said}
        return entry(said == true, parts={name: column.astype(float) for name, column in parts.items()})

    return F1, side(0.8), side(0.7)


def squares(drawn: np.random.Generator, n: int = 40) -> Drawn:
    def side(scale: float) -> Observations:
        error = drawn.normal(0, scale, n)
        return entry(np.abs(error), parts={"se": error**2, "n": np.ones(n)})

    return RMSE, side(1.0), side(1.2)


def area(drawn: np.random.Generator, n: int = 40) -> Drawn:
    positive = np.arange(n) % 3 == 0
    return AUC, *(
        entry((drawn.normal(0, 1, n) + shift * positive).round(1), parts={"positive": positive.astype(float)})
        for shift in (1.2, 0.9)
    )


def clustered_area(drawn: np.random.Generator, n: int = 40) -> Drawn:
    metric, ours, theirs = area(drawn, n)
    cluster = np.arange(n) // 2
    return metric, *(entry(one.value, cluster, one.parts) for one in (ours, theirs))


def precision(drawn: np.random.Generator, n: int = 40) -> Drawn:
    return PRECISION, *area(drawn, n)[1:]


def latency(drawn: np.random.Generator, n: int = 40) -> Drawn:
    return P95, entry(drawn.exponential(1.2, n)), entry(drawn.exponential(1.0, n))


KINDS: dict[str, Callable[..., Drawn]] = {
    one.__name__: one
    for one in (binary, bounded, skewed, clustered, repeated, passing, voting, ratio, corpus, squares, area,
                clustered_area, precision, latency)
}  # fmt: skip
CLOSED = ("binary", "bounded", "skewed", "clustered", "repeated", "passing", "voting", "ratio", "area")
