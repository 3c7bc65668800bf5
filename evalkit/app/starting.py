"""A new suite from a family's template."""

from __future__ import annotations

from pathlib import Path

from evalkit.config.project import FILE
from evalkit.config.template import new_suite, with_candidates
from evalkit.core.errors import UsageError


def start_suite(name: str, family: str, folder: Path) -> list[Path]:
    """Write the files of a new suite; returns them.

    A suite whose candidates are made of others gets them written into the project's evalkit.yaml, where everything else
    stays as it is; without one it is made. Raises UsageError when a file exists, or when that cannot be done.
    """
    new = new_suite(name, family)
    files = {folder / path: content for path, content in new.files.items()}
    there = [str(path) for path in files if path.exists()]
    if there:
        raise UsageError(f"{there[0]} exists already; nothing was written: choose another name")
    if new.candidates:
        project = _project_file(folder)
        text = project.read_text("utf-8") if project.is_file() else ""
        files[project] = with_candidates(text, new.candidates, str(project)).encode()
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(files)


def _project_file(folder: Path) -> Path:
    """The evalkit.yaml of the project that a folder lies in; in the folder itself where there is none."""
    above = (folder.resolve(), *folder.resolve().parents)
    return next((one / FILE for one in above if (one / FILE).is_file()), folder / FILE)
