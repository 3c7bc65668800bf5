"""What a sample's target says, read as texts, a number or a label; a target of the wrong type is a ValueError."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evalkit.core.types import Sample

_KINDS = {dict: "an object", list: "a list", tuple: "a list", str: "text", bool: "true/false", type(None): "missing"}


def kind(value: Any) -> str:
    """What a JSON value is, for an error text."""
    return _KINDS.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)


def texts(sample: Sample) -> tuple[str, ...]:
    """The accepted texts: one text or number, or a list of them. Raises ValueError for anything else."""
    target = sample.target
    if type(target) is str:
        return (target,)
    golds = target if isinstance(target, (list, tuple)) else (target,)
    if not golds:
        raise ValueError("the target is an empty list; text, a number or a list of them is needed")
    return tuple(map(_text, golds))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    raise ValueError(f"the target is {kind(value)}; text, a number or a list of them is needed")


def number(value: Any, what: str = "the target") -> float:
    """A finite number, from a number or its text. Raises ValueError naming `what` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{what} is {kind(value)}; a number is needed")  # noqa: TRY004 - bad data is a ValueError
    try:
        result = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{what} {str(value)[:40]!r} is not a number") from None
    if not math.isfinite(result):
        raise ValueError(f"{what} is {result}; a finite number is needed")
    return result


def label(value: Any, what: str = "the target") -> str:
    """A class label as text: whole floats read as integers (1.0 is "1"), booleans as true/false."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (bool, int, float)):
        return _text(value)
    raise ValueError(f"{what} is {kind(value)}; a label (text or number) is needed")


def field(target: Any, name: str | None) -> Any:
    """The target, or its field of that name when the target is an object. Raises ValueError when it is not there."""
    if name is None or not isinstance(target, Mapping):
        return target
    if name not in target:
        raise ValueError(f"the target has no field {name!r}; it has {', '.join(map(str, target)) or 'none'}")
    return target[name]
