"""Verdicts: the six decision tables, one family of fail-tests, errors both ways, the anchor, policies."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import ExitCode
from evalkit.gate.model import Rule
from evalkit.gate.multiplicity import benjamini_hochberg, holm
from evalkit.gate.policy import POLICIES, exit_code, worst

sys.path.insert(0, str(Path(__file__).parent))
from gate_cases import accuracy, difference, one, verdict

UNIT = 1 / 1.6448536269514722  # a standard error with which each one-sided bound is 1 from the delta


@pytest.mark.parametrize("higher", [True, False], ids=["higher", "lower"])
@pytest.mark.parametrize(
    ("mode", "margin", "benefit", "outcome"),
    [
        ("regression", 2.0, -0.9, "pass"),
        ("regression", 2.0, -1.1, "regression"),
        ("regression", 1.5, -0.9, "inconclusive"),
        ("regression", 3.0, -1.5, "pass"),  # certain, but smaller than the margin: the pass test goes first
        ("regression", 0.0, 1.1, "pass"),
        ("regression", 0.0, 0.9, "inconclusive"),
        ("regression", 0.0, -1.1, "regression"),
        ("noninferiority", 2.0, -0.9, "pass"),
        ("noninferiority", 2.0, -2.9, "inconclusive"),
        ("noninferiority", 2.0, -3.1, "regression"),
        ("superiority", 0.0, 1.1, "pass"),
        ("superiority", 0.0, 0.9, "inconclusive"),
        ("superiority", 0.0, -1.1, "regression"),
        ("equivalence", 2.0, 0.9, "pass"),
        ("equivalence", 2.0, -0.9, "pass"),
        ("equivalence", 2.0, 1.1, "inconclusive"),
        ("equivalence", 2.0, -3.1, "regression"),
        ("equivalence", 2.0, 3.1, "regression"),
        ("no_regression", 0.0, -0.9, "pass"),
        ("no_regression", 0.0, 5.0, "pass"),
        ("no_regression", 0.0, -1.1, "regression"),
        ("threshold", 0.0, 1.1, "pass"),
        ("threshold", 0.0, 0.9, "inconclusive"),
        ("threshold", 0.0, -1.1, "regression"),
    ],
)
def test_the_table_of_a_mode(mode: Any, margin: float, benefit: float, outcome: str, higher: bool) -> None:
    null = -margin if mode in ("noninferiority", "equivalence") else 0.0
    head = difference(benefit if higher else -benefit, UNIT, higher=higher, null=null, base=50.0)
    rule = Rule("m", mode=mode, margin=margin, higher_is_better=higher)
    found = verdict(one(rule, head))
    assert found.judged[0].outcome == found.outcome == outcome
    assert found.judged[0].comparison.delta == head.delta
    assert found.reasons == (f"m: {found.judged[0].comparison.reason}",)


def test_reasons_say_how_much_in_the_words_of_the_metric() -> None:
    def why(rule: Rule, delta: float, **options: Any) -> str:
        return verdict(one(rule, difference(delta, UNIT, **options))).judged[0].comparison.reason

    assert why(Rule("m", margin=2.0), -0.5) == "at worst 1.5 worse"
    assert why(Rule("m", margin=2.0), 1.5) == "at least 0.5 better"
    assert why(Rule("m", unit="s", margin=0.5, higher_is_better=False), 1.5, higher=False) == "at least 0.5 s worse"
    assert why(Rule("m", margin=0.5), 0.0) == "anything from 1 worse to 1 better"
    assert why(Rule("m", mode="superiority"), -0.5, lower=-1.0, upper=0.0, p_fail=0.05) == "at best no different"
    assert why(Rule("m", mode="threshold"), -1.5) == "at least 0.5 worse than the floor"
    assert why(Rule("m", mode="equivalence", margin=2.0), 0.5) == "between 0.5 worse and 1.5 better"
    assert why(Rule("m", mode="equivalence", margin=0.2), 1.5) == "at least 0.5 better, which is not equivalent"
    assert why(Rule("m", mode="no_regression"), 0.0) == "no significant drop"
    share = verdict(one(accuracy(), difference(-0.055, 0.018, base=0.87)))
    assert share.reasons == ("accuracy: at least 2.5 points worse",)


def test_a_certain_drop_inside_the_margin_passes_and_says_so() -> None:
    found = verdict(one(accuracy(0.05), difference(-0.02, 0.01))).judged[0]
    assert found.outcome == "pass"
    assert any("small significant drop" in note for note in found.comparison.notes)
    better = verdict(one(accuracy(0.05), difference(0.02, 0.01))).judged[0]
    assert not any("small significant drop" in note for note in better.comparison.notes)


def test_margin_zero_is_legal_and_warns_and_small_suites_are_underpowered() -> None:
    strict = verdict(one(accuracy(0.0), difference(0.0, 0.01))).judged[0]
    assert strict.outcome == "inconclusive"
    assert strict.comparison.notes == ("the margin is 0: only a proven gain passes",)
    weak = verdict(one(accuracy(0.02), difference(0.0, 0.03))).judged[0]
    assert weak.comparison.notes == (
        "underpowered: this size finds a change of 7.5 points in 80 % of cases, the margin is 2.0 points",
    )
    enough = verdict(one(accuracy(0.02), difference(0.0, 0.012))).judged[0]
    assert enough.comparison.notes == ()
    unpaired = verdict(one(accuracy(0.02), difference(0.0, 0.012, paired=False, mde=None), notes=("told",))).judged[0]
    assert unpaired.comparison.notes == ("told", "unpaired: the two sides share no samples")


def test_nothing_asserted_is_invalid() -> None:
    assert verdict().outcome == "invalid"
    found = verdict(one(Rule("m", gated=False), difference(0.5, 0.01)), policy="release")
    assert (found.outcome, found.code) == ("invalid", ExitCode.INVALID)
    assert found.reasons == ("nothing asserted: no gate was judged",)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (None, "there is no difference to judge"),
        (difference(0.0, 0.01, delta=None), "there is no difference to judge"),
        (difference(0.0, 0.01, upper=float("nan")), "a number of the comparison is not finite"),
        (difference(0.0, 0.01, p_fail=float("inf")), "a number of the comparison is not finite"),
        (difference(0.0, 0.01, alpha=0.1), "the bounds spend 0.1 each side, this judgement may spend 0.05"),
    ],
)
def test_numbers_that_cannot_be_judged_are_invalid(head: Any, reason: str) -> None:
    found = verdict(one(accuracy(), head))
    assert (found.outcome, found.code, found.judged[0].comparison.reason) == ("invalid", ExitCode.INVALID, reason)


def test_problems_make_a_rule_invalid_whatever_its_numbers_say() -> None:
    found = verdict(one(accuracy(), difference(0.5, 0.01), problems=("the slice vanished", "another signature")))
    assert found.reasons == ("accuracy: the slice vanished; another signature",)
    assert found.code == ExitCode.INVALID
    bare = verdict(one(accuracy(), None, problems=("the metric vanished",))).judged[0].comparison
    assert (bare.delta, bare.n, bare.p_adjusted, bare.outcome) == (None, 0, None, "invalid")


def test_few_groups_decide_only_by_an_exact_sign_flip() -> None:
    few = difference(-0.5, 0.01, n=40, groups=8)
    assert verdict(one(accuracy(), few)).judged[0].comparison.reason == (
        "few_clusters: 8 independent groups, 10 are needed"
    )
    assert verdict(one(accuracy(), replace(few, lower=None, upper=None, se=None))).outcome == "inconclusive"
    assert verdict(one(accuracy(), replace(few, method="sign-flip over clusters, exact"))).outcome == "regression"
    assert verdict(one(accuracy(), replace(few, method="sign-flip, 10,000 draws"))).outcome == "inconclusive"
    assert verdict(one(accuracy(), replace(few, groups=10))).outcome == "regression"


def test_a_bound_that_cannot_be_given_is_inconclusive() -> None:
    for gone in ({"lower": None}, {"upper": None}):
        found = verdict(one(accuracy(), difference(0.1, 0.01, method="bootstrap", **gone)))
        assert (found.outcome, found.judged[0].comparison.reason) == (
            "inconclusive",
            "no bound can be given (bootstrap)",
        )


@pytest.mark.parametrize("mode", ["regression", "noninferiority", "equivalence", "no_regression"])
def test_the_same_answers_on_both_sides_pass(mode: Any) -> None:
    # What Tango's score interval makes of 40 pairs without a difference: too wide to pass a margin of 0.02 by itself.
    same = difference(0.0, 0.04, p_value=1.0, p_fail=1.0, n=40, groups=40, same=40)
    rule = accuracy(mode=mode) if mode != "no_regression" else accuracy(0.0, mode=mode)
    found = verdict(one(rule, same, identical=True))
    assert (found.outcome, found.judged[0].comparison.p_adjusted) == ("pass", 1.0)
    assert verdict(one(rule, replace(same, n=4, groups=4), identical=True)).outcome == "pass"
    assert verdict(one(rule, same)).outcome == ("pass" if mode == "no_regression" else "inconclusive")


@pytest.mark.parametrize("mode", ["superiority", "threshold"])
def test_the_same_answers_prove_no_gain_and_no_floor(mode: Any) -> None:
    same = difference(0.0, 0.04)
    assert verdict(one(Rule("m", mode=mode), same, identical=True)).outcome == "inconclusive"


def test_errors_may_not_decide() -> None:
    def ends(at_worst: float, left_out: float | None) -> Any:
        apart = None if left_out is None else difference(left_out, 0.01)
        return verdict(one(accuracy(0.02), difference(at_worst, 0.01), dropped=apart)).judged[0]

    assert ends(-0.05, 0.01).comparison.reason == (
        "errors decide: REGRESSION with errors at their worst (at least 3.4 points worse), "
        "PASS with errors left out (at worst 0.6 points worse)"
    )
    assert ends(-0.05, 0.01).outcome == "invalid"
    assert ends(0.01, -0.015).outcome == "invalid"
    assert ends(-0.05, -0.04).outcome == "regression"
    assert ends(0.0, 0.01).outcome == "pass"
    assert ends(0.0, None).outcome == "pass"
    gone = one(accuracy(), difference(0.0, 0.01), dropped=difference(0.0, 0.01, delta=None))
    assert verdict(gone).outcome == "invalid"


def test_the_anchor_must_hold_too() -> None:
    def ends(head: float, anchor: float | None, **rule: Any) -> Any:
        pinned = None if anchor is None else difference(anchor, 0.01)
        return verdict(one(accuracy(0.02, **rule), difference(head, 0.01), anchor=pinned)).judged[0]

    crept = ends(0.0, -0.06)
    assert (crept.outcome, crept.comparison.reason) == (
        "regression",
        "against the pinned anchor: at least 4.4 points worse",
    )
    assert ends(0.0, -0.01).outcome == "inconclusive"
    assert ends(0.0, 0.0).outcome == "pass"
    assert ends(-0.06, 0.0).comparison.reason == "at least 4.4 points worse"
    assert ends(-0.01, -0.06).outcome == "regression"
    assert (
        verdict(one(accuracy(), difference(0.0, 0.01), anchor=difference(0.0, 0.01, delta=None))).outcome == "invalid"
    )
    floor = one(Rule("m", mode="threshold", floor=0.8), difference(0.1, 0.01), anchor=difference(-0.9, 0.01))
    assert verdict(floor).outcome == "pass"


def test_anchors_are_tests_of_the_same_family() -> None:
    pinned = one(accuracy(), difference(-0.1, 0.05), anchor=difference(-0.1, 0.05))
    alone, both = verdict(replace(pinned, anchor=None)).judged[0], verdict(pinned).judged[0]
    assert alone.comparison.p_adjusted == pytest.approx(0.02275, abs=1e-5)
    assert both.comparison.p_adjusted == pytest.approx(2 * 0.02275, abs=1e-5)


def test_failures_must_be_significant_among_all_gates() -> None:
    weak = one(accuracy(), difference(-0.035, 0.02))
    assert verdict(weak).outcome == "regression"
    fine = [one(Rule(f"m{number}", margin=0.1), difference(0.05, 0.02)) for number in range(11)]
    found = verdict(weak, *fine)
    assert found.judged[0].outcome == "inconclusive"
    assert found.judged[0].comparison.reason == (
        "at least 0.2 points worse, which is not significant among 12 tests (adjusted p 0.481)"
    )
    assert [one.outcome for one in found.judged[1:]] == ["pass"] * 11
    lenient = verdict(replace(weak, rule=accuracy(0.0, mode="no_regression")), *fine)
    assert lenient.outcome == "pass"
    assert lenient.judged[0].comparison.reason.startswith("no significant drop: at least 0.2 points worse")


def test_a_bound_below_zero_needs_a_p_value_that_agrees() -> None:
    odd = difference(-0.05, 0.02, p_fail=0.06)
    assert verdict(one(accuracy(), odd)).reasons == (
        "accuracy: at least 1.7 points worse, which is not significant (adjusted p 0.060)",
    )


def test_a_veto_counts_unadjusted_and_burdens_nobody() -> None:
    weak = one(accuracy(veto=True, slice="topic:billing"), difference(-0.035, 0.02))
    fine = [one(Rule(f"m{number}", margin=0.1), difference(0.05, 0.02)) for number in range(11)]
    found = verdict(weak, *fine)
    assert (found.outcome, found.code) == ("regression", ExitCode.REGRESSION)
    assert found.reasons == ("accuracy [topic:billing]: at least 0.2 points worse",)
    without = verdict(*fine)
    assert [one.comparison.p_adjusted for one in found.judged[1:]] == [
        one.comparison.p_adjusted for one in without.judged
    ]


def test_rules_that_are_not_gated_decide_nothing_and_are_adjusted_among_themselves() -> None:
    gate = one(accuracy(), difference(0.0, 0.01))
    seen = [
        one(Rule(f"m{number}", margin=0.01, gated=False), difference(-0.1 * number, 0.05)) for number in (0, 1, 2, 3)
    ]
    found = verdict(gate, *seen)
    assert found.outcome == "pass"
    assert found.judged[0].comparison.p_adjusted == pytest.approx(0.5)
    p_values = [one.measured.headline.p_fail for one in found.judged[1:] if one.measured.headline]
    assert [one.comparison.p_adjusted for one in found.judged[1:]] == pytest.approx(benjamini_hochberg(p_values))
    assert [one.outcome for one in found.judged[1:]] == ["inconclusive", "regression", "regression", "regression"]


def test_a_p_value_for_another_null_is_not_used() -> None:
    rule = Rule("m", mode="noninferiority", margin=2.0)
    head = difference(-4.0, UNIT, null=0.0, base=50.0)
    assert verdict(one(rule, head)).judged[0].comparison.p_adjusted == 0.05
    assert verdict(one(rule, head)).outcome == "regression"
    assert verdict(one(rule, head), one(accuracy(), difference(0.0, 0.01))).outcome == "inconclusive"
    assert verdict(one(rule, replace(head, p_fail=None))).outcome == "regression"
    assert verdict(one(rule, replace(head, p_fail=None, delta=0.0, lower=-1.0, upper=1.0))).outcome == "pass"


def test_the_worst_gate_is_the_verdict() -> None:
    good = one(accuracy(), difference(0.0, 0.01))
    bad = one(accuracy(), difference(-0.2, 0.01))
    unsure = one(accuracy(), difference(0.0, 0.03))
    broken = one(accuracy(), None)
    assert verdict(good, bad, unsure, broken).outcome == "regression"
    assert verdict(good, unsure, broken).outcome == "invalid"
    assert verdict(good, unsure).outcome == "inconclusive"
    assert verdict(good, good).reasons == ("accuracy: at worst 1.6 points worse",) * 2
    assert worst([]) == "invalid"


@pytest.mark.parametrize(
    ("policy", "final", "code"),
    [
        ("pr", True, ExitCode.PASS),
        ("release", True, ExitCode.INCONCLUSIVE),
        ("nightly", True, ExitCode.INCONCLUSIVE),
        ("extend", True, ExitCode.INCONCLUSIVE),
        ("extend", False, ExitCode.PASS),
        ("release", False, ExitCode.INCONCLUSIVE),
    ],
)
def test_what_an_inconclusive_gate_ends_with(policy: Any, final: bool, code: ExitCode) -> None:
    found = verdict(one(accuracy(), difference(0.0, 0.03)), policy=policy, final=final)
    assert (found.outcome, found.code, found.policy) == ("inconclusive", code, policy)
    assert found.warnings == (f"inconclusive is not a pass: accuracy ({POLICIES[policy].meaning})",)


@pytest.mark.parametrize("policy", list(POLICIES))
def test_no_policy_hides_a_regression_or_blocks_a_pass(policy: Any) -> None:
    assert POLICIES[policy].name == policy
    for final in (True, False):
        assert exit_code("regression", policy, final=final) == ExitCode.REGRESSION
        assert exit_code("invalid", policy, final=final) == ExitCode.INVALID
        assert exit_code("pass", policy, final=final) == ExitCode.PASS


def test_three_goes_before_five_before_four() -> None:
    codes = [exit_code(outcome, "release") for outcome in ("inconclusive", "invalid", "regression", "pass")]
    assert ExitCode.worst(codes) == ExitCode.REGRESSION
    assert ExitCode.worst([codes[0], codes[1], codes[3]]) == ExitCode.INVALID
    assert ExitCode.worst([codes[0], codes[3]]) == ExitCode.INCONCLUSIVE


def test_judges_that_nobody_audited_and_further_attempts_are_warned_of() -> None:
    head = difference(0.0, 0.01, alpha=0.025)
    found = verdict(one(accuracy(), head), unaudited=["j1", "j2"], attempt=2, alpha=0.025)
    assert (found.outcome, found.unaudited, found.attempt, found.alpha) == ("pass", ("j1", "j2"), 2, 0.025)
    assert found.warnings == (
        "nobody has compared these judges with people: j1, j2",
        "attempt 2 at the same question: every attempt has less error to spend",
    )


def test_holm_and_benjamini_hochberg_as_statsmodels_has_them() -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = [0.04, 0.001, 0.5, 0.012, 0.012, 1.0, 0.0004, 0.03]
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-15)
    assert benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1], abs=1e-15)
    assert (holm([]), benjamini_hochberg([])) == ([], [])


ORDER = {"pass": 0, "inconclusive": 1, "regression": 2}


@settings(max_examples=50, deadline=None)
@given(
    mode=st.sampled_from(["regression", "noninferiority", "equivalence"]),
    delta=st.floats(-0.3, 0.3),
    se=st.floats(0.001, 0.1),
    margins=st.tuples(st.floats(0.001, 0.3), st.floats(0.001, 0.3)),
    higher=st.booleans(),
)
def test_a_larger_margin_never_makes_a_worse_verdict(
    mode: Any, delta: float, se: float, margins: tuple[float, float], higher: bool
) -> None:
    def ends(margin: float) -> int:
        null = 0.0 if mode == "regression" else -margin
        rule = accuracy(margin, mode=mode, higher_is_better=higher)
        return ORDER[verdict(one(rule, difference(delta, se, null=null, higher=higher))).outcome]

    assert ends(max(margins)) <= ends(min(margins))


@settings(max_examples=50, deadline=None)
@given(delta=st.floats(-0.2, 0.2), se=st.floats(0.001, 0.1), mode=st.sampled_from(["regression", "superiority"]))
def test_lower_is_better_is_the_mirror_image(delta: float, se: float, mode: Any) -> None:
    up = verdict(one(accuracy(mode=mode), difference(delta, se)))
    down = verdict(one(accuracy(mode=mode, higher_is_better=False), difference(-delta, se, higher=False)))
    assert up.outcome == down.outcome
    assert up.judged[0].comparison.reason == down.judged[0].comparison.reason


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(5)))
def test_the_order_of_the_gates_changes_no_verdict(order: list[int]) -> None:
    all_of_them = [one(Rule(f"m{number}", margin=0.02), difference(-0.02 * number, 0.02)) for number in range(5)]
    plain = {one.rule.metric: one.outcome for one in verdict(*all_of_them).judged}
    mixed = {one.rule.metric: one.outcome for one in verdict(*(all_of_them[place] for place in order)).judged}
    assert plain == mixed
