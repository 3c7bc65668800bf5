"""Render prompt templates in a sandbox where an undefined variable is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from jinja2 import (
    BaseLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_OUTPUT = 10_000_000
MAX_STEPS = 100_000
_CACHED = 1024
_MAX_BASE = 1_000_000
_MAX_POWER = 16
# What these names stand for is Jinja2's business even where a variable has the same name.
_JINJAS_OWN = frozenset({"self", "super", "caller", "loop", "varargs", "kwargs"})
Pieces = tuple[str | tuple[str, ...], ...]
"""Text as it stands, and the path of each value between it: a variable's name and the names of fields inside it."""
_EXPRESSION = re.compile(r"\A\s*\{\{(?P<inner>(?:(?!\}\}|\{\{).)+)\}\}\s*\Z", re.DOTALL)


class _Undefined(StrictUndefined):
    """Says what is missing in the words of the template's author."""

    @property
    def _undefined_message(self) -> str:
        # Jinja2 keeps the name and the owner of what is missing in these two slots.
        name, owner = self._undefined_name, self._undefined_obj
        if self._undefined_hint:
            return self._undefined_hint
        if isinstance(owner, Mapping):
            return f"there is no {name!r} in a mapping of {_listed(owner)}"
        if isinstance(name, str) and not isinstance(owner, (str, int, float, list, tuple)) and owner is not None:
            return f"variable {name!r} is not defined"
        return f"{type(owner).__name__} has no {name!r}"


class _Loader(BaseLoader):
    """Includes come from files under the root; a path or a link that leads out of it is not found."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def get_source(self, environment: Any, template: str) -> tuple[str, str, None]:  # noqa: ARG002 - Jinja2 calls it
        file = inside(self.root, template)
        if file is None or not file.is_file():
            raise TemplateNotFound(template, f"there is no template {template!r} under {self.root}")
        return file.read_text("utf-8"), str(file), None


class _Environment(ImmutableSandboxedEnvironment):
    """Bounded multiplication, plain JSON, and mapping keys before mapping methods."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002 - Jinja2 calls it
        if operator == "**":
            _bounded(abs(left) <= _MAX_BASE and abs(right) <= _MAX_POWER, "a power too large")
            return left**right
        for text, times in ((left, right), (right, left)):
            if isinstance(text, (str, bytes, list, tuple)) and isinstance(times, int):
                _bounded(len(text) * times <= MAX_OUTPUT, f"a repetition of more than {MAX_OUTPUT} items")
        return left * right

    def getattr(self, obj: Any, attribute: str) -> Any:
        # A field called `items` or `keys` must be the field, not the method of the mapping that holds it.
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


class Renderer:
    """Renders templates, given as text; `root` is where files and `{% include %}` may be read from (None: nowhere).

    Nothing of the process is reachable from a template: no environment, no attribute beginning with `_`, no file
    outside `root`. Output is bounded by `MAX_OUTPUT` characters, loops over `range` by `MAX_STEPS` steps per rendering.
    """

    def __init__(self, root: str | Path | None) -> None:
        self.root = None if root is None else Path(root).resolve()
        self._environment = _Environment(
            loader=None if self.root is None else _Loader(self.root),
            undefined=_Undefined,
            autoescape=False,
            keep_trailing_newline=True,
            auto_reload=False,
        )
        # Jinja2's own `tojson` escapes for HTML, which would change the text that a model reads.
        self._environment.filters["tojson"] = _tojson
        # What Jinja2 draws at random has no seed, so a prompt could not be made twice.
        del self._environment.filters["random"], self._environment.globals["lipsum"]
        self._compiled: dict[str, tuple[Template, Pieces | None]] = {}
        self._expressions: dict[str, Callable[..., Any]] = {}

    def render(self, template: str, variables: Mapping[str, Any], *, name: str = "template") -> str:
        """Render a template's text.

        Raises ValueError naming the template (`name`), its line and what is wrong: a syntax error, an undefined
        variable (with the known ones), a forbidden access, or too much output.
        """
        compiled, pieces = self._compiled.get(template) or self._compile(template, name)
        try:
            if pieces is not None and (plain := _filled(pieces, variables)) is not None:
                return plain
            context = compiled.new_context({"range": _Range(), **variables})
            return _joined(compiled.root_render_func(context))
        except Exception as error:  # noqa: BLE001 - a template may raise whatever its expressions raise
            _explain(error, name, variables)

    def value(self, expression: str, variables: Mapping[str, Any], *, name: str = "expression") -> Any:
        """The value of one `{{ expression }}`, not turned into text. Raises ValueError as `render` does."""
        try:
            evaluate = self._expressions.get(expression)
            if evaluate is None:
                compiled = self._environment.compile_expression(inner(expression, name), undefined_to_none=False)
                evaluate = self._expressions[expression] = compiled
            found = evaluate(**variables)
            if isinstance(found, StrictUndefined):
                str(found)  # raises, saying what is missing
        except Exception as error:  # noqa: BLE001 - an expression may raise whatever its parts raise
            _explain(error, name, variables)
        return found

    def includes(self, template: str, *, name: str = "template") -> dict[str, str]:
        """Path -> text of every template that this one includes, directly or not.

        Raises ValueError for a syntax error, a missing file, and an include whose name is computed: what a prompt's
        hash covers must be known before the first call.
        """
        found: dict[str, str] = {}
        waiting = [(name, template)]
        while waiting:
            where, text = waiting.pop()
            for path in meta.find_referenced_templates(self._parse(text, where)):
                if path is None:
                    raise ValueError(f"{where}: write the name of an included template as plain text")
                if path not in found:
                    found[path] = self._source(path, where)
                    waiting.append((path, found[path]))
        return found

    def variables(self, template: str, *, name: str = "template") -> frozenset[str]:
        """Names of the variables that a template takes from outside. Raises ValueError for a syntax error."""
        return frozenset(meta.find_undeclared_variables(self._parse(template, name))) - set(self._environment.globals)

    def fields(self, template: str, *, name: str = "template") -> frozenset[str]:
        """Names of the input fields that a template cannot do without, as `{{ field }}` or `{{ input.field }}`.

        A field that is asked for with `is defined` or given a `default` is not needed.
        """
        tree = self._parse(template, name)
        optional = {_field(test.node) for test in tree.find_all(nodes.Test) if test.name in ("defined", "undefined")}
        optional |= {_field(call.node) for call in tree.find_all(nodes.Filter) if call.name in ("default", "d")}
        dotted = {_field(node) for node in tree.find_all((nodes.Getattr, nodes.Getitem))}
        named = self.variables(template, name=name) - {"input", "sample", "shots"}
        return frozenset(field for field in (named | dotted) - optional if field is not None)

    def read(self, path: str, base: Path | None = None) -> str:
        """The text of a file under the root; a relative path starts at `base`, or at the root.

        Raises ValueError when it is missing, not UTF-8, or outside the root.
        """
        if self.root is None:
            raise ValueError(f"prompt file {path!r}: this prompt has no folder to read from")
        file = inside(self.root, str((base or self.root) / path))
        if file is None:
            raise ValueError(f"prompt file {path!r} leads out of {self.root}")
        try:
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"prompt file {path!r} cannot be read: {error}") from None

    def _parse(self, template: str, name: str) -> nodes.Template:
        try:
            return self._environment.parse(template)
        except TemplateSyntaxError as error:
            raise ValueError(f"{name}, line {error.lineno}: {error.message}") from None

    def _source(self, path: str, where: str) -> str:
        if self._environment.loader is None:
            raise ValueError(f"{where}: there is no folder to include {path!r} from")
        try:
            return self._environment.loader.get_source(self._environment, path)[0]
        except TemplateNotFound as error:
            raise ValueError(f"{where}: {error.message}") from None

    def _compile(self, template: str, name: str) -> tuple[Template, Pieces | None]:
        try:
            compiled = self._environment.from_string(template)
            pieces = _pieces(self._environment.parse(template))
        except TemplateSyntaxError as error:
            raise ValueError(f"{name}, line {error.lineno}: {error.message}") from None
        if len(self._compiled) >= _CACHED:
            self._compiled.clear()
        self._compiled[template] = compiled, pieces
        return compiled, pieces


def inside(root: Path, path: str) -> Path | None:
    """The resolved path when it stays under `root`, links followed; None when it leads out."""
    file = (root / path).resolve()
    return file if file.is_relative_to(root) else None


def inner(expression: str, name: str = "expression") -> str:
    """What stands between the braces of one `{{ ... }}`. Raises ValueError for any other text."""
    match = _EXPRESSION.match(expression)
    if match is None:
        raise ValueError(f"{name}: write one reference to a field, such as '{{{{ input.image }}}}', not {expression!r}")
    return match["inner"].strip()


class _Range:
    """`range` with one allowance of steps for a whole rendering, so that nested loops end too."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_STEPS

    def __call__(self, *bounds: int) -> Iterator[int]:
        steps = range(*bounds)
        self.left -= len(steps)
        _bounded(self.left >= 0, f"more than {MAX_STEPS} steps of range")
        return iter(steps)


def _joined(parts: Iterator[str]) -> str:
    kept: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        _bounded(size <= MAX_OUTPUT, f"more than {MAX_OUTPUT} characters of output")
        kept.append(part)
    return "".join(kept)


def _pieces(tree: nodes.Template) -> Pieces | None:
    """The pieces of a template that only puts variables and their fields between its text; None for any other."""
    found: list[str | tuple[str, ...]] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            piece = node.data if isinstance(node, nodes.TemplateData) else _path(node)
            if piece is None:
                return None
            found.append(piece)
    return tuple(found)


def _path(node: nodes.Expr) -> tuple[str, ...] | None:
    if isinstance(node, nodes.Name):
        return None if node.name in _JINJAS_OWN else (node.name,)
    if isinstance(node, nodes.Getattr):
        owner, key = _path(node.node), node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        owner, key = _path(node.node), node.arg.value
    else:
        return None
    return None if owner is None or not isinstance(key, str) else (*owner, key)


def _filled(pieces: Pieces, variables: Mapping[str, Any]) -> str | None:
    """What Jinja2 would make of the pieces, without its costs; None where it has to decide or to complain."""
    parts: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            parts.append(piece)
            continue
        value: Any = variables
        for name in piece:
            if not isinstance(value, Mapping) or name not in value:
                return None
            value = value[name]
        parts.append(value if type(value) is str else str(value))
    text = parts[0] if len(parts) == 1 else "".join(parts)
    return text if len(text) <= MAX_OUTPUT else None


def _bounded(holds: object, what: str) -> None:
    if not holds:
        raise ValueError(f"the template asks for {what}")


def _tojson(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_as_dict)


def _as_dict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _field(node: Any) -> str | None:
    if isinstance(node, nodes.Name):
        return str(node.name)
    owner = getattr(node, "node", None)
    if not isinstance(owner, nodes.Name) or owner.name != "input":
        return None
    if isinstance(node, nodes.Getattr):
        return str(node.attr)
    key = getattr(node, "arg", None)
    return key.value if isinstance(key, nodes.Const) and isinstance(key.value, str) else None


def _explain(error: Exception, name: str, variables: Mapping[str, Any]) -> NoReturn:
    line = _line(error.__traceback__)
    where = f"{name}, line {line}" if line else name
    said = (error.message if isinstance(error, TemplateError) else str(error)) or type(error).__name__
    raise ValueError(f"{where}: {said} (known variables: {_listed(variables)})") from None


def _line(trace: TracebackType | None) -> int | None:
    line: int | None = None
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(template, Template):
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, names))) or "none"
