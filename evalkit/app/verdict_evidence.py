"""What stands beside a verdict: denominators, changed samples, judges, money, power, edits, how to do it again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from evalkit import __version__
from evalkit.app.changed_samples import Moved, moved, results, unsteady
from evalkit.app.edits import edits
from evalkit.app.gated_suite import GatedSuite
from evalkit.app.guardrails import COST
from evalkit.app.judges import Labels, judges_of
from evalkit.app.measuring import Bench
from evalkit.app.pairing import Drawn
from evalkit.app.sides import Answers
from evalkit.config.suite import shown
from evalkit.core.errors import InvalidRun
from evalkit.gate.model import Changed, Edit, Evidence, Judge, Measured, Power, SampleResult, Side, Spending, Verdict
from evalkit.stats import power
from evalkit.stats.binary import missingness
from evalkit.stats.variance import decompose

DIFFERENTIAL = 0.05
_SPENT = ((COST, "cost per answer"), ("latency_p50", "latency p50"), ("latency_p95", "latency p95"))


@dataclass(frozen=True)
class Gathered:
    """What was read while the store was open."""

    candidate: Side
    baseline: Side | None
    anchor: Side | None
    primary: Drawn | None
    moved: Moved
    flaky: tuple[str, ...]
    judges: tuple[Judge, ...]
    unaudited: tuple[str, ...]
    spending: tuple[Spending, ...]
    edits: tuple[Edit, ...]
    samples: tuple[SampleResult, ...]
    facts: dict[str, str] = field(default_factory=dict)


def gather(bench: Bench, suite: GatedSuite, labels: Labels, primary: str) -> Gathered:
    """Read what the evidence needs; what cannot be had is left out, never guessed."""
    one = suite.known[primary]
    drawn = _maybe(lambda: bench.drawn(primary, "", bench.baseline)) if bench.baseline is not None else None
    judges, unaudited = judges_of(bench, suite.gated, labels, suite.seed)
    scores = _maybe(lambda: one.of(bench.candidate))
    both = None if bench.baseline is None else (bench.candidate, bench.baseline)
    return Gathered(
        candidate=noun_of(bench.candidate, bench, primary, None),
        baseline=None if bench.baseline is None else noun_of(bench.baseline, bench, primary, bench.candidate),
        anchor=None if bench.anchor is None else noun_of(bench.anchor, bench, primary, bench.candidate),
        primary=drawn,
        moved=Moved() if both is None else moved(one, drawn, both, ()),
        flaky=unsteady(one.metric, drawn),
        judges=judges,
        unaudited=unaudited,
        spending=tuple(_spending(bench, suite)),
        edits=() if both is None else edits(both[1], both[0]),
        samples=() if scores is None else results(one, bench.candidate, scores),
        facts=_facts(bench),
    )


def evidence_of(
    bench: Bench,
    suite: GatedSuite,
    gathered: Gathered,
    verdict: Verdict,
    told: tuple[Sequence[Measured], tuple[str, ...]],
) -> Evidence:
    """Everything beside the verdict."""
    measured, quarantined = told
    matching = None if bench.baseline is None else bench.matching(bench.baseline)
    held = set(quarantined)
    changed = tuple(_quarantined(one, held) for one in gathered.moved.changed)
    return Evidence(
        candidate=gathered.candidate,
        baseline=gathered.baseline,
        anchor=gathered.anchor,
        overlap=None if matching is None else matching.overlap,
        pairs=0 if matching is None else len(matching.sample_ids),
        only_baseline=0 if matching is None else matching.only_baseline,
        only_candidate=0 if matching is None else matching.only_candidate,
        changed=changed,
        better=gathered.moved.better,
        worse=gathered.moved.worse,
        flaky=gathered.flaky,
        quarantined=quarantined,
        judges=gathered.judges,
        spending=gathered.spending,
        edits=gathered.edits,
        power=tuple(_power(bench, gathered, verdict, measured)),
        facts={**gathered.facts, **_how(verdict, measured, suite)},
        reproduce=_reproduce(bench, suite, verdict),
        accept=_accept(bench),
    )


def _maybe(make: Callable[[], Any]) -> Any:
    """What can be had, or None: the rule that needs it says why not."""
    try:
        return make()
    except (InvalidRun, ValueError):
        return None


def _quarantined(one: Changed, held: set[str]) -> Changed:
    return replace(one, quarantined=True) if one.sample_id in held else one


def noun_of(side: Answers, bench: Bench, primary: str, other: Answers | None) -> Side:
    """A side with its denominators, those of the primary metric, and its distance in time from another side."""
    cells, facts = side.cells, side.facts
    scores = _maybe(lambda: bench.known[primary].of(side))
    status = scores.status if scores is not None else np.full(len(cells), "", dtype=object)
    asked = np.array([call is not None for call in cells.call_id], dtype=np.bool_)
    failed = np.array([kind is not None for kind in cells.error_kind], dtype=np.bool_)
    return Side(
        label=side.label,
        candidate=str(facts["candidate"]),
        run_id=str(facts["run_id"]),
        entry_id=str(facts["entry_id"]),
        commit=facts["git_commit"],
        branch=facts["git_branch"],
        started=_time(facts["started"]),
        fingerprint=str(facts["fingerprint"]),
        data_hash=str(facts["data_hash"]),
        task_hash=str(facts["task_hash"]),
        planned=int(facts["planned"]),
        answered=int((asked & ~failed).sum()),
        errored=int((asked & failed).sum()),
        unscorable=int((status == "unscorable").sum()),
        scored=int((status == "scored").sum()),
        cached=int(cells.cached.sum()),
        age_s=None if other is None else _apart(facts["started"], other.facts["started"]),
    )


def _time(value: Any) -> str:
    found = _moment(value)
    return str(value) if found is None else found.isoformat()


def _moment(value: Any) -> datetime | None:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _apart(one: Any, other: Any) -> float | None:
    first, second = _moment(one), _moment(other)
    return None if first is None or second is None else abs((second - first).total_seconds())


def _spending(bench: Bench, suite: GatedSuite) -> Iterator[Spending]:
    limits = {str(one["metric"]): one.get("floor") for one in suite.gates if one["mode"] == "threshold"}
    for name, told in _SPENT:
        metric = bench.known[name].metric
        sides = [_spent(bench, name, side) for side in (bench.baseline, bench.candidate)]
        if all(value is None for value, _ in sides) and name not in limits:
            continue
        limit = limits.get(name, limits.get(f"{name}_usd"))
        (before, _), (after, fresh) = sides
        yield Spending(told, metric.unit, before, after, limit, fresh=fresh)


def _spent(bench: Bench, name: str, side: Answers | None) -> tuple[float | None, int | None]:
    """The mean or quantile over the answers of one side whose figure is known for all; None where it is not."""
    if side is None:
        return None, None
    one = bench.known[name]
    scores = _maybe(lambda: one.of(side))
    if scores is None:
        return None, None
    counted = ~side.cells.cached if one.metric.fresh_only else np.ones(len(side.cells), dtype=np.bool_)
    counted &= ~side.failed()
    values = scores.value[counted]
    if not values.size or np.isnan(values).any():
        return None, int(counted.sum())
    if name == COST:
        return float(values.mean()), int(counted.sum())
    rank = {"latency_p50": 0.5, "latency_p95": 0.95}[name]
    return float(np.quantile(values, rank, method="averaged_inverted_cdf")), int(counted.sum())


def _facts(bench: Bench) -> dict[str, str]:
    found = {"evalkit": __version__, "suite hash": str(bench.candidate.facts["suite_hash"])}
    if bench.baseline is None:
        return found
    matching = bench.matching(bench.baseline)
    flags = []
    for side, rows in ((bench.candidate, matching.candidate), (bench.baseline, matching.baseline)):
        failed = np.zeros(len(matching.sample_ids), dtype=np.bool_)
        np.logical_or.at(failed, rows.sample, side.failed()[rows.places])
        flags.append(failed)
    p = missingness(*flags)
    if p < DIFFERENTIAL:
        found["errors"] = f"the sides do not fail on the same samples alike (exact McNemar p {p:.3f})"
    if matching.changed:
        found["changed content"] = f"{len(matching.changed)} samples have another content and are not paired"
    return found


def _how(verdict: Verdict, measured: Sequence[Measured], suite: GatedSuite) -> dict[str, str]:
    drawn = sorted({one.headline.resamples for one in measured if one.headline is not None and one.headline.resamples})
    how = f"seed {suite.seed}" + (f", {', '.join(map(str, drawn))} resamples" if drawn else "")
    return {"attempt": f"{verdict.attempt}, one-sided alpha {verdict.alpha:.4g}", "resampling": how}


def _power(bench: Bench, gathered: Gathered, verdict: Verdict, measured: Sequence[Measured]) -> Iterator[Power]:
    per_sample = _per_sample(bench, gathered.spending)
    for one in measured:
        head = one.headline
        if not one.rule.gated or head is None or head.delta is None or one.rule.mode == "threshold":
            continue
        needed = _needed(head.se, head.n, one.rule.margin, verdict.alpha)
        more = None if needed is None else max(0, needed - head.n)
        usd = None if more is None or per_sample is None else more * per_sample
        drawn: Drawn | None = _maybe(partial(bench.drawn, one.rule.metric, one.rule.slice, bench.baseline))
        repeats, worth = _repeats(drawn)
        yield Power(
            metric=one.rule.name,
            mde=head.mde,
            wanted=one.rule.margin or None,
            samples=head.n,
            samples_needed=needed,
            usd_needed=usd,
            repeats=repeats,
            repeats_worth=worth,
        )


def _needed(se: float | None, n: int, margin: float, alpha: float) -> int | None:
    """Samples after which no true change would pass in 80 % of cases, by the spread of this comparison."""
    if se is None or margin <= 0 or n < 2:
        return None
    return power.noninferiority_samples(se * float(np.sqrt(n)), margin, alpha=alpha)


def _repeats(drawn: Drawn | None) -> tuple[int, int | None]:
    if drawn is None or drawn.headline is None:
        return 1, None
    seen = drawn.headline.candidate
    repeats = int(np.bincount(seen.sample).max(initial=1))
    parts = decompose(seen)
    return repeats, None if parts is None else power.repeats_worth(parts.omega2, parts.sigma2)


def _per_sample(bench: Bench, spending: Sequence[Spending]) -> float | None:
    """What one more sample costs on both sides, all repeats; None where a price is unknown."""
    cost = next((one for one in spending if one.unit == "USD"), None)
    if cost is None or cost.before is None or cost.after is None or bench.baseline is None:
        return None
    return cost.before * int(bench.baseline.facts["repeats"]) + cost.after * int(bench.candidate.facts["repeats"])


def _reproduce(bench: Bench, suite: GatedSuite, verdict: Verdict) -> tuple[str, ...]:
    words = ["evalkit", "gate", shown(suite.file.path), "--candidate", _name(bench.candidate)]
    if bench.baseline is not None:
        words += ["--baseline", _name(bench.baseline)]
    if bench.anchor is not None:
        words += ["--anchor", _name(bench.anchor)]
    return (shlex.join([*words, "--policy", verdict.policy]),)


def _accept(bench: Bench) -> tuple[str, ...]:
    reason = ["--accept", "why this is right"]
    return (shlex.join(["evalkit", "baseline", "promote", _name(bench.candidate), *reason]),)


def _name(side: Answers) -> str:
    return str(side.facts["entry_id"]) if side.label.endswith(")") else side.label
