"""Every part is found by its file, can be made, says which extra it wants, and stands in the docs."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from evalkit import registry
from evalkit.app import doctor

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PARTS = [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]
PAGES = {
    "scorers": ("scorers.md",),
    "data": ("data.md",),
    "providers": ("providers.md", "evalkit-yaml.md", "families/*.md"),
    "baselines": ("families/*.md",),
    "systems": ("*.md",),
    "families": ("families/*.md",),
}
# Parts that work without the extra that some of their options need.
OPTIONAL = {
    ("providers", "replay"),
    ("providers", "openai"),
    ("providers", "anthropic"),
    ("scorers", "real_time_factor"),
    ("scorers", "silence_hallucination"),
}
FEWEST = {"scorers": 18, "providers": 8, "baselines": 8, "families": 2, "data": 6}


def documented(kind: str) -> str:
    return "\n".join(page.read_text("utf-8") for pattern in PAGES[kind] for page in sorted(DOCS.glob(pattern)))


def test_the_registry_finds_the_parts():
    found = {kind: len(registry.names(kind)) for kind in registry.KINDS}
    assert {kind: count for kind, count in FEWEST.items() if found[kind] < count} == {}


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_has_make(kind, name):
    file = ROOT.joinpath(*registry.names(kind)[name].split(".")).with_suffix(".py")
    tree = ast.parse(file.read_text("utf-8"))
    made = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "make"]
    assert len(made) == 1, f"{file} has no make(...)"
    assert ast.get_docstring(made[0]) or ast.get_docstring(tree)
    assert callable(registry.module(kind, name).make)


@pytest.mark.parametrize(("kind", "name"), [part for part in PARTS if part[0] != "families"])
def test_a_part_is_in_the_docs(kind, name):
    assert re.search(rf"(?<![\w-])`{re.escape(name)}[`(@:/]", documented(kind)), f"docs/{PAGES[kind]} lack `{name}`"


@pytest.mark.parametrize("name", registry.names("families"))
def test_a_family_has_a_page(name):
    assert (DOCS / "families" / f"{name}.md").is_file()


@pytest.mark.parametrize("kind", registry.KINDS)
def test_an_unknown_part_is_named(kind):
    with pytest.raises(ValueError, match=r"there is no .* 'nothing-like-it'; known: |did you mean"):
        registry.module(kind, "nothing-like-it")


def test_what_doctor_asks_for_is_what_the_project_declares():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    names = {extra: {re.match(r"[\w-]+", one)[0] for one in wanted} for extra, wanted in declared.items()}
    assert {extra: set(packages) for extra, packages in doctor.extras().items()} == {
        extra: packages for extra, packages in names.items() if extra not in ("all", "dev")
    }


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_says_what_it_needs(kind, name):
    extra, programs = (registry.declared(kind, name, literal) for literal in ("EXTRA", "PROGRAMS"))
    assert extra is None or extra in doctor.extras()
    assert set(programs or ()) <= doctor.PROGRAMS.keys()
    text = Path(registry.module(kind, name).__file__).read_text("utf-8")
    optional = (kind, name) in OPTIONAL
    assert extra is not None or optional or "evalkit[" not in text, (
        f"{name} names an extra in an error: say EXTRA = ... at its top"
    )


@cache
def wants(module: str) -> dict[str, set[str]]:
    """Function or class of a module -> the extras that its errors, or those of what it uses, may name."""
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(file.read_text("utf-8"))
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evalkit."):
            for name in node.names:
                found |= borrowed(node.module, name.name, name.asname or name.name)
    own = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    uses = {
        name: {ast.unparse(n) for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)}
        for name, node in own.items()
    }
    found |= {name: set(re.findall(r"evalkit\[(\w+)", ast.unparse(node))) for name, node in own.items()}
    for _ in own:  # as often as the longest chain of calls could be
        for name, used in uses.items():
            found[name] = found[name].union(*(found[one] for one in used & found.keys()))
    return {name: found[name] for name in own}


def borrowed(module: str, name: str, alias: str) -> dict[str, set[str]]:
    """What an import brings that wants an extra; helpers only, since a part says for itself what it needs."""
    if ROOT.joinpath(*module.split("."), f"{name}.py").is_file():
        return {f"{alias}.{one}": extras for one, extras in wants(f"{module}.{name}").items()} if name[0] == "_" else {}
    is_helper = (
        module.rpartition(".")[2].startswith("_") and ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file()
    )
    return {alias: wants(module).get(name, set())} if is_helper else {}


@pytest.mark.parametrize(("kind", "name"), [part for part in PARTS if part[0] not in ("data", "families")])
def test_a_part_says_what_its_helpers_need(kind, name):
    needed = set().union(*wants(registry.names(kind)[name]).values())
    extra = registry.declared(kind, name, "EXTRA")
    assert not needed or extra in needed or (kind, name) in OPTIONAL, f"{name}: say EXTRA = one of {needed} at its top"
