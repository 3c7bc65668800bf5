"""Score a run's stored answers with other scorers; nobody is asked."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.app.results import Measure, results_of
from evalkit.app.scoring import Prepared, Scoring, prepare
from evalkit.app.workspace import Workspace
from evalkit.core.capabilities import needed
from evalkit.core.errors import ConfigError, Problem, UsageError
from evalkit.core.types import Candidate, Context, Response, Sample
from evalkit.engine.journal import Journal
from evalkit.store import planning, reader, writers
from evalkit.store.journals import load_run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class StoredContext:
    """The context of scoring stored answers: prices are known, nobody can be asked."""

    repeat = 0
    seed = 0

    def __init__(self, workspace: Workspace, model: str | None) -> None:
        self._workspace, self._model = workspace, model
        self.blobs = workspace.blobs
        self.sandbox = None

    def candidate(self, name: str) -> Candidate:
        """Refused: re-scoring makes no calls."""
        raise UsageError(f"{name!r} cannot be asked: re-scoring makes no calls")

    async def ask(self, candidate: Any, sample: Any, stage: str = "") -> Response:
        """Refused: re-scoring makes no calls."""
        raise UsageError(f"{candidate.name} cannot be asked for {sample.id}: re-scoring makes no calls {stage}".strip())

    def render(self, template: str, /, **variables: Any) -> str:
        """Render a prompt template."""
        return self._workspace.render(template, variables)

    def money(self, response: Response) -> float | None:
        """What the response cost, by the prices of today."""
        return self._workspace.money(self._model, response.usage)


def rescore(workspace: Workspace, run_id: str, specs: Sequence[str]) -> int:
    """Add scorers to every entry of a run; returns how many answers were scored.

    Raises UsageError for an unknown run, ConfigError naming every scorer that cannot be built.
    """
    workspace.load_journals()
    with workspace.store.open(read_only=True) as connection:
        entries = entries_of(connection, run_id)
        extracts = {entry["entry_id"]: _extract_of(connection, entry["entry_id"]) for entry in entries}
    added = {entry["entry_id"]: _prepared(specs, extracts[entry["entry_id"]]) for entry in entries}
    with workspace.store.open() as connection:
        for entry in entries:
            _add_scorers(connection, entry["entry_id"], added[entry["entry_id"]], extracts[entry["entry_id"]])
    journal = Journal(
        workspace.runs / run_id, run_id, f"s{os.getpid()}", started=time.time(), redact=workspace.redactor.text
    )
    scored = 0
    try:
        for entry in entries:
            scored += asyncio.run(
                _score(workspace, entry, added[entry["entry_id"]], extracts[entry["entry_id"]], journal)
            )
    finally:
        journal.close()
        load_run(workspace.store, workspace.runs / run_id)
    with workspace.store.open() as connection:
        for entry in entries:
            measure = Measure(added[entry["entry_id"]], entry["data_hash"], entry["seed"])
            writers.put_results(connection, list(results_of(connection, entry["entry_id"], measure, entry["planned"])))
    return scored


def entries_of(connection: DuckDBPyConnection, run_id: str) -> list[dict[str, Any]]:
    """The entries of a run that have cells. Raises UsageError naming near run ids."""
    sql = "select * from entries where run_id = $run and status <> 'skipped' order by suite, candidate"
    found = list(reader.query(connection, sql, {"run": run_id}).dicts())
    if not found:
        known = [row["run_id"] for row in reader.runs(connection).dicts()]
        shown = ", ".join(known[:3]) or "none yet"
        raise UsageError(f"there is no run {run_id!r}; newest runs: {shown}")
    return found


def _extract_of(connection: DuckDBPyConnection, entry_id: str) -> str | None:
    sql = "select extraction from signature join entry_scorer using (scorer_sig) where entry_id = $entry"
    rows = reader.query(connection, sql, {"entry": entry_id}).rows
    return rows[0][0] if rows else None


def _prepared(specs: Sequence[str], extract: str | None) -> list[Prepared]:
    made: list[Prepared] = []
    problems: list[Problem] = []
    for spec in specs:
        try:
            made.append(prepare(spec, extract=extract))
        except ValueError as error:
            problems.append(Problem(f"--scorer: {error}"))
            continue
        if made[-1].scorer.takes != "one" or needed(made[-1].scorer):
            hint = "put it into the suite and run that: known answers are not asked again"
            problems.append(Problem(f"--scorer: {spec} needs more than stored answers one by one", hint=hint))
    if problems:
        raise ConfigError(problems)
    return made


def _add_scorers(
    connection: DuckDBPyConnection, entry_id: str, prepared: Sequence[Prepared], extract: str | None
) -> None:
    writers.put_signatures(
        connection,
        [
            {
                "scorer_sig": one.sig, "spec": one.spec, "version": one.scorer.version,
                "libraries": dict(one.libraries), "extraction": extract,
            }
            for one in prepared
        ],
    )  # fmt: skip
    writers.put_entry_scorers(
        connection,
        [
            {"entry_id": entry_id, "scorer_sig": one.sig, "spec": one.spec, "place": 100 + place}
            for place, one in enumerate(prepared)
        ],
    )


async def _score(
    workspace: Workspace, entry: Mapping[str, Any], prepared: Sequence[Prepared], extract: str | None, journal: Journal
) -> int:
    from evalkit.scorers._extract import apply_extraction

    scoring = Scoring(prepared, partial(apply_extraction, extract) if extract else None)
    count = 0
    try:
        with workspace.store.open(read_only=True) as connection:
            samples = samples_of(connection, entry["data_hash"])
            for batch in planning.unscored(connection, entry["entry_id"], [one.sig for one in prepared]):
                for cell in batch:
                    context: Context = StoredContext(workspace, cell.model)
                    answer = (cell.call_id, cell.response)
                    for record in await scoring.records(samples[cell.sample_id], cell.sample_hash, answer, context):
                        journal.append(record)
                    count += 1
    finally:
        scoring.close()
    return count


def samples_of(connection: DuckDBPyConnection, data_hash: str) -> dict[str, Sample]:
    """The samples of a data set by their ids, without the checks that stand in them."""
    sql = "select sample_id, input, target, tags, meta, cluster from sample where data_hash = $data"
    decode = msgspec.json.decode
    return {
        row[0]: Sample(
            row[0], decode(row[1]), decode(row[2]) if row[2] else None, row[5], tuple(row[3]), decode(row[4])
        )
        for row in reader.query(connection, sql, {"data": data_hash}).rows
    }
