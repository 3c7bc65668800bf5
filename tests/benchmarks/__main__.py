"""`python -m tests.benchmarks [--quick] [--only NAME] [--repeats N] [--markdown]`: exit 0 when every limit holds."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from . import composition, definitions, media, ranking, sandbox, speech, statistics
from .definitions import Bench
from .results import Result
from .table import write_table

# What measures the memory of children goes before what fills this process.
GROUPS = (
    *definitions.GROUPS,
    *speech.GROUPS,
    *composition.GROUPS,
    *sandbox.GROUPS,
    *ranking.GROUPS,
    *statistics.GROUPS,
    *media.GROUPS,
)
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def main() -> int:
    """Measure and print; returns the exit code."""
    names = [name for group in GROUPS for name in group.names]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that all works, judges nothing")
    parser.add_argument("--only", action="append", choices=names, help="measure the group of this one only")
    parser.add_argument("--repeats", type=int, default=3, help="measure so often and take the least (default 3)")
    parser.add_argument("--markdown", action="store_true", help="write the table of docs/performance.md too")
    asked = parser.parse_args()
    if asked.markdown and (asked.quick or asked.only):
        parser.error("--markdown needs all benchmarks in full size")
    found: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="evalkit-bench-") as folder:
        bench = Bench(Path(folder), asked.quick, asked.repeats)
        for group in GROUPS:
            if asked.only and not set(asked.only) & set(group.names):
                continue
            for result in group.run(bench):
                found.append(result)
                print(result.line(), flush=True)
    if asked.markdown:
        write_table(PAGE, found)
    return 0 if asked.quick or all(result.ok for result in found) else 1


if __name__ == "__main__":
    sys.exit(main())
