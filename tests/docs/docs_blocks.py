"""Fenced blocks and inline commands of the docs, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer.main

from evalkit.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
SHELLS = {"console", "bash", "sh", "shell", ""}
CLI = typer.main.get_command(app)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the line it begins on, its language and the other words of its first line."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that the block shows, from `file=...`."""
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a page. Raises ValueError for a fence that is not closed."""
    found: list[Block] = []
    begun: tuple[int, str, list[str]] | None = None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        fence = re.match(r"\s*```(.*)$", line)
        if fence and begun is None:
            begun = (number, fence[1].strip(), [])
        elif fence and begun is not None:
            language, *words = begun[1].split() or [""]
            page = path.relative_to(ROOT).as_posix()
            found.append(Block(page, begun[0], language, tuple(words), "\n".join(begun[2]) + "\n"))
            begun = None
        elif begun is not None:
            begun[2].append(line)
    if begun is not None:
        raise ValueError(f"{path}:{begun[0]}: the block is not closed")
    return found


def every_block() -> list[Block]:
    return [block for path in PAGES for block in blocks(path)]


def transcript(block: Block) -> Iterator[tuple[str, str]]:
    """Each command after a `$` of a block with the lines printed below it; quotes and backslashes may span lines."""
    lines = block.text.replace("\\\n", " ").splitlines()
    while lines:
        first = lines.pop(0)
        if not first.strip().startswith("$ "):
            continue
        command = first.strip()[2:]
        while lines and is_open(command):
            command += "\n" + lines.pop(0)
        printed = []
        while lines and not lines[0].strip().startswith("$ "):
            printed.append(lines.pop(0))
        yield command, "\n".join(printed)


def is_open(command: str) -> bool:
    """Whether a quote of the command goes on in the next line."""
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return True
    return False


def shell_lines(block: Block) -> Iterator[str]:
    """The commands of a shell block; where there is a `$`, only what follows one."""
    prompted = [command for command, _ in transcript(block)]
    yield from prompted if block.language == "console" or prompted else block.text.replace("\\\n", " ").splitlines()


def commands(line: str) -> Iterator[list[str]]:
    """The `evalkit ...` commands of a shell line, as words; comments, other programs and redirections are left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word and not set(word) - set("|&;<>"):
            if words[:1] and words[0].rpartition("/")[2] == "evalkit":
                yield words[1:]
            words = ["redirected"] if set(word) <= set("<>") else []
        else:
            words.append(word)


def resolve(words: list[str]) -> tuple[str, object, list[str]]:
    """The verb, its command and the words after it. Raises ValueError for a verb that there is not."""
    command, verb = CLI, "evalkit"
    while inner := getattr(command, "commands", None):
        if not words or words[0].startswith("-"):
            return verb, command, words
        if words[0] not in inner:
            raise ValueError(f"there is no `{verb} {words[0]}`")
        verb, command, words = f"{verb} {words[0]}", inner[words[0]], words[1:]
    return verb, command, words


def unknown_options(words: list[str]) -> list[str]:
    """Options in a command that its verb does not have."""
    _, command, rest = resolve(words)
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
    return [w for w in rest if re.match(r"--?[a-zA-Z]", w) and w.partition("=")[0] not in known]


def check(words: list[str]) -> None:
    """Parse a command as the command line would, without running it. Raises what the command line would complain of."""
    verb, command, rest = resolve(words)
    if {"--help", "-h", "--version"} & set(rest) or hasattr(command, "commands"):
        return
    command.make_context(verb, rest)


def inline_commands(path: Path) -> Iterator[tuple[int, str]]:
    """`evalkit ...` in running text, with its line."""
    inside = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            yield from ((number, found) for found in re.findall(r"`(evalkit [^`]+)`", line))
