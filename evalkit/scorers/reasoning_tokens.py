"""How many tokens a model thought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers._answers import raw_response, strip_thinking
from evalkit.scorers._base import OneAnswer, unscorable

_METRICS = (
    Metric("reasoning_tokens", higher_is_better=False, bounds=(0.0, None), on_error="undefined", unit="tokens"),
)


@dataclass(frozen=True, slots=True)
class ReasoningTokens(OneAnswer):
    """Mean number of reasoning tokens as the provider counts them; needs no target.

    An answer without a count that shows reasoning (a summary, think tags) is unknown, as is one whose tokens were not
    counted at all; one whose answer tokens were counted and that shows none has 0. Refusals think too.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`reasoning_tokens`, a mean."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Read the count."""
        if response.error is not None:
            return unscorable(_METRICS, f"{response.error.kind.value}: {response.error.message}")
        counted = response.usage.get("reasoning_tokens")
        if counted is not None:
            return {"reasoning_tokens": Score(float(counted))}
        output = raw_response(response).output
        thought = response.reasoning or (isinstance(output, str) and strip_thinking(output) != output)
        if thought or "output_tokens" not in response.usage:
            return unscorable(_METRICS, "reasoning tokens were not counted")
        return {"reasoning_tokens": Score(0.0)}


def make(**options: Any) -> ReasoningTokens:
    """Build from options; raises ValueError naming the known ones."""
    return build(ReasoningTokens, options)
