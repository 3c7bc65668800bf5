"""The laws of shape hold in every file, and each law catches what it forbids."""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from shape_rules import ROOT, RULES, File, read_package, start_imports

FILES = read_package()
BY_NAME = {rule.__name__: rule for rule in RULES}
DOC = '"""What it is."""\n\nfrom __future__ import annotations\n\n'

BROKEN = {
    "imports_go_down": [
        ("evalkit/core/x.py", "from evalkit.stats import summary\n"),
        ("evalkit/core/x.py", "from evalkit import stats\n"),
        ("evalkit/stats/x.py", "def f() -> None:\n    import evalkit.store.reader\n"),
        ("evalkit/stats/x.py", "if TYPE_CHECKING:\n    from evalkit.engine.records import Call\n"),
        ("evalkit/scorers/x.py", "from importlib import import_module\nimport_module('evalkit.registry')\n"),
        ("evalkit/scorers/x.py", "from importlib import import_module\nimport_module(f'evalkit.store.{1}')\n"),
        ("evalkit/engine/x.py", "from evalkit import __version__\n"),
        ("evalkit/engine/x.py", "from .loop import run_lanes\n"),
        ("evalkit/app/x.py", "from evalkit.cli.output import inert\n"),
        ("evalkit/registry.py", "import evalkit.app.run\n"),
        ("evalkit/kitchen/x.py", ""),
    ],
    "third_party_stays_home": [
        ("evalkit/core/x.py", "import numpy as np\n"),
        ("evalkit/report/x.py", "def f() -> None:\n    import duckdb\n"),
        ("evalkit/data/x.py", "from datasets import load_dataset\n"),
        ("evalkit/app/x.py", "import duckdb\n"),
        ("evalkit/scorers/x.py", "from importlib import import_module\nimport_module('aiohttp.web')\n"),
        ("evalkit/__init__.py", "import pandas\n"),
    ],
    "files_are_short": [("evalkit/core/x.py", "x = 1\n" * 400)],
    "functions_are_short": [("evalkit/core/x.py", "def f() -> None:\n" + "    x = 1\n" * 60)],
    "parameters_are_few": [
        ("evalkit/core/x.py", "def f(a, b, c, d, e, f, g) -> None: ...\n"),
        ("evalkit/core/x.py", "class A:\n    async def f(self, a, b, c, d, *, e, f, g=1) -> None: ...\n"),
        ("evalkit/cli/x.py", "def f(a=1, b=2, c=3, d=4, e=5, f=6, g=7) -> None: ...\n"),
    ],
    "returns_are_typed": [("evalkit/core/x.py", "def f() -> None:\n    def g(): ...\n")],
    "no_drawers": [("evalkit/core/utils.py", ""), ("evalkit/core/_helpers/x.py", "")],
    "modules_say_what_they_are": [("evalkit/core/x.py", None)],
    "annotations_are_lazy": [("evalkit/core/x.py", None)],
    "only_cli_talks": [
        ("evalkit/core/x.py", "print('x')\n"),
        ("evalkit/app/x.py", "def f() -> None:\n    sys.exit(1)\n"),
        ("evalkit/app/x.py", "raise SystemExit(1)\n"),
    ],
    "environment_is_read_at_the_edge": [
        ("evalkit/config/x.py", "import os\nx = os.environ['A']\n"),
        ("evalkit/app/run.py", "import os\nx = os.getenv('A')\n"),
        ("evalkit/app/run.py", "from os import environ\n"),
    ],
    "failures_are_kept": [
        ("evalkit/core/x.py", "try:\n    x = 1\nexcept ValueError:\n    pass\n"),
        ("evalkit/core/x.py", "try:\n    x = 1\nexcept ValueError:\n    ...\n"),
        ("evalkit/core/x.py", "try:\n    x = 1\nexcept Exception:  # noqa: BLE001\n    x = 2\n"),
        ("evalkit/core/x.py", "try:\n    x = 1\nexcept (OSError, Exception):\n    x = 2\n"),
        ("evalkit/core/x.py", "with contextlib.suppress(Exception):\n    x = 1\n"),
    ],
    "nothing_is_left_over": [
        ("evalkit/core/x.py", "x = 1  # TODO: later\n"),
        ("evalkit/core/x.py", "def f() -> None:\n    raise NotImplementedError\n"),
        ("evalkit/core/x.py", "def f() -> None:\n    global x\n"),
    ],
    "chance_is_seeded": [
        ("evalkit/core/x.py", "import random\nx = random.choice('ab')\n"),
        ("evalkit/core/x.py", "x = np.random.default_rng()\n"),
        ("evalkit/core/x.py", "x = numpy.random.normal(size=3)\n"),
    ],
}
ALLOWED = {
    "imports_go_down": ("evalkit/app/x.py", "from evalkit import registry\nfrom evalkit.store.reader import q\n"),
    "third_party_stays_home": ("evalkit/app/x.py", "if TYPE_CHECKING:\n    from duckdb import DuckDBPyConnection\n"),
    "parameters_are_few": (
        "evalkit/cli/x.py",
        f"def f({', '.join(f'o{i}=typer.Option(1)' for i in range(9))}, p=PROJECT) -> None: ...\n",
    ),
    "failures_are_kept": (
        "evalkit/core/x.py",
        "try:\n    x = 1\nexcept Exception:  # noqa: BLE001 - the user's code may raise anything\n    x = 2\n",
    ),
    "chance_is_seeded": (
        "evalkit/core/x.py",
        "import random\nx = np.random.default_rng(3).normal()\ny = random.Random(3).choice('a')\n",
    ),
}


@pytest.mark.parametrize("rule", RULES, ids=BY_NAME)
def test_the_law_holds(rule):
    assert len(FILES) > 100
    assert [wrong for file in FILES for wrong in rule(file)] == []


@pytest.mark.parametrize(("rule", "name", "body"), [(r, n, b) for r, cases in BROKEN.items() for n, b in cases])
def test_the_law_catches(rule, name, body):
    text = "def f() -> None: ...\n" if body is None else DOC + body
    found = list(BY_NAME[rule](File(name, text)))
    assert found
    assert all(wrong.startswith(f"{name}:") for wrong in found)


def test_every_law_has_a_broken_example():
    assert set(BROKEN) == set(BY_NAME)


@pytest.mark.parametrize(("rule", "case"), ALLOWED.items(), ids=ALLOWED)
def test_the_law_allows(rule, case):
    assert list(BY_NAME[rule](File(case[0], DOC + case[1]))) == []


def test_no_import_cycle_at_import_time():
    graph = start_imports(FILES)
    assert graph["evalkit.registry"] >= {"evalkit.core.errors", "evalkit.core.spec"}
    TopologicalSorter(graph).prepare()


def test_an_import_cycle_is_seen():
    planted = [
        File("evalkit/core/a.py", "from evalkit.core import b\n"),
        File("evalkit/core/b.py", "from evalkit.core.a import x\n"),
    ]
    with pytest.raises(CycleError):
        TopologicalSorter(start_imports(planted)).prepare()
    later = [planted[0], File("evalkit/core/b.py", "def f() -> None:\n    from evalkit.core.a import x\n")]
    TopologicalSorter(start_imports(later)).prepare()


def complexity(folder: Path) -> subprocess.CompletedProcess[str]:
    options = ["--isolated", "--ignore-noqa", "--select=C901", "--config=lint.mccabe.max-complexity=10", "--no-cache"]
    return subprocess.run(
        [sys.executable, "-m", "ruff", "check", *options, "--output-format=concise", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_function_is_more_complex_than_ten(tmp_path):
    found = complexity(ROOT / "evalkit")
    assert (found.returncode, found.stdout.strip()) == (0, "All checks passed!")
    branches = "".join(f"    if x == {i}:\n        return {i}\n" for i in range(10))
    (tmp_path / "tangled.py").write_text(f"def f(x):  # noqa: C901\n{branches}    return x\n")
    assert "C901" in complexity(tmp_path).stdout
