"""Search by latent semantic analysis: cosine in the space of the largest singular vectors of TF-IDF."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from evalkit.baselines import _search, _text, _vectors
from evalkit.baselines._answering import fitted_fingerprint, one_thread
from evalkit.core.options import build
from evalkit.core.types import Given

VERSION = 1
EXTRA = "retrieval"


@dataclass(frozen=True)
class LsaSearch(_search.Search):
    """Latent semantic analysis (Deerwester et al. 1990; `Fits`): truncated SVD of TF-IDF, then cosine.

    `dimensions` >= 1 of the space (at most one less than the smaller side of the matrix). `analyzer` and `ngrams` as
    in tfidf_search. `k`, `query`, `fields`: how many passages, what is asked, what is searched. Needs scikit-learn.
    """

    dimensions: int = 200
    analyzer: str = "word"
    ngrams: int = 1
    kind: ClassVar[str] = "lsa_search"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        super().__post_init__()
        _text.check(self.analyzer, self.ngrams)
        if type(self.dimensions) is not int or self.dimensions < 1:
            raise ValueError(f"dimensions={self.dimensions!r} must be a whole number from 1 on")
        _search.library("sklearn")

    def fit(self, given: Given, seed: int) -> FoundLsa:
        """Index the passages. Raises ValueError when there are fewer than two."""
        found = _search.passages(given)
        features = _text.vectorizer(self.analyzer, self.ngrams)
        matrix = features.fit_transform(_search.texts(found, self.fields))
        most = min(matrix.shape) - 1
        if most < 1:
            raise ValueError("lsa_search needs at least two passages and two different words")
        with one_thread():
            space = _search.library("sklearn.decomposition").TruncatedSVD(
                min(self.dimensions, most), random_state=seed % 2**32
            )
            vectors = _directions(space.fit_transform(matrix))
        ids = [sample.id for sample in found]
        told = fitted_fingerprint(self.fingerprint, given, seed)
        return FoundLsa(self.name, told, self.query, ids, features, space, vectors, self.k)


@dataclass(frozen=True)
class FoundLsa(_search.Found):
    """What `LsaSearch.fit` makes: features, the space, and the directions of the passages in it."""

    features: Any = field(repr=False, compare=False)
    space: Any = field(repr=False, compare=False)
    vectors: Any = field(repr=False, compare=False)
    k: int

    @property
    def index_bytes(self) -> int:
        """The vectors, the singular vectors, the weights and the vocabulary."""
        parts = (self.vectors, self.space.components_, self.features.idf_)
        return sum(int(part.nbytes) for part in parts) + _search.size_of_words(self.features.vocabulary_)

    def look(self, text: str) -> _search.Ranked:
        """Compare directions; a query without a known word finds nothing."""
        with one_thread():
            asked = _directions(self.space.transform(self.features.transform([text])))
            if not asked.any():
                return []
            places, scores = _vectors.top_k(asked, self.vectors, self.k)
        return _search.paired(self.ids, places[0], scores[0])


def _directions(rows: Any) -> Any:
    """Rows of length 1, in single precision; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0).astype(np.float32)


def make(**options: Any) -> LsaSearch:
    """Options: `k`, `query`, `fields`, `dimensions`, `analyzer`, `ngrams`."""
    return build(LsaSearch, options)
