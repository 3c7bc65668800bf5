"""From what a name means to a side that can be compared: an entry of the open store, or a baseline file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.app import baseline_file
from evalkit.app.entries import Book, Choice
from evalkit.app.file_side import FileSide
from evalkit.app.scored_anew import rescorer
from evalkit.app.sides import Answers, StoredSide
from evalkit.app.workspace import Workspace
from evalkit.core.errors import InvalidRun
from evalkit.store import baselines as kept

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def book_of(connection: DuckDBPyConnection, workspace: Workspace) -> Book:
    """Everything that can be named in this project."""
    return Book.of(connection, workspace.root, _inside)


def _inside(path: Path) -> list[tuple[str, str]]:
    return [(entry["facts"]["suite"], entry["facts"]["candidate"]) for entry in baseline_file.read(path)]


def side_of(
    connection: DuckDBPyConnection, workspace: Workspace, choice: Choice, fields: tuple[str, ...] = ()
) -> Answers:
    """The side that a choice means; `fields` of the samples become tags, for slices by them.

    Raises InvalidRun when a kept baseline is gone, ConfigError for a file with anything wrong in it.
    """
    if choice.row is not None:
        return StoredSide(connection, choice.row.entry_id, choice.label, rescorer(workspace), fields)
    if choice.file is not None:
        return FileSide(baseline_file.read(choice.file)[choice.place], choice.label)
    text = kept.document(connection, choice.baseline_id or "")
    if text is None:
        raise InvalidRun(f"baseline {choice.label} is not in the store any more")
    return FileSide(baseline_file.parsed(text, choice.label)[0], choice.label)
