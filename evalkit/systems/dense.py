"""Dense retrieval: an embedding model that reads the corpus once and each query, and an index of its vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.core.capabilities import fitting
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Given, Response, Sample
from evalkit.systems._parts import Parts, System, known_roles, one_part
from evalkit.systems._passages import Unready, failed, passages, query_of

ROLES = ("embedder", "index")


@dataclass(frozen=True)
class Dense(System):
    """Embeds passages and queries and ranks by their vectors; learns by asking (`FitsAsking`).

    `parts`: `embedder` answers `{"texts": [...]}` with `{"vectors": [...]}` (provider `embeddings`), `index` learns
    vectors and ranks them (baseline `vector_search`). `batch` >= 1 passages are embedded in one call. `query` = input
    field of the query, `fields` = input fields of a passage, joined by a full stop. `query_prefix` and `passage_prefix`
    stand before the texts, for models that want to be told which is which.
    """

    batch: int = 64
    query: str = "query"
    fields: tuple[str, ...] = ("title", "text")
    query_prefix: str = ""
    passage_prefix: str = ""
    kind: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        known_roles(self.parts, ROLES, needed=ROLES)
        one_part(self.parts, "embedder")
        if fitting(one_part(self.parts, "index")) is None:
            raise ValueError("parts: index must learn vectors, as vector_search does")
        if type(self.batch) is not int or self.batch < 1:
            raise ValueError(f"batch={self.batch!r} must be a whole number from 1 on")

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """A failure: nothing has been learnt."""
        return failed(f"{self.name} has learnt nothing: give the suite a `dataset.corpus`")

    async def fit_asking(self, given: Given, seed: int, ctx: Context) -> Candidate:
        """Embed the corpus and index its vectors; where a call fails, every answer is that failure."""
        told = digest([self.fingerprint, given.id, seed])
        try:
            read = passages(given, self.fields)
        except ValueError as error:
            return self._unready(told, failed(str(error)))
        ids, texts = list(read), list(read.values())
        starts = range(0, len(ids), self.batch)
        replies = await asyncio.gather(*(self._embedded(texts[at : at + self.batch], f"{at}", ctx) for at in starts))
        broken = next((reply for reply in replies if isinstance(reply, Response)), None)
        if broken is not None:
            return self._unready(told, broken)
        vectors = [vector for reply in replies if not isinstance(reply, Response) for vector in reply]
        corpus = [Sample(ident, {"vector": vector}) for ident, vector in zip(ids, vectors, strict=True)]
        learner = fitting(one_part(self.parts, "index"))
        assert learner is not None
        try:
            index = await asyncio.to_thread(learner.fit, Given(digest(["embedded", told]), (), corpus), seed)
        except ValueError as error:
            return self._unready(told, failed(str(error)))
        return FoundDense(self.name, told, self, index)

    async def _embedded(self, texts: list[str], ident: str, ctx: Context) -> list[Any] | Response:
        """The vectors of some passages, or the response that says why there are none."""
        asked = Sample(f"passages from {ident}", {"texts": [self.passage_prefix + text for text in texts]})
        return vectors_of(await ctx.ask(one_part(self.parts, "embedder"), asked, stage="embed corpus"), len(texts))

    def _unready(self, told: str, response: Response) -> Unready:
        assert response.error is not None
        return Unready(self.name, told, response.error)


@dataclass(frozen=True)
class FoundDense:
    """What `Dense.fit_asking` makes."""

    name: str
    fingerprint: str
    system: Dense
    index: Candidate = field(repr=False, compare=False)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Embed the query and ask the index."""
        try:
            query = self.system.query_prefix + query_of(sample, self.system.query)
        except ValueError as error:
            return failed(str(error))
        asked = Sample(sample.id, {"texts": [query]})
        response = await ctx.ask(one_part(self.system.parts, "embedder"), asked, stage="embed query")
        vectors = vectors_of(response, 1)
        if isinstance(vectors, Response):
            return vectors
        found = await self.index.answer(Sample(sample.id, {"vector": vectors[0]}), ctx)
        return Response(output=found.output, error=found.error, finish=found.finish, meta=found.meta)


def vectors_of(response: Response, count: int) -> list[Any] | Response:
    """The vectors of an embedder's answer, or a response with an error."""
    if response.error is not None:
        return response
    output = response.output
    vectors = output.get("vectors") if isinstance(output, Mapping) else None
    if not isinstance(vectors, list) or len(vectors) != count:
        return failed(f"the embedder did not answer with {count} `vectors`; is it an embedding model?")
    return vectors


def make(parts: Parts, **options: Any) -> Dense:
    """Roles `embedder` and `index`; options `batch`, `query`, `fields`, `query_prefix`, `passage_prefix`."""
    return build(Dense, {"parts": parts, **options})
