"""Problems by kind: equations, formulas, sequences, calendars, logic by enumeration, tables; else one operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines import _solve_algebra, _solve_numbers, _solve_world
from evalkit.baselines._answering import Named, Reader
from evalkit.baselines._numbers_in_text import numbers, reckoned, shown
from evalkit.core.options import build

VERSION = 1

_SOLVERS = (
    _solve_world.solve_table,
    _solve_numbers.solve_sequence,
    _solve_world.solve_calendar,
    _solve_world.solve_logic,
    _solve_numbers.solve,
    _solve_algebra.solve,
)


@dataclass(frozen=True)
class RuleSolver(Named, Reader):
    """Answers by the first kind whose patterns a text has, exactly; else as `arithmetic_solver` does.

    `text` is the input field. The answer ends in `Answer: ...`. It knows school formulas and small enumerations, and
    nothing about what a text means.
    """

    text: str = "text"
    kind: ClassVar[str] = "rule_solver"
    version: ClassVar[int] = VERSION

    def reply(self, text: str) -> str:
        """The answer of the first solver that has one."""
        for solve in _SOLVERS:
            found = solve(text)
            if found is not None:
                return f"Answer: {found}"
        result = reckoned(text)
        if result is not None:
            return f"Answer: {shown(result)}"
        last = numbers(text)
        return f"Answer: {shown(last[-1])}" if last else "Answer: unknown"


def make(**options: Any) -> RuleSolver:
    """Build from options; raises ValueError naming the known ones."""
    return build(RuleSolver, options)
