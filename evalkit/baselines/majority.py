"""The most frequent label, whatever the input: what a candidate must beat to have read anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.baselines import _text
from evalkit.baselines._answering import Learner, fitted_fingerprint, respond, worded
from evalkit.core.options import build
from evalkit.core.types import Context, Given, Response, Sample

VERSION = 1


@dataclass(frozen=True)
class Majority(Learner):
    """The most frequent label of each target field in the training part (`Fits`); ties go by the alphabet.

    About a row it answers {"label", "probabilities"} with the labels' shares as probabilities, about a text the label,
    or a JSON object where the target has fields.
    """

    kind: ClassVar[str] = "majority"
    version: ClassVar[int] = VERSION

    def fit(self, given: Given, seed: int) -> FittedMajority:
        """Count the labels. Raises ValueError when the training samples have none."""
        samples = sorted(given.train, key=lambda sample: sample.id)
        if not samples:
            raise ValueError("there is nothing to learn from: the training part of the split is empty")
        labels = _text.label_fields(samples)
        usual = _text.unlabel({name: _text.most_frequent(values) for name, values in labels.items()})
        shares = {}
        if not isinstance(usual, dict):
            counts = Counter(labels[_text.WHOLE])
            whole = sum(counts.values())
            shares = {str(_text.unlabel({_text.WHOLE: label})): counts[label] / whole for label in sorted(counts)}
        return FittedMajority(self.name, fitted_fingerprint(self.fingerprint, given, seed), usual, shares)


@dataclass(frozen=True)
class FittedMajority:
    """What `Majority.fit` makes: the usual answer, and the labels' shares where the target is one label."""

    name: str
    fingerprint: str
    usual: Any
    shares: Mapping[str, float] = field(default_factory=dict)

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """Answer the usual."""
        if "row" in sample.input and self.shares:
            return respond("", lambda: {"label": self.usual, "probabilities": dict(self.shares)})
        return respond("", lambda: worded(self.usual))


def make(**options: Any) -> Majority:
    """No options."""
    return build(Majority, options)
