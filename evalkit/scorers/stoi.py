"""Short-time objective intelligibility against a reference signal: STOI."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.core.errors import MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers._audio import BadRecording, answered, decoded, needs, no_reference, reference
from evalkit.scorers._base import OneAnswer, unscorable

EXTRA = "speech"

_RATE = 10_000
_MOST_S = 600.0
_METRICS = (Metric("stoi", bounds=(-1.0, 1.0), on_error=0.0, primary=True),)


@dataclass(frozen=True, slots=True)
class Stoi(OneAnswer):
    """STOI of an answered recording against the target's, 0 (unintelligible) to 1 (Taal et al. 2011), by pystoi.

    `extended` = ESTOI (Jensen and Taal 2016), for noise that comes and goes. `slack_s` = how much the two lengths may
    differ, in seconds >= 0: the longer one is cut at the end; beyond that they are not aligned copies and the answer is
    not scorable. The target is a recording, or an object with one under audio. Both are brought to 10 kHz.
    """

    extended: bool = False
    slack_s: float = 0.05

    libraries = ("pystoi", "scipy")
    heavy = True

    def __post_init__(self) -> None:
        if not self.slack_s >= 0:
            raise ValueError(f"slack_s={self.slack_s} must not be negative")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`stoi`, a mean."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Compare two signals."""
        try:
            heard = decoded(answered(responses[0], ctx)).mono(_RATE)
        except BadRecording as error:
            return unscorable(_METRICS, str(error))
        # A reference that cannot be read is the suite's defect, not the candidate's: it raises.
        gold = decoded(reference(sample, ctx)).mono(_RATE)
        if not gold.any():
            raise BadRecording("the target's recording is digital silence: there is nothing to understand")
        if not heard.any():
            return unscorable(_METRICS, "the recording is digital silence")
        apart = abs(heard.size - gold.size) / _RATE
        if apart > self.slack_s:
            return unscorable(_METRICS, f"the recordings differ by {apart:.2f} s: they are no aligned copies")
        length = min(heard.size, gold.size, int(_MOST_S * _RATE))
        return _measured(gold[:length], heard[:length], extended=self.extended)

    def problem(self, sample: Sample) -> str | None:
        """A target without a recording."""
        return no_reference(sample)


def _measured(gold: Any, heard: Any, *, extended: bool) -> Mapping[str, Score]:
    try:
        from pystoi import stoi
    except ImportError as error:
        raise MissingComponent("stoi needs pystoi: pip install 'evalkit[speech]'") from error
    with warnings.catch_warnings():
        # The library warns and answers 0.00001 where it cannot measure; that is no score.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return {"stoi": Score(float(stoi(gold, heard, _RATE, extended=extended)))}
        except RuntimeWarning as warning:
            return unscorable(_METRICS, f"STOI: {str(warning).split('. ')[0]}")


def make(**options: Any) -> Stoi:
    """Build from options; raises ValueError naming the known ones, MissingComponent for what is not installed."""
    needs("stoi", "pystoi")
    return build(Stoi, options)
