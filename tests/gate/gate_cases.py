"""What the tests of the gate judge: differences by normal theory, and six verdicts with their evidence."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import Any

from evalkit.core.types import Difference
from evalkit.gate.model import (
    Changed,
    Edit,
    Evidence,
    Judge,
    Measured,
    Power,
    Rule,
    Side,
    Spending,
    Verdict,
)
from evalkit.gate.verdict import judge

NORMAL = NormalDist()


def difference(delta: float, se: float, /, **other: Any) -> Difference:
    """A difference with normal bounds; `higher=False` for a metric where lower is better, `null` the benefit tested."""
    higher, alpha, base = other.pop("higher", True), other.pop("alpha", 0.05), other.pop("base", 0.8)
    null = other.pop("null", 0.0)
    z, wide = NORMAL.inv_cdf(1 - alpha) * se, NORMAL.inv_cdf(0.975) * se
    benefit = delta if higher else -delta
    shared: dict[str, Any] = {
        "candidate": base + delta,
        "baseline": base,
        "delta": delta,
        "low": delta - wide,
        "high": delta + wide,
        "lower": delta - z,
        "upper": delta + z,
        "p_value": 2 * NORMAL.cdf(-abs(delta) / se) if se else 1.0,
        "p_fail": NORMAL.cdf((benefit - null) / se) if se else 1.0,
        "n": 200,
        "groups": 200,
        "method": "normal",
        "alpha": alpha,
        "null": null,
        "se": se,
        "mde": 2.486 * se,
    }
    return Difference(**{**shared, **other})


def accuracy(margin: float = 0.02, **options: Any) -> Rule:
    """A gate of a share."""
    return Rule("accuracy", margin=margin, share=True, file="suites/triage.yaml", line=12, **options)


def one(rule: Rule, head: Difference | None, **options: Any) -> Measured:
    """A rule with what was measured."""
    return Measured(rule, head, **options)


def verdict(*measured: Measured, **terms: Any) -> Verdict:
    """The verdict over `terse` against `main` on suite `triage`, policy pr."""
    return judge("triage", ("main", "terse"), measured, **{"policy": "pr", **terms})


def side(label: str, **options: Any) -> Side:
    """An entry of 200 samples without errors."""
    shared: dict[str, Any] = {
        "label": label,
        "candidate": label,
        "run_id": f"20260901-{label}",
        "entry_id": f"e-{label}",
        "commit": "4f2a9c1d",
        "branch": "main",
        "started": "2026-09-01T10:00:00Z",
        "fingerprint": "9c1d4f2a77b0",
        "data_hash": "aa11bb22cc33dd44",
        "task_hash": "0f0f0f0f0f0f0f0f",
        "planned": 200,
        "answered": 200,
        "errored": 0,
        "unscorable": 3,
        "scored": 197,
        "cached": 0,
    }
    return Side(**{**shared, **options})


def evidence(**options: Any) -> Evidence:
    """Both sides, paired without a rest."""
    base = side("main", cached=200, age_s=7_200.0)
    mine = side("terse", commit="77b0c1de", branch="shorter-prompt", task_hash="1e1e1e1e1e1e1e1e", fingerprint="5ad3")
    shared: dict[str, Any] = {"candidate": mine, "baseline": base, "overlap": 1.0, "pairs": 200}
    return Evidence(**{**shared, **options})


def _full() -> Evidence:
    moved = (
        Changed("ticket-0042", 1.0, 0.0, "billing: refund of the second invoice", "other: refund of an invoice",
                reason="expected billing", tags=("lang:en", "topic:billing"), link="https://ci.example.org/r/1#42"),
        Changed("ticket-0107", 1.0, 0.0, "billing", "shipping", reason="expected billing", stable=False),
        Changed("ticket-0113", 1.0, None, "shipping", "", reason="no label found", quarantined=True),
        *(Changed(f"ticket-{number:04}", 1.0, 0.0, "billing", "other") for number in range(200, 209)),
    )  # fmt: skip
    prompt = "Name the topic of the ticket.\nChoose one of: billing, shipping, other.\nAnswer with the topic only."
    shorter = "Name the topic of the ticket: billing, shipping, other."
    return evidence(
        changed=moved,
        better=3,
        worse=14,
        flaky=("ticket-0107",),
        quarantined=("ticket-0113",),
        spending=(
            Spending("cost per 1,000 samples", "usd", 0.42, 0.31, limit=1.0),
            Spending("latency p95", "s", 0.81, 1.24, limit=1.0, low=0.31, high=0.55, fresh=200),
            Spending("output tokens", "tokens", 2_400, None),
        ),
        edits=(Edit("prompt", prompt, shorter), Edit("temperature", "0", "0.2")),
        power=(Power("accuracy", 0.046, 0.02, 200, 1_060, 0.45, repeats=3, repeats_worth=5, flip_rate=0.021),),
        facts={"judge calls": "0"},
        reproduce=(
            "evalkit run --at origin/main --at HEAD suites/triage.yaml",
            "evalkit gate --baseline main --policy pr",
        ),
        accept=("evalkit baseline promote 20260901-terse",),
        report="https://ci.example.org/report/index.html",
    )


def _regression() -> tuple[Verdict, Evidence]:
    billing = accuracy(0.02, slice="topic:billing", veto=True)
    looked = Rule("rouge_l", gated=False, share=True)
    found = verdict(
        one(accuracy(), difference(-0.055, 0.018, base=0.87, better=3, worse=14, same=183)),
        one(billing, difference(-0.12, 0.04, base=0.9, n=60, groups=60, better=1, worse=8, same=51)),
        one(Rule("latency_p95", margin=0.1, higher_is_better=False, unit="s", guardrail=True),
            difference(0.04, 0.05, higher=False, base=0.81, better=90, worse=110)),
        one(looked, difference(-0.01, 0.02, base=0.6, better=70, worse=80, same=50)),
    )  # fmt: skip
    return found, _full()


def _passes() -> tuple[Verdict, Evidence]:
    found = verdict(
        one(accuracy(), difference(0.01, 0.012, base=0.87, better=9, worse=7, same=184)),
        one(accuracy(0.0, mode="threshold", floor=0.8), difference(0.08, 0.023, base=0.8)),
    )
    return found, evidence(better=9, worse=7, reproduce=("evalkit gate --baseline main",))


def _inconclusive() -> tuple[Verdict, Evidence]:
    found = verdict(one(accuracy(), difference(-0.01, 0.03, base=0.87, n=60, groups=60, better=4, worse=5, same=51)))
    power = Power("accuracy", 0.0746, 0.02, 60, 840, None)
    return found, evidence(pairs=60, power=(power,))


def _invalid() -> tuple[Verdict, Evidence]:
    found = verdict(
        one(accuracy(), difference(-0.06, 0.02, base=0.87), dropped=difference(0.01, 0.01, base=0.87)),
        one(Rule("f1", share=True), None, problems=("the metric is not in the baseline: run it there too",)),
    )
    broken = side("terse", answered=180, errored=20, scored=177)
    return found, evidence(candidate=broken, overlap=0.9, pairs=180, only_baseline=20)


def _judged() -> tuple[Verdict, Evidence]:
    name = "openai/gpt-5:rubric"
    found = verdict(
        one(Rule("helpfulness", margin=0.02, share=True), difference(0.02, 0.01, base=0.7)),
        one(accuracy(), difference(0.0, 0.008, base=0.87)),
        unaudited=(name,),
    )
    seen = Judge(name, "aa55", "helpfulness", same_on_both_sides=False, conflict_rate=0.18, primacy=0.56)
    fit = Judge("second", "bb66", "politeness", same_on_both_sides=True, kappa=0.62, kappa_low=0.5, labels=150)
    return found, evidence(judges=(seen, fit))


def _slices() -> tuple[Verdict, Evidence]:
    rows = [one(accuracy(), difference(0.0, 0.008, base=0.87))]
    rows += [
        one(replace(accuracy(slice=f"customer:{number:03}"), gated=False), difference(0.001 * (number % 7 - 3), 0.02))
        for number in range(120)
    ]
    return verdict(*rows), evidence()


CASES = {
    "pass": _passes,
    "regression": _regression,
    "inconclusive": _inconclusive,
    "invalid": _invalid,
    "judged": _judged,
    "slices": _slices,
}
