"""Speech quality as a model predicts it (DNSMOS): a judge, not a measurement, and not people's opinion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from evalkit.core.errors import MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers._audio import BadRecording, answered, decoded, needs
from evalkit.scorers._base import OneAnswer, unscorable

EXTRA = "mos"

_RATE = 16_000
_MOST_S = 120.0
_FIELDS = {
    "predicted_mos": "ovrl_mos",
    "predicted_mos_signal": "sig_mos",
    "predicted_mos_background": "bak_mos",
    "predicted_mos_p808": "p808_mos",
}
_METRICS = tuple(Metric(name, bounds=(0.0, 5.0), on_error=1.0, primary=name == "predicted_mos") for name in _FIELDS)


@dataclass(frozen=True, slots=True)
class PredictedMos(OneAnswer):
    """Mean opinion scores that DNSMOS (Reddy et al. 2022, package speechmos) predicts for an answered recording, 1..5.

    Overall, speech, background, and the P.808 model. It was made to rate noise suppression: on synthetic voices it is
    a guess, and it knows nothing of the words. Its numbers are labelled predicted and are never mixed with people's
    votes (`mos`). The first two minutes are judged. A failed answer counts as 1. Needs no target.
    """

    libraries = ("speechmos", "librosa", "onnxruntime")
    heavy = True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`predicted_mos` and its three companions, means."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """Let the model listen."""
        try:
            found = _predicted(answered(responses[0], ctx))
        except BadRecording as error:
            return unscorable(_METRICS, str(error))
        return {name: Score(value) for name, value in zip(_FIELDS, found, strict=True)}


# Repeats of a synthesiser often are the same bytes, and a second of CPU per recording is much.
@lru_cache(maxsize=64)
def _predicted(data: bytes) -> tuple[float, ...]:
    sound = np.clip(decoded(data).mono(_RATE)[: int(_MOST_S * _RATE)], -1.0, 1.0)
    found = _library().run(sound, sr=_RATE)
    return tuple(float(found[field]) for field in _FIELDS.values())


def _library() -> Any:
    try:
        return import_module("speechmos.dnsmos")
    except ImportError as error:
        raise MissingComponent("predicted_mos needs speechmos and librosa: pip install 'evalkit[mos]'") from error


def make(**options: Any) -> PredictedMos:
    """Build from options; raises ValueError naming the known ones, MissingComponent for what is not installed."""
    needs("predicted_mos", "speechmos", "librosa", extra="mos")
    return build(PredictedMos, options)
