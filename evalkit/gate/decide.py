"""What one rule concludes from one difference: the decision tables of the six modes, oriented to benefit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from evalkit.core.types import Difference, Mode, Outcome
from evalkit.gate import say
from evalkit.gate.model import Rule

FEWEST_GROUPS = 10
"""Below this, normal theory holds no promise: only an exact test may decide."""

Table = Callable[[float, float, float], bool]
# A bound and its p-value are computed apart: at the very edge they may differ in the last digit.
_EDGE = 1 + 1e-9
_MARGINAL: frozenset[Mode] = frozenset({"regression", "noninferiority", "equivalence"})
_AGAINST_MARGIN: frozenset[Mode] = frozenset({"noninferiority", "equivalence"})

PASSES: dict[Mode, Table] = {
    "regression": lambda low, _, m: low > -m,
    "noninferiority": lambda low, _, m: low > -m,
    "superiority": lambda low, _, __: low > 0,
    "equivalence": lambda low, high, m: low > -m and high < m,
    "no_regression": lambda _, high, __: high >= 0,
    "threshold": lambda low, _, __: low > 0,
}
FAILS: dict[Mode, Table] = {
    "regression": lambda _, high, __: high < 0,
    "noninferiority": lambda _, high, m: high < -m,
    "superiority": lambda _, high, __: high <= 0,
    "equivalence": lambda low, high, m: high < -m or low > m,
    "no_regression": lambda _, high, __: high < 0,
    "threshold": lambda _, high, __: high < 0,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome with its reason. `p` is that of the fail-test; None = nothing was tested."""

    outcome: Outcome
    reason: str
    p: float | None = None
    notes: tuple[str, ...] = ()


def decide(rule: Rule, difference: Difference | None, alpha: float, *, identical: bool = False) -> Decision:
    """The rule's table, before any adjustment: the pass test goes before the fail test.

    `alpha` is the level that the one-sided bounds may have at most; wider ones are taken as they are.
    """
    if difference is None or difference.delta is None:
        return Decision("invalid", "there is no difference to judge")
    if trouble := _unusable(difference, alpha):
        return Decision("invalid", trouble)
    if identical and rule.mode not in ("superiority", "threshold"):
        return Decision("pass", "every answer is the same on both sides", 1.0)
    if difference.groups < FEWEST_GROUPS and not exact(difference):
        few = f"few_clusters: {difference.groups} independent groups, {FEWEST_GROUPS} are needed"
        return Decision("inconclusive", few)
    if difference.lower is None or difference.upper is None:
        return Decision("inconclusive", f"no bound can be given ({difference.method})", 1.0)
    return _by_table(rule, difference, *oriented(rule, difference.lower, difference.upper))


def adjusted(rule: Rule, decision: Decision, p: float, alpha: float, tests: int) -> Decision:
    """The decision once its fail-test has p-value `p` among `tests`: a failure that is not significant is none."""
    if decision.outcome != "regression" or p <= alpha * _EDGE:
        return decision
    among = f"among {tests} tests " if tests > 1 else ""
    reason = f"{decision.reason}, which is not significant {among}(adjusted p {say.probability(p)})"
    if rule.mode == "no_regression":
        return replace(decision, outcome="pass", reason=f"no significant drop: {reason}")
    return replace(decision, outcome="inconclusive", reason=reason)


def oriented(rule: Rule, lower: float, upper: float) -> tuple[float, float]:
    """Bounds of the benefit: where lower is better, the signs and the ends change places."""
    return (lower, upper) if rule.higher_is_better else (-upper, -lower)


def exact(difference: Difference) -> bool:
    """Whether an exact sign-flip over the groups decided, which holds for any number of them."""
    method = difference.method.casefold().replace("-", " ")
    return "sign flip" in method and "exact" in method


def notes(rule: Rule, difference: Difference) -> tuple[str, ...]:
    """What a reader must know beside the outcome: no power, no margin, no pairs."""
    found = []
    if rule.mode in _MARGINAL and rule.margin == 0:
        found.append("the margin is 0: only a proven gain passes")
    elif rule.mode in _MARGINAL and difference.mde is not None and difference.mde > 2 * rule.margin:
        seen, margin = say.size(rule, difference.mde), say.size(rule, rule.margin)
        found.append(f"underpowered: this size finds a change of {seen} in 80 % of cases, the margin is {margin}")
    if not difference.paired:
        found.append("unpaired: the two sides share no samples")
    return tuple(found)


def _unusable(difference: Difference, alpha: float) -> str:
    numbers = (difference.delta, difference.lower, difference.upper, difference.p_fail)
    if any(number is not None and not math.isfinite(number) for number in numbers):
        return "a number of the comparison is not finite"
    if difference.alpha > alpha * _EDGE:
        return f"the bounds spend {difference.alpha:g} each side, this judgement may spend {alpha:g}"
    return ""


def _by_table(rule: Rule, difference: Difference, low: float, high: float) -> Decision:
    failing = FAILS[rule.mode](low, high, rule.margin)
    p = _fail_p(rule, difference, failing=failing, above=low > rule.margin)
    if PASSES[rule.mode](low, high, rule.margin):
        small = ("small significant drop: certain, and inside the margin",) if low < 0 and high < 0 else ()
        return Decision("pass", _why_pass(rule, low, high), p, small)
    if failing:
        return Decision("regression", _why_fail(rule, low, high), p)
    return Decision("inconclusive", f"anything from {say.benefit(rule, low)} to {say.benefit(rule, high)}", p)


def _fail_p(rule: Rule, difference: Difference, *, failing: bool, above: bool) -> float:
    """The fail-test's p; where the difference has none for this null or this side, what its bound says of it."""
    null = -rule.margin if rule.mode in _AGAINST_MARGIN else 0.0
    other_side = above and rule.mode == "equivalence"
    if difference.p_fail is None or other_side or not math.isclose(difference.null, null, rel_tol=1e-9, abs_tol=1e-12):
        return difference.alpha if failing else 1.0
    return difference.p_fail


def _why_pass(rule: Rule, low: float, high: float) -> str:
    if rule.mode == "no_regression":
        return "no significant drop"
    if rule.mode == "equivalence":
        return f"between {say.benefit(rule, low)} and {say.benefit(rule, high)}"
    return f"at {'least' if low > 0 else 'worst'} {_than(rule, low)}"


def _why_fail(rule: Rule, low: float, high: float) -> str:
    if rule.mode == "equivalence" and low > rule.margin:
        return f"at least {say.benefit(rule, low)}, which is not equivalent"
    return f"at {'least' if high < 0 else 'best'} {_than(rule, high)}"


def _than(rule: Rule, benefit: float) -> str:
    return say.benefit(rule, benefit) + (" than the floor" if rule.mode == "threshold" else "")
