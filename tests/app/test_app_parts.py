"""Small use cases: models, the mock server, doctor's gaps, prompts that are wrong, per-sample detail in a report."""

from __future__ import annotations

import socket

import pytest

import evalkit
from evalkit.app import doctor
from evalkit.app.inspecting import bad_prompts
from evalkit.app.listing import parts, scorers
from evalkit.app.loading import Selection, load
from evalkit.app.models import get_model
from evalkit.app.rescoring import StoredContext, rescore
from evalkit.app.serving import serve_mock
from evalkit.app.workspace import open_workspace, redactor
from evalkit.core.errors import ConfigError, UsageError
from evalkit.core.types import Response, Sample


def echo(sample):
    return sample.input["text"]


def test_a_port_in_use_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} cannot be served"):
            serve_mock(port, lambda url: None)


def test_the_mock_server_says_where_it_is():
    seen = []

    def ready(url):
        seen.append(url)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve_mock(0, ready, latency_ms=1.0)
    assert seen[0].startswith("http://127.0.0.1:")


def test_unknown_models_have_suggestions():
    with pytest.raises(UsageError, match="did you mean 'smollm2-135m'"):
        get_model("smollm2-135")
    with pytest.raises(UsageError, match="any GGUF file works by its path"):
        get_model("zzz")


def test_what_is_not_installed_is_named(monkeypatch, project):
    folder = project()
    monkeypatch.setattr(doctor, "_version", lambda package: None)
    found = {finding.what: finding for finding in doctor.examine(open_workspace(folder, {}))}
    assert found["duckdb"].ok is False
    assert found["extra tabular"].row() == {
        "what": "extra tabular", "state": "optional", "detail": "pip install 'evalkit[tabular]' brings pandas, scikit-learn",
    }  # fmt: skip
    assert doctor.missing_for("baselines", "linear") == "needs pip install 'evalkit[tabular]'"
    assert doctor.missing_for("scorers", "exact_match") is None
    assert "needs pip install 'evalkit[tabular]'" in {row["available"] for row in parts()}
    assert len(scorers()) > 10


def test_wrong_prompts_are_told_with_their_place(project):
    folder = project(
        task={"prompts": {
            "syntax": {"file": "p.md"}, "undefined": "{{ txet }}", "private": "{{ text.__class__ }}", "good": "{{ text }}",
            "talk": {"messages": [{"role": "user", "content": "{{ text"}]},
        }},
    )  # fmt: skip
    (folder / "p.md").write_text("{% if %}")
    workspace = open_workspace(folder, {})
    (suite,) = load(workspace, [folder / "s.yaml"], Selection()).suites
    told = [str(problem) for problem in bad_prompts(suite, workspace.renderer)]
    assert len(told) == 4
    assert all(one.startswith("s.yaml:1: ") for one in told)
    assert "its text is in p.md" in told[0]
    assert "'txet'" in told[1]
    assert "__class__" in told[2]
    with pytest.raises(ConfigError):
        suite.prompt("syntax", workspace.renderer)


def test_rescoring_asks_nobody(project):
    project()
    results = evalkit.run("s.yaml", [echo])
    with pytest.raises(UsageError, match="there is no run 'r9'"):
        rescore(results.workspace, "r9", ["length"])
    with pytest.raises(ConfigError, match="did you mean"):
        rescore(results.workspace, results.run_id, ["lenth"])
    assert rescore(results.workspace, results.run_id, ["length", "cost"]) == 6
    context = StoredContext(results.workspace, "local:echo")
    assert context.render("{{ x }}", x=1) == "1"
    assert context.money(Response(output="")) == 0.0

    async def ask():
        await context.ask(type("C", (), {"name": "c"})(), Sample("s", {}))

    import asyncio

    with pytest.raises(UsageError, match="re-scoring makes no calls"):
        asyncio.run(ask())


def test_rescoring_keeps_the_extraction(project):
    project(task={"extract": "last_number"})
    results = evalkit.run("s.yaml", [echo])
    assert rescore(results.workspace, results.run_id, ["numeric"]) == 6
    assert results.sql("select count(*) as n from scores where metric = 'numeric'")[1] == [{"n": 6}]


def test_money_of_an_unnamed_model_is_unknown(project):
    workspace = open_workspace(project(), {})
    assert workspace.money(None, {}) is None
    assert workspace.money("local:x", {"input_tokens": 5}) == 0.0
    assert workspace.render("{{ 1 + 1 }}", {}) == "2"
    assert redactor({"A_SECRET_KEY": "hidden-value-1"}).text("say hidden-value-1") == "say [redacted]"


def test_a_wrong_project_is_refused(project):
    folder = project()
    (folder / "evalkit.yaml").write_text("candidate: {}\n")
    with pytest.raises(ConfigError, match="did you mean 'candidates'"):
        open_workspace(folder, {})
