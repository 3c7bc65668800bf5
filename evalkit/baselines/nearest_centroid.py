"""Labels by the nearest class centroid in TF-IDF space (Rocchio), learnt from the training part of the split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from evalkit.baselines import _text
from evalkit.baselines._answering import LATER, Learner, Reader, fitted_fingerprint, sklearn, worded
from evalkit.core.options import build
from evalkit.core.types import Given

EXTRA = "tabular"

VERSION = 1
FACTORS = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 18.0, 27.0, 40.0, 60.0, 90.0)


@dataclass(frozen=True)
class NearestCentroid(Learner):
    """The class whose mean TF-IDF vector has the largest cosine with the text's (`Fits`); ties go by the alphabet.

    `analyzer` is word or char_wb, `ngrams` the longest n-gram (1 to 8). A text without a known word gets the most
    frequent label. `probabilities` answers a target that is one label with {"label", "probabilities"}: the softmax of
    the cosines times the factor that fits the training texts best, each held out of its centroid. Needs scikit-learn.
    """

    analyzer: str = "word"
    ngrams: int = 1
    text: str = "text"
    probabilities: bool = field(default=False, metadata={LATER: True})
    kind: ClassVar[str] = "nearest_centroid"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        _text.check(self.analyzer, self.ngrams)
        sklearn("feature_extraction.text")

    def fit(self, given: Given, seed: int) -> FittedNearestCentroid:
        """Learn the centroids. Raises ValueError when the training samples hold nothing to learn."""
        lessons = _text.read(given, self.text)
        if self.probabilities:
            _text.one_label(lessons.labels)
        features = _text.vectorizer(self.analyzer, self.ngrams)
        matrix = features.fit_transform(lessons.texts)
        classes = {name: Centroids.of(matrix, labels) for name, labels in lessons.labels.items()}
        fingerprint = fitted_fingerprint(self.fingerprint, given, seed)
        factor = sharpness(matrix, lessons.labels[_text.WHOLE]) if self.probabilities else None
        return FittedNearestCentroid(self.name, fingerprint, self.text, features, classes, factor)


def sharpness(matrix: Any, labels: tuple[str, ...]) -> float:
    """The factor of `FACTORS` under which the softmax of the cosines has the least log loss on rows [n, features].

    Each row is compared with centroids without itself; a class of one row has none then, and its cosine is 0.
    """
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    place = np.arange(codes.size)
    sums = np.vstack([np.asarray(matrix[codes == code].sum(axis=0)) for code in range(names.size)])
    dots, size = matrix @ sums.T, np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
    norms = np.linalg.norm(sums, axis=1)
    cosines = dots / np.where(norms == 0, 1, norms)
    # Its own centroid without the row: both the dot product and the norm follow from the sums.
    own = dots[place, codes]
    left = np.sqrt(np.maximum(norms[codes] ** 2 - 2 * own + size, 0))
    cosines[place, codes] = np.where(left > 1e-9, (own - size) / np.where(left > 1e-9, left, 1), 0)
    losses = [-np.log(_softmax(cosines * factor)[place, codes]).mean() for factor in FACTORS]
    return FACTORS[int(np.argmin(losses))]


def _unit(rows: Any) -> Any:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms == 0, 1, norms)


def _softmax(rows: Any) -> Any:
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


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
        return cls(names, _unit(means), _text.most_frequent(labels))

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
    factor: float | None = None

    def reply(self, text: str) -> str:
        """A JSON object of the learnt fields, or the label (with probabilities) where the target is one label."""
        return worded(self.labels(text) if self.factor is None else self.chances(text, self.factor))

    def chances(self, text: str, factor: float) -> dict[str, Any]:
        """The one label with the probability of each class; without a known word all are equally likely."""
        centroids = self.classes[_text.WHOLE]
        cosines = np.atleast_2d(self.features.transform([text]) @ centroids.units.T)
        found = _text.with_probabilities(centroids.labels, _softmax(cosines * factor)[0].tolist())
        return {**found, "label": self.labels(text)}

    def labels(self, text: str) -> Any:
        """The label of each learnt field for a text."""
        row = self.features.transform([text])
        return _text.unlabel({name: centroids.nearest(row) for name, centroids in self.classes.items()})


def make(**options: Any) -> NearestCentroid:
    """Options: `analyzer`, `ngrams`, `text` (input field), `probabilities`."""
    return build(NearestCentroid, options)
