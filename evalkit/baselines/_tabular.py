"""What the tabular learners share: rows to numbers, which task it is, fitting, and answers with probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from evalkit.baselines._answering import (
    Learner,
    as_json,
    failed,
    fitted_fingerprint,
    one_thread,
    respond,
    row_of,
    sklearn,
)
from evalkit.core.types import Context, Given, Response, Sample

Floats = npt.NDArray[np.float64]

TASKS = ("auto", "classification", "regression")
_MOST_CLASSES = 20


@dataclass(frozen=True, slots=True)
class Columns:
    """How rows become numbers: numeric columns as they are, others as one column per value seen in training.

    A missing number is NaN; a value that was never seen is all zeros. Columns stand in alphabetical order.
    """

    numeric: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Columns:
        """Learn the columns of rows. Raises ValueError when they have none."""
        names = sorted({name for row in rows for name in row})
        if not names:
            raise ValueError("the rows have no columns")
        numeric = tuple(name for name in names if all(_is_numeric(row.get(name)) for row in rows))
        others = [name for name in names if name not in set(numeric)]
        return cls(numeric, {name: tuple(sorted({_word(row.get(name)) for row in rows})) for name in others})

    def matrix(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """Rows as an array [n, columns]. Raises ValueError for text where training had numbers."""
        numbers = [[_number(name, row.get(name)) for name in self.numeric] for row in rows]
        hot = [[float(_word(row.get(n)) == v) for n, known in self.values.items() for v in known] for row in rows]
        return np.hstack([np.array(part, dtype=np.float64).reshape(len(rows), -1) for part in (numbers, hot)])


def _is_numeric(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _number(name: str, value: Any) -> float:
    if not _is_numeric(value):
        raise ValueError(f"column {name!r} holds {value!r}, but it held numbers in training")
    return math.nan if value is None else float(value)


def _word(value: Any) -> str:
    return "" if value is None else str(value)


def numeric_target(sample: Sample) -> float:
    """The target as a finite number. Raises ValueError naming the sample."""
    target = sample.target
    if isinstance(target, bool) or not isinstance(target, (int, float)) or not math.isfinite(target):
        raise ValueError(f"sample {sample.id!r}: the target {target!r} is no finite number, which regression needs")
    return float(target)


def is_classification(task: str, targets: Sequence[Any]) -> bool:
    """Whether targets are labels: by `task`; `auto` says so of text, true/false and at most 20 whole numbers."""
    if task != "auto":
        return task == "classification"
    if any(isinstance(target, (str, bool)) for target in targets):
        return True
    whole = all(isinstance(target, int) or (isinstance(target, float) and target.is_integer()) for target in targets)
    return whole and len(set(targets)) <= _MOST_CLASSES


def check_task(task: str) -> None:
    """Raise ValueError for an unknown task."""
    if task not in TASKS:
        raise ValueError(f"task={task!r} is unknown; known: {', '.join(TASKS)}")


class TabularLearner(Learner):
    """Base of tabular baselines (`Fits`): a subclass is a frozen dataclass with `task` and the two models below."""

    task: str
    columns_with_gaps: ClassVar[bool] = False

    def classifier(self, seed: int) -> Any:
        """An unfitted scikit-learn classifier with `predict_proba`."""
        raise NotImplementedError

    def regressor(self, seed: int) -> Any:
        """An unfitted scikit-learn regressor."""
        raise NotImplementedError

    def fit(self, given: Given, seed: int) -> FittedTabular:
        """Learn from the training rows. Raises ValueError when they hold nothing to learn."""
        samples = sorted(given.train, key=lambda sample: sample.id)
        if not samples:
            raise ValueError("there is nothing to learn from: the training part of the split is empty")
        rows = [row_of(sample) for sample in samples]
        columns = Columns.of(rows)
        matrix, random_state = columns.matrix(rows), seed % 2**32
        labels: tuple[Any, ...] = ()
        targets: Any
        if is_classification(self.task, [sample.target for sample in samples]):
            labels = tuple(sorted({sample.target for sample in samples}, key=lambda label: (str(type(label)), label)))
            places = {label: place for place, label in enumerate(labels)}
            targets = np.array([places[sample.target] for sample in samples])
            model = self.classifier(random_state) if len(labels) > 1 else sklearn("dummy").DummyClassifier()
        else:
            targets = np.array([numeric_target(sample) for sample in samples])
            model = self.regressor(random_state)
        if not self.columns_with_gaps:
            model = _filled(model)
        with one_thread():
            model.fit(matrix, targets)
        fingerprint = fitted_fingerprint(self.fingerprint, given, seed)
        return FittedTabular(self.name, fingerprint, columns, labels, model)


@dataclass(frozen=True)
class FittedTabular:
    """What a tabular learner's `fit` makes (also `Batches`); `labels` is empty for regression."""

    name: str
    fingerprint: str
    columns: Columns
    labels: tuple[Any, ...]
    model: Any = field(repr=False, compare=False)

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """Answer {"label", "probabilities"} for a classification, a number for a regression."""
        try:
            row = row_of(sample)
        except ValueError as error:
            return failed(str(error))
        return respond(as_json(dict(row)), lambda: self._outputs([row])[0])

    async def answer_batch(self, samples: Sequence[Sample], ctx: Context) -> list[Response]:
        """Answer many at once; `seconds` is each one's share. One unreadable row spoils only its own answer."""
        started = perf_counter()
        try:
            rows = [row_of(sample) for sample in samples]
            outputs = self._outputs(rows) if rows else []
        except ValueError:
            return [await self.answer(sample, ctx) for sample in samples]
        share = (perf_counter() - started) / max(1, len(rows))
        pairs = zip(rows, outputs, strict=True)
        return [replace(respond(as_json(dict(row)), partial(_same, output)), seconds=share) for row, output in pairs]

    def _outputs(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        matrix = self.columns.matrix(rows)
        with one_thread():
            if not self.labels:
                return [float(value) for value in self.model.predict(matrix)]
            return [self._chosen(shares) for shares in self.model.predict_proba(matrix)]

    def _chosen(self, shares: Floats) -> dict[str, Any]:
        probabilities = {str(label): float(share) for label, share in zip(self.labels, shares, strict=True)}
        return {"label": self.labels[int(np.argmax(shares))], "probabilities": probabilities}


def _same(value: Any) -> Any:
    return value


def _filled(model: Any) -> Any:
    imputer = sklearn("impute").SimpleImputer(strategy="median", keep_empty_features=True)
    return sklearn("pipeline").make_pipeline(imputer, model)
