"""Recordings on the wire: what their files are called, and how long they are by their headers."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping

EXTENSIONS: Mapping[str, str] = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/vnd.wave": "wav",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
}
"""Media type -> the file name's ending by which servers tell what they get."""


def seconds_of(data: bytes) -> float | None:
    """How long a WAV or FLAC recording is by its header; None for other types and broken headers."""
    if data[:4] == b"fLaC" and len(data) >= 26:
        # RFC 9639, section 8.2: 20 bits of rate, 3 of channels, 5 of depth, 36 of the number of samples.
        packed = int.from_bytes(data[18:26], "big")
        rate, frames = packed >> 44, packed & ((1 << 36) - 1)
        return frames / rate if rate and frames else None
    try:
        with wave.open(io.BytesIO(data)) as file:
            held = (len(data) - 44) // (file.getsampwidth() * file.getnchannels())
            return float(min(file.getnframes(), held) / file.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError):
        return None
