"""How fast transcripts are scored, and how much memory recordings take that are asked about and measured."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from evalkit import registry
from evalkit.core.types import Response, Sample
from evalkit.scorers._edits import edit_counts, editops

from .definitions import Bench, Group
from .measure import evalkit, measured
from .results import Result, at_most

WORDS = 2_000
CONTRACT_US = 10.0
CLIP_BYTES = 1_000_000
PROJECT = """candidates:
  deaf: {provider: python, model: "answers.py:answer"}
"""
SUITE = """name: clips
family: asr
dataset: samples.jsonl
scorers: [wer, real_time_factor]
candidates: [deaf]
"""


def word_errors(bench: Bench) -> Iterator[Result]:
    """S, D and I of 100,000 pairs of 3 to 20 words, in a process of its own: bare `editops` of rapidfuzz is the control."""
    asked = (sys.executable, "-m", "tests.benchmarks.speech", str(bench.sized(100_000)), str(bench.repeats))
    found = json.loads(measured(asked, Path(__file__).parents[2]).out)
    yield at_most("wer_kernel_cpu", found["kernel"], "s", 1.5 * found["bare"], control=found["bare"])
    yield at_most("wer_contract_cpu", found["contract"], "us/pair", CONTRACT_US, target=CONTRACT_US)


def timed(pairs: list[tuple[str, str]], times: int) -> dict[str, float]:
    """CPU seconds of the control and the kernel; microseconds that the scorer's contract adds per pair."""
    split = [(reference.split(), said.split()) for reference, said in pairs]
    find = editops()
    bare = _least(lambda: [find(one, other) for one, other in split], times)
    kernel = _least(lambda: edit_counts(split), times)
    splitting = _least(lambda: edit_counts((a.split(), b.split()) for a, b in pairs), times)
    scorer = registry.make("scorers", "wer(normaliser='none')")
    asked = [(Sample(str(i), {}, one), (Response(other),)) for i, (one, other) in enumerate(pairs)]
    scored = _least(lambda: asyncio.run(_score(scorer, asked)), times)
    return {"bare": bare, "kernel": kernel, "contract": max(0.01, (scored - splitting) / len(pairs) * 1e6)}


def transcripts(n: int) -> list[tuple[str, str]]:
    """References and what was understood: a fifth of the words are lost, changed or put in."""
    drawn = random.Random(1)
    words = [f"word{i}" for i in range(WORDS)]
    found = []
    for _ in range(n):
        reference = drawn.choices(words, k=drawn.randint(3, 20))
        said: list[str] = []
        for word in reference:
            kind = drawn.random()
            if kind < 0.05:
                continue
            said.append(drawn.choice(words) if kind < 0.15 else word)
            if kind > 0.95:
                said.append(drawn.choice(words))
        found.append((" ".join(reference), " ".join(said)))
    return found


async def _score(scorer: Any, asked: list[tuple[Sample, tuple[Response, ...]]]) -> None:
    for sample, responses in asked:
        await scorer.score(sample, responses, None)


def _least(run: Callable[[], Any], times: int) -> float:
    found = []
    # What is measured holds many objects beside it: without this, the collector's walks over those are most of the time.
    gc.collect()
    gc.freeze()
    for _ in range(times):
        begun = time.process_time()
        run()
        found.append(time.process_time() - begun)
    gc.unfreeze()
    return min(found)


def media_memory(bench: Bench) -> Iterator[Result]:
    """Ask about 1,000 recordings of 1 MB and read each again for its length; the control is the same run with one."""
    one = evalkit("run", "bench.yaml", "-q", cwd=clips(bench.fresh(), 1)).rss_mb
    all_of_them = evalkit("run", "bench.yaml", "-q", cwd=clips(bench.fresh(), bench.sized(1_000))).rss_mb
    yield at_most("media_rss", all_of_them, "MiB", one + 150.0, control=one)


def clips(folder: Path, count: int) -> Path:
    """A project with `count` recordings of 1 MB that differ, so that none is stored as another."""
    folder.mkdir(parents=True)
    sound = random.Random(2).randbytes(CLIP_BYTES)
    samples = []
    for number in range(count):
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(number.to_bytes(4, "big") + sound)
        samples.append({"id": f"c{number}", "input": {"audio": f"{number}.wav"}, "target": "hello"})
    (folder / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples), "utf-8")
    (folder / "answers.py").write_text("def answer(sample):\n    return 'hello'\n", "utf-8")
    (folder / "evalkit.yaml").write_text(PROJECT, "utf-8")
    (folder / "bench.yaml").write_text(SUITE, "utf-8")
    return folder


GROUPS = (
    Group(("wer_kernel_cpu", "wer_contract_cpu"), word_errors),
    Group(("media_rss",), media_memory),
)

if __name__ == "__main__":
    print(json.dumps(timed(transcripts(int(sys.argv[1])), int(sys.argv[2]))))
