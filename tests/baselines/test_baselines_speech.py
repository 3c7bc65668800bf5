"""Recognition and synthesis on this machine: real recordings, broken ones, and programs that are not there."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import struct
import sys
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from evalkit import registry
from evalkit.baselines import _audio, espeak, pocketsphinx
from evalkit.core.errors import ErrorKind, Finish, MissingComponent
from evalkit.core.types import Sample

ROOT = Path(__file__).parents[2]
MEDIA = ROOT / "tests/cases/media"
DIGITS = {"zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000)


class Files:
    def __init__(self):
        self.data = {}

    def put(self, data, media_type):
        name = hashlib.sha256(data).hexdigest()
        self.data[name] = data
        return {"$blob": name, "type": media_type}

    def get(self, ref):
        return self.data[ref["$blob"]]


def written(sound, rate=16_000, form="WAV", subtype=None):
    out = io.BytesIO()
    soundfile.write(out, sound, rate, format=form, subtype=subtype)
    return out.getvalue()


def heard(spec, data, **more):
    files = Files()
    sample = Sample("u1", {"audio": files.put(data, "audio/flac"), **more})
    return asyncio.run(registry.make("baselines", spec).answer(sample, SimpleNamespace(blobs=files)))


def said(spec, text="Dr. Ito owes three pounds."):
    files = Files()
    response = asyncio.run(
        registry.make("baselines", spec).answer(Sample("t1", {"text": text}), SimpleNamespace(blobs=files))
    )
    return response, (files.get(response.output) if response.output else None)


@pytest.fixture(scope="module")
def utterances():
    lines = (ROOT / "datasets/utterances/samples.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def clip(row):
    return (ROOT / "datasets/utterances" / row["input"]["audio"]).read_bytes()


def test_digits_are_heard():
    response = heard("pocketsphinx(grammar='digits')", (MEDIA / "digits.flac").read_bytes())
    assert response.error is None
    assert response.finish is Finish.STOP
    assert set(response.output.split()) <= DIGITS
    assert "five" in response.output
    assert response.usage == {"requests": 1.0, "seconds": pytest.approx(1.434, abs=0.001)}
    assert 0 < response.meta["probability"] <= 1


def test_a_grammar_hears_its_words_in_everything_but_for_the_floor(utterances):
    data = clip(next(row for row in utterances if row["target"] == "Take me to the nearest station."))
    eager, careful = (heard(f"pocketsphinx(grammar='digits', floor={floor})", data) for floor in (0.0, 0.999))
    assert eager.output
    assert set(eager.output.split()) <= DIGITS
    assert careful.output == ""
    assert careful.meta == eager.meta


def test_an_answer_does_not_depend_on_what_was_heard_before(utterances):
    spec = "pocketsphinx(grammar='digits')"
    rows = [row for row in utterances if "kind:digits" in row["tags"]][:4]
    forth = [heard(spec, clip(row)).meta for row in rows]
    back = [heard(spec, clip(row)).meta for row in rows[::-1]]
    assert forth == back[::-1]


def test_the_full_model_knows_other_words(utterances):
    rows = [row for row in utterances if row["id"] in ("u-002", "u-093")]
    words = {word for row in rows for word in heard("pocketsphinx", clip(row)).output.split()}
    assert words - DIGITS


def test_nothing_may_be_heard_in_noise(utterances):
    hiss = next(row for row in utterances if "sound:white-noise" in row["tags"])
    response = heard("pocketsphinx", clip(hiss))
    assert (response.output, response.error) == ("", None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the recording's file is empty"),
        (b"hello", "it starts with b'hello'"),
        (written(NOISE)[:9000], "cut off: 9000 of 32044 bytes"),
        (written(NOISE, form="FLAC")[:9000], "lost sync"),
        (written(np.zeros(0)), "holds no samples"),
        (written(np.zeros(9), rate=1), "1 samples per second"),
        (written(np.array([0.1, np.nan]), subtype="FLOAT"), "no finite numbers"),
        (written(np.zeros(3601 * 4000), rate=4000, form="FLAC"), "3,601 s long"),
        (written(np.zeros((160_000, 400)), subtype="PCM_U8"), "would take 256 MB"),
    ],
    ids=["empty", "text", "cut", "flac", "nothing", "rate", "nan", "long", "wide"],
)
def test_broken_recordings_are_typed_failures(data, words):
    response = heard("pocketsphinx(grammar='digits')", data)
    assert response.error.kind is ErrorKind.BAD_REQUEST
    assert words in response.error.message
    assert response.output is None


def test_what_is_huge_is_refused_before_it_is_decoded(monkeypatch):
    data = bytearray(written(NOISE, form="FLAC"))
    packed = int.from_bytes(data[18:26], "big")
    data[18:26] = (packed >> 36 << 36 | 16_000 * 7200).to_bytes(8, "big")
    monkeypatch.setattr(soundfile.SoundFile, "read", None)
    with pytest.raises(_audio.BadRecording, match="7,200 s long"):
        _audio.mono(bytes(data), 16_000)


def test_every_shape_of_recording_becomes_one_channel():
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    for data in (
        written(tone, 8000, subtype="PCM_U8"),
        written(np.stack([tone, tone], axis=1), 8000),
        written(tone, 8000, "FLAC", "PCM_24"),
        written(tone, 8000, "OGG"),
    ):
        found = _audio.mono(data, 16_000)
        assert found.shape == (16_000,)
        assert np.abs(found).max() == pytest.approx(0.5, abs=0.05)
    streamed = bytearray(written(tone, 16_000))
    streamed[4:8], streamed[40:44] = struct.pack("<I", 0x7FFFF024), struct.pack("<I", 0x7FFFF000)
    assert _audio.mono(bytes(streamed), 16_000).shape == (8000,)


def test_a_sample_without_a_recording_is_told():
    ctx = SimpleNamespace(blobs=Files())
    candidate = registry.make("baselines", "pocketsphinx(audio='call')")
    response = asyncio.run(candidate.answer(Sample("u1", {"audio": "a.flac"}), ctx))
    assert "no recording in input field 'call' (its input has: audio)" in response.error.message
    response = asyncio.run(candidate.answer(Sample("u1", {"call": {"$blob": "gone"}}), ctx))
    assert "the stored file of input field 'call' is gone" in response.error.message


def test_a_decoder_that_gives_up_is_a_failure(monkeypatch):
    def broken(grammar, sound):
        raise RuntimeError("no more memory")

    monkeypatch.setattr(pocketsphinx, "_heard", broken)
    response = heard("pocketsphinx", written(NOISE))
    assert response.error.kind is ErrorKind.CANDIDATE
    assert "gave up: no more memory" in response.error.message


def test_a_text_becomes_a_recording():
    response, data = said("espeak")
    found, rate = soundfile.read(io.BytesIO(data))
    assert response.output["type"] == "audio/flac"
    assert rate == 22_050
    assert 1 < found.size / rate < 4
    assert np.abs(found).max() > 0.1
    assert response.usage == {"requests": 1.0, "characters": 26.0}
    assert response.model.startswith("espeak-ng 1.")


def test_the_same_bytes_every_time_and_others_with_other_options():
    texts = [
        "espeak",
        "espeak",
        "espeak(speed=220)",
        "espeak(pitch=80)",
        "espeak(voice='en-gb-x-rp+f2')",
        "espeak(gap=20)",
    ]
    first, again, *others = (said(spec)[1] for spec in texts)
    assert first == again
    assert len({first, *others}) == 5


def test_a_wav_knows_its_length():
    response, data = said("espeak(format='wav')")
    assert response.output["type"] == "audio/wav"
    with wave.open(io.BytesIO(data)) as file:
        assert len(data) == 44 + 2 * file.getnframes()


@pytest.mark.parametrize(
    "text", ["-v xx --version", "<break time='9s'/> 5 < 6", "Größe, 東京, हिन्दी", "a" * 2000, "one.\n\ttwo"]
)
def test_any_text_is_said(text):
    assert said("espeak", text)[0].error is None


@pytest.mark.parametrize(
    ("spec", "text", "words"),
    [
        ("espeak", " ", "its text is empty"),
        ("espeak", "a" * 20_001, "20001 characters"),
        ("espeak", "a\x00b", "control characters"),
        ("espeak", "\ud800", "surrogates"),
        ("espeak(voice='xx-nobody')", "hello", "voice does not exist"),
    ],
)
def test_what_cannot_be_said_is_a_failure(spec, text, words):
    response, _ = said(spec, text)
    assert response.error.kind is ErrorKind.CANDIDATE
    assert words in response.error.message


def test_a_program_that_hangs_is_ended(monkeypatch, tmp_path):
    slow = tmp_path / "espeak-ng"
    slow.write_text("#!/bin/sh\nexec sleep 30\n", "utf-8")
    slow.chmod(0o755)
    monkeypatch.setattr(espeak, "_TIMEOUT_S", 0.2)
    monkeypatch.setattr(espeak, "program", lambda: str(slow))
    assert "did not finish within 0.2 s" in said("espeak")[0].error.message


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("pocketsphinx(grammar='letters')", "known: digits"),
        ("pocketsphinx(floor=2)", "a probability"),
        ("espeak(speed=9)", "between 80 and 450"),
        ("espeak(pitch=100)", "between 0 and 99"),
        ("espeak(gap=-1)", "between 0 and 100"),
        ("espeak(voice='-x')", "is no voice"),
        ("espeak(format='mp3')", "flac, wav"),
    ],
)
def test_wrong_options_are_told(spec, words):
    with pytest.raises(ValueError, match=words):
        registry.make("baselines", spec)


def test_what_is_absent_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingComponent, match=r"install it \(Debian: espeak-ng\)"):
        registry.make("baselines", "espeak")
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(MissingComponent, match=r"pocketsphinx: pip install 'evalkit\[speech\]'"):
        registry.make("baselines", "pocketsphinx")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingComponent, match=r"soundfile: pip install 'evalkit\[speech\]'"):
        _audio.soundfile()
