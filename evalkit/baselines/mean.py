"""The mean of the training targets, whatever the row: an R2 of about 0."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import Any, ClassVar

from evalkit.baselines._answering import Learner, fitted_fingerprint, respond
from evalkit.baselines._tabular import numeric_target
from evalkit.core.options import build
from evalkit.core.types import Context, Given, Response, Sample

VERSION = 1


@dataclass(frozen=True)
class Mean(Learner):
    """The arithmetic mean of the training targets (`Fits`); targets must be finite numbers."""

    kind: ClassVar[str] = "mean"
    version: ClassVar[int] = VERSION

    def fit(self, given: Given, seed: int) -> FittedMean:
        """Average the targets. Raises ValueError when there are none or one is no number."""
        targets = [numeric_target(sample) for sample in given.train]
        if not targets:
            raise ValueError("there is nothing to learn from: the training part of the split is empty")
        value = fsum(targets) / len(targets)
        return FittedMean(self.name, fitted_fingerprint(self.fingerprint, given, seed), value)


@dataclass(frozen=True)
class FittedMean:
    """What `Mean.fit` makes."""

    name: str
    fingerprint: str
    value: float

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """Answer the mean."""
        return respond("", lambda: self.value)


def make(**options: Any) -> Mean:
    """No options."""
    return build(Mean, options)
