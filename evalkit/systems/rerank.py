"""A retriever whose best passages a reranker reads and orders anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Given, Response, Sample
from evalkit.systems._parts import Learner, Parts, System, known_roles, one_part
from evalkit.systems._passages import Unready, failed, index_of, passages, query_of, retrieved

ROLES = ("retriever", "reranker")


@dataclass(frozen=True)
class Rerank(System):
    """Asks a retriever, then a reranker about its first `depth` passages; learns the passages' texts (`FitsAsking`).

    `parts`: `retriever` answers with a ranking, `reranker` answers `{"query", "documents"}` with `{"scores"}` (provider
    `rerank`). Scored passages come first, equal scores in the retriever's order, then the others as the retriever had
    them. `query` = input field of the query, `fields` = input fields of a passage, joined by a full stop.
    """

    depth: int = 50
    query: str = "query"
    fields: tuple[str, ...] = ("title", "text")
    kind: ClassVar[str] = "rerank"

    def __post_init__(self) -> None:
        known_roles(self.parts, ROLES, needed=ROLES)
        for role in ROLES:
            one_part(self.parts, role)
        if type(self.depth) is not int or self.depth < 1:
            raise ValueError(f"depth={self.depth!r} must be a whole number from 1 on")

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """A failure: nothing has been learnt."""
        return failed(f"{self.name} has learnt nothing: give the suite a `dataset.corpus`")

    async def fit_asking(self, given: Given, seed: int, ctx: Context) -> Candidate:
        """Let the retriever learn, and remember the texts of the passages."""
        told = digest([self.fingerprint, given.id, seed])
        try:
            texts = passages(given, self.fields)
        except ValueError as error:
            problem = failed(str(error)).error
            assert problem is not None
            return Unready(self.name, told, problem)
        fitted: Any = await Learner(self).fit_asking(given, seed, ctx)
        return FoundRerank(self.name, told, fitted, texts)


@dataclass(frozen=True)
class FoundRerank:
    """What `Rerank.fit_asking` makes."""

    name: str
    fingerprint: str
    system: Rerank
    texts: Mapping[str, str] = field(repr=False, compare=False)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Retrieve, then rerank; a stage that fails is the answer's failure."""
        try:
            query = query_of(sample, self.system.query)
        except ValueError as error:
            return failed(str(error))
        first = await ctx.ask(one_part(self.system.parts, "retriever"), sample, stage="retrieve")
        ids = retrieved(first, self.texts, self.system.depth)
        if isinstance(ids, Response):
            return ids
        if not ids:
            return Response(output=first.output, meta=index_of(first))
        return replace(await self._reranked(query, ids, sample, ctx), meta=index_of(first))

    async def _reranked(self, query: str, ids: list[str], sample: Sample, ctx: Context) -> Response:
        depth = self.system.depth
        asked = Sample(sample.id, {"query": query, "documents": [self.texts[ident] for ident in ids[:depth]]})
        second = await ctx.ask(one_part(self.system.parts, "reranker"), asked, stage="rerank")
        if second.error is not None:
            return Response(error=second.error)
        scores = second.output.get("scores") if isinstance(second.output, Mapping) else None
        if not isinstance(scores, list) or len(scores) != len(ids[:depth]):
            return failed(f"the reranker did not answer with {len(ids[:depth])} `scores`; is it a reranker?")
        scored = [place for place, score in enumerate(scores) if score is not None]
        scored.sort(key=lambda place: -scores[place])
        first = [ids[place] for place in scored]
        left = [ident for place, ident in enumerate(ids) if place >= depth or scores[place] is None]
        return Response(output={"ranking": first + left})


def make(parts: Parts, **options: Any) -> Rerank:
    """Roles `retriever` and `reranker`; options `depth`, `query`, `fields`."""
    return build(Rerank, {"parts": parts, **options})
