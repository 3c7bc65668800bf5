"""The field mapping: which columns of a record become which part of a sample."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.errors import ConfigError, Problem, did_you_mean
from evalkit.core.types import Sample
from evalkit.data._lookup import FieldError, lookup

NOUNS = ("id", "input", "target", "group", "tags", "meta", "checks")
LONGEST_ID = 256
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_ALL = "*"
_Selector = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Fields:
    """A checked mapping; `sample(fields)` makes a sample of a record's columns, its id "" where one is to be made."""

    selectors: Mapping[str, _Selector | None]
    native: bool

    @classmethod
    def parse(cls, mapping: Mapping[str, Any] | None) -> Fields:
        """Read a mapping of sample part -> column, list of columns, mapping or "*".

        Raises ConfigError with every unknown key and wrong shape.
        """
        given = dict(mapping or {})
        problems = [_unknown(key) for key in given if key not in NOUNS]
        problems += [p for noun, spec in given.items() if noun in NOUNS for p in _check(noun, spec)]
        if problems:
            raise ConfigError(problems)
        claimed = {name for spec in given.values() for name in _names(spec)} | {n for n in NOUNS if n not in given}
        chosen = {noun: None if spec is None else _selector(noun, spec, claimed) for noun, spec in given.items()}
        return cls(chosen, native=not given)

    def sample(self, fields: Mapping[str, Any]) -> tuple[Sample | None, list[FieldError]]:
        """The sample, or everything that is wrong with this record."""
        parts: dict[str, Any] = {}
        errors: list[FieldError] = []
        for noun in NOUNS:
            try:
                parts[noun] = _CONVERT[noun](self._take(noun, fields))
            except FieldError as error:
                errors.append(FieldError(f"{noun}: {error}", error.hint))
        if errors:
            return None, errors
        if self.native:
            extra = {name: value for name, value in fields.items() if name not in NOUNS}
            parts["meta"] = {**extra, **parts["meta"]}
        return Sample(**parts), errors

    def _take(self, noun: str, fields: Mapping[str, Any]) -> Any:
        if noun in self.selectors:
            selector = self.selectors[noun]
            return None if selector is None else selector(fields)
        if noun == "input" and noun not in fields:
            shown = ", ".join(map(str, list(fields)[:12])) or "none"
            raise FieldError("there is no column 'input'", f"say in fields.input which columns it is made of: {shown}")
        return fields.get(noun)


def _unknown(key: str) -> Problem:
    hint = did_you_mean(str(key), NOUNS) or f"known: {', '.join(NOUNS)}"
    return Problem(f"fields.{key} is not a part of a sample", hint=hint)


def _check(noun: str, spec: Any) -> list[Problem]:
    if spec is None and noun != "input":
        return []
    shapes: tuple[type, ...] = (str,) if noun in ("id", "group", "checks") else (str, list, tuple, Mapping)
    if not isinstance(spec, shapes) or not spec:
        needed = "a column" if shapes == (str,) else "a column, a list of columns, or a mapping of field to column"
        return [Problem(f"fields.{noun}: {needed} is needed, this is {spec!r:.60}")]
    if noun == "tags" and isinstance(spec, str) and spec == _ALL:
        return [Problem('fields.tags: "*" is not allowed; list the columns')]
    parts = spec.values() if isinstance(spec, Mapping) else spec if isinstance(spec, (list, tuple)) else ()
    wrong = [part for part in parts if not _shaped(part, nested=noun != "tags" and isinstance(spec, Mapping))]
    return [Problem(f"fields.{noun}: {part!r:.60} does not name a column") for part in wrong]


def _shaped(part: Any, *, nested: bool) -> bool:
    if isinstance(part, str):
        return bool(part)
    if not nested or not part:
        return False
    if isinstance(part, Mapping):
        return all(_shaped(item, nested=True) for item in part.values())
    return isinstance(part, (list, tuple)) and all(_shaped(item, nested=False) for item in part)


def _names(spec: Any) -> set[str]:
    """The columns that a selector names, `*` left out."""
    if isinstance(spec, str):
        bare = spec.removesuffix("?")
        # The head too: a target at `answer.text` must not reach a row of all other columns inside `answer`.
        return set() if spec == _ALL else {spec, bare, bare.split(".")[0]}
    items = spec.values() if isinstance(spec, Mapping) else spec if isinstance(spec, (list, tuple)) else ()
    return {name for item in items for name in _names(item)}


def _selector(noun: str, spec: Any, claimed: set[str]) -> _Selector:
    if noun == "tags" and not isinstance(spec, str):
        pairs = spec.items() if isinstance(spec, Mapping) else [(name.removesuffix("?"), name) for name in spec]
        chosen = [(str(prefix), _select(column, claimed)) for prefix, column in pairs]
        return lambda fields: [tag for prefix, take in chosen for tag in _prefixed(prefix, take(fields))]
    return _select(spec, claimed)


def _prefixed(prefix: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [f"{prefix}:{_text(item)}" for item in values]


def _select(spec: Any, claimed: set[str]) -> _Selector:
    if isinstance(spec, Mapping):
        parts = {str(name): _select(item, claimed) for name, item in spec.items()}
        return lambda fields: {name: take(fields) for name, take in parts.items()}
    if isinstance(spec, (list, tuple)):
        columns = {name.removesuffix("?"): _select(name, claimed) for name in spec}
        return lambda fields: {name: take(fields) for name, take in columns.items()}
    if spec == _ALL:
        return lambda fields: {name: value for name, value in fields.items() if name not in claimed}
    path = str(spec)
    if path.endswith("?"):
        return lambda fields: _optional(fields, path)
    return lambda fields: lookup(fields, path)


def _optional(fields: Mapping[str, Any], path: str) -> Any:
    if path in fields:
        return fields[path]
    try:
        return lookup(fields, path[:-1])
    except FieldError:
        return None


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise FieldError(f"a text or a number is needed, this is {value!r:.60}")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _ident(value: Any) -> str:
    if value is None:
        return ""
    ident = _text(value)
    if not ident.strip():
        raise FieldError("the id is empty")
    if len(ident) > LONGEST_ID:
        raise FieldError(f"the id has {len(ident)} characters, at most {LONGEST_ID} are allowed")
    if _CONTROL.search(ident):
        raise FieldError(f"the id {ident!r} holds a control character")
    return ident


def _input(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, Mapping):
        return value
    raise FieldError(f"an object of fields or a text is needed, this is {value!r:.60}")


def _texts(value: Any) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    values = value if isinstance(value, (list, tuple)) else [value]
    return tuple(_text(item) for item in values)


def _meta(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    raise FieldError(f"an object is needed, this is {value!r:.60}", "meta: [column] keeps a column under its name")


_CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "id": _ident,
    "input": _input,
    "target": lambda value: value,
    "group": lambda value: None if value is None or value == "" else _text(value),
    "tags": _texts,
    "meta": _meta,
    "checks": _texts,
}
