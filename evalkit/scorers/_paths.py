"""Fields of JSON values: reading one by its path, and flattening a value into paths and leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+)\]")
MISSING = object()


def steps(path: str) -> tuple[str | int, ...]:
    """The steps of a path such as `$.items[0].name` or `label`. Raises ValueError for what is none."""
    rest = path.removeprefix("$")
    found: list[str | int] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None:
            raise ValueError(f"{path!r} is not a path; write $.field, $.list[0] or $.a.b")
        found.append(match[1] if match[1] is not None else int(match[2]))
        at = match.end()
    return tuple(found)


def get(value: Any, path: tuple[str | int, ...]) -> Any:
    """The value at a path, or MISSING."""
    for step in path:
        if isinstance(step, int):
            inside = isinstance(value, (list, tuple)) and -len(value) <= step < len(value)
        else:
            inside = isinstance(value, Mapping) and step in value
        if not inside:
            return MISSING
        value = value[step]
    return value


def leaves(value: Any, *, ordered: bool) -> Iterator[tuple[str, Any]]:
    """Each leaf with its path: `a.b`, `list[]` (or `list[0]` when `ordered`).

    null, empty objects and empty lists have no leaves: an absent field and a null field are the same.
    """
    stack = [("", value)]
    while stack:
        at, item = stack.pop()
        if isinstance(item, Mapping):
            stack.extend((f"{at}.{key}" if at else str(key), child) for key, child in item.items())
        elif isinstance(item, (list, tuple)):
            stack.extend((f"{at}[{place}]" if ordered else f"{at}[]", child) for place, child in enumerate(item))
        elif item is not None:
            yield at, item


def under(path: str, fields: tuple[str, ...]) -> bool:
    """Whether a leaf's path is one of the fields or lies inside one."""
    return any(path == f or path.startswith((f"{f}.", f"{f}[")) for f in fields)
