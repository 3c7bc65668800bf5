"""What results are folded from: the scores of an entry as columns, its denominators, calls without a cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalkit.store.bulk import first_row, lent

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Narrow questions one after the other, put together by position: one wide join would hold all that it reads. The same
# of a join of all cells: a part of them at a time, so that memory does not grow with their number.
CELLS_AT_ONCE = 20_000
MOST_PARTS = 16
_SCORES = """
select c.position, c.repeat, s.status = 'scored' as scored, s.status = 'unscorable' as unscorable, s.value, s.worst,
       a.cached {more}
from cell c
join answer a on a.entry_id = $entry and a.position = c.position
left join entry_basis b on b.entry_id = $entry and b.position = c.position and b.scorer_sig = $sig
join score s on s.call_id = a.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = $sig and s.metric = $metric
  and s.basis = coalesce(b.basis, '')
{joined}
where c.entry_id = $entry and c.position >= $first and c.position < $end
"""
_OUTCOMES = """
select c.position, k.call_id is null or k.error_kind is not null or s.status is distinct from 'scored' as failed,
       s.value, coalesce(s.value, s.worst) as headline
from cell c
left join answer a on a.entry_id = $entry and a.position = c.position
left join call k on k.call_id = a.call_id
left join entry_basis b on b.entry_id = $entry and b.position = c.position and b.scorer_sig = $sig
left join score s on s.call_id = a.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = $sig
  and s.metric = $metric and s.basis = coalesce(b.basis, '')
where c.entry_id = $entry and c.position >= $first and c.position < $end
"""
_SAMPLE = """join entry e on e.entry_id = c.entry_id
left join sample m on m.data_hash = e.data_hash and m.sample_id = c.sample_id and m.sample_hash = c.sample_hash"""
_RANKS = "select c.position, dense_rank() over (order by {by}) as rank from cell c {joined} where c.entry_id = ?"
_CLUSTERED = """select 1 from entry e where e.entry_id = ? and exists (
  select 1 from sample m where m.data_hash = e.data_hash and m.cluster <> m.sample_id)"""
_BATCH = "coalesce(k.meta ->> '$.batch', '') not in ('', 'false')"
_PARTS = ", s.parts, s.worst_parts"
_ANSWERS = ", s.answer"
_TAGS = """, list_concat(coalesce(m.tags, []), list_filter(list_transform($fields, lambda f:
         f || ':' || coalesce(m.meta ->> ('$."' || f || '"'), m.input ->> ('$."' || f || '"'))),
         lambda x: x is not null)) as tags"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which columns beside the values are read: parts, extracted answers, tags (with `field:value` of `fields`)."""

    parts: bool = False
    answers: bool = False
    tags: bool = False
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """Cells of an entry: with an answer, with an error for an answer, and answers taken from the store."""

    answered: int
    errored: int
    cached: int


def scores(connection: DuckDBPyConnection, entry_id: str, of: tuple[str, str], wanted: Wanted) -> dict[str, Any]:
    """The scores of one metric (scorer signature, name) as arrays of equal length, ordered by (sample, repeat).

    `sample` and `cluster` are codes from 0; `scored` and `unscorable` say how each stands, an errored one is neither;
    `value` and `worst` are NaN where absent; texts are None where absent; `parts` and `worst_parts` are JSON texts.
    `tags` also has `field:value` for each wanted field that a sample has in
    its meta or input.
    """
    more = (_PARTS if wanted.parts else "") + (_ANSWERS if wanted.answers else "") + (_TAGS if wanted.tags else "")
    asked: dict[str, Any] = {"entry": entry_id, "sig": of[0], "metric": of[1]}
    if wanted.tags:
        asked["fields"] = list(wanted.fields)
    sql = _SCORES.format(more=more, joined=_SAMPLE if wanted.tags else "")
    columns = _in_parts(connection, sql, asked)
    positions = columns.pop("position")
    samples = clusters = _ranks(connection, entry_id, positions, by="c.sample_id")
    if first_row(connection, _CLUSTERED, [entry_id]):
        clusters = _ranks(connection, entry_id, positions, by="coalesce(m.cluster, c.sample_id)", joined=_SAMPLE)
    order = np.lexsort((columns["repeat"], samples))
    ranked = {"sample": samples, "repeat": columns.pop("repeat"), "cluster": clusters, **columns}
    return {name: values[order] for name, values in ranked.items()}


def outcomes(connection: DuckDBPyConnection, entry_id: str, of: tuple[str, str]) -> dict[str, Any]:
    """How every cell of an entry stands by one metric (scorer signature, name), as arrays of equal length.

    `position`; `failed`: without an answer, with an error for one, or without a score; `value` and `headline` (the
    value, else the declared worst) are NaN where absent.
    """
    return _in_parts(connection, _OUTCOMES, {"entry": entry_id, "sig": of[0], "metric": of[1]})


def _in_parts(connection: DuckDBPyConnection, sql: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What a question with `$entry`, `$first` and `$end` finds for the cells from `first` to before `end`, all told."""
    last = first_row(connection, "select max(position) from cell where entry_id = ?", [asked["entry"]])
    end = last[0] + 1 if last and last[0] is not None else 1
    size = max(CELLS_AT_ONCE, -(-end // MOST_PARTS))
    parts: dict[str, list[Any]] = {}
    for first in range(0, end, size):
        found = connection.execute(sql, {**asked, "first": first, "end": first + size}).fetchnumpy()
        for name, array in found.items():
            parts.setdefault(name, []).append(_plain(name, array))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _plain(name: str, array: Any) -> Any:
    if name in ("value", "worst", "headline"):
        return np.ma.filled(np.ma.asarray(array, dtype=np.float64), np.nan)
    if name in ("position", "repeat"):
        return np.asarray(array).astype(np.int64)
    if name in ("cached", "scored", "unscorable", "failed"):
        return np.asarray(array).astype(np.bool_)
    return _with_none(array) if isinstance(array, np.ma.MaskedArray) else np.asarray(array, dtype=object)


def _ranks(
    connection: DuckDBPyConnection, entry_id: str, positions: npt.NDArray[np.int64], *, by: str, joined: str = ""
) -> npt.NDArray[np.int64]:
    """For the cells at some positions, the place of a text of theirs among those texts; from 0, without gaps."""
    found = connection.execute(_RANKS.format(by=by, joined=joined), [entry_id]).fetchnumpy()
    order = np.argsort(found["position"], kind="stable")
    places = np.searchsorted(found["position"], positions, sorter=order)
    return np.unique(found["rank"][order][places], return_inverse=True)[1].astype(np.int64)


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


def usages(connection: DuckDBPyConnection) -> list[tuple[str, str | None, str | None, bool]]:
    """What every call used: call id, model, usage as JSON text, and whether it was a batch call."""
    sql = f"select k.call_id, k.model, k.usage::varchar, {_BATCH} from call k"  # noqa: S608 - an expression of this file
    rows: list[tuple[str, str | None, str | None, bool]] = connection.execute(sql).fetchall()
    return rows


def unpriced_usages(connection: DuckDBPyConnection) -> list[tuple[str | None, str | None, bool]]:
    """What calls without a cost row used: model, usage as JSON text, whether in a batch; each triple once."""
    rows: list[tuple[str | None, str | None, bool]] = connection.execute(
        f"select distinct k.model, k.usage::varchar, {_BATCH} from call k"  # noqa: S608 - an expression of this file
        " where not exists (select 1 from cost u where u.call_id = k.call_id)"
    ).fetchall()
    return rows


def price_usages(
    connection: DuckDBPyConnection, priced: Sequence[tuple[str | None, str | None, bool, float | None]], dated: str
) -> None:
    """Cost every call without a cost row by its (model, usage, batch); a price of None is unknown."""
    if not priced:
        return
    models, used, batches, prices = zip(*priced, strict=True)
    with lent(connection, "priced", {"model": models, "usage": used, "batch": batches, "usd": prices}):
        connection.execute(
            "insert into cost select k.call_id, p.usd, ? from call k join priced p"  # noqa: S608 - as above
            " on p.model is not distinct from k.model and p.usage is not distinct from k.usage::varchar"
            f" and p.batch = ({_BATCH})"
            " where not exists (select 1 from cost u where u.call_id = k.call_id)",
            [dated],
        )
