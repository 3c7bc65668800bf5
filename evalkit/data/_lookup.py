"""Finding a column of a record by its name or dotted path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.core.errors import did_you_mean


class FieldError(ValueError):
    """One record lacks a column or holds a wrong value in it; `hint` says what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def lookup(fields: Mapping[str, Any], path: str) -> Any:
    """The value of a column; a name with dots goes into objects and lists (`answers.text.0`).

    A column of exactly that name comes first. Raises FieldError naming the columns that are there.
    """
    if path in fields:
        return fields[path]
    value: Any = fields
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise FieldError(f"there is no column {path!r}", _hint(part, value))
    return value


def _hint(part: str, value: Any) -> str:
    if isinstance(value, list):
        return f"{part!r} is no place in a list of {len(value)}"
    if not isinstance(value, Mapping):
        return f"{part!r} is looked for in {value!r:.40}"
    names = [str(name) for name in value]
    near = did_you_mean(part, names)
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return near or f"there are: {shown or 'none'}"
