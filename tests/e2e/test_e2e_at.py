"""Two commits measured side by side: equal cells asked once, changed ones on both sides, each under its own commit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_world import World, sums

from evalkit.providers.mock_server import Server, running


@pytest.fixture(scope="module")
def process() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def server(process: Server) -> Server:
    process.config(latency_ms=1)
    process.reset()
    return process


def git(root: Path, *words: str) -> str:
    author = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *author, *words], cwd=root, capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()


def commit(world: World, message: str) -> str:
    git(world.root, "add", "-A")
    git(world.root, "commit", "-q", "-m", message)
    return git(world.root, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, server: Server) -> World:
    """A repository with the suite on `main`, and a branch `work` checked out."""
    world = World.build(tmp_path / "project", server.url, 30)
    (world.root / ".gitignore").write_text(".evalkit/\nreports/\n.env\n", "utf-8")
    git(world.root, "init", "-q")
    commit(world, "The suite")
    git(world.root, "checkout", "-q", "-b", "work")
    return world


def at(world: World, *more: str, base: str = "main", head: str = "HEAD") -> object:
    return world.run("--at", base, "--at", head, *more)


def entries(world: World) -> list[tuple[str, str, str, int]]:
    rows = world.sql("select git_branch, candidate, status, planned from entries order by started, candidate")
    return [(row["git_branch"], row["candidate"], row["status"], row["planned"]) for row in rows]


def test_equal_cells_are_asked_once_and_changed_ones_on_both_sides(repository, server):
    world = repository
    changed = sums(30)
    changed[4]["text"] += " Please."
    world.samples(changed)
    commit(world, "Ask politely about one")
    assert at(world).code == 0
    # Two candidates: 30 samples each, and the one that changed twice.
    assert server.stats()["total"] == 2 * 31
    assert [row[0] for row in entries(world)] == ["main", "main", "work", "work"]
    assert {row[2] for row in entries(world)} == {"complete"}
    cached = world.sql(
        "select git_branch, sum(cached::int)::int as n from cells join run using (run_id) group by 1 order by 1"
    )
    assert [(row["git_branch"], row["n"]) for row in cached] == [("main", 0), ("work", 58)]
    world.nothing_lost_or_doubled()


def test_a_changed_prompt_is_asked_on_both_sides_and_a_repetition_asks_nobody(repository, server):
    world = repository
    world.write(suite={"task": {"prompt": "Add: {{ text }}"}})
    head = commit(world, "Another prompt")
    assert at(world).code == 0
    assert server.stats()["total"] == 4 * 30
    first = world.sql("select candidate, value, git_commit from leaderboard join entries using (entry_id, candidate)"
                      " where metric = 'numeric' order by candidate")  # fmt: skip
    assert {row["git_commit"] for row in first} == {head}
    assert at(world).code == 0
    assert server.stats()["total"] == 4 * 30


def test_only_the_branch_s_own_changes_count_where_main_has_gone_on(repository, server):
    world = repository
    fork = git(world.root, "rev-parse", "main")
    world.write(suite={"task": {"prompt": "Add: {{ text }}"}})
    commit(world, "Another prompt")
    git(world.root, "checkout", "-q", "main")
    world.samples(sums(40))
    commit(world, "More samples on main")
    git(world.root, "checkout", "-q", "work")
    assert at(world).code == 0
    commits = {row["git_branch"]: row["git_commit"] for row in world.sql("select git_branch, git_commit from runs")}
    assert commits["main"] == fork
    assert {row[3] for row in entries(world)} == {30}


def test_old_answers_to_what_changed_are_asked_again_on_both_sides(repository, server):
    world = repository
    assert world.run().code == 0
    world.write(suite={"task": {"prompt": "Add: {{ text }}"}})
    commit(world, "Another prompt")
    server.reset()
    assert at(world, "--max-age", "1h").code == 0
    assert server.stats()["total"] == 2 * 30, "the answers of a moment ago are new enough"
    server.reset()
    assert at(world, "--max-age", "0s").code == 0
    assert server.stats()["total"] == 4 * 30
    assert world.one("select max(generation) from entry") == 1
    assert world.one("select count(*) from run") == 5
    world.nothing_lost_or_doubled()


def test_fresh_asks_everything_again_and_still_shares_what_is_equal(repository, server):
    world = repository
    assert world.run().code == 0
    world.samples(sums(31))
    commit(world, "One more")
    server.reset()
    assert at(world, "--fresh").code == 0
    assert server.stats()["total"] == 2 * 31


def test_what_did_not_change_is_not_asked_again_however_old(repository, server):
    world = repository
    assert world.run().code == 0
    (world.root / "README").write_text("nothing that counts", "utf-8")
    commit(world, "Words")
    server.reset()
    assert at(world, "--max-age", "0s").code == 0
    assert server.stats()["total"] == 0


def test_a_suite_and_a_candidate_that_are_new_are_measured_at_the_head_alone(repository, server):
    world = repository
    world.write(suite={"name": "more"})
    world.write(
        suite={"name": "sums", "candidates": ["sure-p90"]},
        candidates={**world.settings["candidates"], "new": {"provider": "mocked", "model": "newer-p50"}},
    )
    commit(world, "A suite and a candidate more")
    done = world.quick("run", "sums.yaml", "more.yaml", "--quiet", "--at", "main", "--at", "HEAD", "-c", "new",
                       "-c", "sure-p90")  # fmt: skip
    assert done.code == 0, done.err
    assert "more.yaml is not in main" in done.err
    assert "candidate 'new' is not in main" in done.err
    seen = {(row[0], row[1]) for row in entries(world)}
    assert seen == {("main", "sure-p90"), ("work", "sure-p90"), ("work", "new")}
    assert server.stats()["total"] == 30 + 30, "both suites ask the same"


def test_uncommitted_changes_are_said_to_be_left_out(repository):
    world = repository
    world.write(suite={"task": {"prompt": "Add: {{ text }}"}})
    done = at(world)
    assert done.code == 0
    assert "1 changed files are not committed" in done.err
    assert len(world.sql("select * from run")) == 1, "the two commits are one"


def test_the_copies_are_gone_afterwards_and_leftovers_of_killed_processes_too(repository):
    world = repository
    left = world.store / "at" / "0123456789abcdef-999999"
    left.mkdir(parents=True)
    world.samples(sums(31))
    commit(world, "One more")
    assert at(world).code == 0
    assert list((world.store / "at").iterdir()) == []
    assert len(git(world.root, "worktree", "list").splitlines()) == 1


def test_a_side_that_fails_asks_again_for_the_other(repository, server):
    world = repository
    world.samples(sums(31))
    commit(world, "One more")
    server.config(error_rate=0.2, error_mix="500:1")
    done = at(world, "--retries", "0")
    assert done.code == 5
    server.config(error_rate=0.0)
    world.nothing_lost_or_doubled()


@pytest.mark.parametrize(
    ("base", "head", "more", "said"),
    [
        ("nowhere", "HEAD", (), "git knows no commit 'nowhere'"),
        ("--help", "HEAD", (), "git knows no commit '--help'"),
        ("main", "HEAD", ("--max-age", "soon"), "'soon' is no length of time"),
        ("main", "HEAD", ("--at", "main"), "--at is given twice"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is_asked(repository, server, base, head, more, said):
    done = repository.run(f"--at={base}", f"--at={head}", *more)
    assert done.code == 2
    assert said in done.err
    assert server.stats()["total"] == 0


def test_outside_of_a_repository_there_is_nothing_to_go_back_to(tmp_path, server):
    world = World.build(tmp_path / "project", server.url, 3)
    done = at(world)
    assert done.code == 2
    assert "no git repository" in done.err


def test_commits_without_a_common_past_are_refused(repository):
    git(repository.root, "checkout", "-q", "--orphan", "island")
    commit(repository, "Another beginning")
    done = at(repository)
    assert done.code == 2
    assert "share no commit" in done.err


def test_a_look_at_few_samples_does_not_become_the_branch_s_baseline(repository):
    world = repository
    world.write(suite={"gates": [{"metric": "numeric", "margin": 0.2}], "candidates": ["sure-p90"]})
    git(world.root, "checkout", "-q", "-B", "main")
    commit(world, "A gate")
    assert world.run().code == 0
    assert world.run("--limit", "10").code == 0
    git(world.root, "checkout", "-q", "-B", "work")
    world.write(suite={"task": {"prompt": "{{ text }} "}})
    commit(world, "A blank")
    assert world.run().code == 0
    done = world.quick("gate", "sums.yaml", "--json", "-")
    assert '"pairs": 30' in done.out, (done.out, done.err)
    assert "overlap:" not in done.out
