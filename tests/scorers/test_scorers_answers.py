"""Reading answers: think blocks, JSON, what is no answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import Finish
from evalkit.core.types import Response
from evalkit.scorers import _answers


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain < text", "plain < text"),
        (" <b>kept</b> ", " <b>kept</b> "),
        ("<think>a</think>b", "b"),
        ("a<think>x</think>b<Thinking>y</Thinking>c", "abc"),
        ("<think>a<reasoning>b</think>c", "c"),
        ("<think>a</reasoning>b</think>c", "c"),
        ("thoughts</think>\n\nanswer", "answer"),
        ("<think></think>", ""),
        ("<think>a</think>b<think>c", None),
        ("<reasoning>", None),
        ("<think\n>a</think>b", "b"),
    ],
)
def test_strip_thinking(text, left):
    assert _answers.strip_thinking(text) == left


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(["think", "Thinking", "REASONING"]), st.text("ab \n<"), st.text("cd ")), min_size=1
    )
)
def test_blocks_leave_only_what_is_outside(blocks):
    text = "".join(f"<{name}>{inside}</{name}>{outside}" for name, inside, outside in blocks)
    assert _answers.strip_thinking(text) == "".join(outside for _, _, outside in blocks).strip()


def test_reasons():
    assert _answers.failure(Response(output="x")) is None
    assert _answers.failure(Response()) == "no answer"
    assert _answers.failure(Response(tool_calls=({"name": "f"},))) == "only tool calls"
    assert _answers.failure(Response(finish=Finish.LENGTH)) == "no answer (the answer was cut off at the token limit)"
    assert _answers.answer_text(Response(output={"a": 1}, finish=Finish.REFUSAL)) == (None, "refusal")


@pytest.mark.parametrize(
    ("output", "strict", "value", "reason"),
    [
        ({"a": 1}, False, {"a": 1}, None),
        ('{"a": 1}', True, {"a": 1}, None),
        ("```json\n1\n```\nor\n```\n[2]\n```\nthat is it", False, [2], None),
        ("```json\n[2]\n```", True, None, "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("```json\n[2]", False, None, "not JSON"),
        ("NaN", False, None, "not JSON: NaN is not a JSON value"),
        ("9" * 5000, False, None, "not JSON"),
        ("[" * 200_000, False, None, "not JSON: nested too deeply"),
        (None, False, None, "no answer"),
    ],
)
def test_answer_json(output, strict, value, reason):
    got, why = _answers.answer_json(Response(output=output), strict=strict)
    assert got == value
    assert (why is None) if reason is None else why.startswith(reason)


def test_truncated_json_says_so():
    _, why = _answers.answer_json(Response(output='{"a": 1', finish=Finish.LENGTH))
    assert why.endswith("(the answer was cut off at the token limit)")


def test_long_answers_are_shown_cut_but_stay_different():
    a, b = _answers.shown("x" * 1000), _answers.shown("x" * 1001)
    assert a != b
    assert len(a) < 300
    assert _answers.shown("x" * 256) == "x" * 256
