"""Exact search among vectors that the passages carry: the index behind an embedding model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from evalkit.baselines import _search, _vectors
from evalkit.baselines._answering import Learner, failed, fitted_fingerprint, respond
from evalkit.core.options import build
from evalkit.core.types import Context, Given, Response, Sample

VERSION = 1
METRICS = ("cosine", "dot")


@dataclass(frozen=True)
class VectorSearch(Learner):
    """The `k` passages whose vectors have the largest cosine or product with the query's (`Fits`), exactly.

    `vector` = input field of passages and queries: a list of numbers, or the base64 of little-endian float32. `metric`
    is cosine or dot. A vector of another dimension, with NaN or infinity, or (cosine) of length zero is refused.
    """

    k: int = 100
    vector: str = "vector"
    metric: str = "cosine"
    kind: ClassVar[str] = "vector_search"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if type(self.k) is not int or self.k < 1:
            raise ValueError(f"k={self.k!r} must be a whole number from 1 on")
        if self.metric not in METRICS:
            raise ValueError(f"metric={self.metric!r} is unknown; known: {', '.join(METRICS)}")

    def fit(self, given: Given, seed: int) -> FoundVectors:
        """Gather the vectors. Raises ValueError naming the first passage whose vector cannot be compared."""
        found = _search.passages(given)
        rows: list[Any] = []
        for sample in found:
            one = _vectors.vector(sample.input.get(self.vector), f"passage {sample.id!r}")
            if rows and len(one) != len(rows[0]):
                first = f"the first, {found[0].id!r}, has {len(rows[0])}"
                raise ValueError(f"the vector of passage {sample.id!r} has {len(one)} dimensions; {first}")
            rows.append(one)
        vectors = np.stack(rows)
        ids = [sample.id for sample in found]
        if self.metric == "cosine":
            vectors = _vectors.unit(vectors, [f"passage {ident!r}" for ident in ids])
        return FoundVectors(self.name, fitted_fingerprint(self.fingerprint, given, seed), self, ids, vectors)


@dataclass(frozen=True)
class FoundVectors:
    """What `VectorSearch.fit` makes."""

    name: str
    fingerprint: str
    options: VectorSearch
    ids: list[str] = field(repr=False, compare=False)
    vectors: Any = field(repr=False, compare=False)

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """Answer `{"ranking": [[id, score], ...]}`; a query whose vector cannot be compared is a failure."""
        try:
            asked = self._asked(sample)
        except ValueError as error:
            return failed(str(error))
        response = respond("", lambda: {"ranking": self._look(asked)})
        return replace(response, meta={"index_bytes": int(self.vectors.nbytes)})

    def _asked(self, sample: Sample) -> Any:
        what = f"query {sample.id!r}"
        asked = _vectors.vector(sample.input.get(self.options.vector), what)[None, :]
        if asked.shape[1] != self.vectors.shape[1]:
            raise ValueError(f"the vector of {what} has {asked.shape[1]} dimensions, the index {self.vectors.shape[1]}")
        return _vectors.unit(asked, [what]) if self.options.metric == "cosine" else asked

    def _look(self, asked: Any) -> _search.Ranked:
        places, scores = _vectors.top_k(asked, self.vectors, self.options.k)
        return _search.paired(self.ids, places[0], scores[0])


def make(**options: Any) -> VectorSearch:
    """Options: `k`, `vector`, `metric`."""
    return build(VectorSearch, options)
