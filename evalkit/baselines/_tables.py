"""What synthesizers share: a table of a sample, its columns, and a table as an answer."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.baselines._answering import respond
from evalkit.core.keys import digest
from evalkit.core.types import Context, Response, Sample

LARGEST = 100_000_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `values` are numbers (type number) or texts (category); `low`..`high` or `levels` are public."""

    name: str
    numeric: bool
    values: Sequence[Any]
    low: float = 0.0
    high: float = 0.0
    levels: tuple[str, ...] = ()

    @property
    def numbers(self) -> Floats:
        """The values of a numeric column."""
        return np.array(self.values, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Table:
    """A table by columns, and how many rows are asked for."""

    columns: tuple[Column, ...]
    wanted: int

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.columns[0].values)


def table_of(sample: Sample, ctx: Context) -> Table:
    """The sample's table. Raises ValueError naming the sample and what is wrong."""
    ref, told = sample.input.get("table"), sample.input.get("columns")
    if not isinstance(ref, Mapping) or not isinstance(told, Sequence) or not told:
        raise ValueError(f"sample {sample.id!r} needs a CSV file in input field 'table' and a list in 'columns'")
    try:
        data = ctx.blobs.get(ref)
    except KeyError:
        raise ValueError(f"sample {sample.id!r}: its table is gone from the store") from None
    if len(data) > LARGEST:
        raise ValueError(f"sample {sample.id!r}: its table has {len(data):,} bytes; at most {LARGEST:,} are read")
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig")))
    names = next(reader, [])
    rows = [row for row in reader if row]
    if [column.get("name") for column in told] != names or not rows:
        raise ValueError(
            f"sample {sample.id!r}: the header of its table is not the names in 'columns', or it has no rows"
        )
    columns = [_column(sample, spec, [row[place] for row in rows]) for place, spec in enumerate(told)]
    wanted = sample.input.get("rows", len(rows))
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise ValueError(f"sample {sample.id!r}: rows must be a whole number above 0, not {wanted!r:.40}")
    return Table(tuple(columns), wanted)


def _column(sample: Sample, spec: Mapping[str, Any], texts: Sequence[str]) -> Column:
    name = str(spec["name"])
    if spec.get("type") == "category":
        return Column(name, numeric=False, values=texts, levels=tuple(map(str, spec.get("values", sorted(set(texts))))))
    try:
        numbers = [float(text) for text in texts]
    except ValueError as error:
        raise ValueError(f"sample {sample.id!r}, column {name!r}: {error}") from None
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"sample {sample.id!r}, column {name!r} holds something that is no finite number")
    low, high = float(spec.get("low", min(numbers))), float(spec.get("high", max(numbers)))
    return Column(name, numeric=True, values=numbers, low=low, high=high)


Synthesize = Callable[[Table, np.random.Generator], Mapping[str, Sequence[Any]]]


def answer(sample: Sample, ctx: Context, synthesize: Synthesize, *, epsilon: float | None = None) -> Response:
    """A synthetic table as a CSV file; `epsilon` is the claimed privacy loss, shown and not believed.

    Seeded by the run's seed, the repeat and the sample, so that the same cell gives the same rows.
    """
    generator = np.random.default_rng(int(digest([ctx.seed, sample.id])[:15], 16))

    def compute() -> dict[str, Any]:
        table = table_of(sample, ctx)
        made = synthesize(table, generator)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in table.columns])
        writer.writerows(zip(*(_written(column, made[column.name]) for column in table.columns), strict=True))
        ref = dict(ctx.blobs.put(text.getvalue().encode(), "text/csv"))
        return {"table": ref} if epsilon is None else {"table": ref, "epsilon": epsilon}

    response = respond("", compute)
    return response if response.error is not None else replace(response, usage={"requests": 1.0})


def _written(column: Column, values: Sequence[Any]) -> list[str]:
    """Numbers with as many decimals as the column has, so that an exact copy can be seen."""
    if not column.numeric:
        return [str(value) for value in values]
    decimals = max((len(f"{value:.10g}".partition(".")[2]) for value in column.values), default=0)
    return [f"{round(float(value), min(decimals, 10)):.10g}" for value in values]


class Synthesizer:
    """Base of what makes a table from a table."""

    @property
    def claimed(self) -> float | None:
        """The privacy loss epsilon that it claims; None claims nothing."""
        return None

    def synthesize(self, table: Table, generator: np.random.Generator) -> Mapping[str, Sequence[Any]]:
        """As many rows as are asked for, by column name."""
        raise NotImplementedError

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """A synthetic table for the sample's table."""
        return answer(sample, ctx, self.synthesize, epsilon=self.claimed)
