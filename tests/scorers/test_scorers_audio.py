"""Recordings: what is refused and in which words, levels by their definitions, references, recognisers that are asked."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from evalkit import registry
from evalkit.core.errors import ErrorKind, MissingComponent
from evalkit.core.types import Failure, Response, Sample
from evalkit.scorers import _audio
from evalkit.scorers._audio import BadRecording, decoded, duration
from evalkit.scorers._judging.asking import JudgeFailed
from evalkit.scorers.loudness import integrated, leading_silence

ROOT = Path(__file__).parents[2]
MEDIA = ROOT / "tests/cases/media"


def written(sound, rate=16_000, form="WAV", subtype=None):
    out = io.BytesIO()
    soundfile.write(out, sound, rate, format=form, subtype=subtype)
    return out.getvalue()


def sine(rate=48_000, seconds=2.0, amplitude=1.0, channels=1, hz=997.0):
    wave = amplitude * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)
    return np.stack([wave] * channels, axis=1)


NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000)


def lying_flac():
    data = bytearray(written(NOISE, form="FLAC"))
    packed = int.from_bytes(data[18:26], "big")
    data[18:26] = (packed >> 36 << 36 | 16_000 * 7200).to_bytes(8, "big")
    return bytes(data)


def test_cases_are_current(kit, tmp_path):
    made(kit, tmp_path, ["pesq", "stoi", "mos"])
    assert len(list(tmp_path.glob("*.json"))) == 3


@pytest.mark.nightly
def test_predicted_cases_are_current(kit, tmp_path):
    made(kit, tmp_path, ["predicted_mos"])
    assert [file.stem for file in tmp_path.glob("*.json")] == ["predicted_mos"]


def made(kit, folder, names):
    command = [sys.executable, "-W", "ignore", ROOT / "scripts/make_speech_cases.py", folder, *names]
    subprocess.run(command, check=True, capture_output=True)
    for file in folder.glob("*.json"):
        now, kept = json.loads(file.read_text("utf-8")), kit.load(file.stem)
        assert now["made_by"]["version"] == version(kept["made_by"]["library"])
        assert now["cases"] == kept["cases"], f"{file.name}: the library gives other numbers; rerun the script"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the recording's file is empty"),
        (b"hello", "it starts with b'hello'"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "cannot be read as a recording"),
        (written(NOISE)[:9000], "cut off: 9000 of 32044 bytes"),
        (written(NOISE)[:30], "cut off"),
        (written(NOISE, form="FLAC")[:9000], "is broken"),
        (lying_flac(), "7,200 s long"),
        (written(np.zeros(0)), "holds no samples"),
        (written(np.zeros(9), rate=1), "1 samples per second"),
        (written(np.array([0.1, np.nan]), subtype="FLOAT"), "no finite numbers"),
        (written(np.zeros(3601 * 4000), rate=4000, form="FLAC"), "3,601 s long"),
        (written(np.zeros((160_000, 400)), form="WAV", subtype="PCM_U8"), "would take 256 MB"),
    ],
    ids=["empty", "text", "picture", "cut", "header", "flac", "liar", "nothing", "rate", "nan", "long", "wide"],
)
def test_bad_recordings_are_refused_in_words(data, words):
    with pytest.raises(BadRecording, match=words):
        decoded(data)


def test_what_is_huge_is_refused_by_its_header(monkeypatch):
    monkeypatch.setattr(soundfile.SoundFile, "read", None)
    with pytest.raises(BadRecording, match="7,200 s long"):
        decoded(lying_flac())
    assert duration(written(NOISE)) == 1.0


def test_a_header_that_says_less_than_there_is_does_not_help(monkeypatch):
    monkeypatch.setattr(_audio, "MAX_SECONDS", 0.5)
    refuse = iter([True])
    monkeypatch.setattr(_audio, "_refuse", lambda *shape, real=_audio._refuse: next(refuse, None) or real(*shape))
    with pytest.raises(BadRecording, match="more than 0 s is refused"):
        decoded(written(NOISE))


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_common_types_are_read(form):
    assert decoded(written(NOISE * 0.1, form=form)).seconds == pytest.approx(1.0, abs=0.1)


def test_eight_bits_two_channels_and_another_rate():
    tone = sine(22_050, 1.0, 0.5, 2)
    found = decoded(written(tone, 22_050, subtype="PCM_U8"))
    assert found.sound.shape == (22_050, 2)
    assert found.mono(16_000).shape == (16_000,)
    assert np.abs(found.mono(16_000)).max() == pytest.approx(0.5, abs=0.03)


def test_a_streamed_header_does_not_know_its_length():
    data = bytearray(written(NOISE))
    data[4:8], data[40:44] = struct.pack("<I", 0xFFFFFFFF), struct.pack("<I", 0xFFFFFFFF)
    assert decoded(bytes(data)).seconds == 1.0


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_a_full_scale_sine_is_minus_three_lufs(rate):
    assert integrated(decoded(written(sine(rate), rate, subtype="FLOAT"))) == pytest.approx(-3.01, abs=0.05)


def test_two_channels_add_their_power():
    """EBU Tech 3341, case 1: a stereo sine of -23 dBFS is -23 LUFS."""
    sound = sine(amplitude=10 ** (-23 / 20), seconds=20, channels=2)
    assert integrated(decoded(written(sound, 48_000, subtype="FLOAT"))) == pytest.approx(-23.0, abs=0.1)


def test_quiet_parts_are_gated_out():
    """EBU Tech 3341, case 3: 10 s at -36, 60 s at -23, 10 s at -36 dBFS are -23 LUFS."""
    parts = [sine(16_000, s, 10 ** (db / 20), 2) for s, db in ((10, -36), (60, -23), (10, -36))]
    assert integrated(decoded(written(np.concatenate(parts), 16_000, subtype="FLOAT"))) == pytest.approx(-23.0, abs=0.1)


def test_levels_are_of_full_scale(kit, tmp_path):
    scorer = registry.make("scorers", "loudness")
    scores = kit.score(scorer, {"output": {"$file": "sine.flac"}})
    assert scores["peak_dbfs"].value == pytest.approx(0.0, abs=0.01)
    assert scores["level_dbfs"].value == pytest.approx(-3.01 - 0.97, abs=0.02)
    assert 0 < scores["clipped_share"].value < 0.02
    assert scores["leading_silence_s"].value == pytest.approx(0.25, abs=0.011)


def test_leading_silence_ignores_what_nobody_hears():
    sound = np.concatenate([0.001 * sine(16_000, 0.5), 0.5 * sine(16_000, 0.5)])
    assert leading_silence(decoded(written(sound))) == pytest.approx(0.5, abs=0.011)
    assert leading_silence(decoded(written(np.zeros(1600)))) is None


def test_less_than_a_block_has_no_loudness():
    assert integrated(decoded(written(sine(16_000, 0.3)))) is None


@pytest.mark.parametrize("spec", ["pesq", "stoi"])
def test_a_broken_reference_is_the_suites_fault(kit, spec):
    scorer = registry.make("scorers", spec)
    with pytest.raises(BadRecording):
        kit.score(scorer, {"target": {"$file": "two_discs.png"}, "output": {"$file": "digits.flac"}})
    assert "no recording" in scorer.problem(kit.sample({"target": "text"}))
    assert "under 'audio'" in scorer.problem(kit.sample({"target": {"text": "hm"}}))


def test_a_reference_may_stand_beside_its_text(kit):
    target = {"audio": {"$file": "digits.flac"}, "text": "three five nine two"}
    assert kit.one("stoi", {"$file": "digits.flac"}, target).value == pytest.approx(1.0)


def test_what_cannot_be_compared_has_a_reason(kit):
    digits, silence, sound = {"$file": "digits.flac"}, {"$file": "silence.flac"}, {"$file": "sine.flac"}
    assert "differ by 0.18 s" in kit.one("stoi", sound, digits).reason
    assert "digital silence" in kit.one("pesq", silence, digits).reason
    assert "digital silence" in kit.one("stoi", silence, digits).reason
    with pytest.raises(BadRecording, match="nothing to understand"):
        kit.one("stoi", digits, silence)
    assert "PESQ finds no speech" in kit.one("pesq", digits, silence).reason


def test_stoi_needs_a_slack(kit):
    assert kit.one("stoi(slack_s=1.0)", {"$file": "sine.flac"}, {"$file": "digits.flac"}).value < 0.6
    with pytest.raises(ValueError, match="must not be negative"):
        registry.make("scorers", "stoi(slack_s=-1)")
    with pytest.raises(ValueError, match="known: wide, narrow"):
        registry.make("scorers", "pesq(band='ultra')")


def test_too_little_speech_for_stoi_is_no_score():
    blobs = SimpleNamespace(get=lambda ref: written(NOISE[:3000]))
    ctx, ref = SimpleNamespace(blobs=blobs), {"$blob": "a"}
    scores = asyncio.run(registry.make("scorers", "stoi").score(Sample("s", {}, ref), [Response(ref)], ctx))
    assert "Not enough STFT frames" in scores["stoi"].reason


def test_a_quarter_of_a_second_is_the_least(tmp_path):
    blobs = SimpleNamespace(get=lambda ref: written(NOISE[:2000]))
    ctx, ref = SimpleNamespace(blobs=blobs), {"$blob": "a"}
    scores = asyncio.run(registry.make("scorers", "pesq").score(Sample("s", {}, ref), [Response(ref)], ctx))
    assert "at least 0.25 s" in scores["pesq"].reason


def test_what_the_library_refuses_is_a_reason(monkeypatch):
    import pesq as library

    def refuse(*_):
        raise library.PesqError(b"Out of memory")

    monkeypatch.setattr(library, "pesq", refuse)
    from evalkit.scorers import pesq

    assert pesq._measured(NOISE, NOISE, 16_000, "wb")["pesq"].reason == "PESQ: Out of memory"


def test_a_file_that_is_gone_is_a_reason():
    def gone(ref):
        raise KeyError(ref)

    ctx = SimpleNamespace(blobs=SimpleNamespace(get=gone))
    scores = asyncio.run(registry.make("scorers", "loudness").score(Sample("s", {}), [Response({"$blob": "a"})], ctx))
    assert scores["spoken_s"].reason == "the stored file of the answer is gone"


def test_the_recogniser_is_asked_with_the_recording_and_nothing_else(kit):
    asked = []

    async def ask(candidate, sample, stage):
        asked.append((candidate, sample, stage))
        return Response("hello")

    ctx = SimpleNamespace(blobs=SimpleNamespace(get=lambda ref: b"sound"), candidate=lambda name: name, ask=ask)
    scorer = registry.make("scorers", "round_trip(asr='transcriptions/whisper-1')")
    sample = Sample("s", {"text": "Hello!"}, "hello")
    scores = asyncio.run(scorer.score(sample, [Response({"$blob": "a", "type": "audio/wav"})], ctx))
    assert scores["round_trip_wer"].value == 0.0
    assert asked == [("transcriptions/whisper-1", Sample("s", {"audio": {"$blob": "a", "type": "audio/wav"}}), "asr")]
    assert scorer.needs == ("transcriptions/whisper-1",)
    assert registry.make("scorers", "round_trip(asr='a', normaliser='whisper_english')").libraries == (
        "rapidfuzz",
        "whisper-normalizer",
    )


@pytest.mark.parametrize(
    "heard", [Response(error=Failure(ErrorKind.TIMEOUT, "late")), Response(None), Response("<think>hm")]
)
def test_a_recogniser_that_fails_is_no_fault_of_the_voice(heard):
    async def ask(candidate, sample, stage):
        return heard

    ctx = SimpleNamespace(blobs=SimpleNamespace(get=lambda ref: b"sound"), candidate=lambda name: name, ask=ask)
    scorer = registry.make("scorers", "round_trip(asr='ear')")
    with pytest.raises(JudgeFailed, match="ear gave no transcript"):
        asyncio.run(scorer.score(Sample("s", {"text": "a"}), [Response({"$blob": "a"})], ctx))


def test_the_round_trip_needs_a_name_and_a_text(kit):
    with pytest.raises(ValueError, match="names nobody"):
        registry.make("scorers", "round_trip(asr='')")
    scorer = registry.make("scorers", "round_trip(asr='ear')")
    assert "target is missing" in scorer.problem(kit.sample({"input": {}}))
    assert scorer.problem(kit.sample({"input": {"text": "a"}, "target": {"audio": {}}})) is None


def test_missing_packages_name_their_extra(monkeypatch, kit):
    for module in ("pesq", "pystoi", "speechmos.dnsmos", "soundfile"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingComponent, match=r"evalkit\[speech\]"):
        _audio.soundfile()
    from evalkit.scorers import pesq, predicted_mos, stoi

    with pytest.raises(MissingComponent, match=r"evalkit\[speech\]"):
        pesq._measured(NOISE, NOISE, 16_000, "wb")
    with pytest.raises(MissingComponent, match=r"evalkit\[speech\]"):
        stoi._measured(NOISE, NOISE, extended=False)
    with pytest.raises(MissingComponent, match=r"evalkit\[mos\]"):
        predicted_mos._library()
