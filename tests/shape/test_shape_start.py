"""Starting is light: what the front door and the command line pull in, measured in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import evalkit

HEAVY = {"aiohttp", "anthropic", "datasets", "duckdb", "jinja2", "msgspec", "numpy", "openai", "pandas", "pyarrow"}
HEAVY |= {"rich", "scipy", "sklearn", "uvloop", "xllamacpp", "yaml", "jsonschema", "asyncio"}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules in a fresh interpreter after the statement."""
    script = f"import sys, json\n{statement}\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    # -I: neither the working folder nor the user's own site may add anything
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("statement", "more"),
    [
        ("import evalkit", {"pydantic", "typer", "click"}),
        ("import evalkit; dir(evalkit)", {"pydantic", "typer", "click"}),
        ("import evalkit.registry; [evalkit.registry.names(kind) for kind in evalkit.registry.KINDS]", {"pydantic"}),
        ("import evalkit.cli.main", {"pydantic"}),
    ],
)
def test_starting_is_light(statement, more):
    found = loaded_by(statement)
    assert "evalkit" in found
    assert found & (HEAVY | more) == set()


def test_a_heavy_import_would_be_seen():
    assert loaded_by("import evalkit.stats.summary") >= {"evalkit", "numpy"}


def test_the_public_names_are_sorted_and_there():
    assert evalkit.__all__ == sorted(evalkit.__all__)
    assert all(getattr(evalkit, name) is not None for name in evalkit.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing_like_it'"):
        _ = evalkit.nothing_like_it
