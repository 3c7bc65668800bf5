"""One side of a comparison as columns: the cells of an entry, and the scores of one metric in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalkit.store import reader
from evalkit.store.planning import RESPONSE_COLUMNS, Answered, response_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Objects = npt.NDArray[np.object_]
_CELLS = """
select c.position, c.sample_id, c.sample_hash, c.repeat, coalesce(m.cluster, c.sample_id) as cluster,
       coalesce(m.tags, []) as tags, a.call_id, coalesce(a.cached, false) as cached, k.error_kind, k.seconds,
       case when k.call_id is not null and k.error_kind is null then md5(coalesce(k.output::varchar, '')) end as output
from cell c join entry e on e.entry_id = c.entry_id
left join answer a on a.entry_id = c.entry_id and a.position = c.position
left join call k on k.call_id = a.call_id
left join sample m on m.data_hash = e.data_hash and m.sample_id = c.sample_id and m.sample_hash = c.sample_hash
where c.entry_id = $entry order by c.sample_id, c.repeat, c.position
"""
_SCORES = """
select c.position, s.status, s.value, s.worst, s.parts, s.worst_parts, s.answer
from cell c join answer a on a.entry_id = c.entry_id and a.position = c.position
left join entry_basis b on b.entry_id = c.entry_id and b.position = c.position and b.scorer_sig = $sig
join score s on s.call_id = a.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = $sig and s.metric = $metric
  and s.basis = coalesce(b.basis, '')
where c.entry_id = $entry
"""
_ANSWERED = f"""
select c.position, c.sample_id, c.sample_hash, c.repeat, k.call_id, k.model, {RESPONSE_COLUMNS}
from cell c join answer a on a.entry_id = c.entry_id and a.position = c.position join call k on k.call_id = a.call_id
where c.entry_id = $entry order by c.sample_id, c.repeat, c.position
"""  # noqa: S608 - column names of ours
_ERRORED = """
select distinct c.position from cell c join answer a on a.entry_id = c.entry_id and a.position = c.position
join call k on k.call_id = a.call_id
left join entry_scorer es on es.entry_id = c.entry_id
left join score s on s.call_id = a.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = es.scorer_sig
where c.entry_id = $entry and (k.error_kind is not null or s.status = 'errored')
"""
_SLICED = """
select c.position,
       f.field || ':' || coalesce(m.meta ->> ('$."' || f.field || '"'), m.input ->> ('$."' || f.field || '"'))
from cell c join entry e on e.entry_id = c.entry_id
join sample m on m.data_hash = e.data_hash and m.sample_id = c.sample_id and m.sample_hash = c.sample_hash,
     (select unnest($fields) as field) f
where c.entry_id = $entry
  and coalesce(m.meta ->> ('$."' || f.field || '"'), m.input ->> ('$."' || f.field || '"')) is not null
"""
_SCORERS = """
select es.scorer_sig, es.spec, es.place, s.version, s.extraction, list(distinct c.metric order by c.metric) as metrics
from entry_scorer es join signature s using (scorer_sig)
left join result c on c.entry_id = es.entry_id and c.scorer_sig = es.scorer_sig and c.slice = ''
where es.entry_id = $entry group by all order by es.place
"""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Every planned cell of an entry as arrays of equal length, in the order of (sample, repeat).

    `call_id`, `error_kind` and `output` (a hash of the answer) are None where there is none, `seconds` is NaN there;
    `tags` holds tuples of texts.
    """

    position: npt.NDArray[np.int64]
    sample_id: Objects
    sample_hash: Objects
    repeat: npt.NDArray[np.int64]
    cluster: Objects
    tags: Objects
    call_id: Objects
    cached: npt.NDArray[np.bool_]
    error_kind: Objects
    output: Objects
    seconds: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.position)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The scores of one metric, one row per cell in the cells' order.

    `status` is scored, unscorable or errored, empty where there is no score; numbers are NaN and texts None where
    absent; `parts` and `worst_parts` are JSON texts.
    """

    status: Objects
    value: npt.NDArray[np.float64]
    worst: npt.NDArray[np.float64]
    parts: Objects
    worst_parts: Objects
    answer: Objects

    @classmethod
    def empty(cls, size: int) -> Scores:
        """No score for any of `size` cells."""
        status = np.full(size, "", dtype=object)
        numbers, texts = np.full(size, np.nan), np.full(size, None, dtype=object)
        return cls(status, numbers, numbers.copy(), texts, texts.copy(), texts.copy())

    @property
    def there(self) -> int:
        """How many cells have a score."""
        return int((self.status != "").sum())


def facts(connection: DuckDBPyConnection, entry_id: str) -> dict[str, Any] | None:
    """The entry with its run, data set and suite, JSON as text; None when there is none."""
    return next(reader.named(connection, "side", entry_id=entry_id).dicts(), None)


def scorers(connection: DuckDBPyConnection, entry_id: str) -> list[dict[str, Any]]:
    """Scorers of an entry in the suite's order: scorer_sig, spec, place, version, extraction, metrics (names)."""
    return list(reader.query(connection, _SCORERS, {"entry": entry_id}).dicts())


def cells(connection: DuckDBPyConnection, entry_id: str, fields: Sequence[str] = ()) -> Cells:
    """All cells of an entry; tags also have `field:value` for each field that a sample has in its meta or input."""
    rows = connection.execute(_CELLS, {"entry": entry_id}).fetchnumpy()
    tags = _objects([tuple(tag) for tag in rows["tags"].tolist()])
    position = np.asarray(rows["position"]).astype(np.int64)
    if fields:
        more: dict[int, list[str]] = {}
        for place, tag in connection.execute(_SLICED, {"entry": entry_id, "fields": list(fields)}).fetchall():
            more.setdefault(place, []).append(tag)
        tags = _objects([(*own, *more.get(int(at), ())) for own, at in zip(tags, position, strict=True)])
    return Cells(
        position=position,
        sample_id=_texts(rows["sample_id"]),
        sample_hash=_texts(rows["sample_hash"]),
        repeat=np.asarray(rows["repeat"]).astype(np.int64),
        cluster=_texts(rows["cluster"]),
        tags=tags,
        call_id=_texts(rows["call_id"]),
        cached=np.asarray(rows["cached"]).astype(np.bool_),
        error_kind=_texts(rows["error_kind"]),
        output=_texts(rows["output"]),
        seconds=_numbers(rows["seconds"]),
    )


def scores(connection: DuckDBPyConnection, entry_id: str, of: tuple[str, str], order: Cells) -> Scores:
    """The scores of one metric (scorer signature, name) in the order of the cells."""
    rows = connection.execute(_SCORES, {"entry": entry_id, "sig": of[0], "metric": of[1]}).fetchnumpy()
    found = Scores.empty(len(order))
    if not len(rows["position"]):
        return found
    places = np.argsort(order.position, kind="stable")
    at = places[np.searchsorted(order.position, np.asarray(rows["position"]).astype(np.int64), sorter=places)]
    found.value[at] = _numbers(rows["value"])
    found.worst[at] = _numbers(rows["worst"])
    for name in ("status", "parts", "worst_parts", "answer"):
        getattr(found, name)[at] = _texts(rows[name])
    return found


def costs(connection: DuckDBPyConnection, entry_id: str, order: Cells) -> npt.NDArray[np.float64]:
    """What each cell cost in US dollars with every call made for it, in the order of the cells; NaN = unknown."""
    rows = connection.execute("select position, usd from cell_cost where entry_id = ?", [entry_id]).fetchall()
    known = dict(rows)
    return np.array([_or_nan(known.get(int(at))) for at in order.position], dtype=np.float64)


def errored(connection: DuckDBPyConnection, entry_id: str) -> set[int]:
    """Positions that failed by provider, scorer or judge: a failed call, or a score that errored."""
    return {row[0] for row in connection.execute(_ERRORED, {"entry": entry_id}).fetchall()}


def answered(connection: DuckDBPyConnection, entry_id: str, size: int = 1000) -> Iterator[list[Answered]]:
    """Every answered cell with its response in the order of (sample, repeat), in batches."""
    rows = connection.execute(_ANSWERED, {"entry": entry_id})
    while batch := rows.fetchmany(size):
        yield [Answered(row[0], row[1], row[2], row[3], row[4], row[5], response_of(row[6:])) for row in batch]


def outputs(connection: DuckDBPyConnection, entry_id: str, sample_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Position, sample_id, repeat, output (JSON text), error_kind and error_message of some samples' cells."""
    sql = """
select c.position, c.sample_id, c.repeat, k.output, k.error_kind, k.error_message
from cell c join answer a on a.entry_id = c.entry_id and a.position = c.position join call k on k.call_id = a.call_id
where c.entry_id = $entry and list_contains($ids, c.sample_id) order by c.sample_id, c.repeat, c.position"""
    return list(reader.query(connection, sql, {"entry": entry_id, "ids": list(sample_ids)}).dicts())


def reasons(
    connection: DuckDBPyConnection, entry_id: str, of: tuple[str, str], sample_ids: Sequence[str]
) -> dict[str, str]:
    """Sample id -> the scorer's reason in its first repeat that has one."""
    sql = """
select c.sample_id, min_by(s.reason, c.repeat) from cell c
join answer a on a.entry_id = c.entry_id and a.position = c.position
left join entry_basis b on b.entry_id = c.entry_id and b.position = c.position and b.scorer_sig = $sig
join score s on s.call_id = a.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = $sig and s.metric = $metric
  and s.basis = coalesce(b.basis, '')
where c.entry_id = $entry and s.reason is not null and list_contains($ids, c.sample_id) group by c.sample_id"""
    asked = {"entry": entry_id, "sig": of[0], "metric": of[1], "ids": list(sample_ids)}
    return dict(connection.execute(sql, asked).fetchall())


def prompts(connection: DuckDBPyConnection, hashes: Sequence[str]) -> list[dict[str, Any]]:
    """Prompt texts by their hashes: prompt_hash, name, role, body."""
    sql = "select prompt_hash, name, role, body from prompt where list_contains($hashes, prompt_hash) order by all"
    return list(reader.query(connection, sql, {"hashes": list(hashes)}).dicts())


def _texts(array: Any) -> Objects:
    values = np.asarray(array.data if isinstance(array, np.ma.MaskedArray) else array, dtype=object).copy()
    if isinstance(array, np.ma.MaskedArray):
        values[np.ma.getmaskarray(array)] = None
    return values


def _numbers(array: Any) -> npt.NDArray[np.float64]:
    return np.ma.filled(np.ma.asarray(array, dtype=np.float64), np.nan)


def _objects(values: Sequence[Any]) -> Objects:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
