"""A new suite from a family's template."""

from __future__ import annotations

from pathlib import Path

from evalkit.config.template import new_suite
from evalkit.core.errors import UsageError


def start_suite(name: str, family: str, folder: Path) -> list[Path]:
    """Write the files of a new suite; returns them. Raises UsageError when one of them exists."""
    files = {folder / path: text for path, text in new_suite(name, family).items()}
    there = [str(path) for path in files if path.exists()]
    if there:
        raise UsageError(f"{there[0]} exists already; nothing was written: choose another name")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(files)
