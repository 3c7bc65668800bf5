"""Write tests/cases/scorers/lint.json: what pyflakes itself says about programs. Usage: make_lint_cases.py FOLDER."""

from __future__ import annotations

import ast
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pyflakes.checker import Checker

PROGRAMS = (
    "import os\nprint(1)",
    "print(total)",
    "def f(x):\n    y = 2\n    return x\nprint(f(1))",
    "def f(x):\n    return x\nprint(f(1))",
    "from math import *\nprint(sqrt(2))",
    "print(f'text')",
    "x = input()\nif x is 'a':\n    print(x)",
    "import sys, re\nfrom math import pi\nprint(undefined, also)",
    "def f():\n    return 1\ndef f():\n    return 2\nprint(f())",
    "x = 1\nassert (x, 'message')\nprint('%s %s' % (x,))",
)


def item(program: str) -> dict[str, Any]:
    """A golden item: a fenced program."""
    return {"output": f"```python\n{program}\n```"}


def scores(program: str, ignore: tuple[str, ...] = ()) -> dict[str, float]:
    """The scores by pyflakes, called directly."""
    messages = [m for m in Checker(ast.parse(program)).messages if type(m).__name__ not in ignore]
    return {"lint_clean": float(not messages), "lint_findings": float(len(messages))}


def main() -> None:
    """Write the file into the folder that is named."""
    ignore = ("UnusedImport", "ImportStarUsed")
    cases = [
        {
            "name": "what pyflakes finds",
            "spec": "lint",
            "items": [item(program) for program in PROGRAMS],
            "scores": [scores(program) for program in PROGRAMS],
        },
        {
            "name": "kinds that do not count",
            "spec": "lint(ignore=['UnusedImport', 'ImportStarUsed'])",
            "items": [item(program) for program in PROGRAMS],
            "scores": [scores(program, ignore) for program in PROGRAMS],
        },
    ]
    made_by = {
        "library": "pyflakes",
        "version": version("pyflakes"),
        "command": "python scripts/make_lint_cases.py tests/cases/scorers",
    }
    text = json.dumps({"made_by": made_by, "cases": cases}, indent=1)
    Path(sys.argv[1], "lint.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
