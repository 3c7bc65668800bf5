"""A run in several processes: they start early, share what is limited, and leave nobody behind."""

from __future__ import annotations

import json
import os
from multiprocessing import active_children
from pathlib import Path

import pytest

from evalkit.app import workers
from evalkit.app.execute import Limits
from evalkit.app.leaderboard import standings
from evalkit.app.run import RunRequest, run
from evalkit.app.watching import Silent
from evalkit.app.workspace import open_workspace
from evalkit.core.errors import ConfigError, ExitCode
from evalkit.providers.mock_server import running


@pytest.fixture
def server():
    with running() as started:
        yield started


@pytest.fixture
def asked(project, server):
    """A suite of 40 samples and a server; call it with what the request says beside two workers."""
    rows = [{"id": f"s{n}", "input": {"text": f"What is {n}+{n}?"}, "target": str(2 * n)} for n in range(40)]
    folder = project(rows, task={"prompt": "{{ text }}"}, candidates=["chat"], limits={"concurrency": 2})
    chat = {"provider": "openai", "model": "mock-perfect", "base_url": f"{server.url}/v1"}
    (folder / "evalkit.yaml").write_text(json.dumps({"candidates": {"chat": chat}}))

    def ask(paths: tuple[Path, ...] = (folder / "s.yaml",), **more):
        space = open_workspace(folder, dict(os.environ))
        return space, run(space, RunRequest(paths, workers=2, **more), Silent())

    before = {child.pid for child in active_children()}
    yield ask
    assert {child.pid for child in active_children()} <= before


def entry(space):
    with space.store.open(read_only=True) as connection:
        return standings(connection)["s"][0]


def test_two_workers_ask_everything_once(asked, server):
    space, outcome = asked()
    assert outcome.code is ExitCode.PASS
    assert entry(space).answered == 40
    stats = server.stats()
    assert (stats["unique_ok"], stats["repeat_ok"]) == (40, 0)


def test_a_budget_is_shared(asked):
    space, outcome = asked(limits=Limits(tokens=100))
    assert outcome.code is ExitCode.INVALID
    assert "the run budget of 100 tokens is spent" in outcome.reasons[0]
    assert 0 < entry(space).answered < 40


def test_workers_that_started_are_ended_when_nothing_can_be_run(asked, project):
    folder = project([{"id": "a", "input": {"text": "?"}, "target": {"no": "text"}}], candidates=["chat"])
    with pytest.raises(ConfigError):
        asked((folder / "s.yaml",))


def test_more_budgets_than_room_start_other_workers(asked, monkeypatch):
    monkeypatch.setattr(workers, "MOST_BUDGETS", 1)
    space, outcome = asked()
    assert outcome.code is ExitCode.PASS
    assert entry(space).answered == 40


def test_what_failed_is_asked_by_several_too(asked):
    space, _ = asked(limits=Limits(tokens=100))
    first = entry(space).answered
    space, outcome = asked(only_failed=True)
    assert outcome.code is ExitCode.PASS
    assert entry(space).answered == 40 - first
