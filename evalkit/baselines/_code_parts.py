"""The library of steps that a search for programs puts together: each is one expression over `x`, from type to type."""

from __future__ import annotations

import bisect
import calendar
import collections
import functools
import itertools
import math
import re
import statistics
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODULES = {
    module.__name__: module
    for module in (
        bisect, calendar, collections, functools, itertools, math, re, statistics, string,
    )
}  # fmt: skip
TOO_LARGE = 1_000_000

_STEPS = Path(__file__).parent / "lexicons" / "program_steps.txt"

# How a result is printed, from what to which line.
PRINTS = {
    "text": ("print(x)",),
    "number": ("print(x)",),
    "numbers": ("print(*x)", 'print(*x, sep="\\n")', "print(x)", 'print(*x, sep=",")'),
    "words": ("print(*x)", 'print(*x, sep="\\n")', 'print(*x, sep=",")'),
    "truth": ('print("YES" if x else "NO")', 'print("Yes" if x else "No")', "print(x)", "print(int(x))"),
    "table": ("for row in x:\n    print(*row)",),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One expression over `x`; `run` computes it, `words` in a statement speak for it."""

    takes: str
    gives: str
    cost: float
    words: frozenset[str]
    source: str
    run: Callable[[Any], Any]

    def cost_in(self, statement: frozenset[str]) -> float:
        """What the step costs in a program for a statement with these words; less where one speaks for it."""
        return self.cost / 4 if self.words & statement else self.cost


def small(number: int) -> int:
    """The number, where a step with it ends soon; raises ValueError otherwise."""
    if not -1 <= number <= 2000:
        raise ValueError("too large to try")
    return number


@functools.cache
def steps() -> dict[str, tuple[Step, ...]]:
    """All steps, by the type that they take."""
    found: dict[str, list[Step]] = {}
    for line in _STEPS.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        types, cost, words, source = line.split("\t")
        takes, gives = types.split(" -> ")
        # The expressions are evalkit's own file: nothing that anybody else wrote is evaluated.
        run = eval(f"lambda x: {source}", {**MODULES, "small": small})  # noqa: S307
        found.setdefault(takes, []).append(Step(takes, gives, float(cost), frozenset(words.split()), source, run))
    return {takes: tuple(those) for takes, those in found.items()}


def kind_of(value: Any) -> str | None:
    """The type of a value among those of the steps, or None."""
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "text"
    if not isinstance(value, list):
        return None
    for kind, name in ((list, "table"), (str, "words"), ((int, float), "numbers")):
        if value and all(isinstance(item, kind) for item in value):
            return name
    return None if value else "numbers"
