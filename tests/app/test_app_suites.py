"""What a suite can say, from end to end: checks, heavy scorers, few-shot, prompt matrix, repeats, splits, schema."""

from __future__ import annotations

import json

import pytest

import evalkit
from evalkit.app.candidates import Builder
from evalkit.app.checks import Checks, per_sample
from evalkit.app.loading import Selection, load
from evalkit.app.workspace import open_workspace
from evalkit.core.errors import ConfigError, ExitCode
from evalkit.core.types import Response, Sample
from evalkit.providers.mock_server import running


def echo(sample):
    return sample.input["text"]


def rows(results, metric):
    return {
        row["candidate"]: row
        for row in results.leaderboard(slices=True)
        if row["metric"] == metric and not row["slice"]
    }


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started


def with_server(folder, server, **candidates):
    chat = {"provider": "openai", "base_url": f"{server.url}/v1", "api_key_env": "NOBODY_NEEDS_KEY"}
    told = {name: {**chat, **options} for name, options in candidates.items()}
    (folder / "evalkit.yaml").write_text(json.dumps({"candidates": told}))


def test_checks_of_single_samples(project):
    samples = [
        {"id": "a", "input": {"text": "yes and no"}, "target": "x", "checks": ["regex(pattern='yes')", "regex(pattern='maybe')"]},
        {"id": "b", "input": {"text": "yes"}, "target": "x", "checks": ["regex(pattern='^y')"]},
        {"id": "c", "input": {"text": "no"}, "target": "x", "checks": []},
    ]  # fmt: skip
    fields = {name: name for name in ("id", "input", "target", "checks")}
    project(samples, dataset={"path": "d.jsonl", "fields": fields}, scorers=[])
    results = evalkit.run("s.yaml", [echo])
    found = {row["sample_id"]: row for row in results.sql("select * from scores where metric = 'checks'")[1]}
    assert {name: row["value"] for name, row in found.items()} == {"a": 0.5, "b": 1.0, "c": 1.0}
    assert "maybe" in found["a"]["reason"]
    assert rows(results, "checks")["echo"]["value"] == pytest.approx(2.5 / 3)


def test_a_check_that_is_no_scorer_is_found_before_the_run(project):
    fields = {name: name for name in ("id", "input", "target", "checks")}
    samples = [{"id": "a", "input": {"text": "1"}, "target": "x", "checks": ["contins", "numeric"]}]
    project(samples, dataset={"path": "d.jsonl", "fields": fields})
    with pytest.raises(ConfigError, match=r"d\.jsonl:1: sample 'a': check 'contins': .*did you mean"):
        evalkit.run("s.yaml", [echo])
    numeric = Sample("a", {"text": "1"}, "many", checks=("numeric",))
    assert "check 'numeric'" in (Checks().problem(numeric) or "")
    assert Checks().problem(Sample("a", {}, "1", checks=("numeric",))) is None
    assert Checks().worst(numeric)["checks"].value == 0.0
    assert Checks().worst(Sample("a", {}, "1"))["checks"].value == 1.0
    assert per_sample("last_number").sig != per_sample(None).sig


HEAVY = '''
"""A scorer for a worker process."""
from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar

from evalkit.core.types import Metric, Score


@dataclass(frozen=True)
class Apart:
    """Says in which process it runs."""

    takes: ClassVar[str] = "one"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ("no-such-library",)
    heavy: ClassVar[bool] = True

    @property
    def metrics(self):
        return (Metric("apart", bounds=(0.0, 1.0)), Metric("forgotten", bounds=(0.0, 1.0)), Metric("nan"))

    def worst(self, sample):
        return {"apart": Score(0.0)}

    async def score(self, sample, responses, ctx):
        if sample.id == "s1":
            raise ZeroDivisionError("one is too few")
        if sample.id == "s2":
            return {"apart": Score(None, reason="cannot say", answer="hm")}
        return {"apart": Score(1.0, answer=str(os.getpid())), "nan": Score(float("nan"))}


def make(**options):
    return Apart()
'''


def test_heavy_scorers_run_in_processes_of_their_own(project, monkeypatch):
    import os

    from evalkit import registry
    from evalkit.app import scoring

    folder = project(limits={"max_error_rate": 1.0})
    (folder / "heavy_scorer_for_tests.py").write_text(HEAVY)
    import heavy_scorer_for_tests as heavy

    workspace = open_workspace(folder, {})
    prepared = scoring.Prepared("apart", heavy.make(), "sig-apart", {})
    original = registry.make
    monkeypatch.setattr(
        registry,
        "make",
        lambda kind, spec, **more: heavy.make() if str(spec) == "exact_match" else original(kind, spec, **more),
    )
    results = evalkit.run("s.yaml", [echo])
    found = {row["sample_id"]: row for row in results.sql("select * from scores where metric = 'apart'")[1]}
    assert found["s1"]["status"] == "errored"
    assert "ZeroDivisionError: one is too few" in found["s1"]["reason"]
    assert (found["s2"]["status"], found["s2"]["value"], found["s2"]["answer"]) == ("unscorable", None, "hm")
    pids = {found[name]["answer"] for name in ("s0", "s3", "s4", "s5")}
    assert str(os.getpid()) not in pids
    assert 1 <= len(pids) <= 2
    lost = results.sql("select distinct status, reason from scores where metric = 'forgotten' and sample_id = 's0'")[1]
    assert lost == [{"status": "errored", "reason": "scorer_error: exact_match gave no forgotten"}]
    nans = results.sql("select distinct status, reason from scores where metric = 'nan' and sample_id = 's0'")[1]
    assert nans == [{"status": "errored", "reason": "scorer_error: nan gave nan"}]
    assert (
        results.sql("select libraries from signature where spec = 'exact_match'")[1][0]["libraries"]
        == '{"no-such-library":"absent"}'
    )
    assert prepared.metrics[0].name == "apart"
    assert workspace.root == folder


def test_few_shot_examples_come_from_train(project, server):
    samples = [
        {
            "id": f"s{n}",
            "input": {"text": f"{n}+{n}"},
            "target": str(2 * n),
            "tags": ["part:train" if n < 5 else "part:test"],
        }
        for n in range(8)
    ]
    folder = project(
        samples,
        dataset={"path": "d.jsonl", "split": {"kind": "given", "field": "part"}},
        task={"prompt": "Add {{ text }}", "shots": {"count": 2, "from": "train", "seed": 3}},
    )
    with_server(folder, server, chat={"model": "perfect"})
    results = evalkit.run("s.yaml", ["chat"])
    assert results.code is ExitCode.PASS
    requests = [json.loads(row["request"]) for row in results.sql("select request from call")[1]]
    assert len(requests) == 3
    for request in requests:
        roles = [message["role"] for message in request["messages"]]
        assert roles == ["user", "assistant", "user", "assistant", "user"]
        shown = {message["content"] for message in request["messages"][:-1:2]}
        assert shown <= {f"Add {n}+{n}" for n in range(5)}


def test_two_prompts_by_two_candidates(project, server):
    folder = project(
        task={"prompts": {"plain": "{{ text }}", "kind": {"system": "Be kind.", "prompt": "Please add {{ text }}", "candidates": ["one", "two"]}}},
    )  # fmt: skip
    with_server(
        folder,
        server,
        one={"model": "perfect"},
        two={"model": "sums-p50"},
        three={"model": "sums-p10", "prompt": "plain"},
    )
    results = evalkit.run("s.yaml", ["one", "two", "three"])
    assert set(rows(results, "exact_match")) == {"one:plain", "one:kind", "two:plain", "two:kind", "three:plain"}
    page = (results.report().parent / "suites/s.html").read_text()
    assert "Be kind." in page
    assert "<del" in page or "diff" in page
    assert "Please add " in page


def test_repeats_are_asked_with_seeds_of_their_own(project, server):
    folder = project(repeats=3, task={"prompt": "{{ text }}", "generation": {"seed": 7}})
    with_server(folder, server, chat={"model": "sums-p50"})
    results = evalkit.run("s.yaml", ["chat"])
    requests = results.sql("select c.repeat, k.request from cells c join call k using (call_id)")[1]
    assert len(requests) == 18
    assert {(row["repeat"], json.loads(row["request"])["seed"]) for row in requests} == {(0, 7), (1, 8), (2, 9)}
    (row,) = rows(results, "exact_match").values()
    assert (row["planned"], row["n"], row["groups"]) == (18, row["n"], 6)


def test_the_response_schema_reaches_the_scorer_and_the_model(project, server):
    schema = {
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
        "additionalProperties": False,
    }
    folder = project(task={"prompt": "{{ text }}", "schema": schema}, scorers=["json_valid"])

    def right(sample):
        return {"sum": 4}

    def wrong(sample):
        return {"sum": "four"}

    results = evalkit.run("s.yaml", [right, wrong])
    found = rows(results, "json_valid")
    assert (found["right"]["value"], found["wrong"]["value"]) == (1.0, 0.0)
    with_server(folder, server, chat={"model": "perfect"})
    asked = evalkit.run("s.yaml", ["chat"])
    request = json.loads(asked.sql("select request from call where request is not null limit 1")[1][0]["request"])
    assert request["response_format"]["json_schema"]["schema"]["required"] == ["sum"]


@pytest.mark.parametrize(
    ("split", "planned"),
    [
        ({"kind": "kfold", "k": 3}, 24),
        ({"kind": "holdout", "test_share": 0.25}, 6),
        ({"kind": "time", "field": "meta.day", "test_share": 0.25}, 6),
        ({"kind": "given", "field": "meta.part"}, 12),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
def test_candidates_that_learn(project, split, planned):
    words = {"spam": "win money now", "ham": "see you at lunch"}
    samples = [
        {
            "id": f"{label}{n}", "input": {"text": f"{text} {n}"}, "target": label,
            "meta": {"day": f"2026-01-{n + 1:02d}", "part": "train" if n < 6 else "test"},
        }
        for label, text in words.items()
        for n in range(12)
    ]  # fmt: skip
    project(samples, dataset={"path": "d.jsonl", "split": split}, candidates=["tfidf_linear", "majority"])
    results = evalkit.run("s.yaml")
    found = rows(results, "exact_match")
    assert found["tfidf_linear"]["value"] == 1.0
    assert found["majority"]["value"] < 1.0
    assert {row["planned"] for row in found.values()} == {planned}
    assert {row["cached"] for row in rows(evalkit.run("s.yaml"), "exact_match").values()} == {planned}


def test_new_scorers_score_what_is_known(project):
    asked = []

    def counted(sample):
        asked.append(sample.id)
        return sample.input["text"]

    counted.__evalkit_version__ = 1
    project()
    evalkit.run("s.yaml", {"counted": counted})
    project(scorers=["exact_match", "length"])
    results = evalkit.run("s.yaml", {"counted": counted})
    assert len(asked) == 6
    assert "counted" in rows(results, "exact_match")
    assert results.sql("select count(*) as n from scores where metric like 'length%'")[1][0]["n"] >= 6


def test_an_extraction_takes_the_answer_out(project):
    project(task={"extract": "last_number"})

    def chats(sample):
        a, b = sample.input["text"].split("+")
        return f"Adding {a} and {b} gives {int(a) + int(b)}"

    results = evalkit.run("s.yaml", [chats])
    assert rows(results, "exact_match")["chats"]["value"] == 1.0


def test_a_learning_candidate_without_a_split_is_said_once(project):
    folder = project(candidates=["majority"])
    workspace = open_workspace(folder, {})
    loaded = load(workspace, [folder / "s.yaml"], Selection())
    (suite,) = loaded.suites
    with pytest.raises(ConfigError, match="the suite has no split"):
        suite.given(None)
    builder = Builder(workspace)
    specs, _ = workspace.project.resolve_all(["majority", "majority(k=1)"])
    built = [one for spec in specs for one in builder.build(spec, suite)]
    assert [(one.fits, one.in_process, one.model) for one in built] == [(True, True, "local:majority")]
    assert "majority" in builder.problems[0].message


def test_an_answer_can_be_an_error_of_its_own(project):
    project(limits={"max_error_rate": 1.0})

    def response(sample):
        return Response(output=sample.input["text"], usage={"input_tokens": 3}, seconds=0.5)

    results = evalkit.run("s.yaml", [response])
    assert {row["seconds"] for row in results.sql("select seconds from call")[1]} == {0.5}
