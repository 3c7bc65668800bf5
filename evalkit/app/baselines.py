"""Baselines: written to a file, taken in from one, promoted after a pass, listed with what was accepted and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit import __version__
from evalkit.app import baseline_file
from evalkit.app.choosing import fields_of
from evalkit.app.entries import Choice, choices
from evalkit.app.file_side import document_of
from evalkit.app.gate_files import replace_whole
from evalkit.app.opening import book_of, side_of
from evalkit.app.workspace import Workspace
from evalkit.core.errors import ConfigError, InvalidRun, Problem, UsageError
from evalkit.core.keys import digest
from evalkit.store import baselines as kept
from evalkit.store import gates

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = ("name", "suite", "candidate", "anchor", "origin", "run_id", "since", "accepted")


@dataclass(frozen=True, slots=True)
class Promotion:
    """Take a run's or an entry's answers as the baseline `name`; `accepted` = why, where no pass stands behind it."""

    entry: str
    name: str = "main"
    anchor: bool = False
    accepted: str | None = None
    suite: str | None = None


def export(workspace: Workspace, path: Path, name: str, suite: str | None) -> list[str]:
    """Write entries to one file that a gate can be judged against without the store; returns their labels.

    The same entries give the same bytes. Raises UsageError for a name that is not known, InvalidRun without an answer.
    """
    with workspace.loaded() as connection:
        found = [one for one in choices(book_of(connection, workspace), name, suite=suite) if one.file is None]
        documents = [_document(connection, workspace, one) for one in found]
    if not documents:
        raise InvalidRun(f"{name!r} means no entry of the store: nothing is exported")
    replace_whole(path, baseline_file.written(documents, f"evalkit {__version__}"))
    return [one.label for one in found]


def take_in(workspace: Workspace, path: Path, name: str, *, anchor: bool = False) -> list[str]:
    """Keep the entries of a baseline file under a name; returns what was kept, as `suite x candidate`.

    Raises ConfigError with everything that is wrong in the file, InvalidRun when there is none.
    """
    entries = baseline_file.read(path)
    now = datetime.now(UTC).isoformat()
    with workspace.store.open() as connection:
        for entry in entries:
            kept.put_baseline(connection, _row(entry, name, now, {"anchor": anchor, "origin": "imported"}))
    return [f"{entry['facts']['suite']} x {entry['facts']['candidate']}" for entry in entries]


def promote(workspace: Workspace, wanted: Promotion) -> list[str]:
    """Make entries the baseline of a name; only after a pass of their gate, or with a reason, which is kept.

    Returns the labels. Raises UsageError naming every entry that may not be promoted without a reason.
    """
    if wanted.accepted is not None and not wanted.accepted.strip():
        raise UsageError("--accept needs the reason why this is right: it is kept beside the baseline")
    with workspace.loaded() as connection:
        book = book_of(connection, workspace)
        found = [one for one in choices(book, wanted.entry, suite=wanted.suite) if one.row is not None]
        if not found:
            raise UsageError(f"{wanted.entry!r} means no entry of the store: promote a run, RUN:candidate or entry")
        passes = [_pass(connection, one) for one in found]
        _may(found, passes, wanted)
        documents = [_document(connection, workspace, one) for one in found]
    now = datetime.now(UTC).isoformat()
    with workspace.store.open() as connection:
        for document, gate_id in zip(documents, passes, strict=True):
            more = {"anchor": wanted.anchor, "origin": "promoted", "gate_id": gate_id, "accepted": wanted.accepted}
            kept.put_baseline(connection, _row(document, wanted.name, now, more))
    return [one.label for one in found]


def listed(workspace: Workspace, *, history: bool = False) -> list[dict[str, Any]]:
    """Every baseline that holds, or all that ever held, in the columns of `COLUMNS`."""
    with workspace.loaded() as connection:
        return kept.baselines(connection, history=history)


def quarantine(workspace: Workspace, suite: str, sample_ids: Sequence[str], until: str, reason: str) -> int:
    """Report samples apart until a day, included; raises UsageError for a day that is none, no reason, or no sample."""
    try:
        last = date.fromisoformat(until)
    except ValueError:
        raise UsageError(f"--until {until!r} is no day like 2026-01-31") from None
    if not reason.strip():
        raise UsageError("--reason is needed: why these samples are unsteady, and who looks at them")
    now = datetime.now(UTC)
    if last < now.date():
        raise UsageError(f"--until {until} has passed: a quarantine ends in the future")
    with workspace.store.open() as connection:
        known = _known(connection, suite)
        unknown = sorted(set(sample_ids) - known)
        if unknown:
            raise UsageError(f"suite {suite!r} has no sample {', '.join(map(repr, unknown[:5]))}")
        rows = [
            {"suite": suite, "sample_id": ident, "added": now.isoformat(), "until": until, "reason": reason}
            for ident in dict.fromkeys(sample_ids)
        ]
        return kept.put_quarantine(connection, rows)


def _known(connection: DuckDBPyConnection, suite: str) -> set[str]:
    sql = "select distinct c.sample_id from cell c join entry e using (entry_id) where e.suite = ?"
    return {row[0] for row in connection.execute(sql, [suite]).fetchall()}


def _document(connection: DuckDBPyConnection, workspace: Workspace, choice: Choice) -> dict[str, Any]:
    plain = side_of(connection, workspace, choice)
    fields = fields_of(plain.facts["spec"] or {})
    return document_of(side_of(connection, workspace, choice, fields) if fields else plain)


def _row(document: Mapping[str, Any], name: str, now: str, more: Mapping[str, Any]) -> dict[str, Any]:
    facts = document["facts"]
    identity = [name, facts["suite"], facts["candidate"], digest(json.loads(json.dumps(document))), now]
    return {
        "baseline_id": digest(["baseline", *identity]),
        "name": name,
        "suite": facts["suite"],
        "candidate": facts["candidate"],
        "run_id": facts["run_id"],
        "entry_id": facts["entry_id"],
        "since": now,
        "document": baseline_file.body([document]),
        **more,
    }


def _pass(connection: DuckDBPyConnection, choice: Choice) -> str | None:
    """The newest verdict on an entry where it is a pass."""
    assert choice.row is not None
    verdicts = gates.judged(connection, choice.row.entry_id)
    return str(verdicts[0]["gate_id"]) if verdicts and verdicts[0]["outcome"] == "pass" else None


def _may(found: Sequence[Choice], passes: Sequence[str | None], wanted: Promotion) -> None:
    problems = [problem for one, gate_id in zip(found, passes, strict=True) for problem in _not(one, gate_id, wanted)]
    if problems:
        raise ConfigError(problems)


def _not(one: Choice, gate_id: str | None, wanted: Promotion) -> Iterator[Problem]:
    assert one.row is not None
    if not one.row.complete:
        yield Problem(f"{one.label} ({one.suite}) is {one.row.status}: a baseline has all its answers")
    elif gate_id is None and wanted.accepted is None:
        hint = "`evalkit gate` it first, or give the reason with --accept"
        yield Problem(f"no gate has passed {one.label} ({one.suite}), so it is not promoted unseen", hint=hint)
