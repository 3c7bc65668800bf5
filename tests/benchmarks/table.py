"""The table of docs/performance.md, written from what was measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from .results import Result, shown

BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


def write_table(page: Path, results: Iterable[Result]) -> None:
    """Put the results, the day and the machine between the marks of a page. Raises ValueError for a page without."""
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no line {BEGIN.strip()} followed by {END.strip()}")
    page.write_text(before + begin + table(results) + end + after, "utf-8")


def table(results: Iterable[Result]) -> str:
    """A Markdown table with a line about day and machine above it."""
    day = datetime.now(UTC).date().isoformat()
    lines = [
        f"Measured {day} with `make bench` on {machine()}.",
        "",
        "| name | value | unit | limit in this run | target | control | ok |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        figures = [shown(value) for value in (one.limit, one.target, one.control)]
        cells = [one.name, shown(one.value), one.unit, *figures, "yes" if one.ok else "**no**"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Processor, cores, load of others, system and Python."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [
            line.partition(":")[2].strip() for line in info.read_text("utf-8").splitlines() if "model name" in line
        ]
        model = named[0] if named else model
    load = os.getloadavg()[2]
    system = f"{platform.system()} {platform.release()}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores (load over 15 minutes {load:.1f}), {system}, {python}"
