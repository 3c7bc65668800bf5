"""The report: from stored rows to a folder of HTML pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit import __version__
from evalkit.app.leaderboard import Standing, standings
from evalkit.app.workspace import Workspace
from evalkit.report.model import (
    Cell,
    Column,
    Counts,
    EntryLine,
    FailRow,
    LeaderRow,
    Note,
    Prompt,
    PromptDiff,
    RunPage,
    ScoreLine,
    Site,
    SliceRow,
    Status,
    SuitePage,
    TraceStep,
)
from evalkit.store import reader
from evalkit.store.bulk import first_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEWEST_RUNS = 20
SHOWN_FAILURES = 200
_decode = msgspec.json.decode

_SQL = """-- {suite}: {metric} of {candidate}, every number from the raw scores
select candidate, avg(headline_value) as value, count(*) as n,
       count(*) filter (where status = 'errored') as errored,
       count(*) filter (where status = 'unscorable') as unscorable
from scores
where entry_id in ({entries})
  and metric = '{metric}'
group by candidate order by value desc"""


_FAILED = """select count(*) from cells c
left join scores s on s.entry_id = c.entry_id and s.position = c.position and s.scorer_sig = $sig and s.metric = $metric
where c.entry_id = $entry and (c.status <> 'answered' or s.status is distinct from 'scored'
  or case when $higher then s.value < $good else s.value > $good end)"""


def build_report(workspace: Workspace, out: Path | None = None) -> Path:
    """Write the report of everything in the store; returns the path of index.html."""
    from evalkit.report.site import render_site

    with workspace.loaded() as connection:
        return render_site(_site(connection, workspace), out or workspace.project.reports)


def _site(connection: DuckDBPyConnection, workspace: Workspace) -> Site:
    suites = standings(connection)
    shown = {standing.entry["run_id"] for members in suites.values() for standing in members}
    runs = list(reader.runs(connection).dicts())
    chosen = [row for place, row in enumerate(runs) if place < NEWEST_RUNS or row["run_id"] in shown]
    newest = str(chosen[0]["started"]) if chosen else "no runs yet"
    return Site(
        title=workspace.root.name or "evalkit",
        generated=f"as of {newest}",
        version=__version__,
        suites=tuple(_suite(connection, name, members) for name, members in suites.items()),
        runs=tuple(_run(connection, row) for row in chosen),
    )


def _suite(connection: DuckDBPyConnection, name: str, members: Sequence[Standing]) -> SuitePage:
    first = members[0].entry
    spec, family, samples, card = _about(connection, first)
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
                found[metric] = Column(metric, result["unit"], result["higher_is_better"], result["is_primary"])
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
        [Note("gates: not judged (this version records gates and does not judge them)", "info")]
        if spec.get("gates")
        else []
    )
    row = first_row(
        connection, "select duplicate_contents from data_set where data_hash = ?", [members[0].entry["data_hash"]]
    )
    if row and row[0]:
        notes.append(Note(f"{row[0]} samples have the content of another sample"))
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
        "select kind, message from problem where run_id = ? order by kind, message", [run_id]
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
    failing, total = _failing(connection, entry_id)
    usd = first_row(
        connection,
        "select case when count(*) = count(u.usd) then sum(u.usd) end from answer a left join cost u using (call_id)"
        " where a.entry_id = ?",
        [entry_id],
    )
    return EntryLine(
        suite, candidate, fingerprint, shown, reason or "",
        Counts(planned, one["answered"], one["errored"], main[3] if main else 0, main[4] if main else 0, one["cached"]),
        usd[0] if usd else None, tuple(failing), total,
    )  # fmt: skip


def failing_of(connection: DuckDBPyConnection, entry_id: str, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Failing samples of an entry on its primary metric, worst first, and how many there are in all."""
    main = first_row(
        connection,
        "select metric, scorer_sig, higher_is_better from result where entry_id = ? and is_primary and slice = ''",
        [entry_id],
    )
    if main is None:
        return [], 0
    metric, sig, higher = main
    best = first_row(
        connection,
        "select case when ? then max(value) else min(value) end from scores where entry_id = ? and metric = ?",
        [higher, entry_id, metric],
    )
    good = 1.0 if higher and best and best[0] is not None and best[0] <= 1 else (best[0] if best else None)
    passing = (good, bool(higher))
    page = reader.Page(limit)
    rows = list(
        reader.failures(connection, entry_id, scorer_sig=sig, metric=metric, passing=passing, page=page).dicts()
    )
    asked = {"sig": sig, "metric": metric, "entry": entry_id, "higher": bool(higher), "good": good}
    return rows, int(reader.query(connection, _FAILED, asked).rows[0][0])


def _failing(connection: DuckDBPyConnection, entry_id: str) -> tuple[Iterator[FailRow], int]:
    rows, total = failing_of(connection, entry_id, SHOWN_FAILURES)
    scores = _all_scores(connection, entry_id, [row["position"] for row in rows])
    return (_fail_row(row, scores.get(row["position"], ())) for row in rows), total


def _all_scores(
    connection: DuckDBPyConnection, entry_id: str, positions: Sequence[int]
) -> dict[int, tuple[ScoreLine, ...]]:
    rows = connection.execute(
        "select s.position, s.metric, s.status, s.value, s.headline_value, s.answer, s.reason, s.detail from scores s"
        " join entry_scorer es using (entry_id, scorer_sig) where s.entry_id = ? and list_contains(?, s.position)"
        " order by s.position, es.place, s.metric",
        [entry_id, list(positions)],
    ).fetchall()
    found: dict[int, list[ScoreLine]] = {}
    for position, metric, status, value, worst, answer, reason, detail in rows:
        units = tuple((unit, number) for unit, _, number, _ in _decode(detail)) if detail else ()
        found.setdefault(position, []).append(ScoreLine(metric, status, value, worst, answer, reason, units))
    return {position: tuple(lines) for position, lines in found.items()}


def _fail_row(row: Mapping[str, Any], scores: tuple[ScoreLine, ...]) -> FailRow:
    request = _decode(row["request"]) if row["request"] else {}
    messages = request.get("messages", ()) if isinstance(request, dict) else ()
    trace = _decode(row["trace"]) if row["trace"] else ()
    return FailRow(
        sample_id=row["sample_id"],
        repeat=row["repeat"],
        tags=tuple(row["tags"] or ()),
        input=_decode(row["input"]) if row["input"] else None,
        messages=tuple((str(m.get("role", "")), m.get("content")) for m in messages if isinstance(m, dict)),
        output=_decode(row["output"]) if row["output"] else None,
        reasoning=row["reasoning"],
        target=_decode(row["target"]) if row["target"] else None,
        scores=scores,
        error_kind=row["error_kind"],
        error_message=row["error_message"],
        finish=row["finish"],
        seconds=row["seconds"],
        usage=_decode(row["usage"]) if row["usage"] else {},
        cached=row["cached"],
        trace=tuple(TraceStep(stage=stage, key=key, cached=cached) for stage, key, cached in trace),
    )
