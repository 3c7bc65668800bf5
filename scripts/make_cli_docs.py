"""Write docs/cli.md from the command line itself: every verb, argument and option.

Usage: python scripts/make_cli_docs.py [--check]
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from evalkit.cli.main import app

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """# Command line

Written from the command line itself by `make docs`; a test keeps it current. `evalkit VERB --help` says the same.

## Exit codes
| code | meaning |
|---:|---|
| 0 | done; for a verdict: pass |
| 2 | usage, configuration, something missing on this machine, a cost that nobody agreed to |
| 3 | a regression, or a claim that the numbers contradict |
| 4 | inconclusive, where the policy blocks on it |
| 5 | invalid: cells are missing, too many errors, nothing selected or nothing asserted |
| 70 | a fault inside evalkit; the message names a report file |
| 130 | interrupted; what was in flight has been kept |

1 is never evalkit's own: Python's crashes use it. When several hold, 3 goes before 5 before 4.

## Machine-readable output
Verbs that print a table take `--json` (one array of objects; `run` prints events before it) and `--csv` (a header line,
then rows; text that a spreadsheet would run as a formula starts with an apostrophe). Unknown values are `null`, or an
empty cell.
"""
KINDS = {"Path": "path", "str": "text", "int": "number", "float": "number", "bool": ""}


def verbs(group: typer.Typer, before: str = "evalkit") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every verb with its words, groups' verbs included, in the order of `evalkit --help`."""
    for command in group.registered_commands:
        if command.callback is not None:
            yield f"{before} {command.name or command.callback.__name__.replace('_', '-')}", command.callback
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from verbs(inner.typer_instance, f"{before} {inner.name}")


def kind(annotation: Any) -> str:
    """What a person types for a parameter of this type."""
    arguments = [a for a in get_args(annotation) if a is not type(None)]
    if arguments and all(isinstance(a, str) for a in arguments):
        return "|".join(arguments)
    inner = arguments[0] if arguments else annotation
    return KINDS.get(getattr(inner, "__name__", ""), "text") if inner is not annotation or not arguments else ""


def default(info: OptionInfo) -> str:
    """The default as it is shown, an empty text when it says nothing."""
    shown = info.default
    if shown is ...:
        return " Required."
    if callable(shown) or shown is None or isinstance(shown, bool | list) or str(shown) == ".":
        return ""
    return f" Default: `{shown}`."


def line(name: str, info: OptionInfo | ArgumentInfo, annotation: Any) -> str:
    """One bullet: how it is typed, what it does."""
    if isinstance(info, OptionInfo):
        value = kind(annotation)
        names = ", ".join(f"`{one}`" for one in info.param_decls or (f"--{name.replace('_', '-')}",))
        return f"- {names}{f' *{value}*' if value else ''}: {info.help}{default(info)}"
    shown = info.metavar or name.upper()
    choices = kind(annotation) if "|" in kind(annotation) else ""
    return f"- `{shown}`{f' *{choices}*' if choices else ''}: {info.help}"


def usage(words: str, parameters: list[tuple[str, Any, Any]]) -> str:
    """The verb as one would type it."""
    parts = [words]
    for name, info, annotation in parameters:
        if isinstance(info, ArgumentInfo):
            shown = info.metavar or name.upper()
            shown += "..." if str(annotation).startswith("list") else ""
            parts.append(shown if info.default is ... else f"[{shown}]")
    has_options = any(isinstance(info, OptionInfo) for _, info, _ in parameters)
    return " ".join([*parts, *(["[options]"] if has_options else [])])


def section(words: str, callback: Callable[..., Any]) -> str:
    """The section of one verb."""
    hints = get_type_hints(callback)
    parameters = [(n, p.default, hints[n]) for n, p in inspect.signature(callback).parameters.items()]
    says = " ".join((inspect.getdoc(callback) or "").split())
    bullets = "\n".join(line(*parameter) for parameter in parameters)
    return f"## {words}\n`{usage(words, parameters)}`\n\n{says}\n" + (f"\n{bullets}\n" if bullets else "")


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(*verb) for verb in verbs(app))])


def main() -> None:
    """Write the page, or with --check say whether it is current."""
    if "--check" in sys.argv[1:]:
        sys.exit(0 if PAGE.exists() and PAGE.read_text("utf-8") == page() else f"{PAGE} is not current: make docs")
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
