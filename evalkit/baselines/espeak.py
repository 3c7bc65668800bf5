"""Speech synthesis on this machine: espeak-ng, rules and formants, the same bytes every time."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any, ClassVar

from evalkit.baselines._answering import Named, failed, text_of
from evalkit.baselines._audio import soundfile
from evalkit.core.errors import Finish, MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Context, Response, Sample

EXTRA = "speech"
PROGRAMS = ("espeak-ng",)
VERSION = 1

PROGRAM = "espeak-ng"
_LONGEST = 20_000
_TIMEOUT_S = 20.0
_SPEEDS = (80, 450)
_TYPES = {"flac": "audio/flac", "wav": "audio/wav"}


@dataclass(frozen=True)
class Espeak(Named):
    """Says a text with the program espeak-ng and answers with a reference to the recording, 22.05 kHz, mono, 16 bit.

    `voice` = one of `espeak-ng --voices`, with `+variant` where wanted (en-us, en-gb-x-rp+f2, de). `speed` = words per
    minute, 80..450; `pitch` 0..99; `gap` = pause between words in units of 10 ms, 0..100. `format` = flac or wav.
    `text` = input field of what to say; at most 20,000 characters.
    """

    voice: str = "en-us"
    speed: int = 160
    pitch: int = 50
    gap: int = 0
    format: str = "flac"
    text: str = "text"
    kind: ClassVar[str] = "espeak"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if not self.voice or self.voice.startswith("-"):
            raise ValueError(f"voice={self.voice!r} is no voice; `{PROGRAM} --voices` lists them")
        for name, low, high in (("speed", *_SPEEDS), ("pitch", 0, 99), ("gap", 0, 100)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}={getattr(self, name)!r} must be between {low} and {high}")
        if self.format not in _TYPES:
            raise ValueError(f"format={self.format!r} must be one of {', '.join(_TYPES)}")
        program()
        if self.format == "flac":
            soundfile()

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """The recording; a sample without a text is a failure. Usage: its characters; `model` names the program."""
        started = perf_counter()
        try:
            text = text_of(sample, self.text)
            _check(sample, text)
            wav = self._said(text)
        except ValueError as error:
            return failed(str(error), perf_counter() - started)
        data = _as_flac(wav) if self.format == "flac" else wav
        ref = ctx.blobs.put(data, _TYPES[self.format])
        return Response(
            output=ref,
            finish=Finish.STOP,
            usage={"requests": 1.0, "characters": float(len(text))},
            seconds=perf_counter() - started,
            model=_version(),
        )

    def _said(self, text: str) -> bytes:
        settings = ("-v", self.voice, "-s", str(self.speed), "-p", str(self.pitch), "-g", str(self.gap))
        command = (program(), *settings, "-b", "1", "--stdin", "--stdout")
        try:
            # One at a time: what shares the processors with its own kind would be measured as slow.
            done = subprocess.run(  # noqa: S603 - a fixed program; the text goes to its stdin
                command, input=text.encode("utf-8"), capture_output=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise ValueError(f"{PROGRAM} did not finish within {_TIMEOUT_S:g} s") from None
        if done.returncode or not done.stdout:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())[:200]
            raise ValueError(f"{PROGRAM} ended with {done.returncode} and no recording: {said or 'no message'}")
        return _whole(done.stdout)


def _check(sample: Sample, text: str) -> None:
    if not text.strip():
        raise ValueError(f"sample {sample.id!r} has nothing to say: its text is empty")
    if len(text) > _LONGEST:
        raise ValueError(f"sample {sample.id!r} has {len(text)} characters to say; {PROGRAM} is asked for {_LONGEST}")
    if any(char < " " and char not in "\n\t\r" for char in text):
        raise ValueError(f"sample {sample.id!r} has control characters in its text")


def _whole(stream: bytes) -> bytes:
    """The recording with its true length in the header: the program writes before it knows how long it will be."""
    with wave.open(io.BytesIO(stream)) as said:
        frames, shape = said.readframes(said.getnframes()), said.getparams()
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams(shape)
        file.writeframes(frames)
    return out.getvalue()


def _as_flac(wav: bytes) -> bytes:
    library = soundfile()
    sound, rate = library.read(io.BytesIO(wav), dtype="int16")
    out = io.BytesIO()
    library.write(out, sound, rate, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def program() -> str:
    """Where espeak-ng is. Raises MissingComponent that says how to get it."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise MissingComponent(f"speech synthesis needs {PROGRAM}: install it (Debian: {PROGRAM})")
    return found


@cache
def _version() -> str:
    asked = (program(), "--version")
    said = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout  # noqa: S603 - fixed words
    words = said.replace(":", " ").split()
    return f"{PROGRAM} {words[words.index('text-to-speech') + 1]}" if "text-to-speech" in words else PROGRAM


def make(**options: Any) -> Espeak:
    """Options: `voice`, `speed`, `pitch`, `gap`, `format` (flac or wav), `text` (input field)."""
    return build(Espeak, options)
