"""How a gate's numbers are written: shares in percent and points, other values with their unit, p, money and time."""

from __future__ import annotations

from evalkit.core.types import Outcome
from evalkit.gate.model import Rule

UNKNOWN = "unknown"
TITLES: dict[Outcome, str] = {
    "pass": "PASS",
    "regression": "REGRESSION",
    "inconclusive": "INCONCLUSIVE",
    "invalid": "INVALID RUN",
}


def value(rule: Rule, number: float | None) -> str:
    """A value of the rule's metric: `81.5 %`, `0.412 s`."""
    if number is None:
        return UNKNOWN
    if rule.share:
        return f"{_points(number)} %"
    return _with_unit(plain(number), rule.unit)


def change(rule: Rule, delta: float | None, *, unit: bool = True) -> str:
    """A signed difference in the metric's own direction: `-5.5 points`, `+0.031 s`."""
    if delta is None:
        return UNKNOWN
    sign = "+" if delta > 0 else "-" if delta < 0 else ""
    text = sign + (_points(abs(delta)) if rule.share else plain(abs(delta)))
    if not unit:
        return text
    return f"{text} points" if rule.share else _with_unit(text, rule.unit)


def benefit(rule: Rule, amount: float) -> str:
    """A benefit without a direction of the metric: `5.5 points worse`, `0.03 s better`, `no different`."""
    if amount == 0:
        return "no different"
    return f"{size(rule, amount)} {'better' if amount > 0 else 'worse'}"


def size(rule: Rule, amount: float) -> str:
    """An amount without a sign: `5.5 points`, `0.03 s`."""
    return _points(abs(amount)) + " points" if rule.share else _with_unit(plain(abs(amount)), rule.unit)


def limit(rule: Rule) -> str:
    """What the rule allows: `-2.0 points`, `at least 80.0 %`."""
    if rule.mode == "threshold":
        return f"{'at least' if rule.higher_is_better else 'at most'} {value(rule, rule.floor)}"
    if rule.mode == "superiority":
        return "better"
    if rule.mode == "no_regression":
        return "no significant drop"
    margin = -rule.margin if rule.higher_is_better else rule.margin
    if rule.mode == "equivalence":
        return f"{size(rule, rule.margin)} either way"
    return change(rule, margin)


def probability(p: float | None) -> str:
    """A p-value with three decimals: `0.004`, `< 0.001`."""
    if p is None:
        return UNKNOWN
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def money(usd: float | None) -> str:
    """US dollars: two decimals, more below ten cents; unknown is never 0."""
    if usd is None:
        return UNKNOWN
    if usd and abs(usd) < 0.1:
        return f"${usd:.2g}" if abs(usd) >= 0.0001 else "< $0.0001"
    return f"${usd:,.2f}"


def duration(seconds: float | None) -> str:
    """A span of time in the largest unit that leaves a whole number: `3 d`, `5 h`, `40 min`, `12 s`."""
    if seconds is None:
        return UNKNOWN
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def percent(share: float | None) -> str:
    """A share from 0 to 1 as `12 %`."""
    return UNKNOWN if share is None else f"{100 * share:.3g} %"


def plain(number: float) -> str:
    """A number with three significant digits, or all digits before the point."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def _points(number: float) -> str:
    scaled = 100 * number
    one = f"{scaled:.1f}"
    return one if float(one) or not scaled else f"{scaled:.2g}"


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text
