"""What is installed, reachable and priced; what is missing and how to get it."""

from __future__ import annotations

import re
import shutil
import socket
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any
from urllib.parse import urlsplit

from evalkit import registry
from evalkit.app.workspace import Workspace
from evalkit.core.errors import EvalkitError

CORE = ("duckdb", "jinja2", "aiohttp", "msgspec", "numpy", "scipy", "pydantic", "uvloop")
PROGRAMS = {
    "git": "runs will not name their commit",
    "tesseract": "reads text in pictures (Debian: tesseract-ocr)",
    "espeak-ng": "speaks texts (Debian: espeak-ng)",
    "bwrap": "isolates code from models (Debian: bubblewrap)",
    "ffmpeg": "reads more audio formats (Debian: ffmpeg)",
}
_REQUIRED = re.compile(r"([A-Za-z0-9._-]+).*; extra == ['\"]([\w-]+)['\"]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `ok` None means optional and absent."""

    what: str
    ok: bool | None
    detail: str

    def row(self) -> dict[str, Any]:
        """As a table row."""
        return {
            "what": self.what,
            "state": {True: "ok", False: "missing", None: "optional"}[self.ok],
            "detail": self.detail,
        }


@cache
def extras() -> dict[str, tuple[str, ...]]:
    """Extra -> the packages that it brings, as this installation declares them."""
    found: dict[str, list[str]] = {}
    for line in requires("evalkit") or ():
        named = _REQUIRED.match(line)
        if named is not None and named[2] not in ("all", "dev"):
            found.setdefault(named[2], []).append(named[1])
    return {extra: tuple(packages) for extra, packages in sorted(found.items())}


def missing_for(kind: str, name: str) -> str | None:
    """What a part lacks on this machine, or None: it says in its file which extra and which programs it needs."""
    extra = registry.declared(kind, name, "EXTRA")
    if extra is not None and any(_version(package) is None for package in extras().get(extra, ())):
        return f"needs pip install 'evalkit[{extra}]'"
    absent = [program for program in registry.declared(kind, name, "PROGRAMS") or () if shutil.which(program) is None]
    return f"needs the program {absent[0]}: {PROGRAMS.get(absent[0], 'not on the PATH')}" if absent else None


def examine(workspace: Workspace) -> list[Finding]:
    """Everything that a run may depend on; opens no connection but to hosts that evalkit.yaml names."""
    found = [*_packages(), *_programs(), _sandbox(workspace), *_models(workspace), *_store(workspace)]
    return [*found, *_candidates(workspace)]


def _packages() -> list[Finding]:
    found = [Finding(name, _version(name) is not None, _version(name) or "pip install evalkit") for name in CORE]
    for extra, packages in extras().items():
        absent = [name for name in packages if _version(name) is None]
        present = ", ".join(f"{name} {_version(name)}" for name in packages if name not in absent)
        detail = f"pip install 'evalkit[{extra}]' brings {', '.join(absent)}" if absent else present
        found.append(Finding(f"extra {extra}", None if absent else True, detail))
    return found


def _programs() -> list[Finding]:
    found = {name: shutil.which(name) for name in PROGRAMS}
    return [Finding(name, True if path else None, path or PROGRAMS[name]) for name, path in found.items()]


def _sandbox(workspace: Workspace) -> Finding:
    """Whether programs can be run apart from this machine; starts one."""
    why = workspace.sandbox.available()
    return Finding("sandbox", None if why else True, why or "programs run apart from this machine")


def _models(workspace: Workspace) -> list[Finding]:
    from evalkit.app.models import known_models

    return [
        Finding(
            f"model {row['name']}", True if row["path"] else None, row["path"] or f"evalkit models get {row['name']}"
        )
        for row in known_models(workspace)
    ]


def _store(workspace: Workspace) -> list[Finding]:
    if not workspace.store.exists:
        return [Finding("store", True, f"{workspace.folder} (made by the first run)")]
    try:
        with workspace.store.open(read_only=True):
            return [Finding("store", True, str(workspace.store.path))]
    except EvalkitError as error:
        return [Finding("store", False, str(error))]


def _candidates(workspace: Workspace) -> list[Finding]:
    project = workspace.project
    specs, problems = project.resolve_all(project.model.candidates)
    found = [Finding("evalkit.yaml", False, str(problem)) for problem in problems]
    for spec in specs:
        if spec.kind != "provider":
            continue
        key = spec.options.get("api_key_env")
        if isinstance(key, str) and project.secret(key) is None:
            found.append(Finding(f"candidate {spec.name}", False, f"set {key} in the environment or in .env"))
        url = spec.options.get("base_url")
        if isinstance(url, str):
            found.append(_reachable(spec.name, url))
        if spec.model is not None:
            found.append(_priced(workspace, spec.name, spec.model))
    return found


def _reachable(name: str, url: str) -> Finding:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=3):
            return Finding(f"server of {name}", True, f"{parts.hostname}:{port} answers")
    except OSError as error:
        return Finding(f"server of {name}", False, f"{parts.hostname}:{port}: {error.strerror or error}")


def _priced(workspace: Workspace, name: str, model: str) -> Finding:
    price = workspace.prices.price_of(model)
    if price.pattern is None:
        return Finding(f"price of {name}", None, f"{model} has no price: costs are unknown; add it under `prices:`")
    return Finding(f"price of {name}", True, f"{price.pattern}, {price.dated}, {', '.join(price.sources)}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
