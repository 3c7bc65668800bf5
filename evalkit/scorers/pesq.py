"""Perceptual speech quality against a reference signal: PESQ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.core.errors import MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers._audio import BadRecording, answered, decoded, needs, no_reference, reference
from evalkit.scorers._base import OneAnswer, choose, unscorable

EXTRA = "speech"

_RATES = {"wide": (16_000, "wb"), "narrow": (8_000, "nb")}
_LEAST_S, _MOST_S = 0.25, 60.0
_METRICS = (Metric("pesq", bounds=(-0.5, 4.65), on_error=1.0, primary=True),)


@dataclass(frozen=True, slots=True)
class Pesq(OneAnswer):
    """PESQ of an answered recording against the target's, about 1 (bad) to 4.64 (identical): a model, not people.

    `band` = wide (16 kHz, ITU-T P.862.2) or narrow (8 kHz, P.862.1). The target is a recording, or an object with one
    under audio. Both are cut at 60 s and brought to the band's rate. Made for coded and noisy copies of one recording;
    another voice saying the same words is compared sample by sample and says little. A failed answer counts as 1.
    """

    band: str = "wide"

    libraries = ("pesq", "scipy")
    heavy = True

    def __post_init__(self) -> None:
        choose("band", self.band, _RATES)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`pesq`, a mean."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Compare two signals."""
        rate, mode = _RATES[self.band]
        try:
            heard = decoded(answered(responses[0], ctx)).mono(rate)[: int(_MOST_S * rate)]
        except BadRecording as error:
            return unscorable(_METRICS, str(error))
        # A reference that cannot be read is the suite's defect, not the candidate's: it raises.
        gold = decoded(reference(sample, ctx)).mono(rate)[: int(_MOST_S * rate)]
        if min(heard.size, gold.size) < _LEAST_S * rate:
            return unscorable(_METRICS, f"PESQ needs at least {_LEAST_S} s of sound")
        if not np.any(heard):
            return unscorable(_METRICS, "the recording is digital silence")
        return _measured(gold, heard, rate, mode)

    def problem(self, sample: Sample) -> str | None:
        """A target without a recording."""
        return no_reference(sample)


def _measured(gold: Any, heard: Any, rate: int, mode: str) -> Mapping[str, Score]:
    try:
        import pesq as library
    except ImportError as error:
        raise MissingComponent("pesq needs the package pesq: pip install 'evalkit[speech]'") from error
    try:
        return {"pesq": Score(float(library.pesq(rate, gold, heard, mode)))}
    except library.NoUtterancesError:
        return unscorable(_METRICS, "PESQ finds no speech in one of the recordings")
    except library.PesqError as error:
        said = error.args[0] if error.args else type(error).__name__
        return unscorable(_METRICS, f"PESQ: {said.decode() if isinstance(said, bytes) else said}")


def make(**options: Any) -> Pesq:
    """Build from options; raises ValueError naming the known ones, MissingComponent for what is not installed."""
    needs("pesq", "pesq")
    return build(Pesq, options)
