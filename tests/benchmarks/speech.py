"""How fast transcripts are scored: the kernel against rapidfuzz alone, then what the scorer's contract adds."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from evalkit import registry
from evalkit.core.types import Response, Sample
from evalkit.scorers._edits import edit_counts, editops

from .definitions import Bench, Group
from .results import Result, at_most

WORDS = 2_000
CONTRACT_US = 10.0


def word_errors(bench: Bench) -> Iterator[Result]:
    """S, D and I of 100,000 pairs of 3 to 20 words: the bare `editops` of rapidfuzz is the control."""
    pairs = transcripts(bench.sized(100_000))
    split = [(reference.split(), said.split()) for reference, said in pairs]
    find = editops()
    times = 1 if bench.quick else bench.repeats
    bare = _least(lambda: [find(one, other) for one, other in split], times)
    kernel = _least(lambda: edit_counts(split), times)
    yield at_most("wer_kernel_cpu", kernel, "s", 1.5 * bare, control=bare)
    splitting = _least(lambda: edit_counts((a.split(), b.split()) for a, b in pairs), times)
    scorer = registry.make("scorers", "wer(normaliser='none')")
    asked = [(Sample(str(i), {}, one), (Response(other),)) for i, (one, other) in enumerate(pairs)]
    scored = _least(lambda: asyncio.run(_score(scorer, asked)), times)
    each = max(0.0, scored - splitting) / len(pairs) * 1e6
    control = splitting / len(pairs) * 1e6
    yield at_most("wer_contract_cpu", each, "us/pair", CONTRACT_US, control=control, target=CONTRACT_US)


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


GROUPS = (Group(("wer_kernel_cpu", "wer_contract_cpu"), word_errors),)
