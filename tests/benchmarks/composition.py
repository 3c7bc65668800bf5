"""What a system costs beyond its calls: CPU of the engine and the system per step, against the same calls as cells."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from evalkit.core.keys import local_key, sample_hash
from evalkit.core.types import Candidate, Response, Sample
from evalkit.engine.asking import Asker
from evalkit.engine.budget import Budget
from evalkit.engine.journal import Journal
from evalkit.engine.retry import Retries
from evalkit.engine.work import Progress, Settings, Work
from evalkit.systems import cascade, router, vote

from .definitions import Bench, Group
from .results import Result, at_most

STEPS = 5
TARGET_MS = 0.2
# The calls themselves, as cells, are the control: a step may cost at most so many times what a call costs.
STEP_RATIO = 8.0


@dataclass(frozen=True)
class Part:
    """Answers at once."""

    name: str

    @property
    def fingerprint(self) -> str:
        """Its name."""
        return self.name

    async def answer(self, sample: Sample, ctx: Any) -> Response:
        """The same for all."""
        return Response(output="no", usage={"requests": 1.0}, seconds=0.0)


def composition(bench: Bench) -> Iterator[Result]:
    """A router (one step), a cascade and a vote (five steps each) over parts that answer at once."""
    samples = [Sample(f"s{n}", {"text": f"question {n}"}) for n in range(bench.sized(3_000))]
    parts = tuple(Part(f"p{n}") for n in range(STEPS))
    gates: tuple[Any, ...] = ({"regex": "yes"},)
    systems: dict[str, tuple[Candidate, int]] = {
        "router": (router.make({"a": parts[0], "b": parts[1]}, rules=[{"when": "0", "to": "a"}], default="b"), 1),
        "cascade": (cascade.make({"steps": parts}, gates=gates), STEPS),
        "vote": (vote.make({"members": parts}), STEPS),
    }
    times = 1 if bench.quick else bench.repeats
    call = min(_per_cell(bench, parts[0], samples) for _ in range(times))
    worst = max(
        (min(_per_cell(bench, made, samples) for _ in range(times)) - steps * call) / steps
        for made, steps in systems.values()
    )
    yield at_most("composition_cpu", max(worst, 1e-4), "ms/step", STEP_RATIO * call, control=call, target=TARGET_MS)


def _per_cell(bench: Bench, candidate: Candidate, samples: list[Sample]) -> float:
    """Milliseconds of CPU per cell."""
    journal = Journal(bench.fresh(), "run", "w0", started=0.0)
    settings = Settings(Retries(), lambda model, usage: 0.0, blobs=None, render=lambda template, variables: template)  # type: ignore[arg-type]
    progress, budget = Progress("c", "s", len(samples)), Budget("run", clock=time.monotonic)
    first = Work("e", 0, samples[0], "", 0, "", candidate, None, progress, budget)

    async def ask() -> float:
        asker = Asker(settings, journal, {})
        begun = time.process_time()
        for position, sample in enumerate(samples):
            content = sample_hash(sample)
            key = local_key(candidate.fingerprint, content, None, 0)
            await asker.cell(replace(first, position=position, sample=sample, sample_hash=content, key=key))
        return time.process_time() - begun

    try:
        return asyncio.run(ask()) / len(samples) * 1000
    finally:
        journal.close()


GROUPS = (Group(("composition_cpu",), composition),)
