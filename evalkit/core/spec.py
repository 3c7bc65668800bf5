"""The canonical short form of a part: `exact_match`, `numeric(tolerance=0.01)`, `ndcg@10(gain='exp')`; parses back."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_NAME = re.compile(r"\A([A-Za-z_][A-Za-z0-9_.\-]*)(?:@(\d+))?\s*(?:\((.*)\))?\s*\Z", re.DOTALL)
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}


@dataclass(frozen=True, slots=True)
class Spec:
    """A part's name, optional cut-off and options; `str(spec)` is canonical and `Spec.parse` reads it back."""

    name: str
    at: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Read a spec. Raises ValueError that says what is wrong; options are literals only, nothing is evaluated."""
        match = _NAME.match(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a spec; write name, name@k or name(option=value)")
        name, cut, inner = match.groups()
        options = _parse_options(text, inner) if inner and inner.strip() else {}
        return cls(name, int(cut) if cut else None, options)

    def __str__(self) -> str:
        head = self.name if self.at is None else f"{self.name}@{self.at}"
        if not self.options:
            return head
        return f"{head}({', '.join(f'{key}={_write(value)}' for key, value in sorted(self.options.items()))})"

    def __hash__(self) -> int:
        return hash(str(self))


def _parse_options(text: str, inner: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f({inner})", mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{text!r}: the options do not read as name=value, ... ({error.msg})") from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError(f"{text!r}: every option needs its name, as in numeric(tolerance=0.01)")
    options: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in options:
            raise ValueError(f"{text!r}: option {keyword.arg or '**'} is not allowed here")
        options[keyword.arg] = _literal(text, keyword.arg, keyword.value)
    return options


def _literal(text: str, name: str, node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id.lower() in _CONSTANTS:
        return _CONSTANTS[node.id.lower()]
    try:
        return _plain(ast.literal_eval(node))
    except ValueError:
        raise ValueError(f"{text!r}: the value of {name} must be a literal (text in quotes, number, list)") from None


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise ValueError(f"{type(value).__name__} is not allowed")


def _write(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_write, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_write(item)}" for key, item in sorted(value.items())) + "}"
    return repr(value)
