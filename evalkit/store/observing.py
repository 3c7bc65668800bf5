"""What results are folded from: the scores of an entry as columns, its denominators, calls without a cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.store.bulk import first_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SCORES = """
select dense_rank() over (order by c.sample_id) - 1 as sample, c.repeat,
       dense_rank() over (order by coalesce(m.cluster, c.sample_id)) - 1 as cluster,
       s.status, s.value, s.worst, {parts} s.answer, a.cached,
       list_concat(coalesce(m.tags, []), list_filter(list_transform($fields, lambda f:
         f || ':' || coalesce(m.meta ->> ('$."' || f || '"'), m.input ->> ('$."' || f || '"'))),
         lambda x: x is not null)) as tags
from cell c
join answer a using (entry_id, position)
join score s on s.call_id = a.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = $sig and s.metric = $metric
join entry e using (entry_id)
left join sample m on m.data_hash = e.data_hash and m.sample_id = c.sample_id and m.sample_hash = c.sample_hash
where c.entry_id = $entry
order by c.sample_id, c.repeat
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Cells of an entry: with an answer, with an error for an answer, and answers taken from the store."""

    answered: int
    errored: int
    cached: int


def scores(
    connection: DuckDBPyConnection, entry_id: str, of: tuple[str, str], *, parts: bool, fields: Sequence[str] = ()
) -> dict[str, Any]:
    """The scores of one metric (scorer signature, name) as arrays of equal length, ordered by (sample, repeat).

    `sample` and `cluster` are codes from 0; `value` and `worst` are NaN where absent; texts are None where absent;
    `parts` and `worst_parts` are JSON texts, read only when asked for. `tags` also has `field:value` for each of
    `fields` that a sample has in its meta or input.
    """
    wanted = "s.parts, s.worst_parts," if parts else ""
    found = connection.execute(
        _SCORES.format(parts=wanted), {"entry": entry_id, "sig": of[0], "metric": of[1], "fields": list(fields)}
    ).fetchnumpy()
    columns: dict[str, Any] = {}
    for name, array in found.items():
        if name in ("value", "worst"):
            columns[name] = np.ma.filled(np.ma.asarray(array, dtype=np.float64), np.nan)
        elif name in ("sample", "repeat", "cluster"):
            columns[name] = np.asarray(array).astype(np.int64)
        elif name == "cached":
            columns[name] = np.asarray(array).astype(np.bool_)
        elif isinstance(array, np.ma.MaskedArray):
            columns[name] = _with_none(array)
        else:
            columns[name] = np.asarray(array, dtype=object)
    return columns


def _with_none(array: Any) -> Any:
    values = np.asarray(array.data, dtype=object).copy()
    values[np.ma.getmaskarray(array)] = None
    return values


def counts(connection: DuckDBPyConnection, entry_id: str) -> Counts:
    """How many cells of an entry are answered, errored, and answered from the store."""
    row = first_row(
        connection,
        "select count(*) filter (where k.error_kind is null), count(*) filter (where k.error_kind is not null),"
        " count(*) filter (where a.cached) from answer a join call k using (call_id) where a.entry_id = ?",
        [entry_id],
    )
    return Counts(*row) if row else Counts(0, 0, 0)


def errored_cells(connection: DuckDBPyConnection, entry_id: str) -> int:
    """Cells that failed by provider, scorer or judge: a failed call, or a score that errored."""
    row = first_row(
        connection,
        "select count(distinct c.position) from cell c join answer a using (entry_id, position)"
        " join call k on k.call_id = a.call_id"
        " left join entry_scorer es on es.entry_id = c.entry_id"
        " left join score s on s.call_id = a.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = es.scorer_sig"
        " where c.entry_id = ? and (k.error_kind is not null or s.status = 'errored')",
        [entry_id],
    )
    return int(row[0]) if row else 0


def unpriced_calls(connection: DuckDBPyConnection) -> Iterator[tuple[str, str | None, str | None]]:
    """Calls without a cost row: call id, model, usage as JSON text."""
    rows = connection.execute(
        "select k.call_id, k.model, k.usage from call k"
        " where not exists (select 1 from cost u where u.call_id = k.call_id)"
    ).fetchall()
    yield from rows
