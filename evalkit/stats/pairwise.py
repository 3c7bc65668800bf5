"""Ratings from pairwise verdicts: Bradley-Terry and Davidson by Newton's method, with a cluster sandwich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.quantiles import normal_quantile, t_quantile

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

ROUNDS = 100
TOLERANCE = 1e-10
FARTHEST = 700.0
SCALE = 400 / float(np.log(10))
CENTRE = 1000.0


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts between models: who against whom, `score` 1 = first wins, 0 = second wins, 0.5 = tie.

    `first` and `second` are codes 0..models-1, `cluster` the prompt (both orders of a pair are the same prompt),
    `weight` at least 0. Raises ValueError for other scores or a model against itself.
    """

    first: Codes
    second: Codes
    score: Floats
    cluster: Codes
    models: int
    weight: Floats | None = None

    def __post_init__(self) -> None:
        if not np.isin(self.score, (0.0, 0.5, 1.0)).all():
            raise ValueError("a verdict is 1 (first wins), 0.5 (tie) or 0 (second wins)")
        if (self.first == self.second).any():
            raise ValueError("a model cannot meet itself")

    @property
    def weights(self) -> Floats:
        """The weight of each verdict, 1 where none was given."""
        return np.ones(self.score.size) if self.weight is None else self.weight

    def wins(self) -> Floats:
        """`[i, j]` = weighted wins of i over j, a tie half a win for each."""
        table = np.zeros((self.models, self.models))
        np.add.at(table, (self.first, self.second), self.weights * self.score)
        np.add.at(table, (self.second, self.first), self.weights * (1 - self.score))
        return table


@dataclass(frozen=True, slots=True)
class Ratings:
    """Strengths `theta` (log odds, the anchor at 0) and their covariance, both None where no ranking exists.

    `reason` says why not. `nu` is Davidson's tie parameter, None when ties count as half wins. `clusters` is how many
    prompts the covariance stands on, `worst_residual` the largest |observed - expected share of wins| of any pair.
    """

    theta: Floats | None
    covariance: Floats | None
    anchor: int
    clusters: int
    reason: str = ""
    nu: float | None = None
    worst_residual: float | None = None


def bradley_terry(verdicts: Verdicts, *, anchor: int = 0, ties: str = "half", prior: float = 0.0) -> Ratings:
    """Maximum-likelihood strengths: P(i beats j) = 1/(1 + exp(theta_j - theta_i)) (Bradley and Terry 1952).

    `ties`: "half" counts a tie as half a win each; "davidson" gives ties their own probability,
    P(i beats j) = pi_i/(pi_i + pi_j + nu sqrt(pi_i pi_j)) (Davidson 1970). `prior` adds that many wins each way to
    every pair that met (0.5 is the usual choice against separation). Where some models never lose to the rest,
    directly or through others, no maximum exists (Ford 1957): the ratings are None and the reason says who. The
    covariance is the sandwich clustered by prompt, times C/(C-1); None below two clusters.
    """
    if ties not in ("half", "davidson"):
        raise ValueError(f"ties: {ties!r} is unknown; known: half, davidson")
    clusters = int(np.unique(verdicts.cluster).size)
    table = verdicts.wins()
    met = table + table.T > 0
    padded = table + prior * met
    groups = components(padded > 0)
    if len(groups) > 1:
        return Ratings(None, None, anchor, clusters, _why(groups, padded))
    counted = verdicts.score[verdicts.weights > 0]
    tied = ties == "davidson" and bool((counted == 0.5).any())
    if tied and (counted == 0.5).all():
        return Ratings(None, None, anchor, clusters, "there are only ties: their rate has no upper limit")
    model = _Model(verdicts, anchor, davidson=tied, prior=np.asarray(prior * met, dtype=np.float64))
    found = model.fit()
    if found is None:
        return Ratings(
            None, None, anchor, clusters, "no maximum of the likelihood was found; add a prior of half a win"
        )
    theta, nu = model.theta(found), model.nu(found)
    residual = _worst_residual(table, theta, nu)
    covariance = model.covariance(found) if clusters > 1 else None
    shown = 0.0 if ties == "davidson" and nu is None else nu
    return Ratings(theta, covariance, anchor, clusters, "", shown, residual)


class _Model:
    """The likelihood in its free parameters: all strengths but the anchor's, and log nu with Davidson's ties."""

    def __init__(self, verdicts: Verdicts, anchor: int, *, davidson: bool, prior: Floats) -> None:
        first, second = np.nonzero(prior)
        extra = prior[first, second]
        self.first = np.concatenate([verdicts.first, first])
        self.second = np.concatenate([verdicts.second, second])
        self.score = np.concatenate([verdicts.score, np.ones(first.size)])
        self.weight = np.concatenate([verdicts.weights, extra])
        self.verdicts, self.davidson, self.models = verdicts, davidson, verdicts.models
        self.free = np.flatnonzero(np.arange(verdicts.models) != anchor)
        self.size = self.free.size + davidson

    def theta(self, at: Floats) -> Floats:
        out = np.zeros(self.models)
        out[self.free] = at[: self.free.size]
        return out

    def nu(self, at: Floats) -> float | None:
        return float(np.exp(np.clip(at[-1], -FARTHEST, FARTHEST))) if self.davidson else None

    def _probabilities(self, at: Floats) -> tuple[Floats, Floats, Floats]:
        theta = self.theta(at)
        apart = theta[self.first] - theta[self.second]
        return _shares(apart, self.nu(at))

    def value(self, at: Floats) -> float:
        """The log likelihood."""
        win, lose, tie = self._probabilities(at)
        if self.davidson:
            chosen = np.select([self.score == 1, self.score == 0], [win, lose], tie)
            return float((self.weight * np.log(np.maximum(chosen, 1e-300))).sum())
        logs = self.score * np.log(np.maximum(win, 1e-300)) + (1 - self.score) * np.log(np.maximum(lose, 1e-300))
        return float((self.weight * logs).sum())

    def pulls(self, at: Floats) -> tuple[Floats, Floats]:
        """The score function per verdict, with respect to theta_first - theta_second and to log nu."""
        win, lose, tie = self._probabilities(at)
        if self.davidson:
            return self.weight * (self.score - 0.5 - (win - lose) / 2), self.weight * ((self.score == 0.5) - tie)
        return self.weight * (self.score - win), np.zeros(self.score.size)

    def gradient(self, at: Floats) -> Floats:
        apart, tied = self.pulls(at)
        along = np.bincount(self.first, apart, self.models) - np.bincount(self.second, apart, self.models)
        return np.concatenate([along[self.free], [tied.sum()] if self.davidson else []])

    def information(self, at: Floats) -> Floats:
        """Minus the second derivative of the log likelihood."""
        win, lose, tie = self._probabilities(at)
        curve = ((win + lose) - (win - lose) ** 2) / 4 if self.davidson else win * lose
        full = np.zeros((self.models, self.models))
        np.add.at(full, (self.first, self.second), -self.weight * curve)
        full = full + full.T
        full[np.diag_indices(self.models)] = -full.sum(axis=1)
        out = np.zeros((self.size, self.size))
        out[: self.free.size, : self.free.size] = full[np.ix_(self.free, self.free)]
        if self.davidson:
            cross = -self.weight * (win - lose) * tie / 2
            along = np.bincount(self.first, cross, self.models) - np.bincount(self.second, cross, self.models)
            out[:-1, -1] = out[-1, :-1] = along[self.free]
            out[-1, -1] = (self.weight * tie * (1 - tie)).sum()
        return out

    def fit(self) -> Floats | None:
        """Newton's method with halved steps; None when it does not settle or the information is singular."""
        at = np.zeros(self.size)
        for _ in range(ROUNDS):
            try:
                step = np.linalg.solve(self.information(at), self.gradient(at))
            except np.linalg.LinAlgError:
                return None
            before = self.value(at)
            while self.value(at + step) < before - 1e-9 * abs(before) and np.abs(step).max() > TOLERANCE:
                step = step / 2
            at = at + step
            if np.abs(step).max(initial=0.0) < TOLERANCE:
                return at
        return None

    def covariance(self, at: Floats) -> Floats:
        """The cluster sandwich H^-1 (sum_c u_c u_c') H^-1 C/(C-1), with a row and column of zeros for the anchor."""
        n = self.verdicts.score.size
        apart, tied = (column[:n] for column in self.pulls(at))
        codes = np.unique(self.verdicts.cluster, return_inverse=True)[1].reshape(-1)
        clusters = int(codes.max()) + 1
        along = np.zeros((clusters, self.models))
        np.add.at(along, (codes, self.verdicts.first), apart)
        np.add.at(along, (codes, self.verdicts.second), -apart)
        scores = along[:, self.free]
        if self.davidson:
            scores = np.column_stack([scores, np.bincount(codes, tied, clusters)])
        bread = np.linalg.inv(self.information(at))
        inner = bread @ (scores.T @ scores) @ bread * clusters / (clusters - 1)
        out = np.zeros((self.models, self.models))
        out[np.ix_(self.free, self.free)] = inner[: self.free.size, : self.free.size]
        return out


def _shares(apart: Floats, nu: float | None) -> tuple[Floats, Floats, Floats]:
    """P(win), P(lose), P(tie) for differences of strength."""
    apart = np.clip(apart, -FARTHEST, FARTHEST)
    if nu is None:
        win = 1 / (1 + np.exp(-apart))
        return win, 1 - win, np.zeros_like(win)
    up, down = np.exp(apart / 2), np.exp(-apart / 2)
    total = up + down + nu
    return up / total, down / total, nu / total


def _worst_residual(table: Floats, theta: Floats, nu: float | None) -> float:
    games = table + table.T
    met = games > 0
    win, _, tie = _shares(theta[:, None] - theta[None, :], nu)
    return float(np.abs(table[met] / games[met] - (win + tie / 2)[met]).max(initial=0.0))


def components(beats: npt.NDArray[np.bool_]) -> list[list[int]]:
    """The strongly connected groups of models under "has won against", each sorted, in order of their first model."""
    reach = beats | np.eye(beats.shape[0], dtype=np.bool_)
    while True:
        further = reach @ reach
        if (further == reach).all():
            break
        reach = further
    groups: dict[tuple[int, ...], None] = {}
    for row in reach & reach.T:
        groups.setdefault(tuple(np.flatnonzero(row).tolist()), None)
    return [list(group) for group in groups]


def _why(groups: Sequence[Sequence[int]], table: Floats) -> str:
    # Groups of mutual winners form a graph without cycles: one of them never lost.
    everyone = set(range(table.shape[0]))
    top = next(group for group in groups if not table[np.ix_(sorted(everyone - set(group)), group)].any())
    if table[np.ix_(top, sorted(everyone - set(top)))].any():
        return f"models {list(top)} never lost to the others: their lead has no upper limit"
    return f"models {list(top)} never met the others: no common ranking"


def display(ratings: Ratings, *, level: float = 0.95) -> tuple[tuple[float, float | None, float | None], ...]:
    """(rating, low, high) per model on the usual scale: 1000 + 400/ln 10 theta, the anchor at 1000.

    The intervals are those of the difference to the anchor, with t(C-1) quantiles; the anchor itself has none. Ranks
    come from `ranking.holm_ranks`, not from overlaps. Raises ValueError where no ranking exists.
    """
    if ratings.theta is None:
        raise ValueError(f"no ranking: {ratings.reason}")
    centre = CENTRE + SCALE * ratings.theta
    if ratings.covariance is None:
        return tuple((float(value), None, None) for value in centre)
    tail = 0.5 + level / 2
    quantile = t_quantile(tail, ratings.clusters - 1) if ratings.clusters < 1000 else normal_quantile(tail)
    half = SCALE * quantile * np.sqrt(np.diag(ratings.covariance))
    return tuple(
        (float(value), None, None) if place == ratings.anchor else (float(value), float(value - h), float(value + h))
        for place, (value, h) in enumerate(zip(centre, half, strict=True))
    )


def cyclic_share(table: Floats) -> float | None:
    """The share of triads in which A beats B beats C beats A, by majorities of `wins`; None without complete triads.

    A triad is complete where all three pairs met and none is even (Kendall and Babington Smith 1940).
    """
    beats = (table > table.T).astype(np.float64)
    decided = beats + beats.T
    complete = float(np.trace(decided @ decided @ decided)) / 6
    return float(np.trace(beats @ beats @ beats)) / 3 / complete if complete else None
