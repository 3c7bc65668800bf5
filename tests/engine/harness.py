"""A small bench for the engine: candidates that behave as told, and one call that runs them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from evalkit.core.errors import ErrorKind
from evalkit.core.keys import call_key, local_key, sample_hash
from evalkit.core.types import Failure, Request, Response, Sample
from evalkit.engine.asking import Asker
from evalkit.engine.budget import Budget
from evalkit.engine.journal import Journal
from evalkit.engine.limits import Lane, LaneLimits
from evalkit.engine.loop import Stop, run_lanes
from evalkit.engine.retry import Retries
from evalkit.engine.work import LaneWork, Progress, Settings, Work

SAMPLES = [Sample(f"s{i}", {"text": f"question {i}"}, target=str(i)) for i in range(20)]


class Server:
    """A candidate that sends requests; `script` maps a sample's text to the responses of its attempts."""

    name, fingerprint, lane, model = "server", "fp-server", "lane", "m"

    def __init__(self, script=None, seconds=0.0):
        self.script, self.seconds, self.sent, self.peak, self.now = script or {}, seconds, [], 0, 0

    def request(self, sample, repeat):
        return Request("test:x", {"text": sample.input["text"]})

    async def send(self, request):
        self.now += 1
        self.peak = max(self.peak, self.now)
        text = request.body["text"]
        attempt = self.sent.count(text)
        self.sent.append(text)
        try:
            if self.seconds:
                await asyncio.sleep(self.seconds)
            told = self.script.get(text, [])
            if attempt < len(told):
                if isinstance(told[attempt], BaseException):
                    raise told[attempt]
                return told[attempt]
            return Response(output="ok " + text, usage={"input_tokens": 10, "output_tokens": 2}, seconds=0.01)
        finally:
            self.now -= 1

    async def answer(self, sample, ctx):
        return await self.send(self.request(sample, ctx.repeat))


class Local:
    """A candidate that computes; `fn(sample, ctx)` may be async and may raise."""

    def __init__(self, fn, name="local"):
        self.fn, self.name, self.fingerprint = fn, name, f"fp-{name}"

    async def answer(self, sample, ctx):
        result = self.fn(sample, ctx)
        return await result if asyncio.iscoroutine(result) else result


def failure(kind=ErrorKind.PROVIDER, **more):
    return Response(error=Failure(kind, "told to fail", **{"retryable": True, **more}))


class Bench:
    """Runs candidates over samples and keeps what was journaled and handled."""

    def __init__(self, folder: Path, **settings):
        limits = settings.pop("limits", LaneLimits(concurrency=8, start=8))
        self.budget = settings.pop("budget", None) or Budget("run", clock=time.monotonic)
        self.timeout_s = settings.pop("timeout_s", 5.0)
        self.journal = Journal(folder, "run", "w0", started=0.0)
        self.settings = Settings(
            retries=Retries(base_s=0.001), money=settings.pop("money", lambda model, usage: 0.001),
            blobs=None, render=lambda template, variables: template.format(**variables), **settings,
        )  # fmt: skip
        self.lanes = {"lane": Lane("lane", limits, time.monotonic)}
        self.asker = Asker(self.settings, self.journal, self.lanes)
        self.stop = Stop()
        self.handled: list[tuple[Work, str, Response]] = []
        self.progress: dict[str, Progress] = {}

    def works(self, candidate, samples=SAMPLES, entry="entry", repeats=1):
        progress = self.progress.setdefault(entry, Progress(candidate.name, "suite", len(samples) * repeats))
        progress.lane = self.lanes.get(getattr(candidate, "lane", ""))
        for position, (sample, repeat) in enumerate((s, r) for s in samples for r in range(repeats)):
            request = candidate.request(sample, repeat) if hasattr(candidate, "request") else None
            key = (
                call_key(request, repeat)
                if request
                else local_key(candidate.fingerprint, sample_hash(sample), None, repeat)
            )
            yield Work(entry, position, sample, sample_hash(sample), repeat, key, candidate, request, progress, self.budget, 7, self.timeout_s)  # fmt: skip

    def run(self, *lanes):
        """Each lane is (works, in_process); returns the journal's records."""

        async def handle(work, call_id, response):
            self.handled.append((work, call_id, response))

        async def go():
            await run_lanes(
                self.asker, [LaneWork(self.lanes["lane"], iter(w), in_process=p) for w, p in lanes], handle, self.stop
            )

        try:
            asyncio.run(go())
        finally:
            self.journal.close()
        return self.records()

    def records(self, kind=None):
        lines = [line for path in sorted(self.journal.folder.glob("*")) for line in path.read_bytes().splitlines()]
        found = [json.loads(line.partition(b" ")[2]) for line in lines]
        return [record for record in found if kind is None or record[0] == kind]
