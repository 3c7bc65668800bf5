"""What planning asks of the store: cells of an equal plan, answers that are known, cells still to ask or to score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Failure, Response, Step
from evalkit.store.bulk import BATCH_ROWS, first_row, lent

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_decode = msgspec.json.Decoder().decode
RESPONSE_COLUMNS = (
    "k.output, k.reasoning, k.error_kind, k.error_message, k.http_status, k.finish, k.usage, k.seconds,"
    " k.first_token_s, k.logprobs, k.tool_calls, k.trace, k.server_model, k.meta"
)


@dataclass(frozen=True, slots=True)
class CellColumns:
    """Planned cells of one entry as arrays of equal length, in scheduled order."""

    sample_ids: Sequence[str]
    sample_hashes: Sequence[str]
    repeats: npt.NDArray[np.int32]
    splits: Sequence[str | None]
    keys: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class OpenCells:
    """Cells without an answer, in scheduled order: positions and keys (32 hex digits), arrays of equal length."""

    positions: npt.NDArray[np.int64]
    keys: npt.NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.positions)

    @classmethod
    def none(cls) -> OpenCells:
        """No cells."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype="S32"))


@dataclass(frozen=True, slots=True)
class Answered:
    """A cell with an answer that a scorer of its entry has not seen."""

    position: int
    sample_id: str
    sample_hash: str
    repeat: int
    call_id: str
    model: str | None
    response: Response


def equal_plan(connection: DuckDBPyConnection, plan_id: str) -> str | None:
    """The newest entry that has all cells of this plan, or None."""
    row = first_row(
        connection,
        "select e.entry_id from entry e join run r using (run_id) where e.plan_id = ? and e.planned > 0 "
        "and (select count(*) from cell c where c.entry_id = e.entry_id) = e.planned order by r.started desc limit 1",
        [plan_id],
    )
    return None if row is None else str(row[0])


def copy_cells(connection: DuckDBPyConnection, entry_id: str, source: str) -> None:
    """Plan the cells of `source` for another entry."""
    connection.execute(
        "insert into cell select ?, position, sample_id, sample_hash, repeat, split_id, call_key from cell "
        "where entry_id = ?",
        [entry_id, source],
    )


def insert_cells(connection: DuckDBPyConnection, entry_id: str, batches: Iterable[CellColumns]) -> None:
    """Plan cells, batch by batch; positions count from 0 in the given order."""
    first = 0
    for cells in batches:
        columns: dict[str, Any] = {
            "position": np.arange(first, first + len(cells.keys), dtype=np.int64),
            "sample_id": np.array(cells.sample_ids, dtype=object),
            "sample_hash": np.array(cells.sample_hashes, dtype=object),
            "repeat": cells.repeats,
            "split_id": np.array(cells.splits, dtype=object),
            "call_key": np.array(cells.keys, dtype=object),
        }
        first += len(cells.keys)
        with lent(connection, "planned", columns):
            connection.execute(
                "insert into cell select ?, position, sample_id, sample_hash, repeat, split_id, call_key from planned",
                [entry_id],
            )


def link_known(connection: DuckDBPyConnection, entry_id: str, generation: int) -> None:
    """Answer the entry's open cells with calls that the store knows (success, refusal, filter, truncation)."""
    connection.execute(
        "insert into answer select c.entry_id, c.position, k.call_id, true from cell c join ("
        "  select call_key, max_by(call_id, (started, call_id)) as call_id from call"
        "  where error_kind is null and generation = ? group by call_key"
        ") k on k.call_key = c.call_key where c.entry_id = ? and not exists ("
        "  select 1 from answer a where a.entry_id = c.entry_id and a.position = c.position)",
        [generation, entry_id],
    )


def forget_failures(connection: DuckDBPyConnection, entry_id: str) -> None:
    """Take the failed calls away from the cells of an interrupted entry, so that they are asked again."""
    connection.execute(
        "delete from answer where entry_id = ? and call_id in ("
        "  select call_id from call where entry_id = ? and error_kind is not null)",
        [entry_id, entry_id],
    )


def still_open(connection: DuckDBPyConnection, entry_id: str) -> OpenCells:
    """Cells without an answer."""
    rows = connection.execute(
        "select c.position, c.call_key from cell c where c.entry_id = $entry and not exists ("
        "  select 1 from answer a where a.entry_id = $entry and a.position = c.position) order by c.position",
        {"entry": entry_id},
    )
    parts = [OpenCells.none()]
    # Packed part by part: as Python objects all keys at once would be the most that a plan holds.
    while batch := rows.fetchmany(BATCH_ROWS):
        positions, keys = zip(*batch, strict=True)
        parts.append(OpenCells(np.array(positions, dtype=np.int64), np.array(keys, dtype="S32")))
    return OpenCells(np.concatenate([part.positions for part in parts]), np.concatenate([part.keys for part in parts]))


def unscored(
    connection: DuckDBPyConnection, entry_id: str, sigs: Sequence[str], size: int = 2000
) -> Iterator[list[Answered]]:
    """Answered cells that lack a score of one of these scorers, in batches, with their responses."""
    rows = connection.execute(
        f"select c.position, c.sample_id, c.sample_hash, c.repeat, k.call_id, k.model, {RESPONSE_COLUMNS} "  # noqa: S608 - ours
        "from cell c join answer a using (entry_id, position) join call k on k.call_id = a.call_id "
        "where c.entry_id = $entry and len($sigs) > ("
        "  select count(distinct s.scorer_sig) from score s where s.call_id = a.call_id"
        "    and s.sample_hash = c.sample_hash and list_contains($sigs, s.scorer_sig)) order by c.position",
        {"entry": entry_id, "sigs": list(sigs)},
    )
    while batch := rows.fetchmany(size):
        yield [Answered(*row[:6], response_of(row[6:])) for row in batch]  # type: ignore[call-arg]


def inner_calls(connection: DuckDBPyConnection) -> list[tuple[str, str]]:
    """Key and id of every successful call that was made inside a cell (by a system or a judge), cell by cell."""
    rows: list[tuple[str, str]] = connection.execute(
        "select call_key, max_by(call_id, (started, call_id)) from call where ordinal > 0 and error_kind is null"
        " group by call_key order by min(entry_id), min(position), min(ordinal)"
    ).fetchall()
    return rows


def responses(connection: DuckDBPyConnection, call_ids: Sequence[str]) -> dict[str, Response]:
    """The answers of calls by their ids."""
    rows = connection.execute(
        f"select k.call_id, {RESPONSE_COLUMNS} from call k where list_contains($ids, k.call_id)",  # noqa: S608 - ours
        {"ids": list(call_ids)},
    ).fetchall()
    return {row[0]: response_of(row[1:]) for row in rows}


def response_of(row: Sequence[Any]) -> Response:
    """A stored answer as a Response; columns as in `unscored` from `output` on."""
    output, reasoning, kind, message, status, finish, usage, seconds, first, logprobs, tools, trace, model, meta = row
    return Response(
        output=_json(output),
        error=Failure(ErrorKind(kind), message or "", status=status) if kind else None,
        finish=Finish(finish) if finish else None,
        usage=_json(usage) or {},
        seconds=seconds,
        first_token_s=first,
        logprobs=tuple(_json(logprobs)) if logprobs else None,
        reasoning=reasoning,
        model=model,
        tool_calls=tuple(_json(tools) or ()),
        trace=tuple(Step(stage, key, cached) for stage, key, cached in _json(trace) or ()),
        meta=_json(meta) or {},
    )


def _json(text: str | None) -> Any:
    return None if text is None else _decode(text)


def adoptable(connection: DuckDBPyConnection, identity: str) -> list[str]:
    """Runs of the same identity that did not end, newest first."""
    rows = connection.execute(
        "select run_id from run where identity = ? and status in ('running', 'interrupted') order by started desc",
        [identity],
    ).fetchall()
    return [str(row[0]) for row in rows]


def drop_run(connection: DuckDBPyConnection, run_id: str) -> None:
    """Forget a run that was planned and not confirmed; nothing was asked for it."""
    for table in ("answer", "cell", "entry_scorer", "entry_basis"):
        connection.execute(
            f"delete from {table} where entry_id in (select entry_id from entry where run_id = ?)",  # noqa: S608
            [run_id],
        )
    connection.execute("delete from entry where run_id = ?", [run_id])
    connection.execute("delete from run where run_id = ?", [run_id])
