"""How loud a recording is, whether it clips, and how long it waits before it speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._audio import BadRecording, Recording, answered, decoded, needs
from evalkit.scorers._base import OneAnswer, unscorable

EXTRA = "speech"

_FULL_SCALE = 1 - 2**-15
_FRAME_S = 0.01
_BELOW_PEAK_DB = 40.0
_BLOCK_S, _STEP_S = 0.4, 0.1
_ABSOLUTE_GATE, _RELATIVE_GATE = -70.0, 10.0
# Rec. ITU-R BS.1770: the shelf of the head and the high pass of the ear, as analogue prototypes for any rate.
_SHELF = (1681.974450955533, 3.999843853973347, 0.7071752369554196)
_HIGH_PASS = (38.13547087602444, 0.5003270373238773)
_SHELF_POWER = 0.4996667741545416


def _plain(name: str, unit: str, *, up: bool = True, low: float | None = None) -> Metric:
    return Metric(name, higher_is_better=up, bounds=(low, None), on_error="undefined", unit=unit)


_METRICS = (
    _plain("loudness_lufs", "LUFS"),
    _plain("level_dbfs", "dBFS"),
    _plain("peak_dbfs", "dBFS", up=False),
    Metric(
        "clipped_share",
        "ratio",
        higher_is_better=False,
        bounds=(0.0, 1.0),
        fold=Fold(
            across=Sums(partial(_folds.ratio, numerator="clipped", denominator="samples"), ("clipped", "samples"))
        ),
        on_error="undefined",
    ),
    _plain("leading_silence_s", "s", up=False, low=0.0),
    _plain("spoken_s", "s", low=0.0),
)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Loudness(OneAnswer):
    """Loudness of an answered recording: LUFS (ITU-R BS.1770-4, gated), RMS level and peak in dB of full scale.

    Also the share of samples at full scale (clipping), the seconds before the first 10 ms frame within 40 dB of the
    loudest one, and the whole length. A level is right or wrong for a purpose, not better the higher it is. Digital
    silence has no level; less than 0.4 s has no LUFS. Needs no target.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`loudness_lufs`, `level_dbfs`, `peak_dbfs`, `clipped_share`, `leading_silence_s`, `spoken_s`."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """Measure one recording."""
        try:
            recording = decoded(answered(responses[0], ctx))
        except BadRecording as error:
            return unscorable(_METRICS, str(error))
        sound = recording.sound
        clipped, samples = float((np.abs(sound) >= _FULL_SCALE).sum()), float(sound.size)
        lufs = integrated(recording)
        return {
            "loudness_lufs": _level(lufs, "no block of 0.4 s is louder than -70 LUFS"),
            "level_dbfs": _level(_db(float(np.mean(sound.astype(np.float64) ** 2))), "digital silence"),
            "peak_dbfs": _level(_db(float(np.abs(sound).max()) ** 2), "digital silence"),
            "clipped_share": Score(clipped / samples, {"clipped": clipped, "samples": samples}),
            "leading_silence_s": _level(leading_silence(recording), "digital silence"),
            "spoken_s": Score(recording.seconds),
        }


def _level(value: float | None, why: str) -> Score:
    return Score(value, reason=None if value is not None else why)


def _db(power: float) -> float | None:
    return 10 * float(np.log10(power)) if power > 0 else None


def leading_silence(recording: Recording) -> float | None:
    """Seconds before the first frame of 10 ms whose power is within 40 dB of the loudest frame's; None for silence."""
    frame = max(1, round(_FRAME_S * recording.rate))
    power = np.mean(recording.sound.astype(np.float64) ** 2, axis=1)
    padded = np.pad(power, (0, -power.size % frame)).reshape(-1, frame).mean(axis=1)
    if not padded.max() > 0:
        return None
    loud = padded >= padded.max() * 10 ** (-_BELOW_PEAK_DB / 10)
    return float(np.argmax(loud)) * frame / recording.rate


def integrated(recording: Recording) -> float | None:
    """Gated loudness in LUFS (ITU-R BS.1770-4): blocks of 0.4 s every 0.1 s; None where no block passes the gates."""
    weighted = _weighted(recording)
    size, step = round(_BLOCK_S * recording.rate), round(_STEP_S * recording.rate)
    energy = np.concatenate([[0.0], np.cumsum((weighted**2).sum(axis=1))])
    starts = np.arange(0, energy.size - size, step)
    if not starts.size:
        return None
    power = (energy[starts + size] - energy[starts]) / size
    loud = power[_lufs(power) > _ABSOLUTE_GATE]
    if not loud.size:
        return None
    kept = loud[_lufs(loud) > _lufs(loud.mean()) - _RELATIVE_GATE]
    return float(_lufs(kept.mean()))


def _lufs(power: Any) -> Any:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-20))


def _weighted(recording: Recording) -> Floats:
    """K-weighting at the recording's own rate, by the bilinear transform of the two filters of BS.1770."""
    from scipy.signal import lfilter

    sound = recording.sound.astype(np.float64)
    frequency, gain_db, quality = _SHELF
    k = np.tan(np.pi * frequency / recording.rate)
    high = 10 ** (gain_db / 20)
    band = high**_SHELF_POWER
    above = (high + band * k / quality + k * k, 2 * (k * k - high), high - band * k / quality + k * k)
    below = (1 + k / quality + k * k, 2 * (k * k - 1), 1 - k / quality + k * k)
    shelved = lfilter(above, below, sound, axis=0)
    frequency, quality = _HIGH_PASS
    k = np.tan(np.pi * frequency / recording.rate)
    scale = 1 + k / quality + k * k
    poles = (1.0, 2 * (k * k - 1) / scale, (1 - k / quality + k * k) / scale)
    return np.asarray(lfilter((1.0, -2.0, 1.0), poles, shelved, axis=0))


def make(**options: Any) -> Loudness:
    """Build from options; raises ValueError naming the known ones, MissingComponent for what is not installed."""
    needs("loudness")
    return build(Loudness, options)
