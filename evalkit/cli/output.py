"""Tables for people, scripts and spreadsheets: the same rows as text, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

# A cell of a table is for reading; a longer text would bury the rows around it.
MOST_SHOWN = 2000


def inert(text: str) -> str:
    """Text that cannot drive a terminal: control characters are shown as their code."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, as_csv: bool) -> None:
    """Print rows: JSON (one array), CSV (formulas made inert), or a table."""
    if as_json:
        typer.echo(as_json_text([{name: row.get(name) for name in columns} for row in rows]))
    elif as_csv:
        typer.echo(as_csv_text(rows, columns), nl=False)
    else:
        print_table(rows, columns)


def as_json_text(value: Any) -> str:
    """A value as JSON that cannot drive a terminal. Numbers that JSON lacks are text: "nan", "inf", "-inf"."""
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, default=str)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def as_csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV. A cell that a spreadsheet would run as a formula starts with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (int, float)):
        return value
    text = inert(value if isinstance(value, str) else as_json_text(value))
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, verbatim: bool = False) -> None:
    """Print rows as a table; nothing in them can drive the terminal. `verbatim` = columns are names of the user's."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        numeric = any(isinstance(row.get(name), (int, float)) for row in rows)
        title = Text(inert(name)) if verbatim else name.replace("_", " ")
        table.add_column(title, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(row.get(name))) for name in columns))
    width = None if sys.stdout.isatty() else max(160, 12 * len(columns))
    Console(file=sys.stdout, highlight=False, width=width).print(table)


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else as_json_text(value)
    if len(text) > MOST_SHOWN:
        text = f"{text[:MOST_SHOWN]}... and {len(text) - MOST_SHOWN:,} more characters (--json shows all)"
    return inert(text)
