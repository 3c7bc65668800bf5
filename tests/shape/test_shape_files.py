"""What is committed: no machine's paths, no code among data, a lock without addresses, dependencies that are declared."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Split in two, so that this file does not say them itself.
HOSTS = ("py" + "pi.org", "python" + "hosted", "npm" + "js.", "index" + "-url", "find" + "-links", "goproxy" + ".")
PATHS = ("/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/", "/op" + "t/", ".." + "/shared/")
# The lock's command names the switch that leaves addresses out.
SWITCH = "--no-emit-index" + "-url"
# A library that another one brings and answers for: (its name, who brings it).
BROUGHT = {
    "pydantic_core": "pydantic", "huggingface_hub": "datasets", "threadpoolctl": "scikit-learn", "langchain_core": "ragas",
}  # fmt: skip
DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "yaml": "pyyaml", "dotenv": "python-dotenv", "azure": "azure-identity", "PIL": "pillow",
    "skimage": "scikit-image", "pytrec_eval": "pytrec-eval-terrier",
}  # fmt: skip


def committed() -> list[Path]:
    """Every file that is or could be committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(entries: list[str]) -> set[str]:
    return {normal(re.match(r"[A-Za-z0-9._-]+", entry)[0]) for entry in entries}


CORE = declared(PROJECT["dependencies"])
EXTRAS = {extra: declared(entries) for extra, entries in PROJECT["optional-dependencies"].items()}
OPTIONAL = EXTRAS.keys() - {"all", "dev"}


def leaks(text: str) -> list[str]:
    """The machine paths and registry hosts in a text, each with its line number."""
    return [
        f"{number}: {line.strip()[:120]}"
        for number, line in enumerate(text.splitlines(), 1)
        if any(word in line.replace(SWITCH, "") for word in (*HOSTS, *PATHS))
    ]


def test_no_file_names_a_machine_or_a_registry():
    found = {}
    files = committed()
    assert len(files) > 300
    for path in files:
        try:
            wrong = leaks(path.read_text("utf-8"))
        except UnicodeDecodeError:
            continue
        if wrong:
            found[path.relative_to(ROOT).as_posix()] = wrong[:3]
    assert found == {}


@pytest.mark.parametrize("word", [*HOSTS, *PATHS])
def test_a_leak_is_seen(word):
    assert leaks(f"fine\nsee {word}x\n") == [f"2: see {word}x"]
    assert leaks(f"uv pip compile {SWITCH}\n") == []


def test_no_code_among_data():
    data = ("datasets", "suites", "reports")
    assert [p for p in committed() if p.relative_to(ROOT).parts[0] in data and p.suffix in (".py", ".pyc")] == []
    assert [p for p in committed() if p.name == "conftest.py" and p.parent == ROOT / "tests" / "cases"] == []


def test_code_files_are_short():
    endings = {".py", ".sql", ".html", ".css", ".js", ".sh"}
    places = ("evalkit", "scripts")
    sizes = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8").count("\n")
        for path in committed()
        if path.suffix in endings and path.relative_to(ROOT).parts[0] in places
    }
    assert {name: lines for name, lines in sizes.items() if lines > 400} == {}


def test_the_lock_pins_and_names_no_address():
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pin = re.compile(r"[a-z0-9-]+==[\w.!+]+( ; [\w .<>=!'\"()-]+)?")
    assert len(lines) > 50
    assert [line for line in lines if not pin.fullmatch(line)] == []
    locked = {line.partition("==")[0] for line in lines}
    wanted = CORE | set().union(*(names for extra, names in EXTRAS.items() if extra not in ("all", "azure", "dev")))
    wanted |= EXTRAS["dev"] - {"evalkit"}
    assert wanted - locked == set()


installed = cache(packages_distributions)


def imported() -> dict[str, set[str]]:
    """Third-party top-level module -> files of evalkit that import it."""
    sys.path.insert(0, str(Path(__file__).parent))
    from shape_rules import read_package

    found: dict[str, set[str]] = {}
    for file in read_package():
        for one in file.imports:
            top = re.split(r"[.:]", one.module)[0]
            if top and top != "evalkit" and top not in sys.stdlib_module_names:
                found.setdefault(top, set()).add(file.name)
    return found


def distribution(module: str) -> str:
    known = installed()
    return normal(BROUGHT.get(module) or DISTRIBUTIONS.get(module) or (known.get(module) or [module])[0])


def test_every_import_is_declared():
    found = imported()
    assert {"numpy", "duckdb", "jinja2", "aiohttp", "sklearn"} <= found.keys()
    everything = CORE.union(*(EXTRAS[extra] for extra in OPTIONAL))
    assert {m: sorted(files) for m, files in found.items() if distribution(m) not in everything} == {}


def test_every_dependency_is_imported():
    used = {distribution(module) for module in imported()}
    assert CORE - used == set()


def test_heavy_libraries_are_no_part_of_the_core():
    heavy = {"pandas", "pyarrow", "scikit-learn", "openai", "anthropic", "datasets", "xllamacpp", "statsmodels"}
    assert heavy & CORE == set()


def test_an_extra_named_in_an_error_exists():
    named = set()
    for path in sorted((ROOT / "evalkit").rglob("*.py")):
        text = path.read_text("utf-8")
        named |= {extra for found in re.findall(r"evalkit\[([a-z,]+)\]'", text) for extra in found.split(",")}
    assert {"llm", "tabular", "local", "parquet", "hf"} <= named
    assert named <= OPTIONAL


def test_no_test_is_skipped_or_talks_to_a_fake_library():
    wrong = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            names = {a.name for a in node.names} if isinstance(node, ast.Import | ast.ImportFrom) else set()
            module = getattr(node, "module", None) or ""
            if re.search(r"pytest\.(skip|xfail|importorskip)|mark\.(skip|skipif|xfail)\b", name):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")
            if "unittest.mock" in names or module.startswith(("unittest", "mock")):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {module or names}")
    assert wrong == []
