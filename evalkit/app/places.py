"""Where a problem stands, as the user knows the place."""

from __future__ import annotations

from pathlib import Path

from evalkit.config.suite import SuiteFile, shown
from evalkit.core.errors import Problem


def placed(problem: Problem, file: SuiteFile, line: int | None = None) -> Problem:
    """A problem with its file as the user knows it; without one, at a line of the suite (default: its dataset)."""
    if problem.file == "dataset.query" and problem.line is None:
        return placed(Problem(f"{problem.file}: {problem.message}", hint=problem.hint), file)
    if problem.file is None:
        return Problem(problem.message, shown(file.path), line or file.lines.get("dataset", 1), problem.hint)
    known = shown(Path(problem.file)) if Path(problem.file).is_absolute() else problem.file
    return Problem(problem.message, known, problem.line, problem.hint)
