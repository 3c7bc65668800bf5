"""What verbs share: the project's workspace, and options that many of them take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from evalkit.app.workspace import Workspace

AS_JSON = typer.Option(False, "--json", help="Print the rows as JSON.")
AS_CSV = typer.Option(False, "--csv", help="Print the rows as CSV.")
PROJECT = typer.Option(Path(), "--project", "-p", help="A folder of the project (where evalkit.yaml is, or below).")


_opened: list[Workspace] = []


def workspace(start: Path) -> Workspace:
    """The workspace of the project that `start` lies in."""
    from evalkit.app.workspace import open_workspace

    space = open_workspace(start, os.environ)
    _opened[:] = [space]
    return space


def without_secrets(text: str) -> str:
    """A text to be shown or written on the way out, without the keys of the environment and of the project's .env."""
    from evalkit.app.workspace import redactor

    for one in (redactor(os.environ), *(space.redactor for space in _opened)):
        text = one.text(text)
    return text


def start_of(paths: list[Path], project: Path) -> Path:
    """Where the project is looked for: where the first suite lies, unless a project is named.

    Without an evalkit.yaml above the suite, the working directory is the project when the suite lies below it.
    """
    if project != Path() or not paths or not paths[0].exists():
        return project
    first, here = paths[0].resolve(), Path.cwd().resolve()
    marked = any((above / "evalkit.yaml").is_file() for above in (first, *first.parents))
    return here if not marked and here in first.parents else first
