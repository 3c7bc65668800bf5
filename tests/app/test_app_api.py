"""`evalkit.run(...)`: names, functions, objects and mappings in; leaderboard, frame, SQL and report out."""

from __future__ import annotations

import pytest

import evalkit
from evalkit.core.errors import ConfigError, CostNotConfirmed, ExitCode, InvalidRun, UsageError
from evalkit.core.types import Response


def adds(sample):
    a, b = sample.input["text"].split("+")
    return str(int(a) + int(b))


async def adds_later(text):
    return str(sum(map(int, text.split("+"))))


class Always:
    name = "always"
    fingerprint = "always-1"

    async def answer(self, sample, ctx):
        return Response(output="4")


def values(results):
    return {row["candidate"]: row["value"] for row in results.leaderboard() if row["metric"] == "exact_match"}


def test_functions_objects_and_names(project):
    folder = project()
    results = evalkit.run("s.yaml", [adds, adds_later, Always(), "mock/perfect"])
    assert results.code is ExitCode.PASS
    assert results.reasons == ()
    assert values(results) == {"adds": 1.0, "adds_later": 1.0, "always": pytest.approx(1 / 6), "mock/perfect": 1.0}
    frame = results.to_pandas()
    assert len(frame) == 24
    assert set(frame["candidate"]) == set(values(results))
    assert frame.groupby("candidate")["value"].sum()["always"] == 1.0
    columns, rows = results.sql("select count(*) as calls from call")
    assert (columns, rows) == (("calls",), [{"calls": 24}])
    assert results.report() == folder / "reports/index.html"
    assert (results.report(folder / "elsewhere")).is_file()


def test_a_mapping_names_its_functions_and_answers_are_reused(project):
    project(slices=["t"])
    asked = []

    def counted(sample):
        asked.append(sample.id)
        return adds(sample)

    counted.__evalkit_version__ = 1
    first = evalkit.run(["s.yaml"], {"one": counted, "two": adds}, limit=4)
    assert values(first) == {"one": 1.0, "two": 1.0}
    assert len(asked) == 4
    evalkit.run("s.yaml", {"one": counted}, limit=4)
    assert len(asked) == 4
    again = evalkit.run("s.yaml", {"one": counted}, limit=4, fresh=True)
    assert len(asked) == 8
    assert {row["n"] for row in again.leaderboard(slices=True)} == {4}


def test_the_suites_own_candidates(project):
    project(candidates=["mock/perfect"])
    assert values(evalkit.run("s.yaml")) == {"mock/perfect": 1.0}


def test_what_cannot_be_run_is_refused(project):
    project()
    with pytest.raises(UsageError, match="no suite is named"):
        evalkit.run([], [adds])
    with pytest.raises(UsageError, match="42 is no candidate"):
        evalkit.run("s.yaml", [42])
    with pytest.raises(ConfigError, match="no candidate to run"):
        evalkit.run("s.yaml")
    with pytest.raises(ConfigError, match=r"no\.yaml"):
        evalkit.run("no.yaml", [adds])
    project(scorers=[])
    with pytest.raises(InvalidRun, match="nothing is asserted"):
        evalkit.run("s.yaml", [adds])


def test_failures_make_the_code(project):
    project()

    def fails(sample):
        raise ValueError(sample.id)

    results = evalkit.run("s.yaml", [fails])
    assert results.code is ExitCode.INVALID
    assert "6 of 6 cells failed" in results.reasons[0]


def test_money_wants_agreement(project):
    folder = project(task={"prompt": "{{ text }}"})
    (folder / "evalkit.yaml").write_text(
        "candidates:\n  dear: {provider: openai, model: dear, base_url: 'http://127.0.0.1:9/v1'}\n"
        "prices:\n  - {model: dear, usd: {input_tokens: 1000000, output_tokens: 1000000}, dated: 2026-01-01}\n"
    )
    with pytest.raises(CostNotConfirmed, match="above"):
        evalkit.run("s.yaml", ["dear"])
