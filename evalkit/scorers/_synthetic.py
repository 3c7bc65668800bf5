"""Synthetic tables for scorers: the real training and held-out rows, the synthetic ones, and their distances."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalkit.core.errors import MissingComponent
from evalkit.core.types import Blobs, Response, Sample
from evalkit.scorers._answers import answer_json

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 100_000_000
_LIBRARIES = {"pandas": "pandas", "scikit-learn": "sklearn", "sdmetrics": "sdmetrics"}
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tables:
    """Three tables of one shape: what was learnt from, what was held out, what was made."""

    train: pd.DataFrame
    held: pd.DataFrame
    made: pd.DataFrame
    target: str
    numeric: tuple[str, ...]
    categories: tuple[str, ...]
    epsilon: float | None = None


def pandas() -> Any:
    """The library; raises MissingComponent naming the extra."""
    try:
        return import_module("pandas")
    except ImportError as error:
        raise MissingComponent("scoring synthetic tables needs pandas: pip install 'evalkit[privacy]'") from error


def needs_libraries() -> None:
    """Raises MissingComponent where a library is not installed; imports none of them, which takes seconds."""
    absent = [name for name, module in _LIBRARIES.items() if find_spec(module) is None]
    if absent:
        raise MissingComponent(f"scoring synthetic tables needs {absent[0]}: pip install 'evalkit[privacy]'")


def spec_problem(sample: Sample) -> str | None:
    """What is wrong with a sample's tables as they are named, or None."""
    columns, target = sample.input.get("columns"), sample.target
    if not isinstance(columns, Sequence) or not all(isinstance(c, Mapping) and "name" in c for c in columns):
        return "input.columns must be a list of objects with a name and a type"
    if not isinstance(target, Mapping) or not isinstance(target.get("held_out"), Mapping):
        return 'the target must be {"held_out": a CSV file, "column": name}'
    if target.get("column") not in [column["name"] for column in columns]:
        return f"the target column {target.get('column')!r} is none of the columns"
    return None


def read(sample: Sample, response: Response, blobs: Blobs) -> Tables | str:
    """The three tables, or why the answer is none: a CSV file, or rows as lists or objects, with all columns.

    Raises ValueError for real tables that cannot be read: that is the data's fault.
    """
    wrong = spec_problem(sample)
    if wrong is not None:
        raise ValueError(wrong)
    columns = {str(column["name"]): column.get("type") != "category" for column in sample.input["columns"]}
    value, reason = answer_json(response)
    if reason is not None:
        return reason
    inner = value.get("table", value.get("rows")) if isinstance(value, Mapping) and "$blob" not in value else value
    try:
        made = _frame(_rows(inner, list(columns), blobs), columns)
    except ValueError as error:
        return f"the answer: {error}"
    train = _frame(_rows(sample.input["table"], list(columns), blobs), columns)
    held = _frame(_rows(sample.target["held_out"], list(columns), blobs), columns)
    epsilon = value.get("epsilon") if isinstance(value, Mapping) else None
    claimed = float(epsilon) if isinstance(epsilon, (int, float)) and not isinstance(epsilon, bool) else None
    numeric = tuple(name for name, is_number in columns.items() if is_number)
    categories = tuple(name for name in columns if name not in numeric)
    return Tables(train, held, made, str(sample.target["column"]), numeric, categories, claimed)


def _rows(value: Any, names: Sequence[str], blobs: Blobs) -> list[list[Any]]:
    if isinstance(value, Mapping) and "$blob" in value:
        return _csv_rows(value, names, blobs)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError("there is no table: a CSV file, a list of rows, or a list of objects")
    if all(isinstance(row, Mapping) for row in value):
        missing = [name for name in names if any(name not in row for row in value)]
        if missing:
            raise ValueError(f"there is no column {missing[0]!r} in some row")
        return [[row[name] for name in names] for row in value]
    if not all(isinstance(row, Sequence) and not isinstance(row, str) and len(row) == len(names) for row in value):
        raise ValueError(f"each row must be a list of {len(names)} values, or an object")
    return [list(row) for row in value]


def _csv_rows(ref: Mapping[str, Any], names: Sequence[str], blobs: Blobs) -> list[list[Any]]:
    try:
        data = blobs.get(ref)
    except KeyError:
        raise ValueError("the file is not among the blobs") from None
    if len(data) > LARGEST:
        raise ValueError(f"the file has {len(data):,} bytes; at most {LARGEST:,} are read")
    try:
        lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"the file is no CSV: {error}") from None
    if not lines or sorted(lines[0]) != sorted(names):
        raise ValueError(f"the header must name the columns {', '.join(names)[:200]}")
    order = [lines[0].index(name) for name in names]
    rows = [line for line in lines[1:] if line]
    if any(len(row) != len(names) for row in rows) or not rows:
        raise ValueError("there are no rows, or rows of different lengths")
    return [[row[place] for place in order] for row in rows]


def _frame(rows: list[list[Any]], columns: Mapping[str, bool]) -> pd.DataFrame:
    found: dict[str, list[Any]] = {}
    for place, (name, numeric) in enumerate(columns.items()):
        values = [row[place] for row in rows]
        found[name] = [_number(value, name) for value in values] if numeric else [str(value) for value in values]
    frame: pd.DataFrame = pandas().DataFrame(found)
    return frame


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"column {name!r} holds {value!r:.40}, which is no number") from None
    if not math.isfinite(number):
        raise ValueError(f"column {name!r} holds a number that is not finite")
    return number


def coded(tables: Tables) -> tuple[Floats, Floats, Floats]:
    """Train, held-out and made rows as numbers of equal scale: numbers by the training range, categories one-hot."""
    blocks: list[tuple[Floats, Floats, Floats]] = []
    for name in tables.numeric:
        low, high = tables.train[name].min(), tables.train[name].max()
        width = high - low if high > low else 1.0
        three = ((frame[name].to_numpy() - low) / width for frame in (tables.train, tables.held, tables.made))
        a, b, c = (column[:, None] for column in three)
        blocks.append((a, b, c))
    for name in tables.categories:
        levels = sorted(set(tables.train[name]) | set(tables.held[name]) | set(tables.made[name]))
        # Two different categories are as far apart as the ends of a number's range.
        parts = [
            (frame[name].to_numpy()[:, None] == np.array(levels, dtype=object)[None, :]) / np.sqrt(2)
            for frame in (tables.train, tables.held, tables.made)
        ]
        blocks.append((parts[0], parts[1], parts[2]))
    train, held, made = (np.concatenate(columns, axis=1).astype(np.float64) for columns in zip(*blocks, strict=True))
    return train, held, made
