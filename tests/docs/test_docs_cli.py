"""docs/cli.md is what the command line is: every verb, every option, every exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from evalkit.cli.main import app
from evalkit.core.errors import ExitCode

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text("utf-8")


def leaves(command, words):
    """Every verb as (words, command), groups opened."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return [(words, command)]
    return [leaf for name, one in inner.items() for leaf in leaves(one, f"{words} {name}")]


LEAVES = leaves(typer.main.get_command(app), "evalkit")


def test_the_page_is_current():
    command = [sys.executable, str(ROOT / "scripts" / "make_cli_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("words", "command"), LEAVES, ids=[words for words, _ in LEAVES])
def test_every_verb_and_option_is_documented(words, command):
    section = PAGE.split(f"\n## {words}\n")[1].split("\n## ")[0]
    options = [name for parameter in command.params for name in parameter.opts if name.startswith("-")]
    assert [name for name in options if f"`{name}`" not in section] == [name for name in options if "help" in name]
    arguments = [p.name.upper() for p in command.params if not p.opts[0].startswith("-")]
    assert [name for name in arguments if f"- `{name}`" not in section] == []
    assert command.help
    assert " ".join(command.help.split()) in " ".join(section.split())


def test_every_exit_code_is_documented():
    table = [line for line in PAGE.splitlines() if line.startswith("| ")]
    assert [code.value for code in ExitCode if not any(row.startswith(f"| {code.value} |") for row in table)] == []


def test_the_verbs_of_the_first_version_are_there():
    verbs = {words.removeprefix("evalkit ") for words, _ in LEAVES}
    promised = {
        "new suite",
        "validate",
        "run",
        "report",
        "show",
        "sql",
        "list",
        "explain-miss",
        "score",
        "gc",
        "doctor",
    }
    promised |= {"cost", "export", "mock-server", "models get"}
    assert promised <= verbs


def test_tables_can_be_read_by_programs():
    tables = {"show", "sql", "list", "explain-miss", "score", "doctor", "cost", "models list", "run"}
    for words, command in LEAVES:
        options = {name for parameter in command.params for name in parameter.opts}
        assert (words.removeprefix("evalkit ") in tables) <= ({"--json", "--csv"} <= options), words
