"""Several retrievers as one, by reciprocal rank fusion."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

from evalkit.baselines import _search
from evalkit.baselines._answering import fitted_fingerprint
from evalkit.core.errors import did_you_mean
from evalkit.core.options import build
from evalkit.core.spec import Spec
from evalkit.core.types import Given

VERSION = 1
EXTRA = "retrieval"
KNOWN = ("bm25", "lsa_search", "tfidf_search")


@dataclass(frozen=True)
class Hybrid(_search.Search):
    """Reciprocal rank fusion (Cormack et al. 2009; `Fits`): a passage scores the sum of 1 / (`constant` + its rank).

    By default of words (BM25) and pieces of words (TF-IDF of up to four characters), which forgive spelling.

    `of` = two or more of bm25, tfidf_search and lsa_search, with options as in a suite, such as bm25(b=0.5). `depth` =
    how many passages of each count. `k`, `query`, `fields`: how many passages, what is asked, what is searched.
    """

    of: tuple[str, ...] = ("bm25", "tfidf_search(analyzer='char_wb', ngrams=4)")
    constant: float = 60.0
    depth: int = 100
    kind: ClassVar[str] = "hybrid"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.of, tuple) or len(self.of) < 2:
            raise ValueError(f"of={self.of!r} must be a list of two or more retrievers; known: {', '.join(KNOWN)}")
        if not self.constant > 0:
            raise ValueError(f"constant={self.constant!r} must be above 0")
        self._members()

    @property
    def fingerprint(self) -> str:
        """That of the options, and of each retriever, whose version may rise by itself."""
        from evalkit.core.keys import digest

        return digest([super().fingerprint, [one.fingerprint for one in self._members()]])

    def fit(self, given: Given, seed: int) -> FoundHybrid:
        """Fit each retriever. Raises ValueError when there are no passages."""
        fitted = tuple(one.fit(given, seed) for one in self._members())
        told = fitted_fingerprint(self.fingerprint, given, seed)
        return FoundHybrid(self.name, told, self.query, fitted[0].ids, fitted, self.constant, self.k)

    def _members(self) -> list[Any]:
        return [self._member(Spec.parse(text)) for text in self.of]

    def _member(self, spec: Spec) -> Any:
        if spec.name not in KNOWN:
            hint = did_you_mean(spec.name, KNOWN) or f"known: {', '.join(KNOWN)}"
            raise ValueError(f"of: {spec.name!r} cannot be fused; {hint}")
        options = {"k": self.depth, "query": self.query, "fields": self.fields, **spec.options}
        return import_module(f"evalkit.baselines.{spec.name}").make(**options)


@dataclass(frozen=True)
class FoundHybrid(_search.Found):
    """What `Hybrid.fit` makes."""

    fused: tuple[_search.Found, ...] = field(repr=False, compare=False)
    constant: float
    k: int

    @property
    def index_bytes(self) -> int:
        """All indexes together."""
        return sum(one.index_bytes for one in self.fused)

    def look(self, text: str) -> _search.Ranked:
        """Fuse the rankings; equal scores stand in the order of their ids."""
        scores: defaultdict[str, float] = defaultdict(float)
        for one in self.fused:
            for rank, (ident, _) in enumerate(one.look(text), 1):
                scores[ident] += 1 / (self.constant + rank)
        order = sorted(scores, key=lambda ident: (-scores[ident], ident))
        return [[ident, round(scores[ident], 12)] for ident in order[: self.k]]


def make(**options: Any) -> Hybrid:
    """Options: `k`, `query`, `fields`, `of`, `constant`, `depth`."""
    return build(Hybrid, options)
