"""Candidates that learn: fitted once per split, in a thread, only when a cell needs an answer."""

from __future__ import annotations

import asyncio

from evalkit.core.capabilities import fitting
from evalkit.core.types import Candidate, Context, Given, Response, Sample


class Fitted:
    """A learning candidate on one split; the fingerprint is the unfitted one, `Given.id` stands in the key."""

    def __init__(self, candidate: Candidate, given: Given, seed: int) -> None:
        self.name, self.fingerprint = candidate.name, candidate.fingerprint
        self.given = given
        self._candidate, self._seed = candidate, seed
        self._fitting: asyncio.Task[Candidate] | None = None

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Answer with the fitted candidate; what fitting raises, every answer raises."""
        if self._fitting is None:
            self._fitting = asyncio.create_task(asyncio.to_thread(self._fit))
        fitted = await asyncio.shield(self._fitting)
        return await fitted.answer(sample, ctx)

    def _fit(self) -> Candidate:
        learner = fitting(self._candidate)
        assert learner is not None
        return learner.fit(self.given, self._seed)
