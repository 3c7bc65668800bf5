"""Why something was asked again: every reason, on real runs."""

from __future__ import annotations

import json

import pytest

import evalkit
from evalkit.app.explain import explain_misses, why
from evalkit.app.show import run_id_of
from evalkit.core.errors import UsageError
from evalkit.providers.mock_server import running


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started


def reasons(results):
    return {(row["why"], row["cells"]) for row in explain_misses(results.workspace, results.run_id)}


def answers(sample):
    return sample.input["text"]


answers.__evalkit_version__ = 1


def changed(sample):
    return sample.input["text"]


changed.__evalkit_version__ = 2


def fails(sample):
    if sample.id == "s1":
        raise ValueError("no")
    return "1"


fails.__evalkit_version__ = 1


def test_functions(project):
    project()
    assert reasons(evalkit.run("s.yaml", {"f": answers}, limit=3)) == {("first run of this candidate on this suite", 3)}
    assert reasons(evalkit.run("s.yaml", {"f": answers}, limit=4)) == {("the sample (or repeat) is new", 1)}
    assert reasons(evalkit.run("s.yaml", {"f": answers}, limit=4)) == set()
    assert reasons(evalkit.run("s.yaml", {"f": answers}, limit=4, fresh=True)) == {("--fresh opened generation 1", 4)}
    told = reasons(evalkit.run("s.yaml", {"f": changed}, limit=4))
    assert told == {("the candidate's fingerprint changed (its version, options, prompt or code)", 4)}
    project([{"id": f"s{n}", "input": {"text": "new"}, "target": "1"} for n in range(6)])
    assert ("the sample's content changed", 4) in reasons(evalkit.run("s.yaml", {"f": changed}, limit=4))


def test_failures(project):
    project()
    evalkit.run("s.yaml", {"f": fails})
    ((said, cells),) = reasons(evalkit.run("s.yaml", {"f": fails}))
    assert cells == 1
    assert said == "it failed last time (candidate_error); errors are never reused"


def test_requests(project, server):
    folder = project(task={"prompt": "{{ text }}"})

    def chat(model, url):
        (folder / "evalkit.yaml").write_text(
            json.dumps({"candidates": {"chat": {"provider": "openai", "model": model, "base_url": url}}})
        )
        return evalkit.run("s.yaml", ["chat"], limit=2)

    chat("perfect", f"{server.url}/v1")
    assert reasons(chat("perfect-2", f"{server.url}/v1")) == {("the request changed in: model", 2)}
    moved = reasons(chat("perfect-2", f"{server.url.replace('127.0.0.1', 'localhost')}/v1"))
    assert len(moved) == 1
    assert "the endpoint changed from openai http://127.0.0.1" in next(iter(moved))[0]
    project(task={"prompt": "again {{ text }}"})
    assert ("the request changed in: messages", 2) in reasons(
        chat("perfect-2", f"{server.url.replace('127.0.0.1', 'localhost')}/v1")
    )


def test_what_is_left_over():
    row = {
        "had_run": True, "had_cell": True, "had_call": True, "past_error": None, "generation": 0, "past_generation": 0,
        "endpoint": "e", "past_endpoint": "e", "request": '{"a":1}', "past_request": '{"a":1}', "sample_hash": "h",
        "past_hash": "h", "fingerprint": "f", "past_fingerprint": "f", "split_id": "1", "past_split": "1",
    }  # fmt: skip
    assert why(row).startswith("its key is equal")
    assert why({**row, "past_split": "2"}) == "what it learns from changed (another split)"
    assert why({**row, "had_call": False}) == "the earlier run did not get to it"


def test_the_beginning_of_a_run_id_is_enough(project):
    project()
    first = evalkit.run("s.yaml", {"f": answers}, limit=1)
    second = evalkit.run("s.yaml", {"f": answers}, limit=2)
    space = first.workspace
    assert run_id_of(space, "last") == run_id_of(space, "newest") == second.run_id
    assert run_id_of(space, first.run_id) == run_id_of(space, first.run_id[:-1]) == first.run_id
    with pytest.raises(UsageError, match="more than one run starts with '2'"):
        run_id_of(space, "2")
    with pytest.raises(UsageError, match="there is no run 'x'"):
        run_id_of(space, "x")
