"""A small project with one of everything, and commands called in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from evalkit.cli.main import main
from evalkit.providers.mock_server import Server, running


class Said(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


AGENT = '''
"""Doubles what is asked."""
def doubles(sample):
    a, b = sample.input["text"].split("+")
    if sample.id == "s3":
        raise ValueError("three is too much")
    return str(int(a) + int(b))
'''


def fill(folder: Path, url: str) -> None:
    samples = [
        {
            "id": f"s{n}",
            "input": {"text": f"{n}+{n}"},
            "target": str(2 * n),
            "tags": [f"size:{'big' if n > 4 else 'small'}"],
        }
        for n in range(8)
    ]
    (folder / "datasets").mkdir()
    (folder / "datasets/sums.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    (folder / "datasets/card.yaml").write_text("source: made up\ndated: 2026-01-01\nlimits: [small, easy]\n")
    (folder / "agent.py").write_text(AGENT)
    (folder / "suites").mkdir()
    chat = {"provider": "openai", "base_url": f"{url}/v1", "api_key_env": "EVALKIT_TEST_KEY"}
    project = {
        "candidates": {
            "chat": {**chat, "model": "perfect"},
            "half": {**chat, "model": "sums-p50"},
            "agent": "python/agent.py:doubles",
            "unsure": {"provider": "mock", "model": "m", "p": 0.5},
            "broken": {"provider": "mock", "model": "b", "error_rate": 1.0},
        },
        "prices": [{"model": ["perfect"], "usd": {"input_tokens": 1.0, "output_tokens": 2.0}, "dated": "2026-01-01"}],
    }
    (folder / "evalkit.yaml").write_text(json.dumps(project))
    sums = {
        "name": "sums",
        "description": "Adds two numbers.",
        "family": "generalist",
        "dataset": {
            "path": "../datasets/sums.jsonl",
            "card": "../datasets/card.yaml",
            "fields": {"id": "id", "input": "input", "target": "target", "tags": "tags"},
        },
        "task": {
            "prompts": {
                "plain": {"prompt": "{{ text }}", "candidates": []},
                "polite": {"system": "Be kind.", "prompt": "What is {{ text }}?"},
            },
        },
        "scorers": ["exact_match", "length", "latency", "cost"],
        "slices": ["size"],
        "gates": [{"metric": "exact_match", "mode": "threshold", "floor": 0.5}],
        "candidates": ["chat", "half"],
    }
    (folder / "suites/sums.yaml").write_text(json.dumps(sums))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture
def empty(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project before its first run, as the working directory."""
    fill(tmp_path, server.url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVALKIT_TEST_KEY", "key-for-tests-only")
    return tmp_path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    """The project after one run; tests read it only."""
    folder = tmp_path_factory.mktemp("ran")
    fill(folder, server.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EVALKIT_TEST_KEY", "key-for-tests-only")
        with pytest.raises(SystemExit) as ended:
            main(["run", "suites", "-q", "-y", "-c", "chat", "-c", "half", "-c", "agent", "-c", "unsure"])
    assert ended.value.code == 5, "the agent fails on one sample of eight"
    return folder


@pytest.fixture
def project(ran: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(ran)
    monkeypatch.setenv("EVALKIT_TEST_KEY", "key-for-tests-only")
    return ran


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Call a command in this process."""

    def said(*arguments: str) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        shown = capsys.readouterr()
        return Said(int(ended.value.code or 0), shown.out, shown.err)

    return said
