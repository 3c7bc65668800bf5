"""Learning labels from texts: which target fields are labels, and the TF-IDF features that both learners share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.baselines._answering import sklearn, text_of
from evalkit.core.types import Given, Sample

WHOLE = ""
"""The field name of a target that is one label and no object."""

ANALYZERS = ("word", "char_wb")
_MOST_CLASSES = 50


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a text learner sees: texts, and per target field the labels in the same order, as canonical JSON."""

    texts: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]]


def read(given: Given, text: str) -> Lessons:
    """Read the training samples, ordered by id so that their order cannot matter.

    Raises ValueError when there are none, when one has no text, or when no target field holds labels.
    """
    samples = sorted(given.train, key=lambda sample: sample.id)
    if not samples:
        raise ValueError("there is nothing to learn from: the training part of the split is empty")
    texts = tuple(text_of(sample, text) for sample in samples)
    return Lessons(texts, label_fields(samples))


def label_fields(samples: Sequence[Sample]) -> dict[str, tuple[str, ...]]:
    """Per target field that holds labels, the labels. Raises ValueError when there is none.

    Labels are text, true/false or null, at most 50 different ones, and each stands twice or more on average; a field
    such as a name or a date is left out.
    """
    targets = [_fields_of(sample.target) for sample in samples]
    names = dict.fromkeys(name for target in targets for name in target)
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        values = [target.get(name) for target in targets]
        if not all(value is None or isinstance(value, (str, bool)) for value in values):
            continue
        labels = tuple(json.dumps(value, ensure_ascii=False) for value in values)
        different = len(set(labels))
        if different <= min(_MOST_CLASSES, max(1, len(labels) // 2)):
            found[name] = labels
    if not found:
        raise ValueError("no target field holds labels (text or true/false, each seen twice or more on average)")
    return found


def _fields_of(target: Any) -> Mapping[str, Any]:
    return target if isinstance(target, Mapping) else {WHOLE: target}


def one_label(labels: Mapping[str, Any]) -> None:
    """Raise ValueError unless the target is one label and no object: only then has an answer one distribution."""
    if set(labels) != {WHOLE}:
        raise ValueError("probabilities=True needs a target that is one label; this one has fields")


def with_probabilities(labels: Sequence[str], chances: Sequence[float]) -> dict[str, Any]:
    """{"label": ..., "probabilities": {...}} from canonical labels and their probabilities; ties go by the order."""
    best = max(range(len(labels)), key=lambda place: (chances[place], -place))
    written = [json.loads(label) for label in labels]
    named = [value if isinstance(value, str) else json.dumps(value) for value in written]
    return {"label": written[best], "probabilities": {n: float(p) for n, p in zip(named, chances, strict=True)}}


def unlabel(found: Mapping[str, str]) -> Any:
    """The target that labels stand for: an object of fields, or the one label of a target without fields."""
    values = {name: json.loads(label) for name, label in found.items()}
    return values[WHOLE] if set(values) == {WHOLE} else values


def most_frequent(labels: Sequence[str]) -> str:
    """The label that stands there most often; of equally frequent ones the first in the alphabet."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def vectorizer(analyzer: str, ngrams: int) -> Any:
    """A TF-IDF vectorizer (sublinear counts, L2 norm) over words or over characters inside words, 1 to `ngrams` long.

    Raises MissingComponent without scikit-learn.
    """
    options: dict[str, Any] = {"analyzer": analyzer, "ngram_range": (1, ngrams), "sublinear_tf": True}
    if analyzer == "word":
        # One-letter words and digits carry meaning in short messages; the default pattern drops the former.
        options["token_pattern"] = r"(?u)\b\w+\b"  # noqa: S105 - a pattern
    return sklearn("feature_extraction.text").TfidfVectorizer(**options)


def check(analyzer: str, ngrams: int) -> None:
    """Raise ValueError for an unknown analyzer or n-gram length."""
    if analyzer not in ANALYZERS:
        raise ValueError(f"analyzer={analyzer!r} is unknown; known: {', '.join(ANALYZERS)}")
    if not isinstance(ngrams, int) or not 1 <= ngrams <= 8:
        raise ValueError(f"ngrams={ngrams!r} must be a whole number from 1 to 8")
