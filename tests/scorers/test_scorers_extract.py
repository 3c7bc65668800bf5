"""Extraction rules: what they take, what they say when they are wrong, and what scorers see of it."""

from __future__ import annotations

import asyncio

import pytest

from evalkit import registry
from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Failure, Response, Sample
from evalkit.scorers._extract import apply_extraction, extractor


@pytest.mark.parametrize(
    ("spec", "text", "found"),
    [
        ("last_line", "a\n b \n\n", "b"),
        ("last_line", " \n", None),
        ("first_line", "\n a \nb", "a"),
        ("first_line", "", None),
        ("last_number", "1 then 2,500.0 EUR", "2500.0"),
        ("last_number", "up 12%", "12%"),
        ("last_number", "1e3", "1000"),
        ("last_number", "none", None),
        ("boxed", r"\boxed{1} and \boxed{\frac{1}{2}} so", r"\frac{1}{2}"),
        ("boxed", r"\boxed{1} then \fbox{2", "1"),
        ("boxed", "none", None),
        ("boxed", r"} \boxed{\boxed{1} {2}}", "1"),
        ("boxed", r"\boxed {a {b} c}", "a {b} c"),
        ("boxed", "\\boxed{" * 200_000, None),
        ("after:Answer:", "answer: 1\nAnswer:  2 \n3", "2"),
        ('after("Answer:")', "Answer:\n\n 4", "4"),
        ("after: Answer:", "Answer: 4", "4"),
        ("after:Answer:", "Answer:", None),
        ("after:Answer:", "none", None),
        (r"regex:label=(\w+)", "label=a label=b", "b"),
        (r"regex('(x)|(y)')", "y", "y"),
        (r"regex:\d+", "1 22", "22"),
        (r"regex:^$", "a", None),
        (r"regex:b*", "aaa", ""),
        ("json:$.a.b[1]", '{"a": {"b": [1, "two"]}}', "two"),
        ("json:a", '```json\n{"a": {"x": 1.5}}\n```', '{"x":1.5}'),
        ("json:$.a[-1]", '{"a": [1, 2]}', "2"),
        ("json:$.b", '{"a": 1}', None),
        ("json:$.a[-2]", '{"a": [1, 2]}', "1"),
        ("json:$.a[-3]", '{"a": [1, 2]}', None),
        ("json:$.a[2]", '{"a": [1, 2]}', None),
        ("json:$.a", '{"a": null}', None),
        ("json:$.a.b", '{"a": 1}', None),
        ("json:$.a", "no json", None),
    ],
)
def test_extracts(spec, text, found):
    assert extractor(spec)(text) == found


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("last_lin", "did you mean 'last_line'"),
        ("zzz", "known: last_line"),
        ("boxed:1", "boxed takes no argument"),
        ("regex", "regex needs an argument"),
        ("after:", "after needs an argument"),
        ("after(Answer)", "in quotes"),
        ("after(3)", "in quotes"),
        ("regex:(", "does not compile"),
        ("json:$.a[", "is not a path"),
    ],
)
def test_wrong_rules_say_what_is_wrong(spec, told):
    with pytest.raises(ValueError, match=r".+") as caught:
        extractor(spec)
    assert told in str(caught.value)


def test_a_runaway_pattern_is_an_error_not_a_hang():
    with pytest.raises(ValueError, match="searched longer than 1 s"):
        extractor("regex:(a|aa)+$")("a" * 60 + "c")


def value(spec, response, target="4"):
    scorer = registry.make("scorers", spec)
    sample = Sample("1", {}, target)
    return asyncio.run(scorer.score(sample, [response], None))[scorer.metrics[0].name]


def test_scorers_see_the_extracted_answer():
    raw = Response(output="<think>Answer: 5</think>I cannot be sure.\nAnswer: 4")
    seen = apply_extraction("after:Answer:", raw)
    assert seen.output == "4"
    assert value("exact_match", seen).value == 1.0
    assert value("refusal", seen).value == 1.0
    assert value("length", seen).value == 6.0


def test_nothing_matched_is_no_answer():
    seen = apply_extraction("boxed", Response(output="4", finish=Finish.LENGTH))
    assert seen.output is None
    for spec in ("exact_match", "numeric", "json_valid", "classification", "regression"):
        assert value(spec, seen).reason.startswith("nothing matched extract boxed (the answer was cut off")


def test_parsed_answers_keep_their_type():
    seen = apply_extraction("json:$.price", Response(output={"price": 4.5}))
    assert seen.output == 4.5
    assert apply_extraction("json:$.cost", Response(output={"price": 4.5})).output is None
    assert apply_extraction("last_number", Response(output={"price": 4.5})).output == "4.5"


@pytest.mark.parametrize(
    "response",
    [
        Response(error=Failure(ErrorKind.TIMEOUT, "late")),
        Response(output="no", finish=Finish.REFUSAL),
        Response(output="<think>4"),
        Response(),
    ],
)
def test_what_is_no_answer_comes_back_as_it_is(response):
    assert apply_extraction("last_line", response) is response
