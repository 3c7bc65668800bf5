"""Errors carry their exit code; 1 is never ours."""

from __future__ import annotations

import pytest

from evalkit.core import errors
from evalkit.core.errors import ExitCode, Problem


def test_exit_codes_are_frozen():
    assert {code.name: code.value for code in ExitCode} == {
        "PASS": 0, "USAGE": 2, "REGRESSION": 3, "INCONCLUSIVE": 4, "INVALID": 5, "INTERNAL": 70, "INTERRUPTED": 130,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("codes", "worst"),
    [([], 0), ([0, 4], 4), ([4, 5], 5), ([5, 3, 4], 3), ([3, 2], 2), ([3, 130], 130), ([130, 70], 70)],
)
def test_several_outcomes_at_once(codes, worst):
    assert ExitCode.worst(map(ExitCode, codes)) == worst


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.EvalkitError("x"), 70),
        (errors.UsageError("x"), 2),
        (errors.ConfigError([Problem("x")]), 2),
        (errors.CostNotConfirmed("x"), 2),
        (errors.InvalidRun("x"), 5),
        (errors.StoreError("x"), 2),
        (errors.MissingComponent("x"), 2),
        (errors.Interrupted("x"), 130),
    ],
)
def test_errors_know_their_exit_code(error, code):
    assert error.exit_code == code != 1


def test_a_problem_says_where_what_and_what_to_do():
    assert str(Problem("unknown key 'scorrers'", "a.yaml", 3, "did you mean 'scorers'?")) == (
        "a.yaml:3: unknown key 'scorrers' (did you mean 'scorers'?)"
    )
    assert str(Problem("empty", "a.yaml")) == "a.yaml: empty"
    assert str(Problem("nothing selected")) == "nothing selected"


def test_all_problems_are_shown_at_once():
    error = errors.ConfigError([Problem("one"), Problem("two")])
    assert str(error) == "one\ntwo"
    assert len(error.problems) == 2


def test_near_names_are_suggested():
    assert errors.did_you_mean("exact_mach", ["exact_match", "regex"]) == "did you mean 'exact_match'?"
    assert errors.did_you_mean("zzz", ["exact_match"]) is None


def test_only_a_wrong_key_or_model_stops_a_candidate():
    assert {kind for kind in errors.ErrorKind if kind.stops_candidate} == {
        errors.ErrorKind.AUTH,
        errors.ErrorKind.UNKNOWN_MODEL,
    }


def test_error_kinds_and_finishes_are_frozen():
    assert sorted(kind.value for kind in errors.ErrorKind) == sorted(
        [
            "provider_error",
            "rate_limited",
            "timeout",
            "connection",
            "malformed_response",
            "auth",
            "bad_request",
            "unknown_model",
            "candidate_error",
            "replay_miss",
            "budget",
            "cancelled",
            "scorer_error",
            "judge_error",
        ]
    )
    assert [finish.value for finish in errors.Finish] == ["stop", "length", "refusal", "content_filter", "tool_calls"]
