"""JUnit: valid against the schema, names that never move, reasons and numbers, nothing green but a pass."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from evalkit.gate.junit import junit
from evalkit.gate.model import Rule, SampleResult

sys.path.insert(0, str(Path(__file__).parent))
from gate_cases import CASES, accuracy, difference, evidence, one, side, verdict

SCHEMA = etree.XMLSchema(etree.parse(str(Path(__file__).parents[1] / "cases" / "gate" / "junit.xsd")))
SAMPLES = (
    SampleResult("ticket-1", 1.0, "", 0.25),
    SampleResult("ticket-2", 0.0, "expected billing", 0.5),
    SampleResult("ticket-3", None, "no label found"),
)


def parsed(*reported: Any) -> Any:
    text = junit(reported)
    root = etree.fromstring(text.encode())
    SCHEMA.assertValid(root)
    return root


def case(root: Any, name: str) -> Any:
    (found,) = root.xpath("//testcase[@name=$name]", name=name)
    return found


def properties(element: Any) -> dict[str, str]:
    return {one.get("name"): one.get("value") for one in element.find("properties")}


@pytest.mark.parametrize("name", list(CASES))
def test_every_verdict_is_valid_junit(name: str) -> None:
    judged, beside = CASES[name]()
    root = parsed((judged, beside, SAMPLES))
    suite = root[0]
    assert suite.get("name") == "triage: terse"
    assert suite.get("timestamp") == "2026-09-01T10:00:00"
    assert suite.get("time") == "0.750"
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.get("tests")) == len(judged.judged) + 3
    for total, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(total)) == len(suite.findall(f"testcase/{tag}"))
    assert (root.get("tests"), root.get("failures")) == (suite.get("tests"), suite.get("failures"))


def test_outcomes_with_their_reasons_and_numbers() -> None:
    root = parsed((*CASES["regression"](), ()))
    failed = case(root, "accuracy")
    assert failed.get("classname") == "triage.terse.gates"
    failure = failed.find("failure")
    assert (failure.get("type"), failure.get("message")) == ("regression", "at least 2.5 points worse")
    assert failure.text.startswith(
        "REGRESSION: at least 2.5 points worse\n87.0 % -> 81.5 %, -5.5 points 95 % CI -9.0 to -2.0"
    )
    assert properties(failed) == {
        "value": "0.815",
        "baseline": "0.87",
        "delta": "-0.055",
        "low": repr(difference(-0.055, 0.018).low),
        "high": repr(difference(-0.055, 0.018).high),
        "n": "200",
        "p": repr(difference(-0.055, 0.018).p_value),
        "p_adjusted": repr(2 * (difference(-0.055, 0.018).p_fail or 0)),
        "margin": "0.02",
        "outcome": "regression",
        "gated": "True",
    }
    assert case(root, "latency_p95").find("skipped").get("message").startswith("anything from 0.122 s worse")
    assert case(root, "rouge_l").find("skipped").get("message").startswith("looked at, decides nothing: INCONCLUSIVE")
    told = properties(root[0])
    assert (told["outcome"], told["exit_code"], told["policy"], told["planned"]) == ("regression", "3", "pr", "200")
    assert told["warning 1"].startswith("inconclusive is not a pass: latency_p95")


def test_invalid_is_an_error_and_a_pass_is_plain() -> None:
    root = parsed((*CASES["invalid"](), ()), (*CASES["pass"](), ()))
    assert case(root, "f1").find("error").get("message") == "the metric is not in the baseline: run it there too"
    assert properties(case(root, "f1")) == {"n": "0", "margin": "0.0", "outcome": "invalid", "gated": "True"}
    assert (root.get("errors"), root.get("failures"), root.get("tests")) == ("2", "0", "4")
    plain = list(root[1].findall("testcase"))
    assert [one.find("failure") is one.find("skipped") is None for one in plain] == [True, True]
    assert [one.get("name") for one in plain] == ["accuracy", "accuracy (threshold)"]
    assert root[1].get("id") == "1"


def test_a_pass_by_a_judge_nobody_audited_is_not_green() -> None:
    root = parsed((*CASES["judged"](), ()))
    assert case(root, "helpfulness").find("skipped").get("message") == (
        "passes by a judge that nobody compared with people: openai/gpt-5:rubric"
    )
    assert case(root, "accuracy").find("skipped") is None


def test_a_passing_rule_that_is_only_looked_at_is_plain() -> None:
    seen = one(Rule("m", margin=0.05, gated=False), difference(0.0, 0.01))
    root = parsed((verdict(one(accuracy(), difference(0.0, 0.01)), seen), evidence(), ()))
    assert case(root, "m").find("skipped") is None
    assert case(root, "m").find("system-out").text.startswith("PASS: at worst")


def test_nothing_asserted_is_an_error() -> None:
    root = parsed((verdict(), evidence(candidate=side("terse", started="yesterday")), ()))
    assert case(root, "nothing asserted").find("error").get("message") == "nothing asserted: no gate was judged"
    assert root[0].get("timestamp") is None


def test_samples_tell_and_never_fail_and_keep_their_names() -> None:
    judged, beside = CASES["regression"]()
    before = parsed((judged, beside, SAMPLES))
    after = parsed((judged, beside, (SampleResult("ticket-0", 0.0), *SAMPLES)))
    names = [(one.get("classname"), one.get("name")) for one in before.iter("testcase")]
    assert set(names) <= {(one.get("classname"), one.get("name")) for one in after.iter("testcase")}
    assert names[-3:] == [("triage.terse.samples", f"ticket-{number}") for number in (1, 2, 3)]
    assert case(before, "ticket-1").find("system-out").text == "1"
    assert case(before, "ticket-2").find("system-out").text == "0: expected billing"
    assert case(before, "ticket-3").find("system-out").text == "not scorable: no label found"
    assert (case(before, "ticket-1").get("time"), case(before, "ticket-3").get("time")) == ("0.250", None)
    assert all(one.find("failure") is None for one in before.xpath("//testcase[contains(@classname, 'samples')]"))


def test_nothing_at_all_is_still_a_file() -> None:
    root = parsed()
    assert (root.tag, root.get("tests"), len(root)) == ("testsuites", "0", 0)


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.characters(), max_size=30))
def test_any_text_is_legal_xml(text: str) -> None:
    judged = verdict(
        one(accuracy(slice=f"s{text}"), None, problems=(text or "x",)),
        one(accuracy(), difference(0.0, 0.01, method=text)),
    )
    root = parsed((judged, evidence(), (SampleResult(f"id{text}", 0.5, text),)))
    assert len(root[0].findall("testcase")) == 3


def test_what_xml_has_no_form_for_is_replaced() -> None:
    root = parsed((*CASES["pass"](), (SampleResult("a\x00b\x1b\ufffe\ud800c", 1.0, "]]> <b> & \x0b" + "y" * 20_000),)))
    found = case(root, "a\ufffdb\ufffd\ufffd\ufffdc")
    assert found.find("system-out").text.startswith("1: ]]> <b> & \ufffdyyy")
    assert len(found.find("system-out").text) == 10_000
