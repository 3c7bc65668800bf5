"""What systems that search share: the passages of a corpus, what a retriever said, and a learner that failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Context, Failure, Given, Response, Sample


@dataclass(frozen=True)
class Unready:
    """What learning came to when it failed: every question is answered with the reason, which keeps its kind."""

    name: str
    fingerprint: str
    failure: Failure

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """The failure."""
        return Response(error=self.failure)


def failed(message: str) -> Response:
    """An answer that the system could not give."""
    return Response(error=Failure(ErrorKind.CANDIDATE, message))


def passages(given: Given, fields: Sequence[str]) -> dict[str, str]:
    """Id -> text of the corpus (else of the training samples), ordered by id; fields are joined by a full stop.

    Raises ValueError when there is none, or when one has no text.
    """
    found: dict[str, str] = {}
    names = (fields,) if isinstance(fields, str) else fields
    for sample in sorted(given.train if given.corpus is None else given.corpus, key=lambda one: one.id):
        parts = [sample.input[name] for name in names if isinstance(sample.input.get(name), str)]
        if not parts:
            raise ValueError(f"passage {sample.id!r} has no text in {' or '.join(names)}")
        found[sample.id] = ". ".join(parts)
    if not found:
        raise ValueError("there is nothing to search in: give the suite a `dataset.corpus`")
    return found


def query_of(sample: Sample, field: str) -> str:
    """The query of a sample: that field, else `text`. Raises ValueError when there is none."""
    query = sample.input.get(field, sample.input.get("text"))
    if not isinstance(query, str) or not query.strip():
        there = ", ".join(sorted(sample.input)) or "nothing"
        raise ValueError(f"sample {sample.id!r} has no query in input field {field!r} (its input has: {there})")
    return query


def retrieved(response: Response, known: Mapping[str, Any], most: int) -> list[str] | Response:
    """The document ids that a retriever found, best first, or the failure; the first `most` must be known."""
    if response.error is not None:
        return Response(error=response.error)
    ids = ids_of(response.output)
    if ids is None:
        return failed("the retriever did not answer with a ranking of document ids")
    strange = next((ident for ident in ids[:most] if ident not in known), None)
    return ids if strange is None else failed(f"the retriever found document {strange!r}, which is not in the corpus")


def index_of(response: Response) -> dict[str, Any]:
    """What the retriever said of its index."""
    return {name: response.meta[name] for name in ("index_bytes",) if name in response.meta}


def ids_of(output: Any) -> list[str] | None:
    """The document ids of a retriever's answer, best first; None when it is no ranking."""
    items = output.get("ranking") if isinstance(output, Mapping) else output
    if not isinstance(items, (list, tuple)):
        return None
    ids = [item[0] if isinstance(item, (list, tuple)) and item else item for item in items]
    return ids if all(isinstance(ident, str) for ident in ids) else None
