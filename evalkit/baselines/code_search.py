"""Programs by search: puts steps of a small library together until the examples of the problem come out."""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._answering import Named, failed, respond, text_of
from evalkit.baselines._code_parts import MODULES, PRINTS, TOO_LARGE, kind_of, steps
from evalkit.core.options import build
from evalkit.core.types import Context, Response, Sample

VERSION = 1
_MOST = 8_000


@dataclass(frozen=True, slots=True)
class _State:
    """What a program has come to: one value per example, the expressions that led there, and what they cost."""

    values: tuple[Any, ...]
    kind: str
    sources: tuple[str, ...] = ()
    cost: float = 0.0


@dataclass(frozen=True)
class CodeSearch(Named):
    """Tries programs of up to `depth` steps and answers the cheapest that fits all examples.

    Steps cost less when the statement has a word that speaks for them; nothing else of it is understood. Where nothing
    fits, the answer is a table of the examples: right for them and wrong for the rest.
    """

    depth: int = 3
    text: str = "text"
    kind: ClassVar[str] = "code_search"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if isinstance(self.depth, bool) or not isinstance(self.depth, int) or not 1 <= self.depth <= 4:
            raise ValueError(f"depth={self.depth!r} must be a whole number from 1 to 4")

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """Answer with a fenced program; a sample without text or examples is a failure."""
        examples = sample.input.get("examples")
        try:
            text = text_of(sample, self.text)
            problem = _Problem.read(sample.id, sample.input.get("signature"), examples)
        except ValueError as error:
            return failed(str(error))
        return respond(text, lambda: f"```python\n{problem.search(self.depth, _words(text)) or problem.table()}\n```")


@dataclass(frozen=True, slots=True)
class _Problem:
    """The examples of a problem: what goes in and what comes out; `head` = the function's, None for a program."""

    head: str | None
    given: tuple[Any, ...]
    wanted: tuple[Any, ...]

    @classmethod
    def read(cls, ident: str, head: Any, examples: Any) -> _Problem:
        """Raises ValueError that says which sample has no examples to search by."""
        keys = ("input", "output") if head is None else ("args", "value")
        rows = examples if isinstance(examples, (list, tuple)) else ()
        if not rows or not all(isinstance(row, Mapping) and set(keys) <= set(row) for row in rows):
            raise ValueError(f"sample {ident!r} has no input field `examples` with {keys[0]!r} and {keys[1]!r}")
        given, wanted = (tuple(row[key] for row in rows) for key in keys)
        return cls(None if head is None else str(head), given, wanted)

    def search(self, depth: int, statement: frozenset[str]) -> str | None:
        """The cheapest program of at most `depth` steps that fits all examples, or None; the first among equals."""
        states = list(self._starts())
        seen = {repr((state.kind, state.values)): state.cost for state in states}
        best, cost = next(((program, s.cost) for s in states if (program := self._fits(s))), (None, math.inf))
        tried = 0
        for _ in range(depth):
            following: list[_State] = []
            for after in (after for state in states for after in _after(state, statement)):
                tried += 1
                known = repr((after.kind, after.values))
                if tried > _MOST or after.cost >= min(cost, seen.get(known, math.inf)):
                    continue
                seen[known] = after.cost
                following.append(after)
                program = self._fits(after)
                if program is not None:
                    best, cost = program, after.cost
            states = following
        return best

    def table(self) -> str:
        """A program that knows the examples and nothing else."""
        rows = dict(zip(map(repr, self.given), self.wanted, strict=True))
        first = self.wanted[0]
        if self.head is None:
            return f"import sys\n\nKNOWN = {rows!r}\nprint(KNOWN.get(repr(sys.stdin.read()), {first!r}), end='')"
        names = ", ".join(self._names())
        return f"KNOWN = {rows!r}\n\n\n{self.head}\n    return KNOWN.get(repr([{names}]), {first!r})"

    def _names(self) -> list[str]:
        inside = (self.head or "").partition("(")[2].rpartition(")")[0]
        return [name.strip() for name in inside.split(",") if name.strip()]

    def _starts(self) -> Iterator[_State]:
        if self.head is None:
            yield _State(tuple(text.rstrip("\n") for text in self.given), "text", ('sys.stdin.read().rstrip("\\n")',))
            return
        names = self._names()
        if len(names) == 2:
            yield _State(tuple(tuple(args) for args in self.given), "pair", (f"({', '.join(names)})",))
        for place, name in enumerate(names):
            values = tuple(args[place] for args in self.given)
            kinds = {kind_of(value) for value in values}
            kind = kinds.pop()
            if not kinds and kind is not None:
                yield _State(values, kind, (name,))

    def _fits(self, state: _State) -> str | None:
        if self.head is not None:
            fit = all(kind_of(a) == kind_of(b) and a == b for a, b in zip(state.values, self.wanted, strict=True))
            return self._written(state, "return x") if fit else None
        for line in PRINTS.get(state.kind, ()):
            if all(_lines(_printed(line, a)) == _lines(b) for a, b in zip(state.values, self.wanted, strict=True)):
                return self._written(state, line)
        return None

    def _written(self, state: _State, last: str) -> str:
        body = [*(f"x = {source}" for source in state.sources), last]
        used = sorted(name for name in (*MODULES, "sys") if any(f"{name}." in line for line in body))
        text = "".join(f"import {name}\n" for name in used) + ("\n" if used else "")
        # The steps' guard against numbers that take too long to try is of no use in the answer.
        lines = [line.replace("small(", "(") for line in body]
        if self.head is None:
            return text + "\n".join(lines)
        return text + f"{self.head}\n" + "\n".join(f"    {line}" for line in lines)


def _lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.rstrip().splitlines()]


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall("[a-z]+", text.lower()))


def _after(state: _State, statement: frozenset[str]) -> Iterator[_State]:
    for step in steps().get(state.kind, ()):
        try:
            values = tuple(step.run(value) for value in state.values)
        except (ValueError, TypeError, IndexError, KeyError, ArithmeticError, AttributeError):
            continue
        if _sound(values, step.gives):
            yield _State(values, step.gives, (*state.sources, step.source), state.cost + step.cost_in(statement))


def _sound(values: Sequence[Any], kind: str) -> bool:
    """Whether all values are of the type that was promised, and none is too large to go on with."""
    if any(kind_of(value) not in (kind, None) and value != [] for value in values):
        return False
    return all(abs(v) < 10**30 if isinstance(v, (int, float)) else len(v) < TOO_LARGE for v in values)


def _printed(line: str, value: Any) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        # The line is one of `PRINTS`, in this package.
        exec(line, {"x": value})  # noqa: S102
    return out.getvalue()


def make(**options: Any) -> CodeSearch:
    """Options: `depth` (steps at most, 1 to 4, default 3), `text` (input field)."""
    return build(CodeSearch, options)
