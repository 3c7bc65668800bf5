"""Speech recognition on this machine: CMU Sphinx's US English model, with its whole vocabulary or with digits only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from time import perf_counter
from typing import Any, ClassVar

import numpy as np

from evalkit.baselines._answering import Named, failed
from evalkit.baselines._audio import BadRecording, mono, recording_of, soundfile
from evalkit.core.errors import ErrorKind, Finish, MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Context, Failure, Response, Sample

EXTRA = "speech"
VERSION = 1

RATE = 16_000
_FULL_SCALE = 32767
GRAMMARS = {
    "digits": "#JSGF V1.0; grammar digits; public <digits> = <digit>+; "
    "<digit> = zero | oh | one | two | three | four | five | six | seven | eight | nine;"
}


@dataclass(frozen=True)
class PocketSphinx(Named):
    """Transcribes a recording with the US English model and trigram language model inside the package pocketsphinx.

    `grammar` = None for the full vocabulary (134,000 words), or digits: then only strings of digits can be heard.
    `floor` = least posterior probability of the path, 0..1, below which nothing was heard: a grammar that knows digits
    only finds digits in everything. `audio` = input field of the recording. Words come in lower case without
    punctuation. Every recording starts from a fresh front end, so that no answer depends on an earlier one.
    """

    grammar: str | None = None
    floor: float = 0.0
    audio: str = "audio"
    kind: ClassVar[str] = "pocketsphinx"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if self.grammar is not None and self.grammar not in GRAMMARS:
            raise ValueError(f"grammar={self.grammar!r} is unknown; known: {', '.join(GRAMMARS)}, or none")
        if not 0 <= self.floor <= 1:
            raise ValueError(f"floor={self.floor!r} must be a probability, 0 to 1")
        library()
        soundfile()

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """The transcript, "" where nothing is heard; a file that is no recording is a failure. Usage: its seconds."""
        started = perf_counter()
        try:
            sound = mono(recording_of(sample, ctx, self.audio), RATE)
        except BadRecording as error:
            return Response(error=Failure(ErrorKind.BAD_REQUEST, str(error)), seconds=perf_counter() - started)
        try:
            # Not in a thread: what waits for its turn would be measured as slow.
            heard, chance = _heard(self.grammar, sound)
        except RuntimeError as error:
            return failed(f"pocketsphinx gave up: {error}", perf_counter() - started)
        usage = {"requests": 1.0, "seconds": sound.size / RATE}
        output = heard if chance >= self.floor else ""
        return Response(
            output=output,
            finish=Finish.STOP,
            usage=usage,
            seconds=perf_counter() - started,
            meta={"heard": heard, "probability": chance},
        )


def _heard(grammar: str | None, sound: Any) -> tuple[str, float]:
    decoder = decoder_of(grammar)
    pcm = (np.clip(sound, -1.0, 1.0) * _FULL_SCALE).astype("<i2").tobytes()
    # The front end keeps the last sample of the recording before for its pre-emphasis.
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return (found.hypstr, float(found.prob)) if found is not None else ("", 1.0)


@cache
def decoder_of(grammar: str | None) -> Any:
    """The decoder of a grammar; loading the model takes half a second and 100 MB, once."""
    options: dict[str, Any] = {"samprate": RATE, "loglevel": "FATAL", "cmn": "batch"}
    if grammar is None:
        return library().Decoder(**options)
    decoder = library().Decoder(**options, lm=None)
    decoder.add_jsgf_string(grammar, GRAMMARS[grammar])
    decoder.activate_search(grammar)
    return decoder


def library() -> Any:
    """The package. Raises MissingComponent that names the extra."""
    try:
        return import_module("pocketsphinx")
    except ImportError as error:
        raise MissingComponent("speech recognition needs pocketsphinx: pip install 'evalkit[speech]'") from error


def make(**options: Any) -> PocketSphinx:
    """Options: `grammar` (none or digits), `floor` (least probability), `audio` (input field)."""
    return build(PocketSphinx, options)
