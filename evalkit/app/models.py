"""Weights of local models: which there are, where they are, and getting them by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalkit.app.workspace import Workspace
from evalkit.core.errors import MissingComponent, UsageError, did_you_mean


def known_models(workspace: Workspace) -> list[dict[str, Any]]:
    """Every model that evalkit can fetch by name: licence, size, source, and its path when it is here."""
    from evalkit.providers._models import KNOWN, find

    rows = []
    for name, model in sorted(KNOWN.items()):
        try:
            path: str | None = str(find(name, root=workspace.root))
        except MissingComponent:
            path = None
        rows.append(
            {"name": name, "title": model.title, "licence": model.licence, "sha256": model.sha256, "path": path}
        )
    return rows


def get_model(name: str) -> Path:
    """Fetch a model's weights, check their hash, keep them in the user's cache folder; returns the file."""
    from evalkit.providers._models import KNOWN, get

    if name not in KNOWN:
        hint = did_you_mean(name, KNOWN) or f"known: {', '.join(sorted(KNOWN))}; any GGUF file works by its path"
        raise UsageError(f"there is no model {name!r}; {hint}")
    return get(name)
