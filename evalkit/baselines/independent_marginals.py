"""Each column by itself: right marginals, no relation between columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.baselines._answering import Named
from evalkit.baselines._tables import Synthesizer, Table
from evalkit.core.options import build

VERSION = 1


@dataclass(frozen=True)
class IndependentMarginals(Named, Synthesizer):
    """Draws every column from its own values: numbers between neighbouring order statistics, categories by share."""

    kind: ClassVar[str] = "independent_marginals"
    version: ClassVar[int] = VERSION

    def synthesize(self, table: Table, generator: np.random.Generator) -> Mapping[str, Sequence[Any]]:
        """Columns drawn apart from each other."""
        made: dict[str, Sequence[Any]] = {}
        for column in table.columns:
            if column.numeric:
                made[column.name] = np.quantile(column.numbers, generator.uniform(size=table.wanted)).tolist()
            else:
                made[column.name] = generator.choice(np.array(column.values, dtype=object), table.wanted).tolist()
        return made


def make(**options: Any) -> IndependentMarginals:
    """No options."""
    return build(IndependentMarginals, options)
