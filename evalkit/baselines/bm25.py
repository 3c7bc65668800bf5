"""Lexical search by BM25, the baseline that every retriever has to beat."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.baselines import _search, _vectors
from evalkit.baselines._answering import fitted_fingerprint
from evalkit.core.options import build
from evalkit.core.types import Given

VERSION = 1
EXTRA = "retrieval"
METHODS = ("robertson", "lucene", "atire", "bm25l", "bm25+")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Bm25(_search.Search):
    """BM25 by the library bm25s (`Fits`); words are runs of letters and digits, case folded, none is left out.

    `k1` (>= 0) saturates the number of a word's occurrences, `b` (0..1) is the weight of a passage's length, `method`
    names the variant. `k`, `query`, `fields`: how many passages, what is asked, what is searched. Needs bm25s.
    """

    k1: float = 1.5
    b: float = 0.75
    method: str = "lucene"
    kind: ClassVar[str] = "bm25"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in METHODS:
            raise ValueError(f"method={self.method!r} is unknown; known: {', '.join(METHODS)}")
        if not (self.k1 >= 0 and 0 <= self.b <= 1):
            raise ValueError(f"k1={self.k1!r} must be at least 0 and b={self.b!r} from 0 to 1")
        _search.library("bm25s")

    def fit(self, given: Given, seed: int) -> FoundBm25:
        """Index the passages. Raises ValueError when there are none."""
        found = _search.passages(given)
        # It logs each index at level DEBUG, through whatever handler another library has set up.
        logging.getLogger("bm25s").setLevel(logging.WARNING)
        model = _search.library("bm25s").BM25(k1=self.k1, b=self.b, method=self.method)
        model.index([words(text) for text in _search.texts(found, self.fields)], show_progress=False)
        told = fitted_fingerprint(self.fingerprint, given, seed)
        return FoundBm25(self.name, told, self.query, [sample.id for sample in found], model, self.k)


@dataclass(frozen=True)
class FoundBm25(_search.Found):
    """What `Bm25.fit` makes."""

    model: Any = field(repr=False, compare=False)
    k: int

    @property
    def index_bytes(self) -> int:
        """The sparse matrix of scores and the vocabulary."""
        matrix = sum(self.model.scores[part].nbytes for part in ("data", "indices", "indptr"))
        return int(matrix) + _search.size_of_words(self.model.vocab_dict)

    def look(self, text: str) -> _search.Ranked:
        """Score every passage that shares a word with the query."""
        asked = [word for word in words(text) if word in self.model.vocab_dict]
        if not asked:
            return []
        scores = self.model.get_scores(asked)
        places = _vectors.best(scores, self.k)
        return _search.paired(self.ids, places, scores[places])


def words(text: str) -> list[str]:
    """The words of a text."""
    return _WORD.findall(text.casefold())


def make(**options: Any) -> Bm25:
    """Options: `k`, `query`, `fields`, `k1`, `b`, `method`."""
    return build(Bm25, options)
