"""From a validation error to Problems that say where, what and what to do."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from evalkit.config._yaml import Document, join
from evalkit.core.errors import Problem, did_you_mean

M = TypeVar("M", bound=BaseModel)
_SALVAGE_ROUNDS = 6
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?$")
_INSTANCE = re.compile(r" or instance of \w+")


class Strict(BaseModel):
    """Base of all configuration models: no unknown keys, no silent conversions, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


def validate(model: type[M], document: Document) -> tuple[M | None, list[Problem]]:
    """The model of a document, or None with every problem found, each at its line."""
    if document.problems:
        return None, list(document.problems)
    try:
        return model.model_validate(frozen(document.data)), []
    except ValidationError as error:
        found = {_path(item["loc"]): item for item in error.errors(include_url=False)}
        # A list that lost its wrong items is too short only in pydantic's eyes.
        broken = [path for path, item in found.items() if item["type"] == "too_short"]
        vain = {path for path in broken if any(other.startswith(f"{path}[") for other in found)}
        problems = [_problem(model, document, item) for path, item in found.items() if path not in vain]
        return None, sorted(problems, key=lambda problem: problem.line or 0)


def salvage(model: type[M], document: Document, fill: Mapping[str, Any]) -> M | None:
    """A model of what is right in a document, so that the rest of its problems can be found too; None if too little is.

    Wrong values are left out (a list with its wrong item), and `fill` stands in for top-level keys that are needed.
    """
    data = deepcopy(document.data) if not document.problems and isinstance(document.data, dict) else {}
    for _ in range(_SALVAGE_ROUNDS if data else 0):
        try:
            return model.model_validate(frozen({**fill, **data}))
        except ValidationError as error:
            for item in error.errors(include_url=False):
                _leave_out(data, [step for step in item["loc"] if step != "[key]"])
    return None


def _leave_out(data: dict[str, Any], steps: Sequence[str | int]) -> None:
    holder, key = data, str(steps[0])
    for step in steps[1:]:
        inner = holder.get(key)
        if not isinstance(inner, dict) or step not in inner:
            break
        holder, key = inner, str(step)
    holder.pop(key, None)


def problem_at(document: Document, path: str, message: str, hint: str | None = None) -> Problem:
    """A problem about the value at a dotted path."""
    return Problem(f"{path}: {message}" if path else message, document.file, document.line(path), hint)


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """Name as written in YAML -> annotation of each field."""
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def frozen(value: Any) -> Any:
    """JSON values with tuples for lists, as the models take them."""
    if isinstance(value, Mapping):
        return {key: frozen(item) for key, item in value.items()}
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value


def _path(steps: Sequence[str | int]) -> str:
    path = ""
    for step in steps:
        path = path if step == "[key]" else join(path, step)
    return path


def _problem(model: type[BaseModel], document: Document, item: ErrorDetails) -> Problem:
    steps = item["loc"]
    path = _path(steps)
    if item["type"] == "extra_forbidden":
        return _unknown_key(model, document, steps)
    if item["type"] == "missing":
        above = _path(steps[:-1])
        return Problem(f"{path}: is needed", document.file, document.line(above))
    return problem_at(document, path, _message(item), _hint(item))


def _unknown_key(model: type[BaseModel], document: Document, steps: Sequence[str | int]) -> Problem:
    key, parent = str(steps[-1]), _model_at(model, steps[:-1])
    known = fields_of(parent)
    elsewhere = [path for path in _all_paths(model) if path.rpartition(".")[2] == key]
    hint = did_you_mean(key, known)
    if hint is None and elsewhere:
        hint = f"{key!r} belongs under {elsewhere[0].rpartition('.')[0] or 'the top level'}"
    return problem_at(document, _path(steps), "unknown key", hint or f"known: {', '.join(known)}")


def _message(item: ErrorDetails) -> str:
    if item["type"] in ("value_error", "assertion_error"):
        return str(item["ctx"]["error"])
    given = item["input"]
    if item["type"] in ("too_short", "too_long"):
        return item["msg"].replace("Tuple should have", "needs").replace(" after validation", "")
    text = item["msg"].replace("Input should be", "should be").replace("a valid tuple", "a list")
    text = text.replace("a valid dictionary", "a mapping").replace("String should", "should")
    text = _INSTANCE.sub("", text).replace("a valid string", "text").replace("integer", "whole number")
    shown = "nothing" if given is None else repr(given) if isinstance(given, (str, int, float)) else None
    return f"{text}, not {shown[:60]}" if shown else text


def _hint(item: ErrorDetails) -> str | None:
    if item["type"] in ("int_type", "float_type") and _NUMBER.match(str(item["input"])):
        return "write it without quotes"
    if item["type"] != "literal_error" or not isinstance(item["input"], str):
        return None
    allowed = str(item["ctx"]["expected"]).replace(" or ", ", ").split(", ")
    return did_you_mean(item["input"], [word.strip("'") for word in allowed])


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, Annotated, tuple, list, dict, Mapping):
        for inner in get_args(annotation):
            yield from _models(inner)


def _model_at(model: type[BaseModel], steps: Sequence[str | int]) -> type[BaseModel]:
    named = False
    for step in steps:
        if named or isinstance(step, int):
            named = False
            continue
        annotation = fields_of(model).get(step)
        named = "dict[" in str(annotation)
        model = next(_models(annotation), model)
    return model


def _all_paths(model: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, annotation in fields_of(model).items():
        yield join(path, name)
        for inner in _models(annotation):
            yield from _all_paths(inner, join(path, name))
