"""Annotations: workflow commands at the gate's own line, escaped as the runner reads them; check runs."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.gate.annotations import annotations, check, command
from evalkit.gate.model import Rule

sys.path.insert(0, str(Path(__file__).parent))
from gate_cases import CASES, accuracy, difference, evidence, one, verdict


def test_every_gated_rule_has_a_line_worst_first() -> None:
    assert annotations(CASES["regression"]()[0]) == [
        (
            "::error file=suites/triage.yaml,line=12,title=triage%3A accuracy REGRESSION"
            "::terse against main: -5.5 points; at least 2.5 points worse"
        ),
        (
            "::error file=suites/triage.yaml,line=12,title=triage%3A accuracy [topic%3Abilling] REGRESSION"
            "::terse against main: -12.0 points; at least 5.4 points worse"
        ),
        (
            "::warning title=triage%3A latency_p95 INCONCLUSIVE"
            "::terse against main: +0.04 s; anything from 0.122 s worse to 0.0422 s better"
        ),
        (
            "::warning title=triage%3A terse"
            "::inconclusive is not a pass: latency_p95 (inconclusive warns and does not block)"
        ),
    ]


def test_passes_are_notices_after_all_else() -> None:
    mixed = verdict(
        one(accuracy(), difference(0.0, 0.01)),
        one(Rule("f1"), None, problems=("gone",)),
        one(Rule("m", gated=False), difference(-0.5, 0.01)),
    )
    found = annotations(mixed)
    assert [line.split(" ")[0] for line in found] == ["::error", "::notice"]
    assert found[0] == "::error title=triage%3A f1 INVALID RUN::terse against main: gone"


def test_nothing_asserted_is_an_error() -> None:
    assert annotations(verdict()) == ["::error title=triage%3A INVALID RUN::nothing asserted: no gate was judged"]


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.text(min_size=1, max_size=40))
def test_any_text_stays_in_its_place(title: str, message: str, file: str) -> None:
    found = command("error", title, message, file=file, line=3)
    assert not set("\r\n") & set(found)
    read = re.fullmatch(r"::error file=([^,:]*),line=3,title=([^,:]*)::(.*)", found, re.DOTALL)
    assert read is not None

    def unescaped(text: str) -> str:
        for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
            text = text.replace(code, char)
        return text

    assert tuple(map(unescaped, read.groups())) == (file, title, message)


def test_a_command_without_a_place() -> None:
    assert command("notice", "t", "m", line=3) == "::notice title=t::m"
    assert command("notice", "t", "m", file="f") == "::notice file=f,title=t::m"
    assert len(command("notice", "t", "m" * 9_000)) < 2_100


@pytest.mark.parametrize(
    ("name", "conclusion"),
    [
        ("pass", "success"),
        ("regression", "failure"),
        ("inconclusive", "neutral"),
        ("invalid", "failure"),
        ("judged", "neutral"),
    ],
)
def test_a_check_run_is_green_for_a_pass_only(name: str, conclusion: str) -> None:
    judged, beside = CASES[name]()
    assert check(judged, beside, "text").conclusion == conclusion


def test_a_check_run_has_the_gates_places() -> None:
    found = check(*CASES["regression"](), "text")
    assert (found.name, found.summary) == ("evalkit: triage (terse)", "text")
    assert found.title.startswith("REGRESSION triage (terse against main of 20260901-main): accuracy [topic:billing]")
    assert found.annotations[0] == {
        "path": "suites/triage.yaml",
        "start_line": 12,
        "end_line": 12,
        "annotation_level": "failure",
        "title": "accuracy: REGRESSION",
        "message": "terse against main: -5.5 points; at least 2.5 points worse",
    }
    assert len(found.annotations) == 2
    blocked = verdict(one(accuracy(), difference(0.0, 0.03)), policy="release")
    assert check(blocked, evidence(), "").conclusion == "failure"
    assert check(replace(blocked, suite="s" * 500), evidence(), "").name.startswith("evalkit: sss")
