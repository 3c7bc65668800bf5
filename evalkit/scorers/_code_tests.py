"""What a sample of code demands: its tests, how outputs are compared, and what is wrong with a target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.types import Sample

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Tests:
    """The tests of a sample: what goes in, what must come out; `function` None = a program from stdin to stdout.

    `cpu_s` is the sample's own time limit and `reference` a solution that passes, where the sample has them.
    """

    given: tuple[Any, ...]
    wanted: tuple[Any, ...]
    function: str | None = None
    cpu_s: float | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Equality:
    """How outputs are compared: floats within `atol` + `rtol` x |wanted|, text by `rule`.

    tokens: word by word, whatever stands between them; lines: line by line, and word by word within a line (blank lines
    at the end do not count); exact: character by character.
    """

    rule: str = "tokens"
    rtol: float = 1e-7
    atol: float = 1e-6

    def difference(self, got: Any, wanted: Any, *, written: bool) -> str | None:
        """What is wrong with an output (`written` to stdout, or returned as a value), or None."""
        if not written:
            return None if self._same(got, wanted) else f"{_shown(got)} is not {_shown(wanted)}"
        if self.rule == "exact":
            return None if got == wanted else f"{_shown(got)} is not {_shown(wanted)}"
        if self.rule == "tokens":
            return self._words(got, wanted)
        ours, theirs = got.rstrip().split("\n"), wanted.rstrip().split("\n")
        for number, (one, other) in enumerate(zip(ours, theirs, strict=False), 1):
            why = self._words(one, other)
            if why is not None:
                return f"line {number}, {why}"
        return None if len(ours) == len(theirs) else f"{len(ours)} lines instead of {len(theirs)}"

    def _words(self, got: str, wanted: str) -> str | None:
        ours, theirs = got.split(), wanted.split()
        for number, (one, other) in enumerate(zip(ours, theirs, strict=False), 1):
            if one != other and not self._close(one, other):
                return f"word {number}: {_shown(one)} is not {_shown(other)}"
        return None if len(ours) == len(theirs) else f"{len(ours)} words instead of {len(theirs)}"

    def _close(self, one: str, other: str) -> bool:
        """Whether two words are numbers that are near enough; where a whole number is wanted, only itself is."""
        if other.lstrip("+-").isdigit():
            return False
        try:
            return self._near(float(one), float(other))
        except ValueError:
            return False

    def _near(self, one: float, other: float) -> bool:
        return math.isclose(one, other, rel_tol=0.0, abs_tol=self.atol + self.rtol * abs(other)) or (
            math.isnan(one) and math.isnan(other)
        )

    def _same(self, one: Any, other: Any) -> bool:
        if isinstance(one, float) or isinstance(other, float):
            return _number(one) and _number(other) and self._near(float(one), float(other))
        if isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(self._same, one, other))
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(self._same(one[key], other[key]) for key in one)
        return type(one) is type(other) and bool(one == other)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def tests_of(sample: Sample) -> Tests:
    """Read a sample's target. Raises ValueError that says what is wrong with it and what is needed."""
    target = sample.target
    if not isinstance(target, Mapping) or not isinstance(target.get("tests"), (list, tuple)) or not target["tests"]:
        raise ValueError('a target with tests is needed: {"tests": [{"input": text, "output": text}, ...]}')
    function = _optional(target, "function", str)
    keys = ("input", "output") if function is None else ("args", "value")
    for number, test in enumerate(target["tests"], 1):
        if not isinstance(test, Mapping) or set(test) != set(keys):
            raise ValueError(f"test {number} of the target must have {keys[0]!r} and {keys[1]!r} and nothing else")
        kind: type | tuple[type, ...] = str if function is None else (list, tuple)
        if not isinstance(test[keys[0]], kind) or (function is None and not isinstance(test["output"], str)):
            needs = "texts" if function is None else "a list of arguments and a value"
            raise ValueError(f"test {number} of the target: {keys[0]!r} and {keys[1]!r} must be {needs}")
    given, wanted = (tuple(test[key] for test in target["tests"]) for key in keys)
    cpu_s = _optional(target, "cpu_s", int, float)
    if cpu_s is not None and not 0 < cpu_s < 3600:
        raise ValueError(f"cpu_s={cpu_s!r} of the target must be seconds above 0")
    return Tests(given, wanted, function, cpu_s, _optional(target, "reference", str))


def _optional(target: Mapping[str, Any], name: str, *kinds: type) -> Any:
    value = target.get(name)
    if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
        raise ValueError(
            f"{name!r} of the target must be {' or '.join(kind.__name__ for kind in kinds)}; got {value!r}"
        )
    return value
