"""Recordings for baselines: the header is judged before anything is decoded, then one mono signal at one rate."""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib import import_module
from math import gcd
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.core.errors import MissingComponent
from evalkit.core.types import Context, Sample

MAX_SECONDS = 3600.0
MAX_DECODED_BYTES = 200_000_000
RATES = (4_000, 384_000)
# Writers that stream do not know the length yet: they put the largest number, or one near it.
_UNKNOWN_LENGTH = 0x7FFF_0000
_BLOCK = 1 << 16
_SAMPLE_BYTES = 4

Signal = npt.NDArray[np.float32]


class BadRecording(ValueError):
    """A file that is no recording that can be used; the text says why and what is accepted."""


def soundfile() -> ModuleType:
    """The library that reads and writes recordings. Raises MissingComponent that names the extra."""
    try:
        return import_module("soundfile")
    except (ImportError, OSError) as error:
        raise MissingComponent("recordings need soundfile: pip install 'evalkit[speech]'") from error


def recording_of(sample: Sample, ctx: Context, field: str) -> bytes:
    """The bytes of a sample's recording. Raises BadRecording that names sample and field when there is none."""
    ref = sample.input.get(field)
    if not isinstance(ref, Mapping) or "$blob" not in ref:
        there = ", ".join(sorted(sample.input)) or "nothing"
        raise BadRecording(f"sample {sample.id!r} has no recording in input field {field!r} (its input has: {there})")
    try:
        return ctx.blobs.get(ref)
    except KeyError:
        raise BadRecording(f"sample {sample.id!r}: the stored file of input field {field!r} is gone") from None


def mono(data: bytes, rate: int) -> Signal:
    """A recording (WAV, FLAC, OGG, MP3...) as one channel of float32 in -1..1 at `rate` Hz; channels are averaged.

    At most one hour and 200 MB of samples, judged by the header and, since headers lie, again while decoding in blocks.
    Raises BadRecording for what is empty, cut off, too long, of another type, or holds no finite numbers.
    """
    library = soundfile()
    if not data:
        raise BadRecording("the recording's file is empty")
    _refuse_cut_off(data)
    try:
        with library.SoundFile(io.BytesIO(data)) as file:
            _refuse_huge(file.frames, file.samplerate, file.channels)
            found, own = _decoded(file), int(file.samplerate)
    except library.LibsndfileError as error:
        kind = f"it starts with {data[:12]!r}"
        raise BadRecording(f"the file cannot be read as a recording ({error.error_string.strip()}); {kind}") from None
    if not found.size:
        raise BadRecording("the recording holds no samples")
    if not np.isfinite(found).all():
        raise BadRecording("the recording holds samples that are no finite numbers")
    return found if own == rate else _resampled(found, own, rate)


def _refuse_cut_off(data: bytes) -> None:
    """WAV says in its first bytes how long it is; the library would silently take what is there."""
    declared = int.from_bytes(data[4:8], "little") + 8 if data[:4] == b"RIFF" else 0
    if len(data) < declared < _UNKNOWN_LENGTH:
        raise BadRecording(f"the recording is cut off: {len(data)} of {declared} bytes are there")


def _refuse_huge(frames: int, rate: int, channels: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise BadRecording(f"the recording declares {rate} samples per second; {RATES[0]} to {RATES[1]} are read")
    if frames / rate > MAX_SECONDS:
        raise BadRecording(f"the recording is {frames / rate:,.0f} s long; more than {MAX_SECONDS:,.0f} s is refused")
    if frames * channels * _SAMPLE_BYTES > MAX_DECODED_BYTES:
        size = frames * channels * _SAMPLE_BYTES / 1e6
        raise BadRecording(
            f"the recording would take {size:,.0f} MB; more than {MAX_DECODED_BYTES / 1e6:,.0f} is refused"
        )


def _decoded(file: Any) -> Signal:
    blocks: list[Signal] = []
    frames = 0
    while True:
        block = file.read(_BLOCK, dtype="float32", always_2d=True)
        if not len(block):
            break
        frames += len(block)
        _refuse_huge(frames, file.samplerate, file.channels)
        blocks.append(block.mean(axis=1, dtype=np.float32))
    if frames < file.frames:
        raise BadRecording(f"the recording ends after {frames} of {file.frames} samples")
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _resampled(found: Signal, own: int, rate: int) -> Signal:
    from scipy.signal import resample_poly

    shared = gcd(own, rate)
    return np.asarray(resample_poly(found, rate // shared, own // shared), dtype=np.float32)
