"""OpenAI's audio endpoints over real sockets: exact forms and bodies, streamed bytes, and every way to fail."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import struct
import wave
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Candidate, Closes, Sample, Sends, Tools
from evalkit.providers import speech, transcriptions
from evalkit.providers._sound import seconds_of

MEDIA = Path(__file__).parents[1] / "cases" / "media"
FLAC = (MEDIA / "digits.flac").read_bytes()
KEY = "sk-test-that-nobody-may-see"
CTX = SimpleNamespace(repeat=0)


def tone(rate=16_000, frames=8_000):
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\x00\x10" * frames)
    return out.getvalue()


class Files:
    def __init__(self):
        self.data = {}

    def put(self, data, media_type):
        name = hashlib.sha256(data).hexdigest()
        self.data[name] = data
        return {"$blob": name, "type": media_type}

    def get(self, ref):
        return self.data[ref["$blob"]]


@asynccontextmanager
async def serving(handle):
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
    finally:
        await runner.cleanup()


def ask(make, model, sample, handle, files=None, **options):
    files = files or Files()
    tools = Tools(".", files, lambda template, _: template, {"OPENAI_API_KEY": KEY}.get)

    async def asking():
        async with serving(handle) as base:
            candidate = make(tools, model, base_url=base, **options)
            try:
                return await candidate.answer(sample, CTX)
            finally:
                await candidate.close()

    return asyncio.run(asking())


def recording(files, data=FLAC, kind="audio/flac"):
    return Sample("u1", {"audio": files.put(data, kind)}, "three five nine two")


class Recogniser:
    """A server that checks the form as strictly as the real one, and keeps what it saw."""

    def __init__(self, reply):
        self.reply, self.form, self.file, self.headers = reply, {}, None, {}

    async def handle(self, request):
        assert (request.method, request.path) == ("POST", "/v1/audio/transcriptions")
        assert request.content_type == "multipart/form-data"
        self.headers = dict(request.headers)
        async for part in await request.multipart():
            if part.name == "file":
                self.file = (part.filename, part.headers["Content-Type"], bytes(await part.read()))
            else:
                self.form[part.name] = await part.text()
        return self.reply() if callable(self.reply) else web.json_response(self.reply)


def heard(reply, **options):
    server, files = Recogniser(reply), Files()
    return ask(transcriptions.make, "whisper-1", recording(files), server.handle, files, **options), server


def test_a_recording_is_sent_as_a_form():
    response, server = heard(
        {"text": "Three, five, nine, two.", "usage": {"type": "duration", "seconds": 2}}, language="en", temperature=0.0
    )
    assert response.error is None
    assert (response.output, response.finish) == ("Three, five, nine, two.", Finish.STOP)
    assert response.usage == {"requests": 1.0, "seconds": 2.0}
    assert response.seconds > 0
    assert server.form == {"model": "whisper-1", "language": "en", "temperature": "0.0", "response_format": "json"}
    assert server.file == ("audio.flac", "audio/flac", FLAC)
    assert server.headers["Authorization"] == f"Bearer {KEY}"


def test_tokens_are_counted_instead_of_seconds():
    usage = {
        "type": "tokens",
        "input_tokens": 20,
        "input_token_details": {"text_tokens": 6, "audio_tokens": 14},
        "output_tokens": 9,
        "total_tokens": 29,
    }
    response, _ = heard({"text": "hm", "usage": usage})
    assert response.usage == {"requests": 1, "input_tokens": 6, "audio_input_tokens": 14, "output_tokens": 9}
    response, _ = heard({"text": "hm", "usage": {"type": "tokens", "input_tokens": 20}})
    assert response.usage == {"requests": 1, "input_tokens": 20, "audio_input_tokens": 0}


def test_verbose_json_keeps_what_else_was_said():
    reply = {"task": "transcribe", "language": "english", "duration": 1.4, "text": "hm", "segments": [{"id": 0}]}
    response, server = heard(
        reply, response_format="verbose_json", prompt="digits", extra={"timestamp_granularities[]": "word"}
    )
    assert response.usage == {"requests": 1.0, "seconds": 1.4}
    assert response.meta == {"language": "english", "duration": 1.4, "segments": [{"id": 0}]}
    assert server.form["prompt"] == "digits"
    assert server.form["timestamp_granularities[]"] == "word"


def test_plain_text_takes_the_seconds_of_the_header():
    response, _ = heard(lambda: web.Response(text="three five\n"), response_format="text")
    assert response.output == "three five"
    assert response.usage["seconds"] == pytest.approx(1.434, abs=0.001)


def test_silence_is_an_empty_answer_and_no_failure():
    response, _ = heard({"text": ""})
    assert (response.output, response.error) == ("", None)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (lambda: web.json_response({"error": {"message": f"Incorrect API key {KEY}", "type": "invalid_request_error", "code": "invalid_api_key"}}, status=401), ErrorKind.AUTH, "redacted"),
        (lambda: web.json_response({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "7"}), ErrorKind.RATE_LIMITED, "slow down"),
        (lambda: web.json_response({"error": {"message": "oops"}}, status=500), ErrorKind.PROVIDER, "oops"),
        (lambda: web.json_response({"error": {"message": "Maximum content size limit exceeded"}}, status=413), ErrorKind.BAD_REQUEST, "content size"),
        (lambda: web.json_response({"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}, status=404), ErrorKind.UNKNOWN_MODEL, "does not exist"),
        (lambda: web.Response(text="<html>busy"), ErrorKind.MALFORMED, "not JSON"),
        ([], ErrorKind.MALFORMED, "list, not an object"),
        ({"transcript": "hm"}, ErrorKind.MALFORMED, "no `text`"),
    ],
    ids=range(8),
)  # fmt: skip
def test_failures_are_typed(reply, kind, words):
    response, _ = heard(reply)
    assert response.error.kind is kind
    assert words in response.error.message
    assert KEY not in response.error.message
    assert response.output is None
    assert response.error.retry_after_s == (7.0 if kind is ErrorKind.RATE_LIMITED else None)


def test_a_sample_without_a_recording_is_refused_before_sending():
    response = ask(transcriptions.make, "whisper-1", Sample("u1", {"audio": "a.flac"}), Recogniser({}).handle)
    assert response.error.kind is ErrorKind.BAD_REQUEST
    assert "no recording in input field 'audio'" in response.error.message


def test_a_file_that_is_gone_is_named():
    sample = Sample("u1", {"audio": {"$blob": "gone", "type": "audio/flac"}})
    response = ask(transcriptions.make, "whisper-1", sample, Recogniser({}).handle)
    assert response.error.kind is ErrorKind.BAD_REQUEST
    assert "gone" in response.error.message


def test_a_server_that_is_not_there():
    tools = Tools(".", Files(), lambda template, _: template, {}.get)
    candidate = transcriptions.make(tools, "m", base_url="http://127.0.0.1:9/v1")

    async def asking():
        try:
            return await candidate.answer(recording(tools.blobs), CTX)
        finally:
            await candidate.close()

    assert asyncio.run(asking()).error.kind is ErrorKind.CONNECTION


class Speaker:
    """A server that speaks in pieces, with pauses between them."""

    def __init__(self, pieces, content_type="audio/wav", status=200):
        self.pieces, self.content_type, self.status, self.body = pieces, content_type, status, None

    async def handle(self, request):
        assert (request.method, request.path) == ("POST", "/v1/audio/speech")
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.content_type == "application/json"
        self.body = await request.json()
        reply = web.StreamResponse(status=self.status, headers={"Content-Type": self.content_type})
        await reply.prepare(request)
        for piece in self.pieces:
            await reply.write(piece)
            await asyncio.sleep(0.05)
        await reply.write_eof()
        return reply


def said(server, files=None, text="Dr. Ito owes £3.", **options):
    return ask(speech.make, "tts-1", Sample("t1", {"text": text}), server.handle, files, **options)


def test_speech_is_streamed_and_stored():
    sound, files = tone(), Files()
    server = Speaker([sound[:5000], sound[5000:9000], sound[9000:]])
    response = said(server, files, voice="verse", speed=1.25, instructions="calm", extra={"stream_format": "audio"})
    assert response.error is None
    assert files.get(response.output) == sound
    assert response.output["type"] == "audio/wav"
    assert 0 < response.first_token_s <= response.seconds - 0.1
    assert response.usage == {"requests": 1.0, "characters": 16.0, "bytes": float(len(sound))}
    assert server.body == {"model": "tts-1", "input": "Dr. Ito owes £3.", "voice": "verse", "speed": 1.25, "instructions": "calm", "response_format": "wav", "stream_format": "audio"}  # fmt: skip


@pytest.mark.parametrize(("form", "kind"), [("mp3", "audio/mpeg"), ("flac", "audio/flac"), ("opus", "audio/ogg")])
def test_bytes_are_kept_as_they_came(form, kind):
    files = Files()
    response = said(Speaker([b"abc", b"def"], kind), files, response_format=form)
    assert response.output["type"] == kind
    assert files.get(response.output) == b"abcdef"


def test_raw_samples_get_a_header():
    files = Files()
    response = said(Speaker([b"\x01\x00" * 1200], "audio/pcm"), files, response_format="pcm", pcm_rate=12_000)
    with wave.open(io.BytesIO(files.get(response.output))) as file:
        assert (file.getframerate(), file.getnframes(), file.getsampwidth()) == (12_000, 1200, 2)


@pytest.mark.parametrize(
    ("server", "kind", "words"),
    [
        (Speaker([]), ErrorKind.MALFORMED, "not one byte"),
        (Speaker([b'{"error": "busy"}'], "application/json"), ErrorKind.MALFORMED, "application/json, not a recording"),
        (Speaker([b'{"error": {"message": "no such voice"}}'], "application/json", 400), ErrorKind.BAD_REQUEST, "no such voice"),
        (Speaker([b'{"error": {"message": "quota", "code": "insufficient_quota"}}'], "application/json", 429), ErrorKind.RATE_LIMITED, "quota"),
    ],
    ids=range(4),
)  # fmt: skip
def test_speech_fails_in_words(server, kind, words):
    response = said(server)
    assert response.error.kind is kind
    assert words in response.error.message


def test_half_a_sample_is_malformed():
    assert "16-bit samples" in said(Speaker([b"\x01\x00\x01"], "audio/pcm"), response_format="pcm").error.message


def test_speech_larger_than_any_answer_is_stopped(monkeypatch):
    monkeypatch.setattr(speech, "_LARGEST", 4)
    assert "larger than 4 bytes" in said(Speaker([b"abcdef"])).error.message


def test_a_connection_that_breaks_is_no_recording():
    async def handle(request):
        reply = web.StreamResponse(headers={"Content-Length": "100"})
        await reply.prepare(request)
        await reply.write(b"RIFF")
        request.transport.close()
        return reply

    response = ask(speech.make, "tts-1", Sample("t1", {"text": "hm"}), handle)
    assert response.error.kind is ErrorKind.CONNECTION
    assert response.output is None


def test_a_sample_without_text_is_refused_before_sending():
    response = said(Speaker([]), text=" ")
    assert response.error.kind is ErrorKind.BAD_REQUEST
    assert "no text in input field 'text'" in response.error.message


@pytest.mark.parametrize("make", [transcriptions.make, speech.make])
def test_what_decides_the_answer_is_in_the_fingerprint(make):
    tools = Tools(".", Files(), lambda template, _: template, {"OPENAI_API_KEY": KEY, "OTHER": KEY}.get)
    base = make(tools, "m")
    assert isinstance(base, Candidate)
    assert isinstance(base, Sends)
    assert isinstance(base, Closes)
    assert base.fingerprint == make(tools, "m", api_key_env="OTHER", timeout_s=3).fingerprint
    others = [make(tools, "n"), make(tools, "m", base_url="http://127.0.0.1:1/v1"), make(tools, "m", extra={"a": "b"})]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert KEY not in json.dumps([base.lane, base.fingerprint, base.name])


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (transcriptions.make, {"model": None}, "transcriptions/whisper-1"),
        (speech.make, {"model": None}, "speech/tts-1"),
        (transcriptions.make, {"response_format": "srt"}, "json, verbose_json, text"),
        (transcriptions.make, {"temperature": 2}, "between 0 and 1"),
        (transcriptions.make, {"timeout_s": 0}, "must be above 0"),
        (transcriptions.make, {"base_url": "ftp://a"}, "not an http"),
        (transcriptions.make, {"api_key_env": "NOT_SET"}, "NOT_SET"),
        (transcriptions.make, {"colour": 1}, "unknown option 'colour'"),
        (speech.make, {"response_format": "midi"}, "wav, flac, mp3"),
        (speech.make, {"speed": 9}, "between 0.25 and 4"),
        (speech.make, {"pcm_rate": 0}, "above 0"),
    ],
)
def test_wrong_options_are_told(make, options, words):
    tools = Tools(".", Files(), lambda template, _: template, {"OPENAI_API_KEY": KEY}.get)
    options = {"model": "m", **options}
    with pytest.raises(ValueError, match=words.replace("/", "/")):
        make(tools, options.pop("model"), **options)


def test_seconds_are_read_from_headers():
    assert seconds_of(tone()) == 0.5
    streamed = bytearray(tone())
    streamed[40:44] = struct.pack("<I", 0x7FFFF000)
    assert seconds_of(bytes(streamed)) == 0.5
    assert seconds_of(FLAC) == pytest.approx(1.434, abs=0.001)
    assert [seconds_of(data) for data in (b"", b"RIFF", b"ID3 mp3", FLAC[:20])] == [None] * 4
    assert seconds_of(FLAC[:18] + bytes(8) + FLAC[26:]) is None
