"""Speech recognition behind OpenAI's `/v1/audio/transcriptions`, and every server that speaks it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.core.errors import Finish
from evalkit.core.options import build
from evalkit.core.types import Request, Response, Sample, Tools
from evalkit.providers._endpoint import OPENAI, Endpoint, EndpointCandidate, endpoint
from evalkit.providers._failures import ErrorBody, refusal
from evalkit.providers._options import one_of
from evalkit.providers._sound import EXTENSIONS, seconds_of
from evalkit.providers._wire import Malformed
from evalkit.providers.transport import Form, RawReply

_FORMATS = ("json", "verbose_json", "text")
_PATH = "/audio/transcriptions"


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the `transcriptions` provider.

    `base_url` = the API's address up to `/v1`; a server on this machine needs no key. `language` = ISO 639-1 code of
    what is spoken, `prompt` = words to expect, `temperature` = 0..1; what is None is not sent. `response_format` =
    json, verbose_json (language and segments are kept in the answer's meta) or text. `audio` = input field of the
    recording. `headers` as for `openai`; `timeout_s` > 0 per attempt. `extra` = more form fields, sent as text.
    """

    base_url: str = OPENAI
    api_key_env: str | None = "OPENAI_API_KEY"
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    response_format: str = "json"
    audio: str = "audio"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 300.0
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("response_format", self.response_format, _FORMATS)
        if self.temperature is not None and not 0 <= self.temperature <= 1:
            raise ValueError(f"option 'temperature' must be between 0 and 1; got {self.temperature}")


class Transcriptions(EndpointCandidate):
    """Sends a recording as a form with a file and answers with its transcript."""

    def __init__(self, tools: Tools, place: Endpoint, options: Options) -> None:
        super().__init__(tools, place, options.timeout_s)
        self.options = options

    def request(self, sample: Sample, repeat: int) -> Request:  # noqa: ARG002 - the protocol's signature
        """The form's fields; the file stands in it as its reference. Raises ValueError for a sample without one."""
        ref = sample.input.get(self.options.audio)
        if not isinstance(ref, Mapping) or "$blob" not in ref:
            raise ValueError(f"sample {sample.id!r} has no recording in input field {self.options.audio!r}")
        chosen = {name: getattr(self.options, name) for name in ("language", "prompt", "temperature")}
        sent = {name: str(value) for name, value in chosen.items() if value is not None}
        body = {**self.options.extra, **sent, "response_format": self.options.response_format}
        return Request(self.place.identity.endpoint, {"file": dict(ref), "model": self.model, **body})

    async def call(self, body: Mapping[str, Any], started: float) -> Response:
        """Send the form and read the transcript."""
        ref = body["file"]
        data = self.tools.blobs.get(ref)
        kind = str(ref.get("type") or "application/octet-stream")
        form = Form()
        form.add_field("file", data, filename=f"audio.{EXTENSIONS.get(kind, 'bin')}", content_type=kind)
        for name, value in body.items():
            if name != "file":
                form.add_field(name, value)
        reply = await self.transport.request(
            "POST", self.place.url, headers=self.place.headers, body=form, timeout_s=self.timeout_s
        )
        if reply.status >= 300:
            raise refusal(reply.status, reply.headers, ErrorBody.read(reply.body), self.transport.redact)
        return _read(reply, str(body["response_format"]), seconds_of(data), time.monotonic() - started)


def _read(reply: RawReply, form: str, length: float | None, seconds: float) -> Response:
    """The transcript with its usage; `length` = the recording's seconds by its header, for servers that tell none."""
    said = {"text": reply.body.decode("utf-8", "replace").strip("\r\n")} if form == "text" else _object(reply)
    text = said.get("text")
    if not isinstance(text, str):
        raise Malformed("the reply has no `text`")
    usage = _usage(said, length)
    meta = {name: said[name] for name in ("language", "duration", "segments", "words") if said.get(name) is not None}
    return Response(output=text, finish=Finish.STOP, usage=usage, seconds=seconds, meta=meta)


def _object(reply: RawReply) -> dict[str, Any]:
    try:
        said = json.loads(reply.body)
    except ValueError:
        raise Malformed(f"the reply is not JSON; it starts {reply.body[:80].decode('utf-8', 'replace')!r}") from None
    if not isinstance(said, dict):
        raise Malformed(f"the reply is {type(said).__name__}, not an object")
    return said


def _usage(said: Mapping[str, Any], length: float | None) -> dict[str, float]:
    """Unit counts, tokens or seconds but never both, since a price is their sum.

    What the server counted; else the duration that it found, or the header's.
    """
    told = said.get("usage")
    told = told if isinstance(told, Mapping) else {}
    tokens = _number(told.get("input_tokens"))
    if tokens is not None:
        details = told.get("input_token_details")
        audio = (_number(details.get("audio_tokens")) if isinstance(details, Mapping) else None) or 0.0
        counts = {"input_tokens": tokens - audio, "audio_input_tokens": audio}
        output = _number(told.get("output_tokens"))
        return {"requests": 1.0, **counts, **({} if output is None else {"output_tokens": output})}
    known = (_number(told.get("seconds")), _number(said.get("duration")), length)
    found = next((seconds for seconds in known if seconds is not None), None)
    return {"requests": 1.0} if found is None else {"requests": 1.0, "seconds": found}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 else None


def make(tools: Tools, model: str | None, **options: Any) -> Transcriptions:
    """A recogniser. Raises ValueError for wrong options and a missing key."""
    if not model:
        raise ValueError("transcriptions needs a model, as in transcriptions/whisper-1")
    chosen = build(Options, options)
    settings = {
        name: getattr(chosen, name)
        for name in ("language", "prompt", "temperature", "response_format", "audio", "extra")
    }
    place = endpoint(tools, "transcriptions", _PATH, model=model, options=chosen, settings=settings)
    return Transcriptions(tools, place, chosen)
