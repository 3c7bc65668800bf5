"""Retrieval-augmented generation: a retriever finds passages, a reader answers from them and cites them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Given, Response, Sample
from evalkit.systems._cited import understood
from evalkit.systems._parts import Learner, Parts, System, known_roles, one_part
from evalkit.systems._passages import Unready, failed, index_of, passages, query_of, retrieved

ROLES = ("retriever", "reader")

Passage = Mapping[str, str]
"""`id`, `title` and `text`."""


@dataclass(frozen=True)
class Rag(System):
    """Asks a retriever, then a reader about the question and the best `k` passages; learns the corpus (`FitsAsking`).

    `parts`: `retriever` answers with a ranking of document ids, `reader` reads the input fields `question`, `passages`
    ([{id, title, text}], best first) and `text` (both as one text). `query` = input field of the question, `title` and
    `text` = input fields of a passage, `longest` = characters of a passage that are shown.
    The answer is `{"answer": text, or null where the reader says that the passages hold none, "citations": [ids]}`;
    `meta.ranking` is what was retrieved, `meta.passages` what the reader was shown.
    """

    k: int = 5
    query: str = "question"
    title: str = "title"
    text: str = "text"
    longest: int = 2000
    kind: ClassVar[str] = "rag"

    def __post_init__(self) -> None:
        known_roles(self.parts, ROLES, needed=ROLES)
        for role in ROLES:
            one_part(self.parts, role)
        for option in ("k", "longest"):
            value = getattr(self, option)
            if type(value) is not int or value < 1:
                raise ValueError(f"{option}={value!r} must be a whole number from 1 on")

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """A failure: nothing has been learnt."""
        return failed(f"{self.name} has learnt nothing: give the suite a `dataset.corpus`")

    async def fit_asking(self, given: Given, seed: int, ctx: Context) -> Candidate:
        """Let the parts learn, and remember titles and texts of the passages."""
        told = digest([self.fingerprint, given.id, seed])
        try:
            texts = passages(given, (self.text,))
        except ValueError as error:
            problem = failed(str(error)).error
            assert problem is not None
            return Unready(self.name, told, problem)
        corpus = given.train if given.corpus is None else given.corpus
        titles = {one.id: str(one.input.get(self.title) or "") for one in corpus}
        found = {ident: {"id": ident, "title": titles[ident], "text": text} for ident, text in texts.items()}
        fitted: Any = await Learner(self).fit_asking(given, seed, ctx)
        return FoundRag(self.name, told, fitted, found)


@dataclass(frozen=True)
class FoundRag:
    """What `Rag.fit_asking` makes."""

    name: str
    fingerprint: str
    system: Rag
    passages: Mapping[str, Passage] = field(repr=False, compare=False)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Retrieve, then read; a stage that fails is the answer's failure."""
        try:
            question = query_of(sample, self.system.query)
        except ValueError as error:
            return failed(str(error))
        asked = Sample(sample.id, {"query": question, "text": question})
        found = await ctx.ask(one_part(self.system.parts, "retriever"), asked, stage="retrieve")
        ids = retrieved(found, self.passages, self.system.k)
        if isinstance(ids, Response):
            return ids
        shown = [self._shown(ident) for ident in ids[: self.system.k]]
        told = {"ranking": _ranking(found.output), "passages": shown, **index_of(found)}
        return await self._read(sample, question, told, ctx)

    async def _read(self, sample: Sample, question: str, told: Mapping[str, Any], ctx: Context) -> Response:
        """The reader's answer, understood; one that cannot be is handed on as it stands."""
        shown = told["passages"]
        fields = {"question": question, "passages": shown, "text": rendered(question, shown)}
        asked = replace(sample, input={**sample.input, **fields}, target=None, checks=(), meta={})
        response = await ctx.ask(one_part(self.system.parts, "reader"), asked, stage="read")
        if response.error is not None:
            return Response(error=response.error, meta=told)
        output = understood(response.output, [one["id"] for one in shown])
        return Response(output=output, finish=response.finish, reasoning=response.reasoning, meta=told)

    def _shown(self, ident: str) -> Passage:
        passage = self.passages[ident]
        return {**passage, "text": passage["text"][: self.system.longest]}


def rendered(question: str, shown: Sequence[Passage]) -> str:
    """Passages, numbered from 1 on, and the question as one text."""
    lines = [f"[{number}] {one['title']}: {one['text']}".replace(" : ", " ") for number, one in enumerate(shown, 1)]
    return "\n".join([*lines, f"Question: {question}"])


def _ranking(output: Any) -> Any:
    return output["ranking"] if isinstance(output, Mapping) else output


def make(parts: Parts, **options: Any) -> Rag:
    """Roles `retriever` and `reader`; options `k`, `query`, `title`, `text`, `longest`."""
    return build(Rag, {"parts": parts, **options})
