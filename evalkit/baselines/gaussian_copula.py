"""Right marginals with the rank correlations between columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special, stats

from evalkit.baselines._answering import Named
from evalkit.baselines._tables import Column, Floats, Synthesizer, Table
from evalkit.core.options import build

VERSION = 1


@dataclass(frozen=True)
class GaussianCopula(Named, Synthesizer):
    """A Gaussian copula over empirical marginals (Nelsen, An Introduction to Copulas, 2.3).

    Columns become normal scores of their ranks (a category: a random place inside its share), the scores' correlation
    matrix, shrunk by `shrink` (0..1) towards independence, is drawn from, and each draw goes back through its marginal.
    """

    shrink: float = 0.02
    kind: ClassVar[str] = "gaussian_copula"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if not 0 <= self.shrink <= 1:
            raise ValueError(f"shrink={self.shrink!r} must lie between 0 and 1")

    def synthesize(self, table: Table, generator: np.random.Generator) -> Mapping[str, Sequence[Any]]:
        """Columns drawn together."""
        scores = np.column_stack([_scores(column, generator) for column in table.columns])
        spread = np.atleast_2d(np.corrcoef(scores, rowvar=False))
        # A constant column correlates with nothing.
        spread = np.where(np.isfinite(spread), spread, 0.0)
        mixed = (1 - self.shrink) * spread + self.shrink * np.eye(len(spread))
        np.fill_diagonal(mixed, 1.0)
        drawn = generator.multivariate_normal(np.zeros(len(mixed)), mixed, size=table.wanted, method="eigh")
        places = special.ndtr(drawn)
        return {column.name: _back(column, places[:, n]) for n, column in enumerate(table.columns)}


def _scores(column: Column, generator: np.random.Generator) -> Floats:
    if column.numeric:
        ranks = stats.rankdata(column.numbers)
        return np.asarray(special.ndtri((ranks - 0.5) / len(ranks)), dtype=np.float64)
    starts, shares = _shares(column)
    place = {level: n for n, level in enumerate(sorted(set(column.values)))}
    chosen = np.array([place[value] for value in column.values])
    inside = starts[chosen] + shares[chosen] * generator.uniform(0.001, 0.999, len(chosen))
    return np.asarray(special.ndtri(inside), dtype=np.float64)


def _shares(column: Column) -> tuple[Floats, Floats]:
    """Where each category's interval of (0, 1) begins and how long it is, categories in alphabetical order."""
    _, counts = np.unique(np.array(column.values, dtype=str), return_counts=True)
    shares = counts / counts.sum()
    return np.concatenate([[0.0], np.cumsum(shares)[:-1]]), shares


def _back(column: Column, places: Floats) -> Sequence[Any]:
    if column.numeric:
        return np.asarray(np.quantile(column.numbers, places)).tolist()  # type: ignore[no-any-return]
    starts, _ = _shares(column)
    levels = sorted(set(column.values))
    return [levels[n] for n in np.searchsorted(starts, places, side="right") - 1]


def make(**options: Any) -> GaussianCopula:
    """Options: `shrink`."""
    return build(GaussianCopula, options)
