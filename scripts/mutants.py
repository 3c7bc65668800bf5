"""Mutation testing: change one place of the code, run the tests of its room, count the changes that no test notices.

Usage: python scripts/mutants.py [--sample 200] [--seed 2026] [--rooms core,engine,stats,scorers] [--least 80]

Mutants come from cosmic-ray's operators. One replacement is drawn per place, and places are drawn by the seed, so that
a comparison with seven replacements weighs no more than a condition with one. Replacements that mostly crash (a shift
of floats, `is` for `==`) are left out, since any test kills them; so are annotations, what only type checkers read, and
options of decorators (a dataclass's `slots`), since no test can. The checkout is never touched: each worker has a copy
of the tree in a temporary folder.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
NEEDED = (
    "evalkit",
    "tests",
    "docs",
    "suites",
    "datasets",
    "scripts",
    "pyproject.toml",
    "evalkit.yaml",
    "LICENSE",
    "README.md",
)
WORKERS = 2
MEMORY_KB = 6_000_000
# The first two need a variable's name; without its decorator a dataclass or property says nothing about the tests.
LEFT_OUT = ("core/VariableReplacer", "core/VariableInserter", "core/RemoveDecorator")
BITS = ("RShift", "LShift", "BitOr", "BitAnd", "BitXor")
IDENTITY = ("Is", "IsNot")
PAGE = """# Mutation testing

**{killed} of {total} mutants killed: {share:.1%}.** Written by `make mutants`, which fails below {least:g} %.

A mutant is the code with one change: an operator, a number, a condition. The tests of its room run; a mutant that no
test notices shows a line that may be wrong without anybody seeing it. Replacements are those of cosmic-ray; one is
drawn per place. Left out are replacements that mostly crash (any test kills them), and annotations, imports for type
checkers and options of decorators (no test can). A mutant that runs out of time is killed: {timeouts} did.

Seed {seed}; {total} of {found} places; cosmic-ray {tool}, Python {python}.

| room | mutants | killed | share |
|---|---:|---:|---:|
{rooms}

## Survivors

{survivors}
"""


@dataclass(frozen=True)
class Place:
    """Where a group of operators finds something to replace, and which of its occurrences in the file that is."""

    file: str
    line: int
    column: int
    group: str
    occurrences: tuple[int, ...]


@dataclass(frozen=True)
class Mutant:
    """One changed file: what was replaced, and the lines before and after."""

    place: Place
    operator: str
    code: str
    before: str
    after: str


def operator_groups() -> dict[str, list[str]]:
    """Operators that replace the same thing, by what they replace: `ReplaceBinaryOperator_Add`, `NumberReplacer`..."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(operator_names()):
        _, source, target = [*name.split("_"), "", ""][:3]
        crashes = any((target in kin) != (source in kin) for kin in (BITS, IDENTITY)) and source and target
        if name not in LEFT_OUT and not crashes:
            groups[name.rpartition("_")[0] if target and source != "Delete" else name].append(name)
    return groups


def no_behaviour(tree: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The spans of a file that are no behaviour: annotations, `if TYPE_CHECKING`, and options of a decorator.

    A dataclass's `slots` and `frozen` guard against misuse; results are the same without them.
    """
    for node in ast.walk(tree):
        spans: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            spans = [node.returns, *node.decorator_list]
        elif isinstance(node, ast.ClassDef):
            spans = [*node.decorator_list]
        elif isinstance(node, ast.arg | ast.AnnAssign):
            spans = [node.annotation]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            spans = [node]
        for span in spans:
            if isinstance(span, ast.expr | ast.stmt):
                yield (span.lineno, span.col_offset), (span.end_lineno or 0, span.end_col_offset or 0)


def places(root: Path, file: Path) -> Iterator[Place]:
    """Every place of a file of the tree `root` where a mutant can be made."""
    text = file.read_text("utf-8")
    dead = list(no_behaviour(ast.parse(text)))
    nodes = list(ast_nodes(get_ast(text)))
    name = file.relative_to(root).as_posix()
    for group, operators in operator_groups().items():
        operator = get_operator(operators[0])()
        spots = (spot for node in nodes for spot in operator.mutation_positions(node))
        here: dict[tuple[int, int], list[int]] = defaultdict(list)
        for occurrence, spot in enumerate(spots):
            here[spot[0] if isinstance(spot[0], tuple) else spot.start_pos].append(occurrence)
        for start, occurrences in here.items():
            if not any(low <= start < high for low, high in dead):
                yield Place(name, *start, group, tuple(occurrences))


def mutant_at(root: Path, place: Place, chance: random.Random) -> Mutant | None:
    """A mutant at a place: the first of its replacements, in drawn order, that changes the code; None without one."""
    text = (root / place.file).read_text("utf-8")
    ways = [(name, occurrence) for name in operator_groups()[place.group] for occurrence in place.occurrences]
    for name, occurrence in chance.sample(ways, len(ways)):
        code = mutate_code(text, get_operator(name)(), occurrence)
        if code is None or code == text:
            continue
        changed = [line for line in difflib.ndiff(text.splitlines(), code.splitlines()) if line[:2] in ("- ", "+ ")]
        before = " ".join(line[2:].strip() for line in changed if line.startswith("- "))
        after = " ".join(line[2:].strip() for line in changed if line.startswith("+ "))
        return Mutant(place, name.removeprefix("core/"), code, before, after)
    return None


def draw(root: Path, rooms: list[str], count: int, seed: int) -> tuple[list[Mutant], int]:
    """A sample of mutants over the rooms, and how many places there are."""
    found = sorted(
        (
            place
            for room in rooms
            for file in sorted((root / "evalkit" / room).rglob("*.py"))
            for place in places(root, file)
        ),
        key=lambda place: (place.file, place.line, place.column, place.group),
    )
    chance = random.Random(seed)
    mutants: list[Mutant] = []
    for place in chance.sample(found, len(found)):
        mutant = mutant_at(root, place, chance)
        if mutant is not None:
            mutants.append(mutant)
        if len(mutants) == count:
            break
    return mutants, len(found)


def copy_tree(into: Path) -> Path:
    """The tree that tests need, without byte-code: a mutant of the same size and second would not be seen past it."""
    into.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        elif source.exists():
            shutil.copy(source, into / name)
    return into


def run_tests(tree: Path, room: str, stem: str | None, timeout_s: float) -> tuple[int | None, float]:
    """The exit code of a room's tests (None: too long) and the seconds; the file named like the mutant's goes first."""
    first = (
        sorted(str(p.relative_to(tree)) for p in (tree / "tests" / room).glob(f"test_{room}_{stem}*.py"))
        if stem
        else []
    )
    options = [
        "-x",
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "-m",
        "not nightly",
        "--hypothesis-seed=0",
        "--tb=no",
        # A plugin of the package under test would be loaded before any test, mutated or not.
        "-p",
        "no:evalkit",
    ]
    command = [sys.executable, "-m", "pytest", *options, *first, f"tests/{room}"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    limited = ["bash", "-c", f'ulimit -v {MEMORY_KB}; exec "$@"', "-", *command]
    begun = time.monotonic()
    with subprocess.Popen(
        limited, cwd=tree, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            code = None
    return code, time.monotonic() - begun


def kill(mutant: Mutant, tree: Path, timeouts: dict[str, float]) -> str:
    """`killed`, `timeout` or `survived`: what the tests of its room make of a mutant."""
    file = tree / mutant.place.file
    original = file.read_text("utf-8")
    room = mutant.place.file.split("/")[1]
    file.write_text(mutant.code, "utf-8")
    try:
        code, _ = run_tests(tree, room, file.stem.strip("_"), timeouts[room])
    finally:
        file.write_text(original, "utf-8")
    return "timeout" if code is None else "survived" if code == 0 else "killed"


def judge(mutants: list[Mutant], rooms: list[str], copies: list[Path]) -> list[str]:
    """What becomes of each mutant, in order. Raises SystemExit when the tests fail without any change."""
    trees: queue.Queue[Path] = queue.Queue()
    for copy in copies:
        trees.put(copy)
    timeouts = {}
    for room in rooms:
        code, seconds = run_tests(copies[0], room, None, 600)
        if code != 0:
            raise SystemExit(f"mutants: the tests of {room} fail without a mutant (exit {code})")
        timeouts[room] = 15 + 4 * seconds
        print(f"{room}: {seconds:.1f} s without a mutant", flush=True)

    def one(numbered: tuple[int, Mutant]) -> str:
        number, mutant = numbered
        tree = trees.get()
        try:
            fate = kill(mutant, tree, timeouts)
        finally:
            trees.put(tree)
        where = f"{mutant.place.file}:{mutant.place.line}"
        print(f"{number}/{len(mutants)} {fate:8} {where} {mutant.operator}", flush=True)
        return fate

    with ThreadPoolExecutor(len(copies)) as pool:
        return list(pool.map(one, enumerate(mutants, 1)))


def page(mutants: list[Mutant], fates: list[str], found: int, chosen: argparse.Namespace) -> str:
    """docs/mutation.md."""
    alive = [mutant for mutant, fate in zip(mutants, fates, strict=True) if fate == "survived"]
    total = Counter(mutant.place.file.split("/")[1] for mutant in mutants)
    left = Counter(mutant.place.file.split("/")[1] for mutant in alive)
    rooms = (f"| {r} | {n} | {n - left[r]} | {1 - left[r] / n:.0%} |" for r, n in sorted(total.items()))
    survivors = (
        f"- `{m.place.file}:{m.place.line}` {m.operator}: `{m.before}` → `{m.after}`"
        for m in sorted(alive, key=lambda m: (m.place.file, m.place.line, m.place.column))
    )
    return PAGE.format(
        killed=len(mutants) - len(alive),
        total=len(mutants),
        share=1 - len(alive) / len(mutants),
        least=chosen.least,
        timeouts=fates.count("timeout"),
        seed=chosen.seed,
        found=found,
        tool=version("cosmic-ray"),
        python=sys.version.split()[0],
        rooms="\n".join(rooms),
        survivors="\n".join(survivors) or "None.",
    )


def main() -> None:
    """Draw, judge, write docs/mutation.md, print the share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--rooms", default="core,engine,stats,scorers")
    parser.add_argument("--least", type=float, default=80.0, help="per cent that must be killed")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "mutation.md")
    chosen = parser.parse_args()
    rooms = chosen.rooms.split(",")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [copy_tree(Path(folder) / str(number)) for number in range(WORKERS)]
        mutants, found = draw(copies[0], rooms, chosen.sample, chosen.seed)
        fates = judge(mutants, rooms, copies)
    chosen.out.write_text(page(mutants, fates, found, chosen), "utf-8")
    killed = len(fates) - fates.count("survived")
    share = 100 * killed / len(fates)
    print(f"mutants: {killed}/{len(fates)} killed, {share:.1f} %; survivors in {chosen.out}")
    sys.exit(share < chosen.least)


if __name__ == "__main__":
    main()
