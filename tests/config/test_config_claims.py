"""Claims files: what they may say, defaults, and every problem at its line."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from evalkit.config import _yaml
from evalkit.config.claims import load_claims
from evalkit.config.schema import claims_schema

GOOD = """\
# yaml-language-server: $schema=claims.schema.json
defaults:
  suite: tickets
  metric: accuracy
  source: https://example.com/card
  date: 2026-03-01
  tolerance: 0.03
  protocol: {shots: 5, normaliser: squad}
claims:
  - {who: haiku, value: 0.91, interval: [0.89, 0.93], protocol: {shots: 0, reasoning: 2048}}
  - {who: haiku, beats: mini, by: 0.05}
  - who: mini
    metric: latency_p50
    value: 0.7
    n: 500
    se: 0.01
    date: 2025-12-31
"""


def written(tmp_path, text):
    path = tmp_path / "claims.yaml"
    path.write_text(text, "utf-8")
    return path


def test_claims_with_defaults(tmp_path):
    path = written(tmp_path, GOOD)
    found = load_claims(path)
    assert found.problems == ()
    first, second, third = found.stated
    assert (first.who, first.claim.suite, first.claim.value, first.claim.interval) == (
        "haiku",
        "tickets",
        0.91,
        (0.89, 0.93),
    )
    assert first.claim.tolerance == 0.03
    assert first.protocol.model_dump(exclude_none=True) == {"shots": 0, "normaliser": "squad", "reasoning": 2048}
    assert (second.claim.beats, second.claim.by, second.claim.tolerance) == ("mini", 0.05, None)
    assert (third.claim.metric, third.claim.date, third.claim.n) == ("latency_p50", "2025-12-31", 500)
    assert [one.line for one in found.stated] == [10, 11, 12]
    assert str(third.problem("wrong", "do this")).endswith("claims.yaml:12: claims[2]: wrong (do this)")
    Draft202012Validator(claims_schema()).validate(_yaml.read(path).data)


def test_a_claim_without_protocol_states_nothing(tmp_path):
    text = "claims:\n  - {who: a, suite: s, metric: m, value: 1}\n"
    (one,) = load_claims(written(tmp_path, text)).stated
    assert one.protocol.model_dump(exclude_none=True) == {}


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ("{who: a, value: 0.5, beats: b}", "needs either `value` or `beats`"),
        ("{who: a}", "needs either `value` or `beats`"),
        ("{who: a, beats: a}", "nobody beats himself"),
        ("{beats: z}", "nobody beats himself"),
        ("{who: a, beats: b, n: 3}", "`n` has no meaning for a claim of rank"),
        ("{who: a, beats: b, tolerance: 0.1}", "`tolerance` has no meaning for a claim of rank"),
        ("{who: a, value: 0.5, by: 0.1}", "`by` has no meaning without `beats`"),
        ("{who: a, value: 0.5, interval: [0.6, 0.7]}", "lies outside its own interval [0.6, 0.7]"),
        ("{who: a, value: 0.5, date: soon}", "'soon' is no day"),
        ("{who: a, value: 0.5, tolerance: 0}", "greater than 0"),
        ("{who: a, value: '0.5'}", "write it without quotes"),
        ("{who: a, value: 0.5, protocol: {normalizer: squad}}", "did you mean 'normaliser'"),
        ("{who: a, value: 0.5, protocl: {}}", "did you mean 'protocol'"),
        ("{who: a, value: .nan}", "not a finite number"),
    ],
)
def test_a_wrong_claim_is_told_with_its_line(tmp_path, claim, told):
    shared = "defaults: {who: z, suite: s, metric: m}" if "beats: z" in claim else "defaults: {suite: s, metric: m}"
    found = load_claims(written(tmp_path, f"{shared}\nclaims:\n  - {claim}\n"))
    assert told in " ".join(map(str, found.problems))
    assert all("claims.yaml:3" in str(problem) for problem in found.problems)


def test_what_is_needed_may_stand_in_either_place(tmp_path):
    found = load_claims(written(tmp_path, "claims:\n  - {value: 0.5}\n  - {who: a, suite: s, metric: m, value: 0.5}\n"))
    assert [problem.message for problem in found.problems] == [
        f"claims[0]: `{name}` is needed" for name in ("who", "suite", "metric")
    ]
    assert {problem.hint for problem in found.problems} == {"write it here or under `defaults`"}


def test_the_same_claim_twice_is_one_too_many(tmp_path):
    one = "{who: a, suite: s, metric: m, value: 0.5, source: x}"
    other = "{who: a, suite: s, metric: m, value: 0.5, source: y}"
    another = "{who: a, suite: s, metric: m, value: 0.5, protocol: {shots: 3}}"
    found = load_claims(written(tmp_path, f"claims:\n  - {one}\n  - {other}\n  - {another}\n"))
    assert [str(problem) for problem in found.problems if "claims[0]" in problem.message] == [str(found.problems[0])]
    assert len(found.problems) == 1


@pytest.mark.parametrize("text", ["", "claims: []\n", "[1]\n", "claims: {\n", "claim:\n - {who: a}\n"])
def test_what_is_no_claims_file(tmp_path, text):
    found = load_claims(written(tmp_path, text))
    assert found.problems
    assert found.stated == ()


def test_a_missing_file_is_a_problem(tmp_path):
    assert "cannot be read" in str(load_claims(tmp_path / "no.yaml").problems[0])
