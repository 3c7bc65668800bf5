"""Answers that are scored together: all repeats of a sample, or an answer and that of an opponent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.core.keys import digest
from evalkit.store.bulk import lent
from evalkit.store.planning import RESPONSE_COLUMNS, Answered, response_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CELLS = f"""
select c.position, c.sample_id, c.sample_hash, c.repeat, k.call_id, k.model, {RESPONSE_COLUMNS}
from cell c join answer a using (entry_id, position) join call k on k.call_id = a.call_id
where c.entry_id = $entry order by c.position
"""  # noqa: S608 - column names of ours
_PAIRS = f"""
select c.position, c.sample_id, c.sample_hash, c.repeat, k.call_id, k.model, {RESPONSE_COLUMNS},
       o.call_id, {RESPONSE_COLUMNS.replace("k.", "ok.")}
from cell c join answer a using (entry_id, position) join call k on k.call_id = a.call_id
join answer o on o.entry_id = $opponent and o.position = c.position join call ok on ok.call_id = o.call_id
where c.entry_id = $entry order by c.position
"""  # noqa: S608 - column names of ours
_KNOWN = """
select b.position from entry_basis b join answer a using (entry_id, position) join cell c using (entry_id, position)
where b.entry_id = $entry and b.scorer_sig = $sig and exists (
  select 1 from score s where s.call_id = a.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = $sig
    and s.basis = b.basis)
"""
BATCH = 500
_WIDTH = RESPONSE_COLUMNS.count(",") + 1


@dataclass(frozen=True, slots=True)
class Group:
    """Answers that one score is about: the first one carries it; `basis` names the others."""

    first: Answered
    responses: tuple[Any, ...]
    basis: str
    opponent: str = ""


def repeats(connection: DuckDBPyConnection, entry_id: str) -> Iterator[Group]:
    """All answers of each sample of an entry, in the order of their repeats; streamed."""
    members: list[Answered] = []
    for row in _rows(connection, _CELLS, {"entry": entry_id}):
        cell = _answered(row)
        if members and members[0].sample_id != cell.sample_id:
            yield _of_repeats(members)
            members = []
        members.append(cell)
    if members:
        yield _of_repeats(members)


def pairs(connection: DuckDBPyConnection, entry_id: str, opponent: str) -> Iterator[Group]:
    """Each answer of an entry beside the opponent's answer to the same cell; streamed."""
    width = 6 + _WIDTH
    for row in _rows(connection, _PAIRS, {"entry": entry_id, "opponent": opponent}):
        cell, call_id = _answered(row), row[width]
        yield Group(cell, (cell.response, response_of(row[width + 1 :])), digest([call_id]), opponent)


def put_basis(connection: DuckDBPyConnection, entry_id: str, sig: str, basis: Sequence[tuple[int, str]]) -> None:
    """Say which answers the scores of a scorer rest on in an entry, as (position, basis); what was said before goes."""
    connection.execute("delete from entry_basis where entry_id = ? and scorer_sig = ?", [entry_id, sig])
    if not basis:
        return
    positions, names = zip(*basis, strict=True)
    columns: dict[str, Any] = {"position": np.array(positions, dtype=np.int64), "basis": np.array(names, dtype=object)}
    with lent(connection, "based", columns):
        connection.execute("insert into entry_basis select ?, position, ?, basis from based", [entry_id, sig])


def scored_positions(connection: DuckDBPyConnection, entry_id: str, sig: str) -> set[int]:
    """Positions of an entry whose score by this scorer is in the store, on the basis that the entry has now."""
    return {row[0] for row in _rows(connection, _KNOWN, {"entry": entry_id, "sig": sig})}


def _rows(connection: DuckDBPyConnection, sql: str, asked: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    found = connection.execute(sql, asked)
    while batch := found.fetchmany(BATCH):
        yield from batch


def _answered(row: Sequence[Any]) -> Answered:
    return Answered(row[0], row[1], row[2], row[3], row[4], row[5], response_of(row[6 : 6 + _WIDTH]))


def _of_repeats(members: Sequence[Answered]) -> Group:
    return Group(members[0], tuple(cell.response for cell in members), digest([cell.call_id for cell in members]))
