"""What answers cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers._base import OneAnswer, unscorable

_METRICS = (Metric("cost_usd", higher_is_better=False, bounds=(0.0, None), on_error="undefined", unit="USD"),)


@dataclass(frozen=True, slots=True)
class Cost(OneAnswer):
    """Mean cost of an answer in US dollars by the run's price table; an unknown price is unknown, never 0.

    Refusals and truncated answers cost money too. Needs no target.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`cost_usd`, a mean."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """Price the usage of one answer."""
        response = responses[0]
        if response.error is not None:
            return unscorable(_METRICS, f"{response.error.kind.value}: {response.error.message}")
        usd = ctx.money(response)
        return unscorable(_METRICS, "unknown price") if usd is None else {"cost_usd": Score(usd)}


def make(**options: Any) -> Cost:
    """Build from options; raises ValueError naming the known ones."""
    return build(Cost, options)
