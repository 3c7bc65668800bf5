"""Make the utterances of datasets/utterances from script.tsv: espeak-ng says them; rooms, lines and noise spoil them.

Usage: python scripts/make_utterances.py [folder]

Needs espeak-ng (1.51 made what is committed), numpy, scipy and soundfile. Tests never run this: they use the files.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from scipy import signal

FOLDER = Path(__file__).parents[1] / "datasets" / "utterances"
RATE = 16_000
SEED = 20
Sound = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """An espeak-ng voice; `words_per_minute` is its usual speed, `pitch` 0..99."""

    tag: str
    espeak: str
    words_per_minute: int
    pitch: int = 50


VOICES = (
    Voice("us-klatt2", "en-us+klatt2", 170),
    Voice("us-klatt3", "en-us+klatt3", 165),
    Voice("us-klatt4", "en-us+klatt4", 170),
    Voice("us-klatt5", "en-us+klatt5", 165),
    Voice("us-f2", "en-us+f2", 160),
    Voice("us-f5", "en-us+f5", 165),
    Voice("us-plain", "en-us", 150),
    Voice("nyc-klatt4", "en-us-nyc+klatt4", 170),
    Voice("rp-klatt4", "en-gb-x-rp+klatt4", 165),
    Voice("scotland-klatt4", "en-gb-scotland+klatt4", 165),
    Voice("gb-f2", "en-gb+f2", 160),
    Voice("caribbean-f2", "en-029+f2", 160),
)
CONDITIONS = ("clean", "clean", "clean", "noise-20db", "telephone", "clean", "noise-10db", "reverb")
SPEEDS = {"slow": 0.85, "normal": 1.0, "fast": 1.2}


def spoken(text: str, voice: Voice, speed: float) -> Sound:
    """The text said by a voice, at 16 kHz, peak 0.5, a quarter of a second of silence on either side."""
    asked = ("-v", voice.espeak, "-s", str(round(voice.words_per_minute * speed)), "-p", str(voice.pitch))
    wave = subprocess.run(("espeak-ng", *asked, "--stdout", text), check=True, capture_output=True).stdout
    sound, rate = soundfile.read(io.BytesIO(wave))
    loud = np.flatnonzero(np.abs(sound) > 1e-3)
    sound = signal.resample_poly(sound[loud[0] : loud[-1] + 1], RATE, rate)
    pause = np.zeros(RATE // 4)
    return np.concatenate([pause, 0.5 * sound / np.abs(sound).max(), pause])


def coloured(n: int, exponent: float, drawn: np.random.Generator) -> Sound:
    """Noise of power 1 with a spectrum falling as 1/f^exponent: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(drawn.standard_normal(n))
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 20.0)
    noise = np.fft.irfft(spectrum * frequency ** (-exponent / 2), n)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def noisy(sound: Sound, snr_db: float, drawn: np.random.Generator) -> Sound:
    """Pink noise at a ratio of speech power (where there is speech) to noise power."""
    speech = np.mean(sound[np.abs(sound) > 0.01] ** 2)
    noise = coloured(sound.size, 1.0, drawn) * np.sqrt(speech / 10 ** (snr_db / 10))
    return sound + noise


def telephone(sound: Sound) -> Sound:
    """300-3400 Hz, through 8 kHz."""
    band = signal.butter(6, (300, 3400), "bandpass", fs=RATE, output="sos")
    narrow = signal.resample_poly(signal.sosfilt(band, sound), 1, 2)
    return np.asarray(signal.resample_poly(narrow, 2, 1))[: sound.size]


def reverberant(sound: Sound, drawn: np.random.Generator) -> Sound:
    """A room whose echo falls by 60 dB in 0.4 s: decaying noise after the direct sound."""
    length = int(0.4 * RATE)
    decay = 10 ** (-3 * np.arange(length) / length)
    room = drawn.standard_normal(length) * decay * 0.05
    room[0] = 1.0
    heard = signal.fftconvolve(sound, room)[: sound.size]
    return np.asarray(0.5 * heard / np.abs(heard).max())


def spoilt(sound: Sound, condition: str, drawn: np.random.Generator) -> Sound:
    """The sound under a condition."""
    if condition.startswith("noise-"):
        return noisy(sound, float(condition.removeprefix("noise-").removesuffix("db")), drawn)
    if condition == "telephone":
        return telephone(sound)
    return reverberant(sound, drawn) if condition == "reverb" else sound


def without_words(drawn: np.random.Generator) -> dict[str, Sound]:
    """Recordings in which nobody speaks."""
    at = np.arange(3 * RATE) / RATE
    short = at[: 2 * RATE]
    taps = np.zeros(3 * RATE)
    for start in (0.4, 1.1, 1.9, 2.3):
        place = int(start * RATE)
        taps[place : place + 800] = drawn.standard_normal(800) * np.exp(-np.arange(800) / 120)
    breath = np.sin(np.pi * at / 1.5) ** 8
    return {
        "digital-silence": np.zeros(2 * RATE),
        "long-silence": np.zeros(6 * RATE),
        "faint-hiss": 0.002 * coloured(short.size, 0.0, drawn),
        "mains-hum": 0.05 * np.sin(2 * np.pi * 50 * at) + 0.02 * np.sin(2 * np.pi * 150 * at),
        "white-noise": 0.1 * coloured(short.size, 0.0, drawn),
        "fan": 0.15 * coloured(at.size, 1.0, drawn),
        "traffic": 0.2 * coloured(at.size, 2.0, drawn),
        "dial-tone": 0.2 * np.sin(2 * np.pi * 425 * short),
        "knocks": 0.6 * taps,
        "breathing": 0.15 * breath * coloured(at.size, 1.0, drawn),
    }


def written(folder: Path, ident: str, sound: Sound) -> dict[str, Any]:
    """Write a recording; returns the sample's input and meta."""
    path = f"audio/{ident}.flac"
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / path, np.clip(sound, -1, 1 - 2**-15), RATE, format="FLAC", subtype="PCM_16")
    return {"input": {"audio": path}, "meta": {"seconds": round(sound.size / RATE, 3)}}


def said(folder: Path, lines: list[list[str]]) -> list[dict[str, Any]]:
    """One sample per line of the script; voices, conditions and speeds are dealt out by a seeded shuffle."""
    drawn = np.random.default_rng(SEED)
    deals = [drawn.permutation(np.resize(np.arange(n), len(lines))) for n in (len(VOICES), len(CONDITIONS), 3)]
    samples = []
    for place, (kind, *texts) in enumerate(lines):
        voice, condition = VOICES[deals[0][place]], CONDITIONS[deals[1][place]]
        speed = list(SPEEDS)[deals[2][place]]
        own = np.random.default_rng((SEED, place))
        sound = spoilt(spoken(texts[0], voice, SPEEDS[speed]), condition, own)
        tags = [f"voice:{voice.tag}", f"condition:{condition}", f"kind:{kind}", f"speed:{speed}"]
        ident = f"u-{place + 1:03d}"
        sample = {"id": ident, **written(folder, ident, sound), "target": texts if len(texts) > 1 else texts[0]}
        samples.append({**sample, "group": voice.tag, "tags": tags})
    return samples


def unsaid(folder: Path) -> list[dict[str, Any]]:
    """The recordings without words: the reference is empty."""
    samples = []
    for place, (name, sound) in enumerate(without_words(np.random.default_rng(SEED + 1)).items()):
        ident = f"s-{place + 1:02d}"
        tags = ["voice:nobody", "condition:no-speech", "kind:silence", f"sound:{name}"]
        samples.append({"id": ident, **written(folder, ident, sound), "target": "", "group": ident, "tags": tags})
    return samples


def main(folder: Path) -> None:
    """Write audio/*.flac and samples.jsonl."""
    lines = [line.split("\t") for line in (FOLDER / "script.tsv").read_text("utf-8").splitlines()]
    samples = [*said(folder, lines), *unsaid(folder)]
    text = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
    (folder / "samples.jsonl").write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
