"""Journals into the store: loaded once whatever happens, damaged lines told, loaded files removed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from evalkit.core.keys import digest
from evalkit.store import bulk, faults
from evalkit.store.database import Store, transaction
from evalkit.store.lines import Bad, Call, GroupScores, Line, Link, NewerJournal, Note, Scores, header, read

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Bad", "Line", "LoadReport", "compact", "compact_in", "load_all", "load_run", "read"]

BATCH_LINES = 5_000
BATCH_BYTES = 16 * 1024 * 1024
LINES_PER_OPEN = 60_000
BYTES_PER_OPEN = 128 * 1024 * 1024
_LET_OTHERS_IN_S = 0.3

_CALL = tuple(Call.__struct_fields__)
_CALL_JSON = ("request", "output", "logprobs", "tool_calls", "trace", "meta")
_METRIC = ("metric", "status", "value", "parts", "worst", "worst_parts", "answer", "reason", "detail", "blob")
_SCORE = ("call_id", "sample_hash", "scorer_sig", "basis", "opponent", *_METRIC)
_SCORE_JSON = ("parts", "worst_parts", "detail")
_SCORE_KEY = ("call_id", "sample_hash", "scorer_sig", "metric", "basis", "opponent", "shown_order")
_call_fields = attrgetter(*_CALL)
_metric_fields = attrgetter(*_METRIC)


@dataclass(slots=True)
class LoadReport:
    """What a load did: complete lines read, and those left out as (file name, line number, why)."""

    lines: int = 0
    bad: list[tuple[str, int, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """Neighbouring lines of one file, sorted by where they go; `end` is the byte offset after the last."""

    end: int
    lines: int = 0
    calls: list[Call] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    scores: list[Scores | GroupScores] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)

    def add(self, one: Line | Bad) -> None:
        self.end = one.end
        self.lines += 1
        match one:
            case Bad():
                self.bad.append(one)
            case Line(record=Call() as call):
                self.calls.append(call)
            case Line(record=Link() as link):
                self.links.append(link)
            case Line(record=(Scores() | GroupScores()) as scores):
                self.scores.append(scores)
            case Line(record=Note() as note):
                self.notes.append(note)


def load_run(store: Store, run_dir: Path) -> LoadReport:
    """Load every complete line of a run's journals that is not in the store yet.

    An opening of the store is all or nothing, with the byte offset that it reaches, so a load that is killed is made
    again and loading twice changes nothing. The store is let go now and then for others. Bad lines are reported, and
    kept as problems of kind `journal`. Raises StoreError when the store or a journal cannot be read or written.
    """
    report = LoadReport()
    _load(store, {run_dir: report})
    return report


def load_all(store: Store, runs_dir: Path) -> dict[str, LoadReport]:
    """Load the journals of every run below `runs_dir`, by folder name; runs without journals are left out."""
    reports = {run_dir: LoadReport() for run_dir in sorted({path.parent for path in runs_dir.glob("*/*.jsonl")})}
    if reports:
        _load(store, reports)
    return {run_dir.name: report for run_dir, report in reports.items()}


def _load(store: Store, reports: Mapping[Path, LoadReport]) -> None:
    while True:
        with store.bulk() as connection:
            if all(_load_some(connection, run_dir, report) for run_dir, report in reports.items()):
                return
        time.sleep(_LET_OTHERS_IN_S)


def compact(store: Store, run_dir: Path) -> int:
    """Remove the journals of a finished run that are loaded to their last complete line; returns the bytes removed.

    A run that is not finished keeps its files: someone may still write them.
    """
    with store.open() as connection:
        return compact_in(connection, run_dir)


def compact_in(connection: DuckDBPyConnection, run_dir: Path) -> int:
    """The same on an open store."""
    freed = 0
    for path in loaded_files(connection, run_dir):
        freed += path.stat().st_size
        # First the row: a writer that starts again may take the same name; a file that a crash leaves behind is
        # loaded once more without a trace.
        connection.execute("delete from journal_load where run_id = ? and file = ?", [_run_id(path), path.name])
        path.unlink(missing_ok=True)
    return freed


def loaded_files(connection: DuckDBPyConnection, run_dir: Path) -> list[Path]:
    """The journals of a run that `compact` would remove."""
    return [path for path in _files(run_dir) if _loaded(connection, path)]


def _loaded(connection: DuckDBPyConnection, path: Path) -> bool:
    run_id = _run_id(path)
    done = bulk.first_row(connection, "select 1 from run where run_id = ? and finished is not null", [run_id])
    return done is not None and _offset(connection, run_id, path.name) >= _complete_bytes(path)


def _files(run_dir: Path) -> list[Path]:
    return sorted(run_dir.glob("*.jsonl"))


def _run_id(path: Path) -> str:
    first = header(path)
    return first.run_id if first is not None else path.parent.name


def _offset(connection: DuckDBPyConnection, run_id: str, file: str) -> int:
    row = bulk.first_row(connection, "select bytes from journal_load where run_id = ? and file = ?", [run_id, file])
    return int(row[0]) if row else 0


def _complete_bytes(path: Path) -> int:
    """Where the last complete line ends; what a crash cut off after it was never acknowledged."""
    with path.open("rb") as file:
        left = file.seek(0, 2)
        while left > 0:
            start = max(0, left - (1 << 16))
            file.seek(start)
            cut = file.read(left - start).rfind(b"\n")
            if cut >= 0:
                return start + cut + 1
            left = start
    return 0


def _load_some(connection: DuckDBPyConnection, run_dir: Path, report: LoadReport) -> bool:
    """Load until everything is in (True) or others should have their turn (False)."""
    lines = size = 0
    for path in _files(run_dir):
        try:
            run_id = _run_id(path)
            offset = _offset(connection, run_id, path.name)
            if offset == path.stat().st_size:
                continue
            for batch in _batches(path, offset):
                _write(connection, run_id, path.name, batch)
                report.lines += batch.lines
                report.bad += [(path.name, bad.number, bad.why) for bad in batch.bad]
                lines, size, offset = lines + batch.lines, size + batch.end - offset, batch.end
                if lines >= LINES_PER_OPEN or size >= BYTES_PER_OPEN:
                    return False
        except FileNotFoundError:
            # Another process loaded and compacted it meanwhile.
            continue
        except NewerJournal as error:
            report.bad.append((path.name, 1, str(error)))
        except OSError as error:
            raise faults.of_os(path, error) from error
    return True


def _batches(path: Path, start: int) -> Iterator[_Batch]:
    batch, begin = _Batch(start), start
    for one in read(path, start):
        batch.add(one)
        if batch.lines >= BATCH_LINES or batch.end - begin >= BATCH_BYTES:
            yield batch
            batch, begin = _Batch(batch.end), batch.end
    if batch.lines:
        yield batch


def _write(connection: DuckDBPyConnection, run_id: str, file: str, batch: _Batch) -> None:
    with transaction(connection):
        _write_calls(connection, run_id, batch.calls)
        first = [one for one in batch.calls if _answers(one)]
        known = [(one.entry_id, one.position, one.call_id, False, one.error_kind is not None) for one in first]
        linked = [(one.entry_id, one.position, one.call_id, one.cached, False) for one in batch.links]
        write_answers(connection, known + linked)
        _write_scores(connection, batch.scores)
        problems = [(note.entry_id, note.kind, note.message) for note in batch.notes]
        problems += [(None, "journal", f"{file}:{bad.number}: {bad.why}; the line was left out") for bad in batch.bad]
        write_problems(connection, run_id, problems)
        connection.execute("insert or replace into journal_load values (?, ?, ?)", [run_id, file, batch.end])


def _answers(call: Call) -> bool:
    return call.ordinal == 0 and call.entry_id is not None and call.position is not None


def _write_calls(connection: DuckDBPyConnection, run_id: str, calls: Sequence[Call]) -> None:
    if not calls:
        return
    columns: dict[str, Sequence[Any]] = dict(zip(_CALL, zip(*map(_call_fields, calls), strict=True), strict=True))
    for name in _CALL_JSON:
        columns[name] = [_json(raw) for raw in columns[name]]
    columns["usage"] = [_json(raw) or "{}" for raw in columns["usage"]]
    columns["run_id"] = [run_id] * len(calls)
    # A clock far off gives an unknown time, never a refused answer.
    bulk.insert(connection, "call", columns, ("call_id",), started="try(to_timestamp(cast(b.started as double)))")


def write_answers(connection: DuckDBPyConnection, rows: Sequence[tuple[Any, ...]]) -> int:
    """Say which call answers which cell: rows of (entry_id, position, call_id, cached, failed).

    A cell keeps its first answer, except that a success takes the place of an error and of a call that got lost.
    """
    if not rows:
        return 0
    ordered = sorted(rows, key=lambda row: bool(row[4]))
    names = ("entry_id", "position", "call_id", "cached", "failed")
    columns = bulk.first_of_each(dict(zip(names, zip(*ordered, strict=True), strict=True)), ("entry_id", "position"))
    with bulk.lent(connection, "batch", columns):
        connection.execute(
            """delete from answer using batch b
            where answer.entry_id = b.entry_id and answer.position = b.position and not b.failed
              and answer.call_id <> b.call_id
              and not exists (select 1 from call k where k.call_id = answer.call_id and k.error_kind is null)"""
        )
    kept = {name: values for name, values in columns.items() if name != "failed"}
    return bulk.insert(connection, "answer", kept, ("entry_id", "position"))


def _write_scores(connection: DuckDBPyConnection, scores: Sequence[Scores | GroupScores]) -> None:
    rows = [
        (one.call_id, one.sample_hash, one.scorer_sig, *_others(one), *_metric_fields(metric))
        for one in scores
        for metric in one.metrics
    ]
    if not rows:
        return
    columns: dict[str, Sequence[Any]] = dict(zip(_SCORE, zip(*rows, strict=True), strict=True))
    for name in _SCORE_JSON:
        columns[name] = [_json(raw) for raw in columns[name]]
    columns["shown_order"] = [""] * len(rows)
    bulk.insert(connection, "score", columns, _SCORE_KEY)


def _others(scores: Scores | GroupScores) -> tuple[str, str]:
    return (scores.basis, scores.opponent) if isinstance(scores, GroupScores) else ("", "")


def write_problems(connection: DuckDBPyConnection, run_id: str, rows: Sequence[tuple[str | None, str, str]]) -> int:
    """Keep what a reader of the run must know: rows of (entry_id, kind, message); equal ones once."""
    if not rows:
        return 0
    clean = [tuple(bulk.text(value) for value in row) for row in rows]
    columns = dict(zip(("entry_id", "kind", "message"), zip(*clean, strict=True), strict=True))
    columns["problem_id"] = tuple(digest([run_id, *row]) for row in clean)
    columns["run_id"] = (run_id,) * len(clean)
    return bulk.insert(connection, "problem", columns, ("problem_id",))


def _json(raw: Raw) -> str | None:
    text = str(raw, "utf-8")
    return None if text == "null" else text
