"""The report: from stored rows to a folder of HTML pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit import __version__
from evalkit.app.evidence import evidence_of, failing
from evalkit.app.leaderboard import Standing, standings
from evalkit.app.ranks import Placing, place
from evalkit.app.routing import Composed
from evalkit.app.workspace import Workspace
from evalkit.report.model import (
    Cell,
    Column,
    Counts,
    EntryLine,
    LeaderRow,
    Note,
    Prompt,
    PromptDiff,
    Ranking,
    RunPage,
    Site,
    SliceRow,
    Status,
    SuitePage,
)
from evalkit.store import reader
from evalkit.store.bulk import first_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEWEST_RUNS = 20
_decode = msgspec.json.decode

_SQL = """-- {suite}: {metric} of {candidate}, every number from the raw scores
select candidate, avg(headline_value) as value, count(*) as n,
       count(*) filter (where status = 'errored') as errored,
       count(*) filter (where status = 'unscorable') as unscorable
from scores
where entry_id in ({entries})
  and metric = '{metric}'
group by candidate order by value desc"""


def build_report(workspace: Workspace, out: Path | None = None) -> Path:
    """Write the report of everything in the store; returns the path of index.html."""
    from evalkit.report.site import render_site

    with workspace.loaded() as connection:
        return render_site(_site(connection, workspace), out or workspace.project.reports)


def _site(connection: DuckDBPyConnection, workspace: Workspace) -> Site:
    suites = standings(connection)
    placed = place(connection, suites)
    shown = {standing.entry["run_id"] for members in suites.values() for standing in members}
    runs = list(reader.runs(connection).dicts())
    chosen = [row for place, row in enumerate(runs) if place < NEWEST_RUNS or row["run_id"] in shown]
    newest = str(chosen[0]["started"]) if chosen else "no runs yet"
    return Site(
        title=workspace.root.name or "evalkit",
        generated=f"as of {newest}",
        version=__version__,
        suites=tuple(_suite(connection, workspace, members, placed[name]) for name, members in suites.items()),
        runs=tuple(_run(connection, row) for row in chosen),
        media=partial(_bytes, workspace),
    )


def _bytes(workspace: Workspace, ref: str) -> bytes | None:
    try:
        return workspace.blobs.get(ref)
    except KeyError:
        return None


def _suite(
    connection: DuckDBPyConnection, workspace: Workspace, members: Sequence[Standing], placed: Placing
) -> SuitePage:
    first = members[0].entry
    name = str(first["suite"])
    spec, family, samples, card = _about(connection, first)
    composed = Composed(connection, workspace, members)
    return SuitePage(
        name=name,
        family=family,
        columns=_columns(members),
        rows=tuple(_leader(standing) for standing in members),
        description=str(spec.get("description", "")),
        samples=samples,
        data_hash=first["data_hash"],
        repeats=first["repeats"],
        card=card,
        slices=_slices(members),
        prompts=(prompts := _prompts(connection, members)),
        diffs=_diffs(prompts),
        notes=_notes(connection, spec, members),
        sql=_derive(name, members),
        evidence=tuple(evidence_of(connection, members)),
        routing=composed.routing() if family == "systems" else None,
        stages=composed.stages(),
        ranking=Ranking(placed.among, placed.excluded, placed.why or ""),
    )


def _about(connection: DuckDBPyConnection, entry: Mapping[str, Any]) -> tuple[dict[str, Any], str, int, dict[str, str]]:
    row = first_row(
        connection,
        "select s.spec, s.family, d.samples, d.card from suite s join data_set d using (data_hash)"
        " where s.suite_hash = ? and s.data_hash = ?",
        [entry["suite_hash"], entry["data_hash"]],
    )
    if row is None:
        return {}, str(entry["family"]), 0, {}
    card = _decode(row[3]) if row[3] else {}
    told = {
        str(key): value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in card.items()
    }
    return _decode(row[0]), row[1], row[2], told


def _columns(members: Sequence[Standing]) -> tuple[Column, ...]:
    found: dict[str, Column] = {}
    for standing in members:
        for (metric, part), result in standing.results.items():
            if not part and metric not in found:
                bounds = (result["low_bound"], result["high_bound"])
                found[metric] = Column(metric, result["unit"], result["higher_is_better"], result["is_primary"], bounds)
    return tuple(sorted(found.values(), key=lambda column: not column.primary))


def _cell(result: Mapping[str, Any]) -> Cell:
    return Cell(
        result["value"], result["low"], result["high"], result["value_dropped"], result["method"] or "", result["n"],
        result["groups"], result["signature"],
    )  # fmt: skip


def _counts(standing: Standing) -> Counts:
    main = standing.primary or {}
    return Counts(
        standing.entry["planned"], standing.answered, standing.errored, main.get("unscorable", 0),
        main.get("scored", 0), standing.cached,
    )  # fmt: skip


def _leader(standing: Standing) -> LeaderRow:
    entry, asked = standing.entry, standing.answered + standing.errored
    return LeaderRow(
        candidate=standing.candidate,
        fingerprint=entry["fingerprint"],
        run_id=entry["run_id"],
        status=entry["status"],
        reason=entry["reason"] or "",
        counts=_counts(standing),
        metrics={metric: _cell(result) for (metric, part), result in standing.results.items() if not part},
        usd=standing.usd,
        usd_per_1000=None if standing.usd is None or not asked else standing.usd / asked * 1000,
        p50_s=standing.p50_s,
        p95_s=standing.p95_s,
        cached_share=standing.cached_share,
        rank=standing.rank,
        shrunken=standing.shrunken,
    )


def _slices(members: Sequence[Standing]) -> tuple[SliceRow, ...]:
    names = sorted({part for standing in members for _, part in standing.results if part})
    return tuple(
        SliceRow(
            name,
            {s.candidate: _cell(result) for s in members for (_, part), result in s.results.items() if part == name},
        )
        for name in names
    )


def _prompts(connection: DuckDBPyConnection, members: Sequence[Standing]) -> tuple[Prompt, ...]:
    users: dict[str, list[str]] = {}
    for standing in members:
        for hashed in standing.entry["prompt_hashes"]:
            users.setdefault(hashed, []).append(standing.candidate)
    rows = connection.execute(
        "select prompt_hash, name, role, body from prompt where list_contains(?, prompt_hash) order by role desc, name",
        [list(users)],
    ).fetchall()
    return tuple(Prompt(name, role, hashed, tuple(users[hashed]), body) for hashed, name, role, body in rows)


def _diffs(prompts: Sequence[Prompt]) -> tuple[PromptDiff, ...]:
    """Prompts of the same role and place that differ between candidates, each against the first."""
    found: list[PromptDiff] = []
    for role in dict.fromkeys(prompt.role for prompt in prompts):
        same = [prompt for prompt in prompts if prompt.role == role]
        found += [
            PromptDiff(f"{role} prompt", ", ".join(same[0].used_by), ", ".join(p.used_by), same[0].text, p.text)
            for p in same[1:]
        ]
    return tuple(found)


def _notes(connection: DuckDBPyConnection, spec: Mapping[str, Any], members: Sequence[Standing]) -> tuple[Note, ...]:
    notes = (
        [Note("this suite has gates; `evalkit gate` judges them, a run and its report measure only", "info")]
        if spec.get("gates")
        else []
    )
    row = first_row(
        connection,
        "select duplicate_contents, samples, cast(source ->> '$.of' as bigint) from data_set where data_hash = ?",
        [members[0].entry["data_hash"]],
    )
    if row and row[0]:
        notes.append(Note(f"{row[0]} samples have the content of another sample"))
    if row and row[2] and row[1] < row[2]:
        notes.append(Note(f"only {row[1]:,} of {row[2]:,} samples were asked: a look, not a result to quote"))
    told = connection.execute(
        "select distinct message from problem where kind = 'sandbox' and list_contains(?, entry_id) order by message",
        [[standing.entry["entry_id"] for standing in members]],
    ).fetchall()
    notes += [Note(f"not every entry was measured safely: {message}") for (message,) in told]
    generations = {standing.entry["generation"] for standing in members if standing.complete}
    if len(generations) > 1:
        notes.append(Note(f"entries are of different generations ({sorted(generations)})"))
    return tuple(notes)


def _derive(name: str, members: Sequence[Standing]) -> str:
    ranked = [standing for standing in members if standing.primary is not None]
    if not ranked or ranked[0].primary is None:
        return ""
    quoted = ", ".join(f"'{standing.entry['entry_id']}'" for standing in ranked)
    return _SQL.format(suite=name, metric=ranked[0].primary["metric"], candidate="each candidate", entries=quoted)


def _run(connection: DuckDBPyConnection, row: Mapping[str, Any]) -> RunPage:
    run_id = row["run_id"]
    versions = first_row(connection, "select versions from run where run_id = ?", [run_id])
    problems = connection.execute(
        "select distinct kind, message from problem where run_id = ? order by kind, message", [run_id]
    ).fetchall()
    dirty = " (with uncommitted changes)" if row["git_dirty"] else ""
    return RunPage(
        id=run_id,
        command=row["command"],
        status=row["status"],
        started=str(row["started"]),
        finished=str(row["finished"] or ""),
        git=f"{row['git_branch']} {row['git_commit'][:12]}{dirty}" if row["git_commit"] else "",
        versions=_decode(versions[0]) if versions else {},
        entries=tuple(_entry(connection, *found) for found in _entries_of(connection, run_id)),
        notes=tuple(Note(f"{kind}: {message}") for kind, message in problems),
    )


def _entries_of(connection: DuckDBPyConnection, run_id: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(
        "select entry_id, suite, candidate, fingerprint, status, reason, planned from entry where run_id = ?"
        " order by suite, candidate",
        [run_id],
    ).fetchall()
    return rows


def _entry(connection: DuckDBPyConnection, entry_id: str, suite: str, candidate: str, *rest: Any) -> EntryLine:
    fingerprint, status, reason, planned = rest
    counts = list(reader.entry_counts(connection, [entry_id]).dicts())
    main = first_row(
        connection,
        "select metric, scorer_sig, higher_is_better, unscorable, scored from result"
        " where entry_id = ? and is_primary and slice = ''",
        [entry_id],
    )
    shown: Status = status if status in ("complete", "skipped") else "incomplete"
    one = counts[0] if counts else {"answered": 0, "errored": 0, "cached": 0}
    failed, total = failing(connection, entry_id)
    usd = first_row(
        connection,
        "select case when count(*) = count(usd) then sum(usd) end from cell_cost where entry_id = ?",
        [entry_id],
    )
    return EntryLine(
        suite, candidate, fingerprint, shown, reason or "",
        Counts(planned, one["answered"], one["errored"], main[3] if main else 0, main[4] if main else 0, one["cached"]),
        usd[0] if usd else None, tuple(failed), total,
    )  # fmt: skip
