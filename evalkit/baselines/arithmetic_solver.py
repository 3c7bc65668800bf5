"""Arithmetic word problems by one operation: its cue words choose it, and it is applied to all numbers of the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._answering import Named, Reader
from evalkit.baselines._numbers_in_text import numbers, reckoned, shown
from evalkit.core.options import build

VERSION = 1


@dataclass(frozen=True)
class ArithmeticSolver(Named, Reader):
    """Adds, subtracts, multiplies or divides all numbers of the text, from left to right; `text` is the input field.

    The answer ends in `Answer: ...`; without an operation it is the last number, without a number it is `unknown`.
    """

    text: str = "text"
    kind: ClassVar[str] = "arithmetic_solver"
    version: ClassVar[int] = VERSION

    def reply(self, text: str) -> str:
        """The result."""
        result = reckoned(text)
        if result is None:
            found = numbers(text)
            return f"Answer: {shown(found[-1])}" if found else "Answer: unknown"
        return f"Answer: {shown(result)}"


def make(**options: Any) -> ArithmeticSolver:
    """Build from options; raises ValueError naming the known ones."""
    return build(ArithmeticSolver, options)
