"""What the docs tell a reader to type works: commands parse, blocks marked `run` run and say what the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from docs_blocks import (
    PAGES,
    ROOT,
    SHELLS,
    Block,
    blocks,
    check,
    commands,
    every_block,
    inline_commands,
    shell_lines,
    transcript,
    unknown_options,
)

BLOCKS = every_block()
READERS = {"json": json.loads, "yaml": yaml.safe_load, "toml": tomllib.loads}


def by_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_commands_in_blocks_parse(page):
    for block in blocks(page):
        if block.language in SHELLS:
            for line in shell_lines(block):
                for words in commands(line) if "evalkit" in line else ():
                    with explained(f"{block}: {line}"):
                        check([word for word in words if word not in ("...", "…")])


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_commands_in_the_text_exist(page):
    for number, text in inline_commands(page):
        for words in commands(re.sub(r"[\[\]]|\.\.\.|…", " ", text)):
            if words[:1] != ["VERB"]:
                assert (unknown_options(words), f"{page}:{number} {text}") == ([], f"{page}:{number} {text}")


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Name the place in whatever goes wrong inside."""
    try:
        yield
    except Exception as error:
        error.add_note(where)
        raise


def checked(line: str) -> None:
    for words in commands(line):
        check(words)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("evalkit rum suites/", "there is no `evalkit rum`"),
        ("evalkit new sweet x", "there is no `evalkit new sweet`"),
        ("evalkit run suites/ --limmit 3", "limmit"),
        ("evalkit run suites/ --limit few", "integer"),
        ("evalkit sql", "query"),
        ("ls && PATH=x || evalkit report --nope | cat # evalkit rum", "nope"),
    ],
)
def test_a_wrong_command_is_noticed(wrong, message):
    with pytest.raises(Exception, match=r"(?i)" + re.escape(message)):
        checked(wrong)


def test_commands_are_found_in_a_line():
    line = "cd x && .venv/bin/evalkit run 'a b' -c m | tail > f; evalkit show  # evalkit sql"
    assert list(commands(line)) == [["run", "a b", "-c", "m"], ["show"]]


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in READERS], ids=str)
def test_a_block_of_data_reads(block):
    READERS[block.language](block.text)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "python"], ids=str)
def test_a_block_of_python_compiles(block):
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links_to_files_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_make_targets_in_the_text_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = page.read_text("utf-8")
    named = set(re.findall(r"(?:`|\$ |^)make ([a-z-]+)", text, re.MULTILINE))
    assert named - targets == set()
    if page.name == "CONTRIBUTING.md":
        assert named >= {"install", "test", "check", "mutants", "wheel", "bare", "lowest", "bench", "docs", "lock"}


@pytest.fixture
def project(tmp_path):
    """A copy of the checkout's own project: its suites, data and evalkit.yaml."""
    for name in ("suites", "datasets"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "evalkit.yaml", tmp_path)
    return tmp_path


def environment() -> dict[str, str]:
    """A plain terminal, with this interpreter's evalkit first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}


def masked(line: str) -> str:
    """A line as it is compared: blanks squeezed, numbers, rules and run ids the same."""
    line = re.sub(r"\d{8}T\d{6}-[0-9a-f]+", "RUN", line)
    line = re.sub(r"[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?", "0", line)
    line = re.sub(r"[─━═-]{3,}", "---", line)
    return " ".join(line.split())


def lacking(expected: str, printed: str) -> str | None:
    """The first expected line that is not printed after the one before it; `...` stands for anything."""
    lines = iter([masked(line) for line in printed.splitlines()])
    for wanted in (masked(line) for line in expected.splitlines()):
        if wanted in ("", "...", "…"):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in re.split(r"\.\.\.|…", wanted)))
        if not any(pattern.fullmatch(line) for line in lines):
            return wanted
    return None


def run_console(block: Block, folder: Path) -> None:
    """Run each command of a console block and compare what it prints with what the page prints."""
    for command, expected in transcript(block):
        code, printed = call(["bash", "-c", command], folder)
        assert code == 0, f"{block}: {command}: exit {code}\n{printed}"
        line = lacking(expected, printed)
        assert line is None, f"{block}: {command} does not print {line!r}, but:\n{printed}"


def call(command: list[str], folder: Path) -> tuple[int, str]:
    """The exit code and everything printed, in the order in which a reader sees it."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def runs(block: Block) -> bool:
    """Whether a block is to be run: where it says so, and in the README wherever it shows output or Python."""
    shows = block.language == "python" or block.text.startswith("$ evalkit ")
    return "run" in block.words or (block.page == "README.md" and shows)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_blocks_marked_run_work(page, project):
    for block in filter(runs, blocks(page)):
        if block.file:
            (project / block.file).parent.mkdir(parents=True, exist_ok=True)
            (project / block.file).write_text(block.text, "utf-8")
        elif block.language == "python":
            code, printed = call([sys.executable, "-c", block.text], project)
            assert code == 0, f"{block}:\n{printed}"
        else:
            assert block.language in ("console", ""), f"{block}: only console and python blocks run"
            run_console(block, project)


def test_a_block_that_does_not_run_is_noticed(project):
    good = Block(
        "x.md", 1, "console", ("run",), "$ evalkit list runs --json\n[]\n$ echo 12 s, ok 'a\nb'\n3 s, ...\nb\n"
    )
    run_console(good, project)
    for text in ("$ evalkit list nothing\n", "$ echo a\nb\n", "$ printf 'b\\na\\n'\na\nb\n"):
        with pytest.raises(AssertionError):
            run_console(Block("x.md", 1, "console", ("run",), text), project)
