"""What the embedded retrievers share: reading passages, answering with a ranking, saying how large the index is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import pairwise
from typing import Any

from evalkit.baselines._answering import Learner, failed, respond, text_of
from evalkit.core.errors import MissingComponent
from evalkit.core.types import Context, Given, Response, Sample

Ranked = list[list[Any]]
"""[document id, score], best first."""


@dataclass(frozen=True)
class Search(Learner):
    """Base of retrievers: they learn the passages of the suite's corpus and answer a query with the best `k`.

    `query` = input field of the query (else `text`), `fields` = input fields of a passage that are searched, joined by
    a full stop. Without a corpus the training samples are searched.
    """

    k: int = 100
    query: str = "query"
    fields: tuple[str, ...] = ("title", "text")

    def __post_init__(self) -> None:
        if type(self.k) is not int or self.k < 1:
            raise ValueError(f"k={self.k!r} must be a whole number from 1 on")
        fields: Any = self.fields
        if isinstance(fields, str):
            object.__setattr__(self, "fields", (fields,))


@dataclass(frozen=True)
class Found:
    """Base of retrievers that have learnt: `look` ranks the passages for a query."""

    name: str
    fingerprint: str
    query: str
    ids: Sequence[str] = field(repr=False, compare=False)

    @property
    def index_bytes(self) -> int:
        """What the index takes in memory."""
        raise NotImplementedError

    def look(self, text: str) -> Ranked:
        """Ids and scores of the best passages; those with nothing in common with the query are left out."""
        raise NotImplementedError

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """Answer `{"ranking": [[id, score], ...]}`; a sample without a query is a failure."""
        try:
            text = text_of(sample, self.query if self.query in sample.input else "text")
        except ValueError as error:
            return failed(str(error))
        response = respond(text, lambda: {"ranking": self.look(text)})
        return replace(response, meta={"index_bytes": self.index_bytes})


def passages(given: Given) -> list[Sample]:
    """The corpus, else the training samples, ordered by id. Raises ValueError for none and for a doubled id."""
    found = sorted(given.train if given.corpus is None else given.corpus, key=lambda sample: sample.id)
    if not found:
        raise ValueError("there is nothing to search in: give the suite a `dataset.corpus`")
    for one, other in pairwise(found):
        if one.id == other.id:
            raise ValueError(f"the corpus has two passages with the id {one.id!r}")
    return found


def texts(found: Iterable[Sample], fields: Sequence[str]) -> list[str]:
    """What is searched of each passage. Raises ValueError naming one that has none of the fields."""
    read: list[str] = []
    for sample in found:
        parts = [sample.input[name] for name in fields if isinstance(sample.input.get(name), str)]
        if not parts:
            there = ", ".join(sorted(sample.input)) or "nothing"
            raise ValueError(f"passage {sample.id!r} has no text in {' or '.join(fields)} (its input has: {there})")
        read.append(". ".join(parts))
    return read


def paired(ids: Sequence[str], places: Any, scores: Any) -> Ranked:
    """Ids with their scores in single precision's shortest form, so that answers are small and the same everywhere."""
    return [[ids[place], float(str(score))] for place, score in zip(places.tolist(), scores, strict=True)]


def size_of_words(words: Iterable[str]) -> int:
    """Bytes of a vocabulary."""
    return sum(map(sys.getsizeof, words))


def library(name: str) -> Any:
    """A library of the extra `retrieval`. Raises MissingComponent that names the extra."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingComponent(f"this baseline needs {name}: pip install 'evalkit[retrieval]'") from error
