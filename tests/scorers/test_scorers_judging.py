"""What judges are shown and asked, how verdicts are read, and what is said where a library is not there."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.errors import MissingComponent
from evalkit.core.types import Response, Sample
from evalkit.scorers._judging.asking import JudgeFailed, Menu
from evalkit.scorers._judging.showing import fenced, task_of
from evalkit.scorers.judge_pair import JudgePair

TASK = {"text": "The pool closes.", "instruction": "Shorten."}


def scored(kit, spec, **item):
    return kit.score(registry.make("scorers", spec), {"input": TASK, "output": "Pool closes.", **item})


@settings(max_examples=50)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_can_hold_its_own_fence(one, other):
    shown, warning = fenced({"first answer": one, "second answer": other})
    fence = warning.split("[[", 1)[1][:12]
    assert f"[[{fence} NAME]]" in warning
    assert shown.count(f"[[{fence} ") == 2
    assert shown.count(f"[[/{fence} ") == 2
    again, _ = fenced({"first answer": shown, "second answer": other})
    assert again.count(f"[[{fence} ") == shown.count(f"[[{fence} ")
    assert fence not in again.split("\n", 1)[0]


@pytest.mark.parametrize(
    ("fields", "target", "wanted"),
    [
        (TASK, "ref", {"instruction": "Shorten.", "source": "The pool closes.", "reference": "ref"}),
        ({"text": "x"}, None, {"source": "x"}),
        ({"messages": [{"role": "user", "content": "hi"}]}, ["a", "b"], {"source": '{"messages": [{"content": "hi", "role": "user"}]}', "reference": "a"}),
        ({"text": {"a": 1}}, {"b": 2}, {"source": '{"a": 1}', "reference": '{"b": 2}'}),
        ({}, None, {}),
    ],
)  # fmt: skip
def test_what_a_judge_is_shown(fields, target, wanted):
    assert task_of(Sample("s", fields, target), source="text", instruction="instruction", reference=True) == wanted


def test_the_target_is_shown_only_where_it_is_asked_for():
    sample = Sample("s", TASK, "the reference")
    assert "reference" not in task_of(sample, source="text", instruction="instruction", reference=False)


def test_the_question_holds_rubric_menu_and_fields_for_judges_that_are_no_chat():
    scorer = registry.make("scorers", "judge_rubric(judge='j', scale=3, rubric='Is it kind?', reasons=False)")
    question = scorer.question(Sample("s", TASK), "Pool closes.")
    assert "from 1 (worst) to 3 (best)" in question.system
    assert question.user.endswith('Is it kind?\nAnswer with one JSON object and nothing else: "score": one of 1, 2, 3.')
    assert question.fields["answer"] == "Pool closes."
    assert question.fields["scale"] == 3
    assert [m["role"] for m in question.sample(Sample("s", TASK)).input["messages"]] == ["system", "user"]
    assert scorer.menu.schema["required"] == ["score"]
    assert (scorer.needs, scorer.metrics[0].bounds) == (("j",), (1.0, 3.0))


def test_a_judge_that_cannot_be_reached_is_no_verdict_but_an_error(kit):
    for spec, more in (
        ("judge_rubric(judge='j')", {}),
        ("judge_pair(judge='j', against='b')", {"more": [{"output": "B"}]}),
    ):
        with pytest.raises(JudgeFailed, match="judge j: timeout: said the test"):
            scored(kit, spec, judge=[{"error": "timeout"}], **more)


def test_an_error_of_the_opponent_is_no_win(kit):
    score = scored(kit, "judge_pair(judge='j', against='b')", more=[{"error": "timeout"}])["win_rate"]
    assert score.value is None
    assert "timeout" in score.reason


@pytest.mark.parametrize(
    ("said", "item"),
    [("first", "first"), (' "Second." ', "second"), ('{"verdict": "TIE"}', "tie"), ("the first one", None), ('{"verdict": true}', None), ('{"score": 1}', None), ("[]", None), (None, None)],
)  # fmt: skip
def test_verdicts_are_on_the_menu_or_none(said, item):
    assert Menu("verdict", ("first", "second", "tie")).read(Response(output=said)).item == item


def test_one_order_is_a_fair_and_stored_coin():
    scorer = JudgePair("j", "b", orders="one")
    thrown = [scorer.candidate_first(Sample(f"s{n}", {}), 7) for n in range(400)]
    assert 160 < sum(thrown) < 240
    assert thrown == [scorer.candidate_first(Sample(f"s{n}", {}), 7) for n in range(400)]
    assert thrown != [scorer.candidate_first(Sample(f"s{n}", {}), 8) for n in range(400)]
    assert thrown != [JudgePair("k", "b").candidate_first(Sample(f"s{n}", {}), 7) for n in range(400)]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("judge_rubric", "option 'judge' is needed"),
        ("judge_rubric(judge='')", "judge='' must be text"),
        ("judge_rubric(judge='j', scale=1)", "scale=1 must be a whole number from 2 to 100"),
        ("judge_pair(judge='j')", "option 'against' is needed"),
        ("judge_pair(judge='j', against=3)", "against=3 must be text"),
        ("judge_pair(judge='j', against='b', orders='twice')", "orders='twice' is unknown; known: both, one"),
    ],
)
def test_options_are_checked(spec, words):
    with pytest.raises(ValueError, match=words):
        registry.make("scorers", spec)


@pytest.mark.parametrize(("spec", "library"), [("bleu(tokenize='char')", "sacrebleu"), ("rouge", "rouge_score")])
def test_without_the_library_the_extra_is_named(kit, monkeypatch, spec, library):
    from evalkit.scorers import _sacrebleu, rouge

    for cache in (_sacrebleu.engine, rouge._engine):
        cache.cache_clear()
    for module in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingComponent, match=r"evalkit\[text\]"):
        kit.one(spec, "a", "a")
    assert "evalkit[text]" in registry.make("scorers", spec).unavailable()
    monkeypatch.undo()
    assert registry.make("scorers", spec).unavailable() is None
