"""Recordings for scorers: what the header says, and one mono signal at a rate, refused before it takes memory."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from math import gcd
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.core.errors import MissingComponent
from evalkit.core.types import Context, Response, Sample
from evalkit.scorers._answers import answer_text, failure

MAX_SECONDS = 3600.0
MAX_DECODED_BYTES = 200_000_000
RATES = (4_000, 384_000)
# Writers that stream do not know the length yet: they put the largest number, or one near it.
_UNKNOWN_LENGTH = 0x7FFF_0000
_BLOCK = 1 << 16
_SAMPLE_BYTES = 4

Signal = npt.NDArray[np.float32]


class BadRecording(ValueError):
    """A file that is no recording that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A decoded recording: `sound` [frames, channels] float32 in -1..1 at `rate` Hz."""

    sound: Signal
    rate: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.sound) / self.rate

    def mono(self, rate: int) -> Signal:
        """The mean of the channels at another rate, [frames]."""
        one: Signal = self.sound.mean(axis=1, dtype=np.float32)
        if rate == self.rate:
            return one
        from scipy.signal import resample_poly

        shared = gcd(self.rate, rate)
        return np.asarray(resample_poly(one, rate // shared, self.rate // shared), dtype=np.float32)


def needs(scorer: str, *packages: str, extra: str = "speech") -> None:
    """Raises MissingComponent where soundfile or one of these is not installed; imports none of them."""
    absent = [name for name in ("soundfile", *packages) if find_spec(name) is None]
    if absent:
        raise MissingComponent(f"{scorer} needs {absent[0]}: pip install 'evalkit[{extra}]'")


def soundfile() -> ModuleType:
    """The library that reads recordings. Raises MissingComponent that names the extra."""
    try:
        return import_module("soundfile")
    except (ImportError, OSError) as error:
        raise MissingComponent("recordings need soundfile: pip install 'evalkit[speech]'") from error


def duration(data: bytes) -> float:
    """Seconds of a recording by its header; nothing is decoded. Raises BadRecording."""
    with _opened(data) as file:
        return float(file.frames / file.samplerate)


def decoded(data: bytes) -> Recording:
    """Decode WAV, FLAC, OGG or MP3: at most one hour and 200 MB, judged by the header and again while decoding.

    Raises BadRecording for what is empty, cut off, too long, of another type, or holds no finite numbers.
    """
    library = soundfile()
    blocks: list[Signal] = []
    try:
        with _opened(data) as file:
            frames = 0
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                frames += len(block)
                _refuse(frames, file.samplerate, file.channels)
                blocks.append(block)
            if frames < file.frames:
                raise BadRecording(f"the recording ends after {frames} of {file.frames} samples")
            rate = int(file.samplerate)
    except library.LibsndfileError as error:
        raise BadRecording(f"the recording is broken ({error.error_string.strip()})") from None
    if not blocks:
        raise BadRecording("the recording holds no samples")
    sound = np.concatenate(blocks)
    if not np.isfinite(sound).all():
        raise BadRecording("the recording holds samples that are no finite numbers")
    return Recording(sound, rate)


def stored(value: Any, ctx: Context, what: str) -> bytes:
    """The bytes behind a blob reference. Raises BadRecording that says `what` is no file."""
    if not isinstance(value, Mapping) or "$blob" not in value:
        raise BadRecording(f"{what} is no recording")
    try:
        return ctx.blobs.get(value)
    except KeyError:
        raise BadRecording(f"the stored file of {what} is gone") from None


def reference(sample: Sample, ctx: Context, field: str = "audio") -> bytes:
    """The recording that a sample's target is, or holds under `field`. Raises BadRecording when there is none."""
    target = sample.target
    if isinstance(target, Mapping) and "$blob" not in target:
        target = target.get(field)
    return stored(target, ctx, "the target")


def no_reference(sample: Sample, field: str = "audio") -> str | None:
    """Why a sample has no recording to compare with, or None; what is in the file is seen when it is scored."""
    target = sample.target
    held = target.get(field) if isinstance(target, Mapping) and not {"$blob", "$file"} & set(target) else target
    if isinstance(held, Mapping) and {"$blob", "$file"} & set(held):
        return None
    return f"the target is no recording, nor an object with one under {field!r}"


def answered(response: Response, ctx: Context, field: str = "audio") -> bytes:
    """The recording that a candidate answered with: a blob reference, or an object that holds one under `field`.

    Raises BadRecording with the reason when there is none.
    """
    reason = failure(response)
    if reason is not None:
        raise BadRecording(reason)
    output = response.output
    if isinstance(output, str):
        raise BadRecording(answer_text(response)[1] or "the answer is no recording")
    if isinstance(output, Mapping) and "$blob" not in output:
        output = output.get(field)
    return stored(output, ctx, "the answer")


def _opened(data: bytes) -> Any:
    library = soundfile()
    if not data:
        raise BadRecording("the recording's file is empty")
    declared = int.from_bytes(data[4:8], "little") + 8 if data[:4] == b"RIFF" else 0
    if len(data) < declared < _UNKNOWN_LENGTH:
        raise BadRecording(f"the recording is cut off: {len(data)} of {declared} bytes are there")
    try:
        file = library.SoundFile(io.BytesIO(data))
        _refuse(file.frames, file.samplerate, file.channels)
    except library.LibsndfileError as error:
        kind = f"it starts with {data[:12]!r}"
        raise BadRecording(f"the file cannot be read as a recording ({error.error_string.strip()}); {kind}") from None
    return file


def _refuse(frames: int, rate: int, channels: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise BadRecording(f"the recording declares {rate} samples per second; {RATES[0]} to {RATES[1]} are read")
    if frames / rate > MAX_SECONDS:
        raise BadRecording(f"the recording is {frames / rate:,.0f} s long; more than {MAX_SECONDS:,.0f} s is refused")
    size = frames * channels * _SAMPLE_BYTES
    if size > MAX_DECODED_BYTES:
        raise BadRecording(
            f"the recording would take {size / 1e6:,.0f} MB; more than {MAX_DECODED_BYTES / 1e6:,.0f} is refused"
        )
