"""From measurements to a verdict: every rule's table, one family of fail-tests, errors both ways, the anchor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Required, TypedDict, Unpack

from evalkit.core.types import Comparison, Difference, Outcome
from evalkit.gate import say
from evalkit.gate.decide import Decision, adjusted, decide, notes
from evalkit.gate.model import Judged, Measured, PolicyName, Rule, Verdict
from evalkit.gate.multiplicity import benjamini_hochberg, holm
from evalkit.gate.policy import POLICIES, exit_code, worst


class Terms(TypedDict, total=False):
    """`alpha` = what this attempt may spend, one-sided; `final` False = policy `extend` may still buy more."""

    policy: Required[PolicyName]
    alpha: float
    attempt: int
    unaudited: Sequence[str]
    final: bool


@dataclass(frozen=True, slots=True)
class _Settled:
    """A decision after adjustment, its adjusted p, and what the same rule says against the pinned anchor."""

    decision: Decision
    p: float | None
    anchor: Decision | None = None


def judge(suite: str, sides: tuple[str, str], measured: Sequence[Measured], **terms: Unpack[Terms]) -> Verdict:
    """The verdict over one candidate (`sides` = baseline, candidate) on one suite.

    Pass needs every gated rule to pass (intersection-union, unadjusted). The fail-tests of all gated rules and their
    anchors are one family (Holm), so that a change that harms nothing is blocked in at most `alpha` of cases. Vetoes
    count unadjusted. Rules that are not gated are adjusted among themselves (Benjamini and Hochberg), decide nothing.
    """
    alpha, policy = terms.get("alpha", 0.05), terms["policy"]
    attempt, unaudited = terms.get("attempt", 1), tuple(terms.get("unaudited", ()))
    at_worst = _settled(measured, [one.headline for one in measured], alpha)
    left_out = _settled(measured, [one.dropped or one.headline for one in measured], alpha)
    judged = tuple(
        _judged(one, sides, main, apart) for one, main, apart in zip(measured, at_worst, left_out, strict=True)
    )
    gated = [one for one in judged if one.rule.gated]
    outcome = worst(one.outcome for one in gated)
    return Verdict(
        suite=suite,
        candidate=sides[1],
        baseline=sides[0],
        policy=policy,
        outcome=outcome,
        code=exit_code(outcome, policy, final=terms.get("final", True)),
        judged=judged,
        reasons=_reasons(gated, outcome),
        warnings=_warnings(gated, policy, attempt, unaudited),
        unaudited=unaudited,
        attempt=attempt,
        alpha=alpha,
    )


def _settled(measured: Sequence[Measured], heads: Sequence[Difference | None], alpha: float) -> list[_Settled]:
    tests = [
        (one.rule, decide(one.rule, head, alpha, identical=one.identical))
        for one, head in zip(measured, heads, strict=True)
    ]
    pinned = [place for place, one in enumerate(measured) if one.anchor and one.rule.mode != "threshold"]
    tests += [(measured[place].rule, decide(measured[place].rule, measured[place].anchor, alpha)) for place in pinned]
    known = _adjusted(tests, alpha)
    anchors = dict(zip(pinned, known[len(measured) :], strict=True))
    return [
        _Settled(decision, p, anchors[place][0] if place in anchors else None)
        for place, (decision, p) in enumerate(known[: len(measured)])
    ]


def _adjusted(tests: Sequence[tuple[Rule, Decision]], alpha: float) -> list[tuple[Decision, float | None]]:
    """Each decision once its family's adjustment is known; a veto is a family of its own."""
    found: list[tuple[Decision, float | None]] = [(decision, decision.p) for _, decision in tests]
    for members, adjust in _families(tests):
        p_values = adjust([p for place in members if (p := tests[place][1].p) is not None])
        for place, p in zip(members, p_values, strict=True):
            found[place] = (adjusted(*tests[place], p, alpha, len(members)), p)
    return found


def _families(
    tests: Sequence[tuple[Rule, Decision]],
) -> list[tuple[list[int], Callable[[Sequence[float]], list[float]]]]:
    able = [place for place, (_, decision) in enumerate(tests) if decision.p is not None]
    gated = [place for place in able if tests[place][0].gated and not tests[place][0].veto]
    vetoes = [place for place in able if tests[place][0].gated and tests[place][0].veto]
    looked_at = [place for place in able if not tests[place][0].gated]
    return [(gated, holm), *(([place], holm) for place in vetoes), (looked_at, benjamini_hochberg)]


def _judged(one: Measured, sides: tuple[str, str], main: _Settled, apart: _Settled) -> Judged:
    outcome, reason = _combined(one, main, apart)
    head = one.headline
    told = (*one.notes, *main.decision.notes, *(notes(one.rule, head) if head else ()))
    comparison = Comparison(
        scorer=one.rule.metric,
        baseline=sides[0],
        candidate=sides[1],
        delta=head.delta if head else None,
        low=head.low if head else None,
        high=head.high if head else None,
        p_value=head.p_value if head else None,
        p_adjusted=main.p,
        n=head.n if head else 0,
        groups=head.groups if head else 0,
        mde=head.mde if head else None,
        outcome=outcome,
        slice=one.rule.slice,
        reason=reason,
        notes=told,
    )
    return Judged(one.rule, outcome, comparison, one)


def _combined(one: Measured, main: _Settled, apart: _Settled) -> tuple[Outcome, str]:
    decision = main.decision
    if one.problems:
        return "invalid", "; ".join(one.problems)
    if decision.outcome != apart.decision.outcome:
        return "invalid", (
            f"errors decide: {say.TITLES[decision.outcome]} with errors at their worst ({decision.reason}), "
            f"{say.TITLES[apart.decision.outcome]} with errors left out ({apart.decision.reason})"
        )
    anchor = main.anchor
    if anchor and anchor.outcome != decision.outcome and worst((anchor.outcome, decision.outcome)) == anchor.outcome:
        return anchor.outcome, f"against the pinned anchor: {anchor.reason}"
    return decision.outcome, decision.reason


def _reasons(gated: Sequence[Judged], outcome: Outcome) -> tuple[str, ...]:
    if not gated:
        return ("nothing asserted: no gate was judged",)
    return tuple(f"{one.rule.name}: {one.comparison.reason}" for one in gated if one.outcome == outcome)


def _warnings(gated: Sequence[Judged], policy: PolicyName, attempt: int, unaudited: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    undecided = [one.rule.name for one in gated if one.outcome == "inconclusive"]
    if undecided:
        found.append(f"inconclusive is not a pass: {', '.join(undecided)} ({POLICIES[policy].meaning})")
    if unaudited:
        found.append(f"nobody has compared these judges with people: {', '.join(unaudited)}")
    if attempt > 1:
        found.append(f"attempt {attempt} at the same question: every attempt has less error to spend")
    return tuple(found)
