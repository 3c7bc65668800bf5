"""YAML that knows where everything stands: JSON values, the line of every key, and each mistake as a Problem.

Scalars follow the YAML 1.2 core schema: `no`, `on` and `2024-01-01` stay text, so a label never turns into a boolean or
a date. What JSON cannot hold (NaN, other tags, keys that are not text) is refused; aliases expand only a little.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from evalkit.core.errors import Problem

MAX_BYTES = 4_000_000
MAX_DEPTH = 64
MAX_EXPANDED = 20_000
_TAG = "tag:yaml.org,2002:"
_LONG_DIGITS = 400


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: `data` as JSON values, `lines` from dotted path (`scorers[1].name`) to line >= 1, and problems.

    `data` is usable only when there are no problems.
    """

    file: str
    data: Any = None
    lines: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line(self, path: str) -> int | None:
        """The line of a path, or of its nearest ancestor that stands in the file."""
        while path and path not in self.lines:
            path = _parent(path)
        return self.lines.get(path)


def join(path: str, step: str | int) -> str:
    """The dotted path of a key or list index below `path`."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    return f"{path}.{step}" if path else step


def _parent(path: str) -> str:
    cut = max(path.rfind("."), path.rfind("["))
    return path[:cut] if cut > 0 else ""


def read(path: Path, shown: str | None = None) -> Document:
    """Read a YAML file; `shown` is how problems name it. Never raises for a missing or broken file."""
    name = shown or str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        return Document(name, problems=(Problem(f"cannot be read: {error.strerror or error}", name),))
    if len(raw) > MAX_BYTES:
        size = f"{len(raw):,} bytes; a configuration file may have {MAX_BYTES:,}"
        return Document(name, problems=(Problem(size, name, hint="data belongs in a dataset file"),))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        return Document(name, problems=(Problem(byte, name, line, "save the file as UTF-8"),))
    return parse(text, name)


def parse(text: str, file: str) -> Document:
    """Parse YAML text; `file` is how problems name it."""
    loader = _Loader(text) if _printable(text) else None
    if loader is None:
        return Document(file, problems=(_unprintable(text, file),))
    try:
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        return Document(file, problems=(_syntax(error, file, text),))
    finally:
        loader.dispose()
    if root is None:
        return Document(file, problems=(Problem("the file is empty", file),))
    builder = _Builder(file)
    data = builder.build(root, "")
    return Document(file, data, builder.lines, tuple(builder.problems))


class _Loader(yaml.SafeLoader):
    """SafeLoader with the YAML 1.2 core schema and a limit on nesting; used to compose nodes, never to construct."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f"nested more than {MAX_DEPTH} levels deep", problem_mark=self.get_mark()
            )
        node: Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


_CORE = {
    "null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    "float": (
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
}
_Loader.yaml_implicit_resolvers = {}
for _name, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


@dataclass(slots=True)
class _Builder:
    file: str
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    open: set[int] = field(default_factory=set)
    expanded: int = 0

    def problem(self, node: Node, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(message, self.file, _line(node), hint))

    def build(self, node: Node, path: str) -> Any:
        self.lines.setdefault(path, _line(node))
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        if not self._may_expand(node):
            return None
        self.open.add(id(node))
        built = self.mapping(node, path) if isinstance(node, MappingNode) else self.sequence(node, path)
        self.open.discard(id(node))
        return built

    def _may_expand(self, node: Node) -> bool:
        if id(node) in self.open:
            self.problem(node, "an alias stands inside the value that it names")
            return False
        again = id(node) in self.seen
        self.seen.add(id(node))
        self.expanded += len(node.value) + 1 if again else 0
        if self.expanded <= MAX_EXPANDED:
            return True
        if self.expanded - len(node.value) - 1 <= MAX_EXPANDED:
            self.problem(node, f"the aliases grow to more than {MAX_EXPANDED:,} values", "write them out, or use fewer")
        return False

    def mapping(self, node: MappingNode, path: str) -> dict[str, Any]:
        if node.tag != _TAG + "map":
            self.problem(node, f"tag {_tag(node)} is not allowed", "only plain YAML values are read")
        built: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node)
            if key is None:
                continue
            if key in first:
                self.problem(key_node, f"{join(path, key)!r} stands twice", f"first on line {first[key]}")
                continue
            first[key] = _line(key_node)
            self.lines[join(path, key)] = _line(key_node)
            built[key] = self.build(value_node, join(path, key))
        return built

    def key(self, node: Node) -> str | None:
        if not isinstance(node, ScalarNode) or node.tag != _TAG + "str":
            shown = node.value if isinstance(node, ScalarNode) else "a list or mapping"
            self.problem(node, f"a key must be text, not {shown!r}", "put it in quotes")
            return None
        if node.value == "<<" and node.style is None:
            self.problem(node, "merge keys (<<) are not read", "write the keys out")
            return None
        return self.text(node)

    def sequence(self, node: Node, path: str) -> list[Any]:
        if not isinstance(node, SequenceNode) or node.tag != _TAG + "seq":
            self.problem(node, f"tag {_tag(node)} is not allowed", "only plain YAML values are read")
        return [self.build(item, join(path, index)) for index, item in enumerate(node.value)]

    def text(self, node: ScalarNode) -> str:
        value: str = node.value
        try:
            # A pair of \u escapes is one character in JSON; half a pair is none and has no UTF-8 form.
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self.problem(node, "half a surrogate pair (\\ud800 to \\udfff) is not a character")
            return ""

    def scalar(self, node: ScalarNode) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            return self.text(node)
        if kind == "null":
            return None
        try:
            return _READERS[kind](node.value)
        except KeyError:
            self.problem(node, f"tag {_tag(node)} is not allowed", "only plain YAML values are read")
        except ValueError as error:
            self.problem(node, str(error))
        return None


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _tag(node: Node) -> str:
    return str(node.tag).replace(_TAG, "!!")


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _int(text: str) -> int:
    if len(text) > _LONG_DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits is too long")
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    try:
        return int(text.replace("_", "x"), base)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None


def _float(text: str) -> float:
    try:
        value = float(text.replace("_", "x"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value


_READERS = {"bool": _bool, "int": _int, "float": _float}


def _characters(text: str) -> Iterator[re.Match[str]]:
    return yaml.reader.Reader.NON_PRINTABLE.finditer(text)


def _printable(text: str) -> bool:
    return next(_characters(text), None) is None


def _unprintable(text: str, file: str) -> Problem:
    found = next(_characters(text))
    line = text.count("\n", 0, found.start()) + 1
    return Problem(f"character U+{ord(found[0]):04X} is not allowed", file, line, "write it as an escape in quotes")


def _syntax(error: yaml.MarkedYAMLError, file: str, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = None if mark is None else int(mark.line) + 1
    lines = text.split("\n")
    if line is not None and line <= len(lines) and re.match(r"[ ]*\t", lines[line - 1]):
        return Problem("a tab indents this line", file, line, "YAML is indented with spaces")
    message = ", ".join(part for part in (error.problem, error.context) if part)
    return Problem(f"not YAML: {message}", file, line)
