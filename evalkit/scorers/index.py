"""How large a retriever's index is, as the retriever says itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers._answers import failure
from evalkit.scorers._base import OneAnswer, unscorable

MEBIBYTE = 1 << 20
_METRICS = (Metric("index_mib", higher_is_better=False, bounds=(0.0, None), on_error="undefined", unit="MiB"),)


@dataclass(frozen=True, slots=True)
class Index(OneAnswer):
    """Size of the index that an answer was found in, in MiB (2^20 bytes); lower is better.

    Reads `index_bytes` of the response's meta (what the embedded retrievers say), else of an object answer. No target.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`index_mib`, a mean over the samples, which usually share one index."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Read the size; an answer without one is not scorable."""
        reason = failure(response)
        if reason is not None:
            return unscorable(_METRICS, reason)
        said = response.meta.get("index_bytes")
        if said is None and isinstance(response.output, Mapping):
            said = response.output.get("index_bytes")
        if said is None:
            return unscorable(_METRICS, "the answer does not say how large the index is (`index_bytes`)")
        if isinstance(said, bool) or not isinstance(said, (int, float)) or not 0 <= said < math.inf:
            return unscorable(_METRICS, f"index_bytes is {said!r:.40}; a number from 0 on is needed")
        return {"index_mib": Score(said / MEBIBYTE)}


def make(**options: Any) -> Index:
    """Build from options; raises ValueError naming the known ones."""
    return build(Index, options)
