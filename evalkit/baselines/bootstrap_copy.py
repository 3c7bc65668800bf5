"""Rows of the training table drawn with replacement: perfect fidelity and no privacy, which must be caught."""

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
class BootstrapCopy(Named, Synthesizer):
    """Copies rows: what a synthesizer that learnt the table by heart looks like."""

    kind: ClassVar[str] = "bootstrap_copy"
    version: ClassVar[int] = VERSION

    def synthesize(self, table: Table, generator: np.random.Generator) -> Mapping[str, Sequence[Any]]:
        """Whole rows, drawn with replacement."""
        rows = generator.integers(0, table.rows, table.wanted)
        return {column.name: [column.values[row] for row in rows] for column in table.columns}


def make(**options: Any) -> BootstrapCopy:
    """No options."""
    return build(BootstrapCopy, options)
