"""Labels by the nearest class centroid in TF-IDF space (Rocchio), learnt from the training part of the split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from evalkit.baselines import _text
from evalkit.baselines._answering import Learner, Reader, fitted_fingerprint, sklearn, worded
from evalkit.core.options import build
from evalkit.core.types import Given

VERSION = 1


@dataclass(frozen=True)
class NearestCentroid(Learner):
    """The class whose mean TF-IDF vector has the largest cosine with the text's (`Fits`); ties go by the alphabet.

    `analyzer` is word or char_wb, `ngrams` the longest n-gram (1 to 8). A text without a known word gets the most
    frequent label. Needs scikit-learn.
    """

    analyzer: str = "word"
    ngrams: int = 1
    text: str = "text"
    kind: ClassVar[str] = "nearest_centroid"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        _text.check(self.analyzer, self.ngrams)
        sklearn("feature_extraction.text")

    def fit(self, given: Given, seed: int) -> FittedNearestCentroid:
        """Learn the centroids. Raises ValueError when the training samples hold nothing to learn."""
        lessons = _text.read(given, self.text)
        features = _text.vectorizer(self.analyzer, self.ngrams)
        matrix = features.fit_transform(lessons.texts)
        classes = {name: Centroids.of(matrix, labels) for name, labels in lessons.labels.items()}
        fingerprint = fitted_fingerprint(self.fingerprint, given, seed)
        return FittedNearestCentroid(self.name, fingerprint, self.text, features, classes)


@dataclass(frozen=True)
class Centroids:
    """Labels in alphabetical order, their unit centroids [classes, features], and the most frequent label."""

    labels: tuple[str, ...]
    units: Any = field(repr=False, compare=False)
    usual: str = ""

    @classmethod
    def of(cls, matrix: Any, labels: tuple[str, ...]) -> Centroids:
        """The centroids of the rows of a sparse matrix [n, features] by label."""
        every = np.asarray(labels)
        names = tuple(sorted(set(labels)))
        means = np.vstack([np.asarray(matrix[every == name].mean(axis=0)) for name in names])
        norms = np.linalg.norm(means, axis=1, keepdims=True)
        return cls(names, means / np.where(norms == 0, 1, norms), _text.most_frequent(labels))

    def nearest(self, row: Any) -> str:
        """The label of the nearest centroid to a sparse row [1, features]."""
        if row.nnz == 0:
            return self.usual
        return self.labels[int(np.argmax(row @ self.units.T))]


@dataclass(frozen=True)
class FittedNearestCentroid(Reader):
    """What `NearestCentroid.fit` makes: features and the centroids per target field."""

    name: str
    fingerprint: str
    text: str
    features: Any = field(repr=False, compare=False)
    classes: Mapping[str, Centroids] = field(repr=False, compare=False)

    def reply(self, text: str) -> str:
        """A JSON object of the learnt fields, or the label where the target is one label."""
        return worded(self.labels(text))

    def labels(self, text: str) -> Any:
        """The label of each learnt field for a text."""
        row = self.features.transform([text])
        return _text.unlabel({name: centroids.nearest(row) for name, centroids in self.classes.items()})


def make(**options: Any) -> NearestCentroid:
    """Options: `analyzer`, `ngrams`, `text` (input field)."""
    return build(NearestCentroid, options)
