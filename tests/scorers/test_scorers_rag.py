"""Scorers of answers with citations, retrieval measures of what a system retrieved, and RAGAS with scripted judges."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import struct
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.errors import ErrorKind, MissingComponent
from evalkit.core.types import Failure, Response, Sample
from evalkit.scorers import _ragas
from evalkit.scorers._answered import Said, said, wanted
from evalkit.scorers._judging.asking import JudgeFailed

ROOT = Path(__file__).parents[2]
QUESTION = {"question": "When does the pool close?", "passages": ["The pool closes on 3 May."]}
TARGET = {"answer": "3 May", "passages": ["p"]}
ABSENT = {"answer": None, "passages": []}


def test_ragas_cases_are_current(kit, tmp_path):
    subprocess.run([sys.executable, ROOT / "scripts/make_ragas_cases.py", tmp_path], check=True, capture_output=True)
    written = sorted(tmp_path.glob("*.json"))
    assert [file.stem for file in written] == ["answer_relevancy", "context_precision", "faithfulness"]
    for file in written:
        now, kept = json.loads(file.read_text("utf-8")), kit.load(file.stem)
        assert now == kept, f"{file.name}: RAGAS gives other numbers; rerun the script"
        assert now["made_by"]["version"] == version("ragas")


def scored(kit, spec, **item):
    return kit.score(registry.make("scorers", spec), {"input": QUESTION, "target": TARGET, **item})


SPECS = ["faithfulness(judge='j')", "answer_relevancy(judge='j')", "context_precision(judge='j')"]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"error": "rate_limited"}, "judge j: rate_limited: said the test"),
        ("I think that it is fine.", "not JSON"),
        ({"output": None}, "no answer"),
        ({"output": {"foo": 1}}, "not what was asked for: "),
        ("[]", "not what was asked for"),
    ],
)
def test_a_judge_that_fails_is_an_error_with_its_words_and_never_zero(kit, spec, told, words):
    with pytest.raises(JudgeFailed) as caught:
        scored(kit, spec, output={"answer": "On 3 May."}, judge=[told])
    assert words in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("spec", "judge"),
    [
        (SPECS[0], [{"statements": ["It closes."]}, {"statements": [{"statement": "It", "reason": "", "verdict": 3}]}]),
        (SPECS[1], [{"question": "?", "noncommittal": "maybe"}]),
        (SPECS[2], [{"reason": "", "verdict": 7}]),
    ],
)
def test_a_verdict_off_the_menu_is_an_error(kit, spec, judge):
    with pytest.raises(JudgeFailed, match="is not one of 0, 1"):
        scored(kit, spec, output={"answer": "On 3 May."}, judge=judge)


def test_a_judge_that_finds_no_statement_gives_no_number(kit):
    score = scored(kit, SPECS[0], output="Hm.", judge=[{"statements": []}])["faithfulness"]
    assert (score.value, score.reason) == (None, "j found no statement in the answer")


def test_hashed_words_are_named_where_no_embedding_model_is(kit):
    judge = [{"question": "When does the pool close?", "noncommittal": 0}]
    same = scored(kit, SPECS[1], output="3 May", judge=judge)["answer_relevancy"]
    assert same.value == pytest.approx(1.0)
    assert same.reason == "similarity by hashed words, no embedding model"
    other = scored(kit, SPECS[1], output="3 May", judge=[{"question": "Who sells tea?", "noncommittal": 0}])
    assert other["answer_relevancy"].value < 0.3


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        ({"error": "auth"}, "embeddings e: auth"),
        ({"output": "prose"}, "is it an embedding model?"),
        ({"output": {"vectors": [[1.0], [2.0]]}}, "not 1 `vectors`"),
        ({"output": {"vectors": [[0.0, 0.0]]}}, "a vector of zeros"),
        ({"output": {"vectors": ["?"]}}, "embeddings e: "),
        ({"output": {"vectors": ["AAAA"]}}, "no list of finite numbers"),
        ({"output": {"vectors": [["x"]]}}, "no list of finite numbers"),
    ],
)
def test_embeddings_that_fail_are_an_error(kit, vectors, words):
    judge = [{"question": "?", "noncommittal": 0}, vectors]
    with pytest.raises(JudgeFailed) as caught:
        scored(kit, "answer_relevancy(judge='j', embeddings='e', strictness=1)", output="x", judge=judge)
    assert words in str(caught.value)


def test_vectors_may_be_base64_of_float32_and_have_one_length(kit):
    one, two = (base64.b64encode(struct.pack("<2f", 1, second)).decode() for second in (0, 1))
    judge = [{"question": "?", "noncommittal": 0}, {"vectors": [one]}, {"vectors": [two]}]
    spec = "answer_relevancy(judge='j', embeddings='e', strictness=1)"
    assert scored(kit, spec, output="x", judge=judge)["answer_relevancy"].value == pytest.approx(2**-0.5)
    twice = [judge[0], judge[0], {"vectors": [one]}, {"vectors": [two, [1.0]]}]
    with pytest.raises(JudgeFailed, match="vectors of different lengths"):
        scored(kit, spec.replace("strictness=1", "strictness=2"), output="x", judge=twice)


def test_who_is_asked_is_declared():
    make = registry.make
    assert make("scorers", SPECS[0]).needs == ("j",)
    assert make("scorers", "answer_relevancy(judge='j', embeddings='e')").needs == ("j", "e")
    assert make("scorers", "faithfulness(judge='j', embeddings='e')").needs == ("j",)
    assert make("scorers", SPECS[0]).unavailable() is None
    for spec, words in (
        ("faithfulness", "option 'judge' is needed"),
        ("faithfulness(judge=' ')", "judge=' ' must name a candidate"),
        ("answer_relevancy(judge='j', strictness=0)", "strictness=0"),
        ("context_precision(judge='j', max_tokens=True)", "max_tokens=True"),
    ):
        with pytest.raises(ValueError, match=words):
            make("scorers", spec)


def test_problems_are_found_before_the_run():
    scorer = registry.make("scorers", SPECS[0])
    assert "no text in 'question'" in scorer.problem(Sample("s", {"q": "x"}, TARGET))
    assert "`answer`" in scorer.problem(Sample("s", QUESTION, {"passages": []}))
    assert scorer.problem(Sample("s", QUESTION, TARGET)) is None


def test_contexts_come_from_the_system_the_answer_or_the_input(kit):
    from evalkit.scorers.ragas import contexts_of

    listed = [{"id": "a", "text": "A"}, "B", 7, {"id": "c"}, " "]
    sample = Sample("s", {"passages": ["I"]})
    assert contexts_of(sample, Response(output={}, meta={"passages": listed})) == ["A", "B"]
    assert contexts_of(sample, Response(output={"passages": listed})) == ["A", "B"]
    assert contexts_of(sample, Response(output="x")) == ["I"]
    assert contexts_of(Sample("s", {"passages": "text"}), Response(output="x")) == []
    nothing = kit.score(
        registry.make("scorers", SPECS[0]), {"input": {"question": "?"}, "target": TARGET, "output": "x"}
    )
    assert nothing["faithfulness"].value == 0
    assert "no passage that it could follow from" in nothing["faithfulness"].reason


def test_nothing_is_reported_to_the_makers_of_ragas(monkeypatch):
    _ragas.load()
    from ragas import _analytics

    sent = []
    monkeypatch.setattr(_analytics.requests, "post", lambda *a, **k: sent.append(a))
    monkeypatch.delenv("RAGAS_DO_NOT_TRACK", raising=False)
    _analytics.track(_analytics.LLMUsageEvent(provider="p", llm_type="t", user_id="u"))
    assert sent == []
    assert _analytics._analytics_batcher._running is False


def test_without_ragas_the_extra_is_named(monkeypatch):
    _ragas._load.cache_clear()
    monkeypatch.setitem(sys.modules, "ragas._analytics", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[ragas\]"):
        _ragas.load()
    monkeypatch.undo()
    assert "faithfulness" in _ragas.load()
    monkeypatch.setattr("evalkit.scorers.ragas.find_spec", lambda name: None)
    assert "ragas, langchain_community" in registry.make("scorers", SPECS[0]).unavailable()


def test_models_are_asked_asynchronously_only():
    found = _ragas.load()
    asked = _ragas.Asked(SimpleNamespace(), Sample("s", {}), "j", _ragas.HASHED, 10)
    with pytest.raises(NotImplementedError):
        _ragas._language_model(found["llm"], asked).generate("x", None)
    embedding = _ragas._embedding(found["embedding"], asked)
    with pytest.raises(NotImplementedError):
        embedding.embed_text("x")
    assert asyncio.run(embedding.aembed_text("a")) == _ragas.hashed("a")


def test_schemas_are_closed_and_verdicts_have_a_menu():
    _ragas.load()
    from ragas.metrics.collections.faithfulness.util import NLIStatementOutput

    schema = _ragas.closed(NLIStatementOutput.model_json_schema())
    inner = schema["$defs"]["StatementFaithfulnessAnswer"]
    assert schema["additionalProperties"] is inner["additionalProperties"] is False
    assert inner["properties"]["verdict"] == {"type": "integer", "enum": [0, 1]}


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_hashed_words_have_a_direction_and_forget_order_and_case(text):
    found = _ragas.hashed(text)
    assert len(found) == _ragas.DIMENSIONS
    assert math.fsum(found) > 0
    assert _ragas.hashed(" ".join(reversed(text.split()))) == _ragas.hashed(" ".join(text.split()))


def test_a_value_stays_in_its_bounds():
    assert [_ragas.finite(one) for one in (float("nan"), 1.0000001, -0.1, 0.5)] == [None, 1.0, 0.0, 0.5]


@settings(max_examples=50)
@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(allow_nan=False), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=6))  # fmt: skip
def test_any_output_is_read_or_has_a_reason_and_only_a_statement_abstains(output):
    for given_output in (output, json.dumps(output), {"answer": output}):
        found = said(Response(output=given_output))
        assert isinstance(found, (Said, str))
        if isinstance(found, Said) and found.answer is None:
            assert given_output == {"answer": None} or output == '{"answer": null}'


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (None, "missing"),
        ("3 May", "text; an object with `answer`"),
        ({"passages": []}, "an object"),
        ({"answer": 7}, "`answer` of the target is a number"),
        ({"answer": ["x", ""]}, "has no word beside articles"),
        ({"answer": "the ..."}, "has no word beside articles"),
        ({"answer": "x", "passages": "p"}, "`passages` of the target is text"),
        ({"answer": "x", "passages": [1]}, "`passages` of the target is a list"),
    ],
)
def test_targets_of_the_wrong_kind_are_found(target, words):
    with pytest.raises(ValueError, match=words):
        wanted(Sample("s", {}, target))
    for spec in ("rag_answer", "citations", "abstention"):
        assert words in registry.make("scorers", spec).problem(Sample("s", {}, target))


def test_graded_passages_are_those_above_zero():
    assert wanted(Sample("s", {}, {"answer": "b", "passages": {"x": 2, "y": 0}})).passages == ("x",)


RANKED = {"ranking": [["q", 3.0], ["p", 2.0]]}


def test_a_ranking_is_read_from_what_a_system_retrieved(kit):
    item = {"target": TARGET, "output": {"answer": "x"}, "response_meta": RANKED}
    assert kit.one("mrr", item["output"], TARGET, response_meta=RANKED).value == 0.5
    assert kit.one("mrr", "prose", TARGET, response_meta=RANKED).value == 0.5
    own = kit.one("mrr", {"ranking": ["p"]}, TARGET, response_meta=RANKED)
    assert own.value == 1
    assert kit.one("mrr", {"answer": "x"}, TARGET).value is None
    assert kit.one("mrr", None, TARGET, response_meta=RANKED, finish="refusal").value is None
    assert kit.one("recall@1(empty='skip')", {"answer": "x"}, TARGET, response_meta=RANKED).value == 0


def test_questions_without_passages_are_refused_or_skipped(kit):
    strict, lenient = (registry.make("scorers", spec) for spec in ("recall@1", "recall@1(empty='skip')"))
    absent = Sample("s", {}, ABSENT)
    assert "no judgements" in strict.problem(absent)
    assert lenient.problem(absent) is None
    assert "judgements are needed" in lenient.problem(Sample("s", {}, None))
    skipped = kit.score(lenient, {"target": ABSENT, "output": {"answer": "x"}, "response_meta": RANKED})["recall@1"]
    found = kit.score(lenient, {"target": {"answer": "x", "passages": ["q"]}, "output": "x", "response_meta": RANKED})
    assert (skipped.value, skipped.parts) == (None, {"sum": 0.0, "asked": 0.0})
    assert kit.fold(lenient.metrics[0], [found["recall@1"]])[0] == 1
    assert lenient.worst(absent)["recall@1"].parts == {"sum": 0.0, "asked": 0.0}
    assert lenient.worst(Sample("s", {}, TARGET))["recall@1"].parts == {"sum": 0.0, "asked": 1.0}
    assert strict.worst(absent)["recall@1"].parts == {}
    with pytest.raises(ValueError, match="empty='drop' is unknown"):
        registry.make("scorers", "recall@1(empty='drop')")


def test_silence_earns_nothing_anywhere(kit):
    silent = {"target": ABSENT, "output": ""}
    for spec, part in (("rag_answer", {}), ("abstention", {"fn": 1.0}), ("citations", {"fp": 1.0})):
        scorer = registry.make("scorers", spec)
        assert all(score.value is None for score in kit.score(scorer, silent).values())
        worst = scorer.worst(Sample("s", {}, ABSENT))[scorer.metrics[0].name]
        assert worst.value == 0
        assert {name: n for name, n in worst.parts.items() if n} == part
    failed = Response(error=Failure(ErrorKind.TIMEOUT, "late"))
    assert said(failed) == "timeout: late"
