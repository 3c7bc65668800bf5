"""Find everything that is wrong before anything is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evalkit.app.run import RunRequest, gather
from evalkit.app.watching import Silent
from evalkit.app.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, what a reader should know, and candidates that would be skipped here."""

    suites: int
    candidates: int
    samples: int
    notes: tuple[str, ...]
    skipped: tuple[str, ...]


def validate(workspace: Workspace, paths: tuple[Path, ...]) -> Checked:
    """Check suites with data, prompts, scorers and candidates. Raises ConfigError with all problems, InvalidRun."""
    watch = Silent()
    entries = gather(workspace, RunRequest(paths), watch)
    suites = {entry.suite.name: entry.suite for entry in entries}
    return Checked(
        suites=len(suites),
        candidates=len({entry.built.name for entry in entries}),
        samples=sum(len(suite.indices) for suite in suites.values()),
        notes=tuple(str(values["message"]) for kind, values in watch.events if kind == "warning"),
        skipped=tuple(f"{e.suite.name} x {e.built.name}: {e.built.skipped}" for e in entries if e.built.skipped),
    )
