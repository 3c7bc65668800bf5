"""What there is: suites, candidates, scorers, runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evalkit import registry
from evalkit.app.loading import read_files
from evalkit.app.workspace import Workspace
from evalkit.core.errors import MissingComponent

Rows = list[dict[str, Any]]
COLUMNS = {
    "suites": ("name", "family", "dataset", "scorers", "candidates", "file"),
    "candidates": ("name", "kind", "part", "model", "where"),
    "scorers": ("name", "metrics", "says"),
    "runs": ("run_id", "started", "status", "entries", "cells", "calls", "errors", "usd", "command"),
    "parts": ("kind", "name", "available"),
}


def suites(workspace: Workspace, paths: Iterable[Path]) -> Rows:
    """Suite files below the paths, whether or not they are valid; what is wrong is said by `validate`."""
    found = read_files(workspace, paths)
    return [
        {
            "name": suite.name,
            "family": suite.model.family,
            "dataset": suite.model.dataset.path or suite.source,
            "scorers": list(suite.model.scorers),
            "candidates": list(suite.model.candidates),
            "file": str(suite.path),
        }
        for suite in found.suites
    ]


def candidates(workspace: Workspace) -> Rows:
    """Names in evalkit.yaml, then the baselines that ship with evalkit."""
    project = workspace.project
    specs, _ = project.resolve_all(project.model.candidates)
    rows: Rows = [
        {"name": s.name, "kind": s.kind, "part": s.part, "model": s.model or "", "where": f"{s.file}:{s.line}"}
        for s in specs
    ]
    shipped = registry.names("baselines")
    return rows + [{"name": n, "kind": "baseline", "part": n, "model": "", "where": "evalkit"} for n in sorted(shipped)]


def scorers() -> Rows:
    """Every scorer with the metrics it emits and its first sentence."""
    rows: Rows = []
    for name in sorted(registry.names("scorers")):
        try:
            made = registry.make("scorers", name)
        except ValueError as error:
            rows.append({"name": name, "metrics": [], "says": f"needs options: {error}"})
        except MissingComponent as error:
            rows.append({"name": name, "metrics": [], "says": str(error)})
        else:
            says = (type(made).__doc__ or "").strip().split("\n")[0]
            rows.append({"name": name, "metrics": [metric.name for metric in made.metrics], "says": says})
    return rows


def runs(workspace: Workspace) -> Rows:
    """All runs, newest first."""
    from evalkit.store import reader

    if not workspace.store.exists:
        return []
    with workspace.loaded() as connection:
        return list(reader.runs(connection).dicts())


def parts() -> Rows:
    """Every part of every kind, and what is missing for it."""
    from evalkit.app.doctor import missing_for

    return [
        {"kind": kind, "name": name, "available": missing_for(kind, name) or "yes"}
        for kind in registry.KINDS
        for name in sorted(registry.names(kind))
    ]
