"""Name -> part: one file per part, found by its file name; strangers' parts by entry points."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from evalkit.core.errors import did_you_mean
from evalkit.core.spec import Spec

KINDS = ("scorers", "providers", "baselines", "systems", "families", "data")
NOT_PARTS = {
    "providers": {"transport", "mock_server"},
    "data": {"snapshot", "splits", "schedule"},
    "systems": {"prompted"},
}
_NAMES = re.compile(r"^NAMES\s*=\s*(\([^)]*\))", re.MULTILINE)


@cache
def names(kind: str) -> dict[str, str]:
    """Part name -> module, for all parts of a kind that ship with evalkit; imports nothing."""
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind!r}; kinds: {', '.join(KINDS)}")
    found: dict[str, str] = {}
    room = Path(__file__).parent / kind
    for file in sorted(room.glob("*.py")):
        if file.stem.startswith("_") or file.stem in NOT_PARTS.get(kind, set()):
            continue
        declared = _NAMES.search(file.read_text("utf-8"))
        for name in ast.literal_eval(declared[1]) if declared else (file.stem,):
            found[name] = f"evalkit.{kind}.{file.stem}"
    for package in sorted(room.glob("*/__init__.py")):
        if not package.parent.name.startswith("_"):
            found[package.parent.name] = f"evalkit.{kind}.{package.parent.name}"
    return found


@cache
def declared(kind: str, name: str, literal: str) -> Any:
    """A top-level literal of a part's file (`EXTRA`, `PROGRAMS`), read without importing it; None where it has none."""
    found = find_spec(names(kind)[name])
    assert found is not None
    assert found.origin is not None
    said = re.search(rf"^{literal}\s*=\s*(.+)$", Path(found.origin).read_text("utf-8"), re.MULTILINE)
    return None if said is None else ast.literal_eval(said[1])


def module(kind: str, name: str) -> ModuleType:
    """The module of a part. Raises ValueError with a suggestion when there is none."""
    known = names(kind)
    if name in known:
        return import_module(known[name])
    stranger = _entry_point(kind, name)
    if stranger is not None:
        return stranger
    hint = did_you_mean(name, known) or f"known: {', '.join(sorted(known))}"
    raise ValueError(f"there is no {kind.rstrip('s')} {name!r}; {hint}")


def _entry_point(kind: str, name: str) -> ModuleType | None:
    from importlib.metadata import entry_points

    for point in entry_points(group=f"evalkit.{kind}"):
        if point.name == name:
            loaded = point.load()
            if not hasattr(loaded, "make"):
                raise ValueError(f"the entry point evalkit.{kind}:{name} has no make(...)")
            return loaded  # type: ignore[no-any-return]
    return None


def make(kind: str, spec: str | Spec, **extra: Any) -> Any:
    """Build a part from its spec; `extra` is passed beside the options. Raises ValueError that says what is wrong."""
    parsed = Spec.parse(spec) if isinstance(spec, str) else spec
    part = module(kind, parsed.name)
    options = dict(parsed.options)
    if parsed.at is not None:
        options["k"] = parsed.at
    if hasattr(part, "NAMES"):
        options["name"] = parsed.name
    try:
        return part.make(**extra, **options)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{parsed}: {error}") from error
