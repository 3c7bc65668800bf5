"""A gate's verdicts as files and words: JUnit, Markdown, JSON, GitHub; whole files or none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from evalkit.app.gating import Gated, code_of
from evalkit.core.errors import UsageError
from evalkit.gate import annotations as workflow
from evalkit.gate.comment import comment, marker
from evalkit.gate.github import check_run, outputs, step_summary, upsert_comment
from evalkit.gate.junit import junit
from evalkit.gate.model import Verdict
from evalkit.gate.policy import WORST_FIRST, worst
from evalkit.gate.rest import Rest
from evalkit.gate.terminal import headline, rows

VERSION = 1


@dataclass(frozen=True, slots=True)
class Files:
    """Where to write; None = nowhere."""

    junit: Path | None = None
    markdown: Path | None = None
    json: Path | None = None


@dataclass(frozen=True, slots=True)
class Github:
    """What the runner says of a workflow: where its files lie, and how the comment is written (not without a token)."""

    api: str = "https://api.github.com"
    token: str = ""
    repository: str = ""
    number: int | None = None
    sha: str = ""
    summary: Path | None = None
    outputs: Path | None = None


def write(found: Sequence[Gated], files: Files) -> list[Path]:
    """Write what is wanted; a file that is there is replaced as a whole. Raises UsageError where that is refused."""
    texts: list[tuple[Path | None, Callable[[], str]]] = [
        (files.junit, lambda: junit([(one.verdict, one.evidence, one.samples) for one in found])),
        (files.markdown, lambda: "\n\n".join(comment(one.verdict, one.evidence) for one in found)),
        (files.json, lambda: as_json(found)),
    ]
    wanted = [(path, text) for path, text in texts if path is not None]
    for path, text in wanted:
        replace_whole(path, text())
    return [path for path, _ in wanted]


def replace_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one. Raises UsageError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, "utf-8", errors="replace")
        fresh.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        fresh.unlink(missing_ok=True)


def as_json(found: Sequence[Gated]) -> str:
    """Everything of every verdict, keys sorted; the same verdicts give the same bytes."""
    body = {
        "version": VERSION,
        "outcome": worst(one.verdict.outcome for one in found),
        "code": int(code_of(found)),
        "verdicts": [
            {
                "headline": headline(one.verdict, one.evidence),
                "verdict": asdict(one.verdict),
                "evidence": asdict(one.evidence),
            }
            for one in found
        ],
    }
    return json.dumps(body, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def table(found: Sequence[Gated]) -> list[dict[str, Any]]:
    """Every rule of every verdict as rows."""
    return [row for one in found for row in rows(one.verdict)]


def headlines(found: Sequence[Gated]) -> list[str]:
    """One sentence per verdict."""
    return [headline(one.verdict, one.evidence) for one in found]


def commands(found: Sequence[Gated]) -> list[str]:
    """Workflow commands: annotations at the lines of the gates."""
    # The function shares its name with the future import of its module, which is what a type checker sees.
    told = cast("Callable[[Verdict], list[str]]", workflow.annotations)  # type: ignore[attr-defined]
    return [line for one in found for line in told(one.verdict)]


def say_on_github(found: Sequence[Gated], there: Github) -> list[str]:
    """Comment (one per suite), step summary and outputs; returns what a reader of the log must know."""
    told: list[str] = []
    bodies: dict[str, list[str]] = {}
    for one in sorted(found, key=lambda one: WORST_FIRST.index(one.verdict.outcome)):
        bodies.setdefault(one.verdict.suite, []).append(comment(one.verdict, one.evidence))
    for suite, texts in bodies.items():
        body = texts[0] if len(texts) == 1 else _joined(texts)
        if there.summary is not None:
            told.append(step_summary(there.summary, "\n\n---\n\n".join(texts)))
        if there.token and there.repository and there.number is not None:
            done = upsert_comment(there.api, there.token, there.repository, there.number, marker(suite), body)
            told.append(f"{suite}: the comment was not written: {done.reason}" if done.how == "summary" else "")
    if there.token and there.repository and there.sha:
        told += _checked(found, there)
    if there.outputs is not None:
        values: Mapping[str, str] = {"outcome": worst(one.verdict.outcome for one in found)}
        outputs(there.outputs, values)
    return [note for note in told if note]


def _checked(found: Sequence[Gated], there: Github) -> list[str]:
    """A check run per verdict: its annotations are not limited to ten, as those of a step are."""
    rest, told = Rest(there.api, there.token), []
    for one in found:
        body = comment(one.verdict, one.evidence)
        done = check_run(rest, there.repository, there.sha, workflow.check(one.verdict, one.evidence, body))
        if done.how == "summary":
            told.append(f"{one.verdict.suite} x {one.verdict.candidate}: no check run was made: {done.reason}")
    return told


def _joined(texts: Sequence[str]) -> str:
    """Several candidates of one suite in one comment: as many as GitHub takes, the worst of them first."""
    from evalkit.gate.comment import LIMIT

    body = texts[0]
    for place, text in enumerate(texts[1:], 1):
        more = f"{body}\n\n---\n\n{text}"
        if len(more) > LIMIT:
            return f"{body}\n\n{len(texts) - place} more candidates are in the step summary."
        body = more
    return body
