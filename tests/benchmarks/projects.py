"""Projects that benchmarks run: an evalkit.yaml, one suite, generated samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

PROJECT = """candidates:
  inside: {{provider: python, model: "answers.py:answer"}}
  server: mocked/mock-perfect
providers:
  mocked: {{provider: openai, base_url: "{url}/v1", limits: {{concurrency: {concurrency}}}}}
"""
SUITE = """name: bench
family: generalist
dataset: samples.jsonl
task: {{prompt: "{{{{ text }}}}"}}
scorers: [{scorers}]
candidates: [{candidate}]
"""
SUMS = """def answer(text):
    left, right = text.removeprefix("What is ").rstrip("?").split("+")
    return str(int(left) + int(right))
"""
# Words without repetition that a compressor could live on: each letter is drawn, as in no real text.
PROSE = """import random
import string


def answer(text):
    draw = random.Random(text)
    return "".join(draw.choices(string.ascii_lowercase + "     ", k=400))
"""


def local(folder: Path, samples: int, *, answers: str = SUMS, scorers: str = "exact_match") -> Path:
    """A project whose candidate is a Python function; returns its folder."""
    return _write(folder, samples, answers=answers, scorers=scorers, candidate="inside")


def remote(folder: Path, samples: int, *, url: str, concurrency: int) -> Path:
    """A project whose candidate is the mock server's perfect model; returns its folder."""
    return _write(folder, samples, candidate="server", url=url, concurrency=concurrency)


def _write(
    folder: Path,
    samples: int,
    *,
    candidate: str,
    answers: str = SUMS,
    scorers: str = "exact_match",
    url: str = "http://127.0.0.1:9",
    concurrency: int = 64,
) -> Path:
    folder.mkdir(parents=True)
    (folder / "evalkit.yaml").write_text(PROJECT.format(url=url, concurrency=concurrency), "utf-8")
    (folder / "bench.yaml").write_text(SUITE.format(candidate=candidate, scorers=scorers), "utf-8")
    (folder / "answers.py").write_text(answers, "utf-8")
    (folder / "samples.jsonl").write_text("".join(_samples(samples)), "utf-8")
    return folder


def _samples(count: int) -> Iterator[str]:
    for number in range(count):
        left, right = number + 10, number % 97
        sample = {"id": f"s{number}", "input": {"text": f"What is {left}+{right}?"}, "target": str(left + right)}
        yield json.dumps(sample) + "\n"
