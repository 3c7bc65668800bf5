"""A verdict as neutral rows and one sentence, for a table in a terminal, CSV or JSON."""

from __future__ import annotations

from typing import Any

from evalkit.gate import headline as sentences
from evalkit.gate.model import Evidence, Judged, Verdict


def rows(verdict: Verdict) -> list[dict[str, Any]]:
    """One row per rule in the order of the comment; numbers as numbers, None where unknown."""
    return [_row(verdict, one) for one in sentences.ordered(verdict)]


def headline(verdict: Verdict, evidence: Evidence) -> str:
    """`REGRESSION triage: accuracy 87.0 % → 81.5 %: -5.5 points (95 % CI -9.1 to -1.9), 200 paired samples, ...`."""
    baseline = f" of {evidence.baseline.run_id}" if evidence.baseline else ""
    against = f"{verdict.candidate} against {verdict.baseline}{baseline}"
    return f"{sentences.title(verdict)} {verdict.suite} ({against}): {sentences.sentence(verdict)}"


def _row(verdict: Verdict, one: Judged) -> dict[str, Any]:
    head, told = one.measured.headline, one.comparison
    return {
        "suite": verdict.suite,
        "candidate": verdict.candidate,
        "baseline": verdict.baseline,
        "metric": one.rule.metric,
        "slice": one.rule.slice,
        "mode": one.rule.mode,
        "gated": one.rule.gated,
        "veto": one.rule.veto,
        "before": head.baseline if head else None,
        "after": head.candidate if head else None,
        "delta": told.delta,
        "low": told.low,
        "high": told.high,
        "p_value": told.p_value,
        "p_adjusted": told.p_adjusted,
        "margin": one.rule.margin,
        "floor": one.rule.floor,
        "n": told.n,
        "groups": told.groups,
        "mde": told.mde,
        "better": head.better if head else None,
        "worse": head.worse if head else None,
        "same": head.same if head else None,
        "unit": one.rule.unit,
        "outcome": one.outcome,
        "reason": told.reason,
        "notes": list(told.notes),
    }
