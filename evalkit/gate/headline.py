"""The one sentence of a verdict: who, by how much, how sure, how many, and what was allowed."""

from __future__ import annotations

from collections.abc import Callable

from evalkit.core.types import Outcome
from evalkit.gate import say
from evalkit.gate.model import Evidence, Judged, Verdict
from evalkit.gate.policy import WORST_FIRST

Write = Callable[[str], str]
_VERBS: dict[Outcome, str] = {
    "regression": "regressed",
    "inconclusive": "inconclusive",
    "invalid": "not to be judged",
}


def title(verdict: Verdict) -> str:
    """The outcome in capitals; a pass that rests on judges nobody compared with people says so."""
    unsure = verdict.outcome == "pass" and verdict.unaudited
    return say.TITLES[verdict.outcome] + (" (judge not audited)" if unsure else "")


def green(verdict: Verdict) -> bool:
    """Whether the verdict may be shown as good: a pass, and no judge behind it that nobody compared with people."""
    return verdict.outcome == "pass" and not verdict.unaudited


def judged_green(verdict: Verdict, evidence: Evidence, one: Judged) -> bool:
    """Whether one rule may be shown as good; an unaudited judge whose metric is not known counts for all rules."""
    metrics = {judge.metric for judge in evidence.judges if judge.name in verdict.unaudited}
    known = {judge.name for judge in evidence.judges}
    doubtful = one.rule.metric in metrics or any(name not in known for name in verdict.unaudited)
    return one.outcome == "pass" and not doubtful


def decisive(verdict: Verdict) -> Judged | None:
    """The gated rule that the headline is about: of a regression the surest, else the first, quality before cost."""
    gated = [one for one in verdict.judged if one.rule.gated and one.outcome == verdict.outcome]
    if verdict.outcome == "regression":
        gated.sort(key=lambda one: 1.0 if one.comparison.p_adjusted is None else one.comparison.p_adjusted)
    else:
        gated.sort(key=lambda one: one.rule.guardrail)
    return next(iter(gated), None)


def ordered(verdict: Verdict) -> list[Judged]:
    """Gated rules first, each part by outcome, worst first, else as the suite has them."""
    return sorted(verdict.judged, key=lambda one: (not one.rule.gated, WORST_FIRST.index(one.outcome)))


def sentence(verdict: Verdict, name: Write = str, words: Write = str) -> str:
    """Values, difference, interval, pairs, adjusted p and limit of the decisive rule; or why nothing can be judged.

    `name` writes names of rules, `words` reasons; both may hold text of the suite or the data, all else is ours.
    """
    one = decisive(verdict)
    if one is None:
        return words("; ".join(verdict.reasons)) + "."
    about = name(one.rule.name)
    if verdict.outcome == "invalid":
        return f"{about}: {words(one.comparison.reason)}{_others(verdict)}"
    return f"{about} {_numbers(one)}{_others(verdict)}"


def interval(one: Judged) -> str:
    """`95 % CI -9.1 to -1.9`; empty where there is none."""
    low, high = one.comparison.low, one.comparison.high
    if low is None or high is None:
        return ""
    return f"95 % CI {say.change(one.rule, low, unit=False)} to {say.change(one.rule, high, unit=False)}"


def _numbers(one: Judged) -> str:
    head, rule = one.measured.headline, one.rule
    ends = "" if head is None else f"{say.value(rule, head.baseline)} \u2192 {say.value(rule, head.candidate)}: "
    if rule.mode == "threshold" and head is not None:
        ends = f"{say.value(rule, head.candidate)}, floor {say.value(rule, head.baseline)}: "
    paired = "paired samples" if head is None or head.paired else "unpaired samples"
    groups = "" if one.comparison.groups == one.comparison.n else f" in {one.comparison.groups:,} groups"
    told = [
        f"{ends}{say.change(rule, one.comparison.delta)}",
        f"({interval(one)})" if interval(one) else "",
    ]
    facts = [f"{one.comparison.n:,} {paired}{groups}"]
    if one.comparison.p_adjusted is not None:
        facts.append(f"adjusted p {say.probability(one.comparison.p_adjusted)}")
    return f"{' '.join(filter(None, told))}, {', '.join(facts)}; limit {say.limit(rule)}"


def _others(verdict: Verdict) -> str:
    same = sum(1 for one in verdict.judged if one.rule.gated and one.outcome == verdict.outcome) - 1
    total = sum(1 for one in verdict.judged if one.rule.gated)
    if same <= 0:
        return "."
    if verdict.outcome == "pass":
        return f". All {total} gates pass."
    return f". {same} more of {total} gates {_VERBS[verdict.outcome]}."
