"""Build a part from its options, with an error for the person who misspelt one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from evalkit.core.errors import did_you_mean

T = TypeVar("T")


def build(part: type[T], options: Mapping[str, Any]) -> T:
    """Make a dataclass from options by name. Raises ValueError naming unknown, missing and known options."""
    known = {f.name: f for f in fields(part) if f.init}  # type: ignore[arg-type]
    unknown = sorted(set(options) - set(known))
    if unknown:
        hint = did_you_mean(unknown[0], known)
        listed = ", ".join(known) or "none"
        raise ValueError(f"unknown option {unknown[0]!r}; {hint + ' ' if hint else ''}known: {listed}")
    needed = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING and n not in options]
    if needed:
        raise ValueError(f"option {needed[0]!r} is needed")
    frozen = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}
    return part(**frozen)
