from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.types import Response, Sample
from evalkit.scorers._calls import Call, matching, said, same_text
from evalkit.scorers.tool_calls import example_call, wanted

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "datasets/tool_calls/samples.jsonl").read_text("utf-8").splitlines()
SAMPLES = [Sample(item["id"], item["input"], item["target"]) for item in map(json.loads, LINES)]
CALLING = [sample for sample in SAMPLES if wanted(sample)]
SILENT = [sample for sample in SAMPLES if not wanted(sample)]
SCORER = registry.make("scorers", "tool_calls")


def right(sample):
    return [{"name": name, "arguments": dict(arguments)} for name, arguments in map(example_call, wanted(sample))]


def match(sample, calls):
    return SCORER.mark(sample, Response(tool_calls=tuple(calls)))["tool_match"]


def choices(sample):
    """Every allowed value of every argument, one call each: (gold index, argument, value or None for left out)."""
    for i, gold in enumerate(wanted(sample)):
        for name, options in gold["arguments"].items():
            for option in options:
                if not isinstance(option, dict):
                    yield i, name, None if option == "" else option


@pytest.mark.parametrize("sample", CALLING, ids=lambda sample: sample.id)
def test_every_allowed_call_passes(sample):
    assert match(sample, right(sample)).value == 1
    for i, name, value in choices(sample):
        calls = right(sample)
        if value is None:
            calls[i]["arguments"].pop(name, None)
        else:
            calls[i]["arguments"][name] = value
        assert match(sample, calls).value == 1, (name, value)
        text = SCORER.mark(sample, Response(output=json.dumps(calls)))
        assert text["tool_match"].value == 1


def spoilt(sample):
    """Wrong answers made of a right one."""
    tools = {tool["name"]: tool["parameters"] for tool in sample.input["tools"]}
    for i, call in enumerate(right(sample)):
        for name in tools[call["name"]]["required"]:
            calls = right(sample)
            del calls[i]["arguments"][name]
            yield f"without {name}", calls
        for name, value in call["arguments"].items():
            calls = right(sample)
            calls[i]["arguments"][name] = [[value]]
            yield f"{name} of a wrong type", calls
            if isinstance(value, str):
                calls = right(sample)
                calls[i]["arguments"][name] = f"{value} and quite another"
                yield f"another {name}", calls
        calls = right(sample)
        calls[i]["arguments"]["colour"] = "red"
        yield "an unknown parameter", calls
        calls = right(sample)
        calls[i]["name"] += "_2"
        yield "another tool", calls
        yield "a call too few", [one for j, one in enumerate(right(sample)) if j != i]
    yield "a call too many", [*right(sample), right(sample)[0]]


@pytest.mark.parametrize("sample", CALLING, ids=lambda sample: sample.id)
def test_every_spoilt_call_fails_with_a_reason(sample):
    for what, calls in spoilt(sample):
        answer = Response(tool_calls=tuple(calls)) if calls else Response(output="I have done it.")
        score = SCORER.mark(sample, answer)["tool_match"]
        assert score.value == 0, what
        assert score.reason, what


@pytest.mark.parametrize("sample", SILENT, ids=lambda sample: sample.id)
def test_where_no_call_is_wanted_every_call_and_every_attempt_fails(sample):
    assert SCORER.mark(sample, Response(output="Which one do you mean?"))["tool_match"].value == 1
    for tool in sample.input["tools"]:
        assert match(sample, [{"name": tool["name"], "arguments": {}}]).value == 0
        for attempt in (f"{tool['name']}(x=1)", '{"name": "' + tool["name"], "<tool_call>{}", '```json\n[{"na'):
            score = SCORER.mark(sample, Response(output=attempt))["tool_match"]
            assert (score.value, bool(score.reason)) == (0, True), attempt


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([sample for sample in CALLING if len(wanted(sample)) > 1]), st.randoms(use_true_random=False))
def test_the_order_of_parallel_calls_changes_nothing(sample, chance):
    calls = right(sample)
    chance.shuffle(calls)
    scores = SCORER.mark(sample, Response(tool_calls=tuple(calls)))
    assert scores["tool_match"].value == 1
    assert scores["tool_precision"].parts == {"tp": float(len(calls)), "fp": 0.0, "fn": 0.0}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sets(st.integers(0, 4), min_size=1), max_size=5), st.lists(st.integers(0, 4), max_size=5))
def test_the_matching_is_a_maximum(options, made):
    """Against all assignments, tried one by one."""
    golds = [{"name": "f", "arguments": {"n": sorted(one)}} for one in options]
    tools = {"f": {"parameters": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}}
    found = matching([Call("f", {"n": n}) for n in made], golds, tools)
    assert len(set(found.values())) == len(found)
    assert all(made[call] in options[gold] for gold, call in found.items())

    def best(gold, left):
        if gold == len(options):
            return 0
        taken = (1 + best(gold + 1, left - {i}) for i in left if made[i] in options[gold])
        return max([best(gold + 1, left), *taken])

    assert len(found) == best(0, frozenset(range(len(made))))


@pytest.mark.parametrize(
    ("text", "calls", "broken"),
    [
        ('{"name": "f", "arguments": {"a": 1}}', 1, False),
        ('[{"name": "f", "parameters": {"a": 1}}, {"name": "g", "arguments": "{}"}]', 2, False),
        ('{"tool_calls": [{"function": {"name": "f", "arguments": "{\\"a\\": 1}"}}]}', 1, False),
        ('Sure:\n```json\n{"name": "f"}\n```', 1, False),
        ('<tool_call>{"name": "f"}</tool_call>\n<tool_call>{"name": "g"}</tool_call>', 2, False),
        ("[]", 0, False),
        ("There are 3 { braces } here.", 0, False),
        ('{"answer": 4}', 0, True),
        ("[1, 2]", 0, True),
        ('{"name": "f", "arguments": "{"}', 1, True),
        ('<tool_call>{"name": </tool_call>', 0, True),
        ("<tool_call>3</tool_call>", 0, True),
        ("f(1)", 0, True),
        ("the value of g(1) is 2", 0, False),
    ],
)
def test_calls_are_read_from_text(text, calls, broken):
    found, reason = said(Response(output=text), ("f",))
    assert reason is None
    assert (len(found.calls), found.broken is not None) == (calls, broken)


def test_malformed_arguments_of_the_api_are_kept_and_fail():
    sample = CALLING[0]
    call = {"id": "1", "name": wanted(sample)[0]["name"], "arguments": '{"city": "Lis'}
    scores = SCORER.mark(sample, Response(tool_calls=(call,)))
    assert scores["tool_match"].value == 0
    assert "no JSON object" in scores["tool_match"].reason
    assert scores["tool_precision"].parts == {"tp": 0.0, "fp": 1.0, "fn": 1.0}


def test_texts_are_compared_as_the_leaderboard_does():
    assert same_text("San Francisco, CA", "san-francisco ca")
    assert same_text("it's", 'it"s')
    assert not same_text("Rome", "Roma")


TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}


@pytest.mark.parametrize(
    ("change", "target", "words"),
    [
        ({"parameters": {"type": "object", "properties": {"n": {"type": "int"}}}}, {"calls": []}, "no valid schema"),
        ({"parameters": {"type": "array"}}, {"calls": []}, "of type object"),
        ({"parameters": None}, {"calls": []}, "of type object"),
        ({"parameters": {"type": "object", "properties": {}, "required": ["n"]}}, {"calls": []}, "none of its parameters"),
        ({}, {"calls": [{"name": "g", "arguments": {}}]}, "not offered"),
        ({}, {"calls": [{"name": "f", "arguments": {"m": [1]}}]}, "unknown parameter 'm'"),
        ({}, {"calls": [{"name": "f", "arguments": {"n": 1}}]}, "list of allowed values"),
        ({}, {"calls": [{"name": "f", "arguments": {"n": ["x"]}}]}, "wrong type"),
        ({}, {"calls": [{"name": "f", "arguments": {"n": [True]}}]}, "wrong type"),
        ({"parameters": {**TOOL["parameters"], "required": ["n"]}}, {"calls": [{"name": "f"}]}, "no 'n'"),
        ({"parameters": {**TOOL["parameters"], "required": ["n"]}}, {"calls": [{"name": "f", "arguments": {"n": [1, ""]}}]}, "no 'n'"),
        ({}, {"calls": ["f"]}, "list of objects"),
        ({}, {"ask": ["city"]}, "'city'"),
        ({}, "f(1)", "the target must be"),
    ],
)  # fmt: skip
def test_a_sample_that_cannot_be_scored_is_a_problem(change, target, words):
    sample = Sample("s", {"tools": [{**copy.deepcopy(TOOL), **change}]}, target)
    assert words in SCORER.problem(sample)


def test_tools_are_needed_and_have_different_names():
    target = {"calls": []}
    assert "input.tools" in SCORER.problem(Sample("s", {}, target))
    assert "two tools" in SCORER.problem(Sample("s", {"tools": [TOOL, TOOL]}, target))
    assert SCORER.problem(Sample("s", {"tools": [TOOL]}, target)) is None
