"""Which records are kept: a small expression over columns, parsed and never evaluated as Python."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from evalkit.data._lookup import FieldError, lookup

Fields = Mapping[str, Any]
Keep = Callable[[Fields], bool]
_Value = Callable[[Fields], Any]

_EQUAL: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {ast.Eq: operator.eq, ast.NotEq: operator.ne}
_ORDER: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_NAMED = {"true": True, "false": False, "null": None, "none": None}
_HELP = 'write column == "value", !=, <, <=, >, >=, in [...], not in, and, or, not; row["a b"] for such a column'
_LONGEST = 10_000


def compile_filter(text: str) -> Keep:
    """A predicate over the columns of a record. Raises ValueError that says where the expression goes wrong.

    The predicate raises FieldError for a column that the record does not have, and for values that do not compare.
    An order comparison with null is false.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"the filter is longer than {_LONGEST:,} characters")
    try:
        return _condition(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"the filter does not read: {error.msg} at character {error.offset}; {_HELP}") from None
    except (RecursionError, MemoryError):
        raise ValueError("the filter is nested too deeply") from None


def _condition(node: ast.expr) -> Keep:
    if isinstance(node, ast.BoolOp):
        parts = [_condition(value) for value in node.values]
        every = all if isinstance(node.op, ast.And) else any
        return lambda fields: every(part(fields) for part in parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        part = _condition(node.operand)
        return lambda fields: not part(fields)
    if isinstance(node, ast.Compare):
        return _comparison(node)
    name = _column(node)
    if name is None:
        raise _refused(node)
    return lambda fields: _truth(name, lookup(fields, name))


def _truth(name: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise FieldError(f"column {name!r} is {value!r:.60}, not true or false", f'compare it: {name} == "..."')


def _comparison(node: ast.Compare) -> Keep:
    values = [_operand(part) for part in (node.left, *node.comparators)]
    text = ast.unparse(node)
    tests = [_test(operation, text) for operation in node.ops]
    steps = list(zip(tests, values, values[1:], strict=False))
    return lambda fields: all(test(left(fields), right(fields)) for test, left, right in steps)


def _test(operation: ast.cmpop, text: str) -> Callable[[Any, Any], bool]:
    kind = type(operation)
    if kind in _EQUAL:
        return _EQUAL[kind]
    if kind in _ORDER:
        order = _ORDER[kind]
        return lambda left, right: left is not None and right is not None and _guarded(order, left, right, text)
    if kind in (ast.In, ast.NotIn):
        wanted = kind is ast.In
        return lambda left, right: _guarded(_contains, left, right, text) is wanted
    raise ValueError(f"{text!r}: this comparison is not known; {_HELP}")


def _contains(left: Any, right: Any) -> bool:
    return right is not None and left in right


def _guarded(test: Callable[[Any, Any], bool], left: Any, right: Any, text: str) -> bool:
    try:
        return test(left, right)
    except TypeError:
        what = f"{text}: {left!r:.60} and {right!r:.60} do not compare"
        raise FieldError(what, "in CSV every cell is text unless types says otherwise") from None


def _operand(node: ast.expr) -> _Value:
    name = _column(node)
    if name is not None:
        return lambda fields: lookup(fields, name)
    if isinstance(node, ast.Name):
        constant = _NAMED[node.id.lower()]
        return lambda _: constant
    try:
        literal = ast.literal_eval(node)
    except (ValueError, TypeError):
        raise _refused(node) from None
    if isinstance(literal, (bytes, complex)) or literal is Ellipsis:
        raise _refused(node)
    return lambda _: literal


def _column(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return None if node.id.lower() in _NAMED else node.id
    if isinstance(node, ast.Attribute):
        above = _column(node.value)
        return None if above is None else f"{above}.{node.attr}"
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "row":
        key = node.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None
    return None


def _refused(node: ast.expr) -> ValueError:
    return ValueError(f"{ast.unparse(node)!r:.80} is not allowed in a filter; {_HELP}")
