"""Candidates that learn: fitted once per split, in a thread or by asking others, only when a cell needs an answer."""

from __future__ import annotations

import asyncio

from evalkit.core.capabilities import fitting, fitting_by_asking
from evalkit.core.types import Candidate, Context, Given, Response, Sample


class Fitted:
    """A learning candidate on one split; the fingerprint is the unfitted one, `Given.id` stands in the key."""

    def __init__(self, candidate: Candidate, given: Given, seed: int) -> None:
        self.name, self.fingerprint = candidate.name, candidate.fingerprint
        self.given = given
        self._candidate, self._seed = candidate, seed
        self._fitting: asyncio.Task[Candidate] | None = None

    async def learn_first(self, ctx: Context) -> Candidate:
        """Learn, once; what fitting raises, every answer raises."""
        if self._fitting is None:
            self._fitting = asyncio.create_task(self._fit(ctx))
        return await asyncio.shield(self._fitting)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Answer with the fitted candidate; whoever asks measures the time, after `learn_first`."""
        fitted = await self.learn_first(ctx)
        return await fitted.answer(sample, ctx)

    async def _fit(self, ctx: Context) -> Candidate:
        asking = fitting_by_asking(self._candidate)
        if asking is not None:
            # What is asked in order to learn belongs to no answer's trace.
            aside = getattr(ctx, "aside", None)
            return await asking.fit_asking(self.given, self._seed, aside() if aside is not None else ctx)
        learner = fitting(self._candidate)
        assert learner is not None
        return await asyncio.to_thread(learner.fit, self.given, self._seed)
