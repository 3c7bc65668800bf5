"""A suite's `gates:` as rules: margins made absolute, metrics that exist, places in the file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from evalkit.core.errors import Problem, did_you_mean
from evalkit.core.types import Metric, Mode
from evalkit.gate.model import Rule

SHARE_MARGIN = 0.02
"""Default margin of a share from 0 to 1, absolute; a judgement, to be replaced by the suite's own."""
RELATIVE_MARGIN = 0.02
"""Default margin of every other number, a share of the baseline's value; a judgement too."""

MODES: tuple[Mode, ...] = get_args(Mode)
_WITH_MARGIN: frozenset[Mode] = frozenset({"regression", "noninferiority", "equivalence"})
_GUARDRAILS = ("cost", "latency_", "first_token_", "refusal_rate", "error_rate")


def resolve(
    gates: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Metric],
    baseline_values: Mapping[str, float],
    lines: Mapping[str, int],
    file: str | None,
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """The rules of a suite's gates, in their order, and everything wrong with them.

    `metrics` are those that the suite's scorers emit, by name. `baseline_values` has the baseline's value by rule name
    (`accuracy [topic:billing]`), else by metric; where there is none, a relative margin is 0: nothing can be judged
    there anyway. `lines` maps a dotted path (`gates[1].metric`) to its line. A gate with a problem becomes no rule.
    """
    rules: list[Rule] = []
    problems: list[Problem] = []
    for index, gate in enumerate(gates):
        found = _trouble(gate, metrics)
        if found is None:
            rules.append(_rule(gate, metrics[gate["metric"]], baseline_values, file, _line(lines, index, "")))
            continue
        key, message, hint = found
        problems.append(Problem(f"gates[{index}].{key}: {message}", file, _line(lines, index, key), hint))
    problems += _twice(rules)
    return tuple(rules), tuple(problems)


def named(metric: Metric, baseline_values: Mapping[str, float]) -> Rule:
    """The rule of a metric that the command line names and no gate of the suite does: all defaults."""
    return _rule({"metric": metric.name}, metric, baseline_values, None, None)


def advisory(metric: Metric, baseline_values: Mapping[str, float], where: str = "") -> Rule:
    """A rule that is looked at and decides nothing, for a metric or slice (`where`) without a gate."""
    gate = {"metric": metric.name, "slice": where or None, "gated": False}
    return _rule(gate, metric, baseline_values, None, None)


def is_share(metric: Metric) -> bool:
    """Whether its values are shares from 0 to 1."""
    return metric.bounds == (0.0, 1.0) and not metric.unit


def _trouble(gate: Mapping[str, Any], metrics: Mapping[str, Metric]) -> tuple[str, str, str | None] | None:
    """What is wrong: the key, what it is, what to do; None when nothing is."""
    name, mode, margin = gate.get("metric"), gate.get("mode") or "regression", gate.get("margin")
    if not metrics:
        return "metric", f"no scorer of this suite emits {name!r}, nor anything else", "add `scorers:`"
    if name not in metrics:
        hint = did_you_mean(str(name), metrics) or f"known: {', '.join(sorted(metrics))}"
        return "metric", f"no scorer of this suite emits {name!r}", hint
    if mode not in MODES:
        return "mode", f"{mode!r} is no mode", did_you_mean(str(mode), MODES) or f"known: {', '.join(MODES)}"
    if margin is not None and not (math.isfinite(margin) and margin >= 0):
        return "margin", f"{margin} is no margin: it is the drop that still counts as equal", "a number >= 0"
    floor = gate.get("floor")
    if (mode == "threshold") != (floor is not None) or (floor is not None and not math.isfinite(floor)):
        return "floor", "`floor` (a number) and `mode: threshold` belong together", None
    return None


def _rule(
    gate: Mapping[str, Any], metric: Metric, values: Mapping[str, float], file: str | None, line: int | None
) -> Rule:
    mode: Mode = gate.get("mode") or "regression"
    where = gate.get("slice") or ""
    plain = Rule(
        metric=metric.name,
        mode=mode,
        floor=gate.get("floor"),
        slice=where,
        veto=bool(gate.get("veto", False)),
        gated=bool(gate.get("gated", True)),
        guardrail=metric.name.startswith(_GUARDRAILS),
        higher_is_better=metric.higher_is_better,
        unit=metric.unit,
        margin=0.0,
        margin_default=mode in _WITH_MARGIN and gate.get("margin") is None,
        description=gate.get("description") or "",
        file=file,
        line=line,
        share=is_share(metric),
    )
    return replace(plain, margin=_margin(plain, gate, values)) if mode in _WITH_MARGIN else plain


def _margin(rule: Rule, gate: Mapping[str, Any], values: Mapping[str, float]) -> float:
    given = gate.get("margin")
    relative = gate.get("relative", False) if given is not None else not rule.share
    size = float(given) if given is not None else RELATIVE_MARGIN if relative else SHARE_MARGIN
    return size * abs(values.get(rule.name, values.get(rule.metric, 0.0))) if relative else size


def _line(lines: Mapping[str, int], index: int, key: str) -> int | None:
    return lines.get(f"gates[{index}].{key}") or lines.get(f"gates[{index}]") or lines.get("gates")


def _twice(rules: Sequence[Rule]) -> list[Problem]:
    first: dict[tuple[str, Mode], Rule] = {}
    found = []
    for rule in rules:
        other = first.setdefault((rule.name, rule.mode), rule)
        if other is not rule:
            at = f" (line {other.line})" if other.line else ""
            found.append(
                Problem(f"the gate of {rule.name} in mode {rule.mode} is there twice{at}", rule.file, rule.line)
            )
    return found
