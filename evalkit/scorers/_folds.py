"""Functions of sums and of whole columns that several scorers fold with; every one broadcasts over B resamples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Floats]
Area = Callable[[Floats, npt.NDArray[np.bool_], Floats], Floats]

_TIE = 1e-9


def divide(numerator: Any, denominator: Any) -> Floats:
    """Elementwise quotient, NaN where the denominator is 0."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    out: Floats = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def ratio(columns: Columns, *, numerator: str, denominator: str) -> Floats:
    """One sum by another, [B]; NaN where the denominator is 0."""
    return divide(columns[numerator], columns[denominator])


def f1(columns: Columns) -> Floats:
    """2 tp / (2 tp + fp + fn), [B]; NaN where nothing was asked and nothing answered."""
    hits = 2 * columns["tp"]
    return divide(hits, hits + columns["fp"] + columns["fn"])


def precision(columns: Columns) -> Floats:
    """tp / (tp + fp), [B]; 0 where nothing was answered although something was asked, NaN where neither."""
    found = divide(columns["tp"], columns["tp"] + columns["fp"])
    return np.where(np.isnan(found) & (columns["fn"] > 0), 0.0, found)


def recall(columns: Columns) -> Floats:
    """tp / (tp + fn), [B]; 0 where nothing was asked although something was answered, NaN where neither."""
    found = divide(columns["tp"], columns["tp"] + columns["fn"])
    return np.where(np.isnan(found) & (columns["fp"] > 0), 0.0, found)


def quantile(columns: Columns, weights: Floats, *, q: float) -> Floats:
    """Weighted quantile of column `value` for q in (0, 1), [B]; NaN where no weight is left.

    Hyndman and Fan's definition 2 (averaged inverted distribution function): the median of an even number of values is
    the mean of the middle two, and doubling the data changes nothing.
    """
    value, weight = _present(columns["value"], weights)
    if not value.size:
        return np.full(weights.shape[0], np.nan)
    order = np.argsort(value, kind="stable")
    ordered, mass = value[order], np.cumsum(weight[:, order], axis=1)
    total = mass[:, -1:]
    aim, slack = q * total[:, 0], _TIE * total[:, 0]
    last = ordered.size - 1
    # A search in each row's rising mass reads a few of its elements; comparing would read and write them all.
    lower = np.minimum(_places(mass, aim - slack, "left"), last)
    upper = np.minimum(_places(mass, aim + slack, "right"), last)
    return np.where(total[:, 0] > 0, (ordered[lower] + ordered[upper]) / 2, np.nan)


def _places(mass: Floats, wanted: Floats, side: Literal["left", "right"]) -> npt.NDArray[np.int64]:
    return np.fromiter(
        (row.searchsorted(one, side) for row, one in zip(mass, wanted, strict=True)), dtype=np.int64, count=len(mass)
    )


def auc(score: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """Weighted area under the ROC curve, [B]: P(score of a positive > score of a negative) + half the ties.

    `score` [n] finite, `positive` [n], `weights` [B, n]; NaN where one of the classes has no weight. Mann and Whitney
    (1947); equals scikit-learn's `roc_auc_score`.
    """
    if not score.size:
        return np.full(weights.shape[0], np.nan)
    order = np.argsort(score, kind="stable")
    ordered, label, weight = score[order], positive[order], weights[:, order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ones = np.add.reduceat(weight * label, starts, axis=1)
    zeros = np.add.reduceat(weight * ~label, starts, axis=1)
    below = np.cumsum(zeros, axis=1) - zeros / 2
    return divide((ones * below).sum(axis=1), ones.sum(axis=1) * zeros.sum(axis=1))


def precision_area(score: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """Weighted average precision, [B]: sum over thresholds of (recall - recall before) x precision.

    `score` [n] finite, `positive` [n], `weights` [B, n]; equal scores are one threshold. NaN where no positive has
    weight. Equals scikit-learn's `average_precision_score`.
    """
    if not score.size:
        return np.full(weights.shape[0], np.nan)
    order = np.argsort(-score, kind="stable")
    ordered, label, weight = score[order], positive[order], weights[:, order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ones = np.add.reduceat(weight * label, starts, axis=1)
    taken = np.cumsum(np.add.reduceat(weight, starts, axis=1), axis=1)
    precise = np.nan_to_num(divide(np.cumsum(ones, axis=1), taken))
    return divide((ones * precise).sum(axis=1), ones.sum(axis=1))


def roc_auc(columns: Columns, weights: Floats) -> Floats:
    """Area under the ROC curve as `against_the_rest` takes it, [B]."""
    return against_the_rest(columns, weights, area=auc)


def average_precision(columns: Columns, weights: Floats) -> Floats:
    """Average precision as `against_the_rest` takes it, [B]."""
    return against_the_rest(columns, weights, area=precision_area)


def against_the_rest(columns: Columns, weights: Floats, *, area: Area) -> Floats:
    """Binary area of columns `value` and `positive`, or the macro average of one class against the rest, [B].

    With several classes the columns are `s:<class>` (probability, absent = 0) and `t:<class>` (1 for the true one); a
    class whose area a resample leaves undefined is left out of its average. NaN when binary and multi-class answers
    are mixed.
    """
    classes = [name[2:] for name in columns if name.startswith("t:")]
    binary = columns.get("positive")
    if binary is not None and not classes:
        value, weight = _present(columns["value"], weights)
        return area(value, binary[~np.isnan(columns["value"])] > 0, weight)
    if binary is not None or not classes:
        return np.full(weights.shape[0], np.nan)
    rows = ~np.isnan(columns["value"])
    absent = np.zeros(rows.size)
    each = np.stack(
        [
            area(np.nan_to_num(columns.get(f"s:{c}", absent))[rows], columns[f"t:{c}"][rows] == 1, weights[:, rows])
            for c in classes
        ]
    )
    return divide(np.nansum(each, axis=0), (~np.isnan(each)).sum(axis=0))


def calibration_gaps(columns: Columns, weights: Floats, *, bins: int, largest: bool) -> Floats:
    """Expected calibration error of columns `value` (confidence) and `hit`, or the `largest` gap of a bin, [B].

    Bins of equal mass in the order of confidence. A block of equal confidences that a boundary cuts lies on both sides
    in proportion, so that order and doubling change nothing. NaN where no weight is left.
    """
    confidence, hit = columns["value"], columns.get("hit")
    if hit is None or not confidence.size:
        return np.full(weights.shape[0], np.nan)
    rows = ~np.isnan(confidence)
    gaps = (hit - confidence)[rows]
    edges = np.linspace(0.0, 1.0, bins + 1)
    each = np.abs(np.diff(upper_share(confidence[rows], gaps, weights[:, rows], shares=edges), axis=1))
    found: Floats = each.max(axis=1) * bins if largest else each.sum(axis=1)
    return found


def gain(columns: Columns, weights: Floats, *, share: float, over_chance: bool) -> Floats:
    """Share of the positives among the `share` (0..1) of highest column `value`, [B]; `over_chance`: divided by it.

    Equal values come in every order equally often. NaN where no positive has weight.
    """
    positive = columns.get("positive")
    if positive is None or not positive.size:
        return np.full(weights.shape[0], np.nan)
    rows = ~np.isnan(columns["value"])
    found = upper_share(columns["value"][rows], positive[rows], weights[:, rows], shares=np.array([share, 1.0]))
    caught = divide(found[:, 0], found[:, 1])
    return caught / share if over_chance else caught


def upper_share(score: Floats, amount: Floats, weights: Floats, *, shares: Floats) -> Floats:
    """Weighted sums of `amount` over the given shares of the weight with the highest `score`, [B, shares].

    Sums are divided by the whole weight; equal scores share their sum evenly. NaN where there is no weight.
    """
    if not score.size:
        return np.full((weights.shape[0], shares.size), np.nan)
    order = np.argsort(-score, kind="stable")
    ordered, weight = score[order], weights[:, order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    first = np.zeros((weights.shape[0], 1))
    mass = np.concatenate([first, np.cumsum(np.add.reduceat(weight, starts, axis=1), axis=1)], axis=1)
    total = np.concatenate([first, np.cumsum(np.add.reduceat(weight * amount[order], starts, axis=1), axis=1)], axis=1)
    whole = mass[:, -1:]
    reached, sums = divide(mass, whole), divide(total, whole)
    return np.stack([np.interp(shares, x, y) for x, y in zip(reached, sums, strict=True)])


def _present(value: Floats, weights: Floats) -> tuple[Floats, Floats]:
    rows = ~np.isnan(value)
    return (value, weights) if rows.all() else (value[rows], weights[:, rows])


def _confusion(columns: Columns, labels: tuple[str, ...] | None) -> tuple[Floats, Floats, Floats]:
    """True, predicted and matching counts, each [L, B]; without labels, those that occur as targets."""
    known = labels if labels is not None else [name[2:] for name in columns if name.startswith("t:")]
    empty = np.zeros_like(columns["n"])
    true, predicted, hits = (
        np.stack([empty, *(columns.get(f"{part}:{label}", empty) for label in known)]) for part in ("t", "p", "tp")
    )
    return true, predicted, hits


def macro_f1(columns: Columns, *, labels: tuple[str, ...] | None) -> Floats:
    """Mean of the F1 of each label, [B]; a label that is never predicted has F1 0.

    With given `labels` all of them count, also those without support (F1 0); without, the labels of the targets count,
    each where it has support or predictions. Equals scikit-learn's `f1_score(labels=..., average="macro")`.
    """
    true, predicted, hits = (counts[1:] for counts in _confusion(columns, labels))
    support = true + predicted
    each = np.nan_to_num(divide(2 * hits, support))
    counted = np.full(columns["n"].shape, float(len(each))) if labels is not None else (support > 0).sum(axis=0)
    return np.where(columns["n"] > 0, divide(each.sum(axis=0), counted), np.nan)


def micro_f1(columns: Columns, *, labels: tuple[str, ...] | None) -> Floats:
    """F1 of the counts pooled over labels, [B]; an answer that is no label lowers recall only."""
    true, predicted, hits = (counts.sum(axis=0) for counts in _confusion(columns, labels))
    return divide(2 * hits, true + predicted)


def mcc(columns: Columns, *, labels: tuple[str, ...] | None) -> Floats:
    """Matthews correlation for any number of classes, [B] (Gorodkin 2004); 0 for a constant prediction or target.

    All answers that are no label together are one class more, which is never right.
    """
    true, predicted, hits = _confusion(columns, labels)
    n = columns["n"]
    predicted[0] = n - predicted.sum(axis=0)
    covariance = n * hits.sum(axis=0) - (true * predicted).sum(axis=0)
    spread_predicted = n**2 - (predicted**2).sum(axis=0)
    spread_true = n**2 - (true**2).sum(axis=0)
    constant = np.minimum(spread_predicted, spread_true) <= 1e-12 * n**2
    scale = np.sqrt(np.maximum(spread_predicted, 0) * np.maximum(spread_true, 0))
    found = divide(covariance, np.where(constant, 1.0, scale))
    return np.where(n > 0, np.where(constant, 0.0, found), np.nan)


def root_mean_square(columns: Columns) -> Floats:
    """sqrt(sum of squared errors / n), [B]."""
    return np.asarray(np.sqrt(divide(columns["se"], columns["n"])), dtype=np.float64)


def r2(columns: Columns) -> Floats:
    """1 - squared errors / squared deviations of the targets from their mean, [B].

    NaN where the targets are constant, or vary so little beside their size that the sums hold no digit of it.
    """
    about = columns["yy"] - divide(columns["y"] ** 2, columns["n"])
    lost = ~(about > 1e-11 * columns["yy"])
    return np.where(lost, np.nan, 1 - divide(columns["se"], np.where(lost, 1.0, about)))
