"""Write the golden cases of `math_equal`: pairs of target and answer, with what math-verify itself says about them.

Run with `python scripts/make_math_cases.py tests/cases/scorers`. The pairs are those that evalkit hands
to the library as they are; what evalkit reads beyond it (marked lines, bare expressions, words) is tested by hand.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import math_verify

Pair = tuple[Any, str]

NUMBERS: list[Pair] = [
    (0.1, "10%"),
    (0.1, "$10\\%$"),
    ("10\\%", "$0.1$"),
    (5, "$x=5$"),
    (3, "3 cm"),
    (42, "so the sum is 42"),
    (42, "first 41, then 42"),
    (42, "first 42, then 41"),
    ("3/4", "0.75"),
    ("3/4", "$\\frac{3}{4}$"),
    ("3/4", "\\boxed{\\frac{6}{8}}"),
    ("1/3", "0.333333"),
    ("1/3", "0.333"),
    (2500, "2,500"),
    (2500, "it costs 2,500 euros"),
    (-8, "$-8$"),
    (8, "$-8$"),
    (14.7, "14.70"),
    (1000000, "$10^6$"),
    (0.58, "58%"),
]
EXPRESSIONS: list[Pair] = [
    ("3+\\sqrt{2}", "$\\sqrt{2}+3$"),
    ("3+\\sqrt{2}", "\\boxed{3+\\sqrt{2}}"),
    ("3+\\sqrt{2}", "$3-\\sqrt{2}$"),
    ("9\\sqrt{3}", "$\\sqrt{243}$"),
    ("25\\pi", "The area is $25\\pi$."),
    ("25\\pi", "$25$"),
    ("2x^2+3x-20", "$(2x-5)(x+4)$"),
    ("2x^2+3x-20", "$3x+2x^2-20$"),
    ("2x^2+3x-20", "$2x^2-3x-20$"),
    ("x-3", "$\\frac{x^2-9}{x+3}$"),
    ("16\\pi-24\\sqrt{3}", "$8(2\\pi-3\\sqrt{3})$"),
    ("\\frac{1}{\\sqrt{2}}", "$\\frac{\\sqrt{2}}{2}$"),
]
SETS: list[Pair] = [
    ("$(1,2)$", "$[1,2]$"),
    ("$(1,2)$", "$(1,2)$"),
    ("$[0,1]$", "$[0,1]$"),
    ("$[0,1]$", "$[0,1)$"),
    ("$\\{1,2\\}$", "$\\{2,1\\}$"),
    ("$\\{1,2\\}$", "$\\{1,3\\}$"),
    ("$\\{1,2\\}$", "$1,2$"),
    ("$\\{1,2\\}$", "2,1"),
    ("$x<5$", "$5>x$"),
]
UNREADABLE: list[Pair] = [(7, "no idea"), (7, "I cannot solve this.")]


def gold(target: Any) -> str:
    """A target as the library is given it: numbers and delimited text as they are, expressions as LaTeX."""
    text = str(target)
    return text if "$" in text or not any(c.isalpha() or c in "\\^" for c in text) else f"${text}$"


def judged(pair: Pair) -> int | None:
    """1 or 0 as math-verify says; None where it reads nothing."""
    found = math_verify.parse(pair[1], parsing_timeout=10)
    return int(math_verify.verify(math_verify.parse(gold(pair[0])), found, timeout_seconds=10)) if found else None


def case(name: str, pairs: list[Pair]) -> dict[str, Any]:
    """One case of the file."""
    items = [{"target": target, "output": output} for target, output in pairs]
    return {"name": name, "spec": "math_equal", "items": items, "scores": [{"math_equal": judged(p)} for p in pairs]}


def main(folder: Path) -> None:
    """Write math_equal.json."""
    made_by = {
        "library": "math-verify",
        "version": version("math-verify"),
        "command": "python scripts/make_math_cases.py tests/cases/scorers",
    }
    groups = [
        ("numbers", NUMBERS),
        ("expressions", EXPRESSIONS),
        ("sets and intervals", SETS),
        ("no mathematics", UNREADABLE),
    ]
    written = {"made_by": made_by, "cases": [case(name, pairs) for name, pairs in groups]}
    (folder / "math_equal.json").write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
