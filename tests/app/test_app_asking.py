"""Systems made of candidates, corpora, scorers that ask, scores of repeats and of pairs: through whole runs."""

from __future__ import annotations

import json
import textwrap

import pytest

import evalkit
from evalkit import registry
from evalkit.core.errors import ConfigError, InvalidRun
from evalkit.core.types import Response

PARTS = {
    ("systems", "chain_for_tests"): """
        from dataclasses import dataclass
        from evalkit.core.types import Response
        from evalkit.systems._parts import System, known_roles, members, one_part, ready

        @dataclass(frozen=True)
        class Chain(System):
            suffix: str = "!"
            kind = "chain_for_tests"

            async def answer(self, sample, ctx):
                said = []
                for part in members(self.parts["steps"]):
                    response = await ctx.ask(part, sample, stage="step")
                    if response.error is not None:
                        return response
                    said.append(str(response.output))
                return Response(output=" ".join(said) + self.suffix)

        def make(parts, **options):
            known_roles(parts, ("steps",), needed=("steps",))
            return ready(Chain(parts, **options))
        """,
    ("baselines", "finder_for_tests"): """
        from dataclasses import dataclass
        from evalkit.core.types import Response

        @dataclass(frozen=True)
        class Finder:
            found: tuple = ()
            name = "finder_for_tests"

            @property
            def fingerprint(self):
                return f"finder-{self.found}"

            def fit(self, given, seed):
                return Finder(tuple(sample.id for sample in given.corpus))

            async def answer(self, sample, ctx):
                return Response(output=",".join(self.found) or "nothing learnt", usage={"requests": 1.0})

        def make(**options):
            return Finder(**options)
        """,
    ("scorers", "asks_for_tests"): """
        from dataclasses import dataclass
        from typing import ClassVar
        from evalkit.core.capabilities import conversing
        from evalkit.core.types import Metric, Sample, Score

        @dataclass(frozen=True)
        class Asks:
            judge: str
            takes: ClassVar[str] = "one"
            version: ClassVar[int] = 1
            libraries: ClassVar[tuple] = ()
            heavy: ClassVar[bool] = False

            @property
            def needs(self):
                return (self.judge,)

            @property
            def metrics(self):
                return (Metric("asked", bounds=(0.0, 1.0)),)

            def worst(self, sample):
                return {"asked": Score(0.0)}

            async def score(self, sample, responses, ctx):
                judge = conversing(ctx.candidate(self.judge))
                said = {"messages": [{"role": "user", "content": responses[0].output}], "text": responses[0].output}
                verdict = await ctx.ask(judge, Sample(sample.id, said), stage="judge")
                if verdict.error is not None:
                    raise RuntimeError(verdict.error.message)
                return {"asked": Score(1.0, answer=str(verdict.output))}

        def make(**options):
            return Asks(**options)
        """,
    ("scorers", "together_for_tests"): """
        from dataclasses import dataclass
        from typing import ClassVar
        from evalkit.core.types import Metric, Score

        @dataclass(frozen=True)
        class Together:
            takes: str = "repeats"
            against: str = ""
            lacking: str = ""
            version: ClassVar[int] = 1
            libraries: ClassVar[tuple] = ()
            heavy: ClassVar[bool] = False

            @property
            def metrics(self):
                return (Metric("together"),)

            def worst(self, sample):
                return {"together": Score(-1.0)}

            def unavailable(self):
                return self.lacking or None

            async def score(self, sample, responses, ctx):
                said = [str(response.output) for response in responses]
                return {"together": Score(float(len(set(said))), answer="|".join(said))}

        def make(**options):
            return Together(**options)
        """,
}  # fmt: skip


@pytest.fixture
def parts(project, monkeypatch):
    """A project in which the parts above are known."""
    folder = project()
    known = registry.names
    for (_, name), text in PARTS.items():
        (folder / f"{name}.py").write_text("from __future__ import annotations\n" + textwrap.dedent(text))
    monkeypatch.setattr(
        registry, "names", lambda kind: {**known(kind), **{name: name for k, name in PARTS if k == kind}}
    )

    def make(yaml: str = "", samples: list[dict] | None = None, **suite):
        (folder / "evalkit.yaml").write_text(textwrap.dedent(yaml or "candidates: {}"))
        project(samples, **suite)
        return folder

    return make


def echo(text: str) -> str:
    return text


def test_a_system_asks_its_parts_and_every_call_is_kept_and_priced(parts):
    parts(
        """
        candidates:
          both: {system: chain_for_tests, parts: {steps: [majority_like, "mock/m"]}, suffix: "?"}
          majority_like: {provider: python, model: "answers.py:same"}
        """
    )
    with open("answers.py", "w") as file:  # noqa: PTH123 - the working directory is the project
        file.write("def same(text):\n    return 'same'\n")
    results = evalkit.run("s.yaml", ["both"])
    calls = results.sql("select stage, ordinal, model, output::varchar as output from calls order by ordinal")[1]
    assert [(c["stage"], c["ordinal"]) for c in calls] == [(None, 0)] * 6 + [("step", 1)] * 6 + [("step", 2)] * 6
    traced = results.sql("select trace::varchar as trace, meta::varchar as meta from calls where ordinal = 0")[1]
    for row in traced:
        assert [step[0] for step in json.loads(row["trace"])] == ["step", "step"]
        stages = json.loads(row["meta"])["stages"]
        assert [stage[0] for stage in stages] == ["step", "step"]
        assert [stage[4] for stage in stages] == [False, False]
    # What the python part costs nobody knows, so nobody knows what the system costs.
    assert {row["usd"] for row in results.sql("select usd from cell_cost")[1]} == {None}
    again = evalkit.run("s.yaml", ["both"])
    assert again.sql("select count(*) as n from calls")[1] == [{"n": 18}]
    assert all(row["cached"] for row in again.sql(f"select cached from cells where run_id = '{again.run_id}'")[1])


def test_a_changed_system_reuses_the_answers_of_its_parts(parts):
    yaml = """
        candidates:
          both: {{system: chain_for_tests, parts: {{steps: ["keyword_free"]}}, suffix: "{suffix}"}}
          keyword_free: {{baseline: majority}}
        """
    split = {"kind": "kfold", "k": 3}
    samples = [{"id": f"s{n}", "input": {"text": str(n)}, "target": "xy"[n % 2]} for n in range(6)]
    suite = {"samples": samples, "dataset": {"path": "d.jsonl", "split": split}}
    parts(yaml.format(suffix="!"), **suite)
    evalkit.run("s.yaml", ["both"])
    parts(yaml.format(suffix="?"), **suite)
    results = evalkit.run("s.yaml", ["both"])
    rows = results.sql(
        f"select error_message, trace::varchar as trace, output::varchar as output from calls where run_id = '{results.run_id}' and ordinal = 0"
    )[1]
    assert [row["error_message"] for row in rows] == [None] * 6
    assert all(json.loads(row["trace"])[0][2] for row in rows), "the parts' answers were known"
    assert all(json.loads(row["output"]).endswith("?") for row in rows)
    assert {row["usd"] for row in results.sql("select usd from cell_cost")[1]} == {0.0}


def test_a_corpus_is_learnt_from_without_a_split_and_belongs_to_the_data(parts):
    folder = parts(dataset={"path": "d.jsonl", "corpus": "corpus.jsonl"})
    corpus = folder / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"id": f"p{n}", "input": {"text": "x"}}) + "\n" for n in range(3)))
    first = evalkit.run("s.yaml", ["finder_for_tests"])
    outputs = first.sql("select distinct output::varchar as output from calls")[1]
    assert outputs == [{"output": '"p0,p1,p2"'}]
    corpus.write_text(corpus.read_text() + json.dumps({"id": "p3", "input": {"text": "y"}}) + "\n")
    second = evalkit.run("s.yaml", ["finder_for_tests"])
    assert second.sql("select count(distinct data_hash) as n from entries")[1] == [{"n": 2}]
    assert second.sql("select count(*) as n from calls where output::varchar like '%p3%'")[1] == [{"n": 6}]


def test_a_system_with_a_part_that_learns_learns(parts):
    folder = parts(
        """
        candidates:
          found: {system: chain_for_tests, parts: {steps: [finder_for_tests]}}
        """,
        dataset={"path": "d.jsonl", "corpus": "corpus.jsonl"},
    )
    (folder / "corpus.jsonl").write_text(json.dumps({"id": "only", "input": {"text": "x"}}) + "\n")
    results = evalkit.run("s.yaml", ["found"])
    assert results.sql("select distinct output::varchar as output from calls where ordinal = 0")[1] == [
        {"output": '"only!"'}
    ]


def test_a_scorer_asks_a_candidate_and_is_signed_with_it(parts):
    parts(scorers=["asks_for_tests(judge='nobody')"])
    with pytest.raises(ConfigError, match=r"s\.yaml:1: .*there is no candidate 'nobody'"):
        evalkit.run("s.yaml", [echo])
    parts("candidates: {judge: mock/a}", scorers=["exact_match", "asks_for_tests(judge='judge')"])
    first = evalkit.run("s.yaml", [echo])
    assert {row["value"] for row in first.sql("select value from scores where metric = 'asked'")[1]} == {1.0}
    assert first.sql("select count(*) as n from calls where stage = 'judge'")[1] == [{"n": 6}]
    parts("candidates: {judge: mock/b}", scorers=["exact_match", "asks_for_tests(judge='judge')"])
    second = evalkit.run("s.yaml", [echo])
    signatures = second.sql("select count(distinct signature) as n from leaderboard where metric = 'asked'")[1]
    runs = second.sql("select count(distinct scorer_sig) as n from scores where metric = 'asked'")[1]
    assert (signatures, runs) == ([{"n": 1}], [{"n": 2}])
    assert second.sql("select count(*) as n from calls where stage = 'judge'")[1] == [{"n": 12}]


def test_repeats_are_scored_together_once_per_sample(parts):
    parts(repeats=3, scorers=["together_for_tests"])
    asked = []

    def by_turns(text: str) -> str:
        asked.append(text)
        return f"{text}:{asked.count(text) % 2}"

    results = evalkit.run("s.yaml", {"turns": by_turns})
    rows = results.sql("select sample_id, repeat, value, answer from scores where metric = 'together' order by 1")[1]
    assert [row["sample_id"] for row in rows] == [f"s{n}" for n in range(6)]
    assert {(row["repeat"], row["value"]) for row in rows} == {(0, 2.0)}
    assert results.sql("select value, n from leaderboard where metric = 'together'")[1] == [{"value": 2.0, "n": 6}]


def test_a_pair_is_scored_with_the_opponent_who_has_no_score_himself(parts):
    parts(scorers=["exact_match", "together_for_tests(takes='pair', against='other')"])
    with pytest.raises(ConfigError, match=r"compares with 'other', who is not asked in this run .* add -c other"):
        evalkit.run("s.yaml", [echo])
    results = evalkit.run("s.yaml", {"mine": echo, "other": lambda text: text.upper() + "?"})
    rows = results.sql("select candidate, answer, opponent from scores where metric = 'together' order by position")[1]
    assert {row["candidate"] for row in rows} == {"mine"}
    assert rows[0]["answer"].count("|") == 1
    assert {row["opponent"] for row in rows} <= {e["entry_id"] for e in results.sql("select entry_id from entries where candidate = 'other'")[1]}  # fmt: skip


def test_an_answer_that_failed_makes_what_is_scored_together_an_error(parts):
    parts(repeats=2, scorers=["together_for_tests"], limits={"max_error_rate": 1.0})
    seen = []

    def fails_once(text: str) -> Response | str:
        seen.append(text)
        if text == "0+0" and seen.count(text) == 2:
            raise RuntimeError("gone")
        return text

    results = evalkit.run("s.yaml", {"shaky": fails_once})
    rows = {r["sample_id"]: r for r in results.sql("select sample_id, status, reason, headline_value from scores")[1]}
    assert (rows["s0"]["status"], rows["s0"]["headline_value"]) == ("errored", -1.0)
    assert "gone" in rows["s0"]["reason"]
    assert {rows[f"s{n}"]["status"] for n in range(1, 6)} == {"scored"}


def test_a_scorer_that_cannot_work_here_skips_the_candidates_with_the_reason(parts):
    parts(scorers=["together_for_tests(lacking='needs the program zzz')"])
    with pytest.raises(InvalidRun, match=r"its scorer together_for_tests.*needs the program zzz"):
        evalkit.run("s.yaml", [echo])


def test_cycles_and_unknown_parts_are_told_with_their_place(parts):
    yaml = """\
        candidates:
          a: {system: chain_for_tests, parts: {steps: [b, nobdy]}}
          b: {system: chain_for_tests, parts: {steps: a}}
          c: {system: chan_for_tests}
        """
    parts(yaml)
    with pytest.raises(ConfigError) as caught:
        evalkit.run("s.yaml", [echo])
    told = "\n".join(map(str, caught.value.problems))
    assert "evalkit.yaml:2: candidates.a: a system holds itself: a -> b -> a" in told
    assert "candidates.a.parts.steps: there is no candidate 'nobdy'" in told
    assert "there is no system 'chan_for_tests' (did you mean 'chain_for_tests'?)" in told
    parts("candidates: {a: {system: chain_for_tests, parts: {stps: majority}}}")
    with pytest.raises(ConfigError, match=r"candidate 'a': .*there is no role 'stps'; known: steps"):
        evalkit.run("s.yaml", ["a"])


def test_a_demonstration_asks_what_the_suite_says(parts):
    from evalkit.app.loading import Selection
    from evalkit.app.run import RunRequest, run
    from evalkit.app.watching import Silent
    from evalkit.app.workspace import open_workspace

    folder = parts(demo={"limit": 2, "candidates": ["mock/x"]}, candidates=["mock/y"])
    workspace = open_workspace(folder, {})
    outcome = run(workspace, RunRequest((folder / "s.yaml",), selection=Selection(demo=True)), Silent())
    with workspace.store.open(read_only=True) as connection:
        rows = connection.execute("select candidate, planned from entry where run_id = ?", [outcome.run_id]).fetchall()
    assert rows == [("mock/x", 2)]
