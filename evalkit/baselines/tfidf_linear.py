"""Labels by logistic regression on TF-IDF features, learnt from the training part of the split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.baselines import _text
from evalkit.baselines._answering import LATER, Learner, Reader, fitted_fingerprint, one_thread, sklearn, worded
from evalkit.core.options import build
from evalkit.core.types import Given

EXTRA = "tabular"

VERSION = 1


@dataclass(frozen=True)
class TfidfLinear(Learner):
    """One logistic regression per target field that holds labels (`Fits`); unfitted, it has no answer.

    `analyzer` is word or char_wb, `ngrams` the longest n-gram (1 to 8), `c` the inverse strength of the L2 penalty
    (> 0), `balanced` weights classes by their inverse frequency. `probabilities` answers a target that is one label
    with {"label", "probabilities"}. Needs scikit-learn.
    """

    analyzer: str = "word"
    ngrams: int = 2
    c: float = 10.0
    balanced: bool = True
    text: str = "text"
    probabilities: bool = field(default=False, metadata={LATER: True})
    kind: ClassVar[str] = "tfidf_linear"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        _text.check(self.analyzer, self.ngrams)
        if not self.c > 0:
            raise ValueError(f"c={self.c!r} must be above 0")
        sklearn("linear_model")

    def fit(self, given: Given, seed: int) -> FittedTfidfLinear:
        """Learn from the training samples. Raises ValueError when they hold nothing to learn."""
        lessons = _text.read(given, self.text)
        if self.probabilities:
            _text.one_label(lessons.labels)
        features = _text.vectorizer(self.analyzer, self.ngrams)
        matrix = features.fit_transform(lessons.texts)
        with one_thread():
            models = {name: self._learn(matrix, labels, seed) for name, labels in lessons.labels.items()}
        fingerprint = fitted_fingerprint(self.fingerprint, given, seed)
        return FittedTfidfLinear(self.name, fingerprint, self.text, features, models, self.probabilities)

    def _learn(self, matrix: Any, labels: tuple[str, ...], seed: int) -> Any:
        if len(set(labels)) == 1:
            return sklearn("dummy").DummyClassifier(strategy="most_frequent").fit(matrix, labels)
        weight = "balanced" if self.balanced else None
        model = sklearn("linear_model").LogisticRegression(
            C=self.c, class_weight=weight, max_iter=1000, random_state=seed % 2**32
        )
        return model.fit(matrix, labels)


@dataclass(frozen=True)
class FittedTfidfLinear(Reader):
    """What `TfidfLinear.fit` makes: features and one model per target field."""

    name: str
    fingerprint: str
    text: str
    features: Any = field(repr=False, compare=False)
    models: Mapping[str, Any] = field(repr=False, compare=False)
    probabilities: bool = False

    def reply(self, text: str) -> str:
        """A JSON object of the learnt fields, or the label (with probabilities) where the target is one label."""
        return worded(self.chances(text) if self.probabilities else self.labels(text))

    def chances(self, text: str) -> dict[str, Any]:
        """The one label with the probability of each class."""
        model = self.models[_text.WHOLE]
        row = model.predict_proba(self.features.transform([text]))[0]
        return _text.with_probabilities([str(label) for label in model.classes_], row.tolist())

    def labels(self, text: str) -> Any:
        """The label of each learnt field for a text."""
        row = self.features.transform([text])
        return _text.unlabel({name: str(model.predict(row)[0]) for name, model in self.models.items()})


def make(**options: Any) -> TfidfLinear:
    """Options: `analyzer`, `ngrams`, `c`, `balanced`, `text` (input field), `probabilities`."""
    return build(TfidfLinear, options)
