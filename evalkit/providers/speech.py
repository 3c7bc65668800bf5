"""Speech synthesis behind OpenAI's `/v1/audio/speech`, and every server that speaks it; bytes are read as they come."""

from __future__ import annotations

import io
import json
import time
import wave
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from evalkit.core.errors import Finish
from evalkit.core.options import build
from evalkit.core.types import Request, Response, Sample, Tools
from evalkit.providers._endpoint import OPENAI, Endpoint, EndpointCandidate, endpoint
from evalkit.providers._options import one_of
from evalkit.providers._wire import Malformed

_PATH = "/audio/speech"
_TYPES: Mapping[str, str] = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "pcm": "audio/wav",
}
_LARGEST = 200_000_000
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the `speech` provider.

    `voice` = the server's name of one. `response_format` = wav, flac, mp3, opus, aac or pcm: the bytes are stored as
    they came, but for pcm (16 bit, mono, `pcm_rate` Hz), which gets the WAV header without which nobody could play it.
    `speed` = 0.25..4, `instructions` = how to speak; what is None is not sent. `text` = input field of what to say.
    `base_url`, `api_key_env`, `headers`, `timeout_s` as for `transcriptions`. `extra` = more fields of the JSON body.
    """

    base_url: str = OPENAI
    api_key_env: str | None = "OPENAI_API_KEY"
    voice: str = "alloy"
    response_format: str = "wav"
    speed: float | None = None
    instructions: str | None = None
    pcm_rate: int = 24_000
    text: str = "text"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 120.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("response_format", self.response_format, tuple(_TYPES))
        if self.speed is not None and not 0.25 <= self.speed <= 4:
            raise ValueError(f"option 'speed' must be between 0.25 and 4; got {self.speed}")
        if self.pcm_rate <= 0:
            raise ValueError(f"option 'pcm_rate' must be above 0; got {self.pcm_rate}")


class Speech(EndpointCandidate):
    """Sends a text and answers with a reference to the recording; `first_token_s` is the time of the first byte."""

    def __init__(self, tools: Tools, place: Endpoint, options: Options) -> None:
        super().__init__(tools, place, options.timeout_s)
        self.options = options

    def request(self, sample: Sample, repeat: int) -> Request:  # noqa: ARG002 - the protocol's signature
        """The JSON body. Raises ValueError for a sample without a text."""
        text = sample.input.get(self.options.text)
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"sample {sample.id!r} has no text in input field {self.options.text!r}")
        chosen = {name: getattr(self.options, name) for name in ("speed", "instructions")}
        sent = {name: value for name, value in chosen.items() if value is not None}
        asked = {"model": self.model, "input": text, "voice": self.options.voice}
        form = self.options.response_format
        return Request(self.place.identity.endpoint, {**self.options.extra, **asked, **sent, "response_format": form})

    async def call(self, body: Mapping[str, Any], started: float) -> Response:
        """Send the text and gather the recording."""
        headers = {**self.place.headers, "Content-Type": "application/json"}
        stream = self.transport.post_stream(
            self.place.url, headers, json.dumps(body, allow_nan=False).encode(), self.timeout_s
        )
        first: float | None = None
        declared = ""
        data = bytearray()
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                first = time.monotonic() - started if first is None else first
                declared = piece.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                data += piece.body
                if len(data) > _LARGEST:
                    raise Malformed(f"the recording is larger than {_LARGEST:,} bytes")
        seconds = time.monotonic() - started
        ref = self.tools.blobs.put(self._file(bytes(data), declared), _TYPES[str(body["response_format"])])
        usage = {"requests": 1.0, "characters": float(len(body["input"])), "bytes": float(len(data))}
        return Response(output=ref, finish=Finish.STOP, usage=usage, seconds=seconds, first_token_s=first)

    def _file(self, data: bytes, declared: str) -> bytes:
        if not data:
            raise Malformed("the reply is empty: not one byte of sound")
        if declared == "application/json" or declared.startswith("text/"):
            raise Malformed(
                f"the reply is {declared}, not a recording; it starts {data[:80].decode('utf-8', 'replace')!r}"
            )
        if self.options.response_format != "pcm":
            return data
        if len(data) % _SAMPLE_BYTES:
            raise Malformed(f"the reply holds {len(data)} bytes, not a whole number of 16-bit samples")
        return _wav(data, self.options.pcm_rate)


def _wav(pcm: bytes, rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(_SAMPLE_BYTES)
        file.setframerate(rate)
        file.writeframes(pcm)
    return out.getvalue()


def make(tools: Tools, model: str | None, **options: Any) -> Speech:
    """A synthesiser. Raises ValueError for wrong options and a missing key."""
    if not model:
        raise ValueError("speech needs a model, as in speech/tts-1")
    chosen = build(Options, options)
    named = ("voice", "response_format", "speed", "instructions", "pcm_rate", "text", "extra")
    settings = {name: getattr(chosen, name) for name in named}
    place = endpoint(tools, "speech", _PATH, model=model, options=chosen, settings=settings)
    return Speech(tools, place, chosen)
