"""The action's own script over a repository and a GitHub on a real socket: one comment, check runs, summary, exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "gate"))
from e2e_world import environment
from github_server import REPO, TOKEN, Hub, serving

SCRIPT = Path(__file__).parents[2] / ".github" / "actions" / "evalkit" / "gate.sh"
EVALKIT = Path(sys.executable).parent / "evalkit"
ITEMS = [{"id": f"s{i:03d}", "text": f"item {i}", "target": f"answer {i}"} for i in range(150)]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as found:
        yield found


def git(root: Path, *words: str) -> str:
    author = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *author, *words], cwd=root, capture_output=True, text=True, check=True,
                          timeout=30).stdout.strip()  # fmt: skip


def answers(root: Path, wrong: int) -> None:
    rows = [{"id": row["id"], "output": "no" if i < wrong else row["target"]} for i, row in enumerate(ITEMS)]
    (root / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A suite over recorded answers, 15 of 150 wrong on `main`; the branch `work` is checked out as CI does it."""
    root = tmp_path / "shop"
    (root / "suites").mkdir(parents=True)
    (root / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ITEMS), "utf-8")
    (root / ".gitignore").write_text(".evalkit/\n", "utf-8")
    (root / "evalkit.yaml").write_text("candidates:\n  recorded: {provider: replay, model: answers.jsonl}\n", "utf-8")
    (root / "suites/facts.yaml").write_text(
        "family: generalist\n"
        "dataset: {path: ../items.jsonl, fields: {input: {text: text}}}\n"
        "scorers: [exact_match]\n"
        "candidates: [recorded]\n"
        "gates:\n"
        "  - {metric: exact_match, margin: 0.05}\n",
        "utf-8",
    )
    answers(root, 15)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "main")
    git(root, "update-ref", "refs/remotes/origin/main", "main")
    git(root, "checkout", "-q", "-b", "work")
    return root


def changed(root: Path, wrong: int) -> str:
    answers(root, wrong)
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", f"{wrong} wrong")
    sha = git(root, "rev-parse", "HEAD")
    git(root, "checkout", "-q", "--detach")
    return sha


def act(root: Path, hub: Hub, sha: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The script as a runner starts it for pull request 7; event, summary and outputs are files."""
    out = root.parent / "runner"
    out.mkdir(exist_ok=True)
    event = {"pull_request": {"number": 7, "head": {"sha": sha}}}
    (out / "event.json").write_text(json.dumps(event), "utf-8")
    told: Mapping[str, str] = {
        "GITHUB_API_URL": f"{hub.base}/api/v3", "GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": REPO,
        "GITHUB_EVENT_PATH": str(out / "event.json"), "GITHUB_STEP_SUMMARY": str(out / "summary.md"),
        "GITHUB_OUTPUT": str(out / "output"), "GITHUB_BASE_REF": "main", "GITHUB_HEAD_REF": "work",
        "GITHUB_SHA": "0" * 40, "GITHUB_RUN_ATTEMPT": "1", "RESULTS": str(out / "results"),
        "PATH_TO_EVALKIT": str(EVALKIT), "SUITES": "suites/", **inputs,
    }  # fmt: skip
    return subprocess.run(["bash", str(SCRIPT)], cwd=root, env=environment(**told), capture_output=True, text=True,
                          timeout=240, check=False)  # fmt: skip


def result(root: Path, name: str) -> str:
    return (root.parent / "runner" / name).read_text("utf-8")


def test_a_regression_is_said_everywhere_and_ends_with_3(repository, hub):
    sha = changed(repository, 60)
    done = act(repository, hub, sha)
    assert done.returncode == 3, done.stdout + done.stderr
    (comment,) = hub.comments
    assert comment["body"].startswith("<!-- evalkit:facts -->")
    assert "REGRESSION" in comment["body"]
    assert "-30.0 points" in comment["body"]
    (check,) = hub.checks
    assert (check["conclusion"], check["head_sha"]) == ("failure", sha)
    assert (check["told"][0]["path"], check["told"][0]["start_line"]) == ("suites/facts.yaml", 6)
    assert "::error file=suites/facts.yaml,line=6," in done.stdout
    assert "REGRESSION" in result(repository, "summary.md")
    assert result(repository, "output").split() == ["outcome<<end", "regression", "end", "exit-code=3"]
    assert "<testsuite" in result(repository, "results/junit.xml")
    assert json.loads(result(repository, "results/verdict.json"))["outcome"] == "regression"
    assert (repository.parent / "runner/results/report/index.html").is_file()
    assert hub.wrong == []
    assert TOKEN not in done.stdout + done.stderr


def test_a_second_push_changes_the_same_comment(repository, hub):
    for _ in range(130):
        hub.comment("somebody said something", user={"login": "ada", "type": "User"})
    assert act(repository, hub, changed(repository, 60)).returncode == 3
    git(repository, "checkout", "-q", "work")
    done = act(repository, hub, changed(repository, 14))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(hub.comments) == 131
    assert "PASS" in hub.comments[-1]["body"]
    assert hub.checks[-1]["conclusion"] == "success"


def test_a_fork_s_read_only_token_leaves_the_summary(repository, hub):
    hub.read_only = True
    done = act(repository, hub, changed(repository, 60))
    assert done.returncode == 3, done.stdout + done.stderr
    assert hub.comments == []
    assert "forks get a read-only one" in done.stderr
    assert "REGRESSION" in result(repository, "summary.md")


def test_without_a_comment_nobody_is_written_to(repository, hub):
    done = act(repository, hub, changed(repository, 15), COMMENT="false")
    assert done.returncode == 0, done.stdout + done.stderr
    assert hub.requests == []
    assert "PASS" in result(repository, "results/comment.md")


def test_inputs_are_words_and_no_commands(repository, hub):
    done = act(repository, hub, changed(repository, 15), CANDIDATES="$(touch pwned); recorded, `touch pwned`")
    assert done.returncode == 2, done.stdout + done.stderr
    assert not list(repository.rglob("pwned"))


def test_a_shallow_clone_is_told_what_it_lacks(repository, hub):
    git(repository, "update-ref", "-d", "refs/remotes/origin/main")
    done = act(repository, hub, changed(repository, 15))
    assert done.returncode == 2
    assert "fetch-depth: 0" in done.stdout


def test_a_run_that_may_not_be_judged_is_said_in_the_comment(repository, hub):
    (repository / "answers.jsonl").write_text('{"id": "s000", "output": "no"}\n', "utf-8")
    git(repository, "commit", "-qam", "Most answers are lost")
    git(repository, "checkout", "-q", "--detach")
    done = act(repository, hub, git(repository, "rev-parse", "HEAD"))
    assert done.returncode == 5, done.stdout + done.stderr
    assert "INVALID" in hub.comments[0]["body"]
