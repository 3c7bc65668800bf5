"""Lexical search by the cosine of TF-IDF vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.baselines import _search, _text, _vectors
from evalkit.baselines._answering import fitted_fingerprint
from evalkit.core.options import build
from evalkit.core.types import Given

VERSION = 1
EXTRA = "retrieval"


@dataclass(frozen=True)
class TfidfSearch(_search.Search):
    """Cosine of TF-IDF vectors (`Fits`): sublinear counts over words, or over characters inside words.

    `analyzer` is word or char_wb (which forgives spelling), `ngrams` the longest n-gram (1 to 8). `k`, `query`,
    `fields`: how many passages, what is asked, what is searched. Needs scikit-learn.
    """

    analyzer: str = "word"
    ngrams: int = 1
    kind: ClassVar[str] = "tfidf_search"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        super().__post_init__()
        _text.check(self.analyzer, self.ngrams)
        _search.library("sklearn")

    def fit(self, given: Given, seed: int) -> FoundTfidf:
        """Index the passages. Raises ValueError when there are none."""
        found = _search.passages(given)
        features = _text.vectorizer(self.analyzer, self.ngrams)
        matrix = features.fit_transform(_search.texts(found, self.fields)).tocsc()
        ids = [sample.id for sample in found]
        told = fitted_fingerprint(self.fingerprint, given, seed)
        return FoundTfidf(self.name, told, self.query, ids, features, matrix, self.k)


@dataclass(frozen=True)
class FoundTfidf(_search.Found):
    """What `TfidfSearch.fit` makes: features, and a matrix of passages by features."""

    features: Any = field(repr=False, compare=False)
    matrix: Any = field(repr=False, compare=False)
    k: int

    @property
    def index_bytes(self) -> int:
        """The sparse matrix, the weights and the vocabulary."""
        parts = (self.matrix.data, self.matrix.indices, self.matrix.indptr, self.features.idf_)
        return sum(int(part.nbytes) for part in parts) + _search.size_of_words(self.features.vocabulary_)

    def look(self, text: str) -> _search.Ranked:
        """Compare the query with every passage."""
        scores = (self.matrix @ self.features.transform([text]).T).toarray()[:, 0].astype("float32")
        places = _vectors.best(scores, self.k)
        return _search.paired(self.ids, places, scores[places])


def make(**options: Any) -> TfidfSearch:
    """Options: `k`, `query`, `fields`, `analyzer`, `ngrams`."""
    return build(TfidfSearch, options)
