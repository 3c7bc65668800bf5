"""The workflows: pinned actions, no more rights than needed, targets that exist; the hooks run what `make check` runs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


ACTION = ROOT / ".github" / "actions" / "evalkit" / "action.yml"
# Only the gate says something in a pull request.
RIGHTS = {
    "ci": {"contents": "read"},
    "nightly": {"contents": "read"},
    "gate": {"contents": "read", "pull-requests": "write", "checks": "write"},
}


def steps(path: Path) -> list[dict[str, object]]:
    read = yaml.safe_load(path.read_text("utf-8"))
    return read["runs"]["steps"] if path == ACTION else [step for job in read["jobs"].values() for step in job["steps"]]


def test_there_are_workflows():
    assert {path.stem for path in WORKFLOWS} == {"ci", "gate", "nightly"}
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]
    assert {"check", "test", "wheel", "lowest", "bare", "macos"} <= jobs.keys()


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(path):
    used = [str(step["uses"]) for step in steps(path) if "uses" in step and step["uses"] != "./.github/actions/evalkit"]
    assert used
    assert [use for use in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", use)] == []
    own = path.read_text("utf-8").count("uses: ./.github/actions/")
    assert path.read_text("utf-8").count("uses:") - own == len(
        re.findall(r"@[0-9a-f]{40} # v\d", path.read_text("utf-8"))
    )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_rights_are_minimal(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {}
    assert all(job["permissions"] == RIGHTS[path.stem] for job in workflow["jobs"].values())
    assert all(job["timeout-minutes"] <= 150 for job in workflow["jobs"].values())
    checkouts = [step for step in steps(path) if "checkout" in str(step.get("uses"))]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_job_runs_exists(path):
    runs = "\n".join(str(step["run"]) for step in steps(path) if "run" in step)
    targets = set(re.findall(r"\bmake (?:--silent )?([a-z-]+)", runs))
    assert targets or path.stem == "gate"
    assert targets <= TARGETS
    assert [name for name in re.findall(r"\btests/\w+", runs) if not (ROOT / name).is_dir()] == []


def test_what_make_runs_exists():
    scripts = re.findall(r"scripts/[\w-]+\.(?:sh|py)", MAKEFILE)
    assert len(scripts) > 6
    assert [name for name in scripts if not (ROOT / name).is_file()] == []
    phony = set(re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split())
    assert phony == TARGETS


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.stem)
def test_a_shell_script_is_strict_and_parses(script):
    assert "set -euo pipefail" in script.read_text("utf-8")
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_continuous_integration_runs_the_tests():
    runner = ROOT / ".ci" / "run"
    assert os.access(runner, os.X_OK)
    assert runner.read_text("utf-8").rstrip().endswith("exec make test")


def test_hooks_run_what_make_check_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    tools = {re.search(r"\.venv/bin/([\w-]+)", hook["entry"])[1] for hook in hooks}
    checks = set(re.findall(r"^\t\$\(BIN\)/([\w-]+)", MAKEFILE.split("\ncheck:")[1].split("\n\n")[0], re.MULTILINE))
    assert tools == checks == {"ruff", "mypy", "lint-imports"}


def test_the_action_s_inputs_reach_the_shell_by_variables_only():
    for step in steps(ACTION):
        assert "${{" not in str(step.get("run", ""))
    read = yaml.safe_load(ACTION.read_text("utf-8"))
    assert all(one["description"] for one in [*read["inputs"].values(), *read["outputs"].values()])
    used = set(re.findall(r"inputs\.([\w-]+)", ACTION.read_text("utf-8")))
    assert used == set(read["inputs"])


def test_the_repository_gates_itself_with_inputs_that_the_action_has():
    (step,) = [one for one in steps(ROOT / ".github/workflows/gate.yml") if "evalkit" in str(one["uses"])]
    assert set(step["with"]) <= set(yaml.safe_load(ACTION.read_text("utf-8"))["inputs"])
    assert all((ROOT / suite).is_file() for suite in step["with"]["suites"].split())
