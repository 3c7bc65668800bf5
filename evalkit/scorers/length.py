"""How long answers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers._answers import answer_text, raw_response
from evalkit.scorers._base import OneAnswer, unscorable


def _metric(name: str, unit: str) -> Metric:
    return Metric(name, higher_is_better=False, bounds=(0.0, None), on_error="undefined", unit=unit)


_METRICS = (
    _metric("length_words", "words"),
    _metric("length_characters", "characters"),
    _metric("length_tokens", "tokens"),
)


@dataclass(frozen=True, slots=True)
class Length(OneAnswer):
    """Mean length of the answer without think blocks: words (between white space), characters, and answer tokens.

    Tokens are the provider's `output_tokens` (without reasoning), unknown where it did not count. Needs no target.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`length_words`, `length_characters`, `length_tokens`."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Count."""
        response = raw_response(response)
        text, reason = answer_text(response)
        if text is None:
            return unscorable(_METRICS, reason)
        tokens = response.usage.get("output_tokens")
        return {
            "length_words": Score(float(len(text.split()))),
            "length_characters": Score(float(len(text))),
            "length_tokens": Score(None, reason="tokens were not counted") if tokens is None else Score(float(tokens)),
        }


def make(**options: Any) -> Length:
    """Build from options; raises ValueError naming the known ones."""
    return build(Length, options)
