"""What the mock server has seen: the counts behind `/stats`."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from evalkit.providers._mock_world import Answer, Ask, mix


class World:
    """The server's settings, and what it has seen: shared by all connections."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.cached: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Forget the counts; requests in flight stay in flight."""
        self.inflight = getattr(self, "inflight", 0)
        self.counts: Counter[str] = Counter()
        self.status: Counter[int] = Counter()
        self.paths: Counter[str] = Counter()
        self.seen: Counter[bytes] = Counter()
        self.answered: set[bytes] = set()
        self.peak = self.inflight
        self.first = self.last = 0.0
        self.cpu = time.process_time()

    def view(self) -> dict[str, Any]:
        """The counts: `repeat_ok` = asked again although answered before, `unique` = different requests."""
        names = ("total", "ok", "repeat", "repeat_ok", "connections", "disconnects", "malformed", "stalled")
        return {
            **{name: self.counts[name] for name in (*names, "client_gone", "tokens_in", "tokens_out")},
            "unique": len(self.seen),
            "unique_ok": len(self.answered),
            "inflight": self.inflight,
            "peak_concurrency": self.peak,
            "status": {str(status): count for status, count in sorted(self.status.items())},
            "paths": dict(self.paths),
            "span_s": round(self.last - self.first, 6),
            "cpu_s": round(time.process_time() - self.cpu, 6),
        }

    def arrive(self, ask: Ask) -> tuple[bytes, int]:
        """Count a request; its key and how often it came before."""
        key = mix(ask.api, ask.model, ask.prompt)
        now = time.perf_counter()
        self.first = self.first or now
        self.last = now
        attempt = self.seen[key]
        self.seen[key] = attempt + 1
        self.counts["total"] += 1
        self.counts["repeat"] += attempt > 0
        self.counts["repeat_ok"] += key in self.answered
        self.paths[ask.api] += 1
        self.inflight += 1
        self.peak = max(self.peak, self.inflight)
        return key, attempt

    def leave(self, status: int) -> None:
        """A request is over, answered with `status` (0: not at all)."""
        self.inflight -= 1
        self.last = time.perf_counter()
        self.status[status] += 1

    def settle(self, key: bytes, said: Answer) -> None:
        """A request has its answer."""
        self.answered.add(key)
        self.counts["ok"] += 1
        self.counts["tokens_in"] += said.tokens_in
        self.counts["tokens_out"] += said.tokens_out
