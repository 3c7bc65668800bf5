"""What a run writes down before it asks: itself, its suites, data, prompts, entries and signatures."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit import __version__
from evalkit.app.loading import LoadedSuite
from evalkit.app.planning import Plan, PlannedEntry, samples_of
from evalkit.app.workspace import Workspace
from evalkit.core.keys import digest
from evalkit.store import writers

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def record_run(connection: DuckDBPyConnection, workspace: Workspace, plan: Plan, command: str) -> None:
    """The run itself: when, by which command, from which commit, with which versions."""
    git = _git(workspace.root)
    if workspace.pinned is not None:
        git["git_branch"] = workspace.pinned.branch
    writers.put_run(
        connection,
        {
            "run_id": plan.run_id,
            "identity": plan.identity,
            "started": datetime.now(UTC).isoformat(),
            "status": "running",
            "command": workspace.redactor.text(command),
            "versions": _versions(),
            **git,
        },
    )
    writers.put_prices(connection, [{**asdict(row), "price_id": row.price_id} for row in workspace.prices.rows()])


def record_data(connection: DuckDBPyConnection, workspace: Workspace, entries: Sequence[PlannedEntry]) -> None:
    """Data sets with their samples; what is known is left as it is. Large: so not in one transaction with a plan."""
    clean = workspace.redactor.value
    for suite in {id(entry.suite): entry.suite for entry in entries}.values():
        meta = suite.snapshot.meta
        card = _card(suite.file.base, suite.file.model.dataset.card)
        data_set = {
            "data_hash": suite.data_hash,
            "name": suite.name,
            "source": clean({**meta.source, "of": suite.snapshot.count}),
            "card": clean(card),
            "samples": len(suite.indices),
            "duplicate_ids": suite.snapshot.duplicate_ids,
            "duplicate_contents": suite.snapshot.duplicate_contents,
        }
        writers.put_data_set(connection, data_set, _cleaned(suite, workspace))


def record_suites(connection: DuckDBPyConnection, workspace: Workspace, entries: Sequence[PlannedEntry]) -> None:
    """Suites, prompt texts and scorer signatures; what is known is left as it is."""
    clean = workspace.redactor.value
    seen: set[int] = set()
    for entry in entries:
        suite = entry.suite
        if entry.built.prompt is not None:
            writers.put_prompts(connection, _prompts(entry, workspace))
        if id(suite) in seen:
            continue
        seen.add(id(suite))
        noun = suite.file.noun(suite.data_hash, texts=suite.included.get(None))
        writers.put_suite(
            connection,
            {
                "suite_hash": noun.suite_hash, "data_hash": suite.data_hash, "task_hash": noun.task_hash,
                "name": suite.name, "family": noun.family, "spec": clean(noun.spec), "file": str(suite.file.path.name),
            },
        )  # fmt: skip
        writers.put_signatures(
            connection,
            [
                {
                    "scorer_sig": one.sig, "spec": one.spec, "version": one.scorer.version,
                    "libraries": dict(one.libraries), "extraction": suite.file.model.task.extract,
                }
                for one in suite.prepared
            ],
        )  # fmt: skip


def record_entries(
    connection: DuckDBPyConnection, workspace: Workspace, plan: Plan, entries: Sequence[PlannedEntry]
) -> None:
    """Entries with the signatures of their scorers."""
    for entry in entries:
        suite, built = entry.suite, entry.built
        writers.put_entry(
            connection,
            {
                "entry_id": entry.entry_id, "run_id": plan.run_id, "suite": suite.name, "suite_hash": suite.suite_hash,
                "data_hash": suite.data_hash, "task_hash": suite.task_hash(built.prompt_name),
                "family": suite.file.model.family, "candidate": built.name, "fingerprint": built.fingerprint,
                "candidate_spec": workspace.redactor.value(dict(built.spec)),
                "prompt_hashes": [row["prompt_hash"] for row in _prompts(entry, workspace)],
                "generation": entry.generation, "seed": suite.seed, "repeats": suite.repeats, "planned": entry.planned,
                "plan_id": entry.plan_id, "status": "skipped" if built.skipped else "running", "reason": built.skipped,
            },
        )  # fmt: skip
        writers.put_entry_scorers(
            connection,
            [
                {"entry_id": entry.entry_id, "scorer_sig": one.sig, "spec": one.spec, "place": place}
                for place, one in enumerate(suite.prepared)
            ],
        )


def _cleaned(suite: LoadedSuite, workspace: Workspace) -> Iterator[dict[str, Any]]:
    redactor = workspace.redactor
    for text, row in samples_of(suite):
        if redactor.suspects(text):
            for name in ("input", "target", "meta"):
                row[name] = None if row[name] is None else redactor.value(msgspec.json.decode(row[name]))
        yield row


def _prompts(entry: PlannedEntry, workspace: Workspace) -> list[dict[str, Any]]:
    if entry.built.prompt is None:
        return []
    rows = []
    for text in entry.built.prompt.texts:
        body = workspace.redactor.text(text.text)
        rows.append({"prompt_hash": digest([text.role, body]), "name": text.name, "role": text.role, "body": body})
    return rows


def _card(base: Path, card: str | None) -> Any:
    if card is None:
        return None
    from evalkit.config._yaml import read

    return read(base / card).data


def _git(folder: Path) -> dict[str, Any]:
    """The commit that the project is at; all None outside a repository or without git."""

    def ask(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603, S607
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = ask("rev-parse", "HEAD")
    if commit is None:
        return {"git_commit": None, "git_branch": None, "git_dirty": None}
    return {
        "git_commit": commit,
        "git_branch": ask("rev-parse", "--abbrev-ref", "HEAD"),
        "git_dirty": bool(ask("status", "--porcelain", "--untracked-files=no")),
    }


def _versions() -> dict[str, str]:
    found = {"evalkit": __version__}
    for name in ("duckdb", "numpy", "scipy", "scikit-learn", "openai", "anthropic"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
