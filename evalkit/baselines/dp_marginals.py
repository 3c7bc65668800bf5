"""Each column's histogram with Laplace noise: differentially private, and blind to relations between columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from evalkit.baselines._answering import Named
from evalkit.baselines._tables import Column, Floats, Synthesizer, Table
from evalkit.core.errors import MissingComponent
from evalkit.core.options import build

EXTRA = "privacy"
VERSION = 1


@dataclass(frozen=True)
class DpMarginals(Named, Synthesizer):
    """Histograms with Laplace noise by OpenDP, epsilon split evenly over the columns (Dwork and Roth 2014, 3.3).

    `epsilon` > 0 is the whole privacy loss under adding or removing one row; numbers are counted in `bins` equal parts
    of the column's public range, and drawn evenly inside a part. OpenDP's noise comes from the system and has no seed:
    two answers differ.
    """

    epsilon: float = 1.0
    bins: int = 12
    kind: ClassVar[str] = "dp_marginals"
    seeded: ClassVar[bool] = False
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if not self.epsilon > 0:
            raise ValueError(f"epsilon={self.epsilon!r} must be above 0")
        if not (type(self.bins) is int and self.bins > 1):
            raise ValueError(f"bins={self.bins!r} must be a whole number above 1")

    @property
    def claimed(self) -> float:
        """Its epsilon."""
        return self.epsilon

    def synthesize(self, table: Table, generator: np.random.Generator) -> Mapping[str, Sequence[Any]]:
        """Columns drawn from noisy histograms."""
        each = self.epsilon / len(table.columns)
        return {column.name: self._drawn(column, each, (table.wanted, generator)) for column in table.columns}

    def _drawn(self, column: Column, epsilon: float, draw: tuple[int, np.random.Generator]) -> Sequence[Any]:
        wanted, generator = draw
        if not column.numeric:
            counts = np.array([list(column.values).count(level) for level in column.levels])
            chosen = generator.choice(len(counts), wanted, p=_noisy_shares(counts, epsilon))
            return [column.levels[n] for n in chosen]
        edges = np.linspace(column.low, column.high, self.bins + 1)
        counts, _ = np.histogram(column.numbers, edges)
        part = generator.choice(self.bins, wanted, p=_noisy_shares(counts, epsilon))
        return np.asarray(edges[part] + (edges[1] - edges[0]) * generator.uniform(size=wanted)).tolist()  # type: ignore[no-any-return]


def _noisy_shares(counts: Any, epsilon: float) -> Floats:
    """Shares of noisy counts; what falls below 0 is 0, and if all do, every part is as likely as another."""
    dp = _opendp()
    measure = dp.m.make_laplace(dp.vector_domain(dp.atom_domain(T=int)), dp.l1_distance(T=int), 1.0 / epsilon)
    noisy = np.maximum(np.array(measure([int(count) for count in counts]), dtype=np.float64), 0.0)
    total = noisy.sum()
    return noisy / total if total > 0 else np.full(len(noisy), 1.0 / len(noisy))


def _opendp() -> Any:
    try:
        dp = import_module("opendp.prelude")
    except ImportError as error:
        raise MissingComponent("dp_marginals needs OpenDP: pip install 'evalkit[privacy]'") from error
    dp.enable_features("contrib")
    return dp


def make(**options: Any) -> DpMarginals:
    """Options: `epsilon`, `bins`."""
    _opendp()
    return build(DpMarginals, options)
