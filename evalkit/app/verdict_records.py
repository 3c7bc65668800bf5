"""What is written down of a verdict, and which attempt at its question it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from evalkit import __version__
from evalkit.app.file_side import FileSide
from evalkit.app.measuring import Bench, Terms
from evalkit.app.sides import Answers
from evalkit.core.keys import digest
from evalkit.core.types import Difference
from evalkit.gate.model import Judged, Verdict
from evalkit.stats.sequential import spent
from evalkit.store import gates as kept

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Attempt:
    """The how-many-th set of answers to one question is judged, and what error it may spend, one-sided."""

    question: str
    answers: str
    number: int
    alpha: float


def attempt_at(
    connection: DuckDBPyConnection, side: Answers, alpha: float, given: int | None, rerun: int | None
) -> Attempt:
    """Which attempt the candidate's answers are.

    The question: suite, data, candidate's fingerprint and commit. Answers that were judged before keep their number,
    however often they are judged; other answers come after all that were. `given` is the user's own number; `rerun`
    that of the CI system, which counts where the store has forgotten.
    """
    facts = side.facts
    question = digest(["gate", facts["suite"], facts["data_hash"], facts["fingerprint"], facts["git_commit"]])
    answers = digest(["answers", sorted(str(call) for call in side.cells.call_id if call is not None)])
    number = given or kept.attempt_of(connection, question, answers)
    if number is None:
        number = max(kept.attempts(connection, question) + 1, rerun or 1)
    return Attempt(question, answers, number, spent(number, alpha))


def record(connection: DuckDBPyConnection, bench: Bench, verdict: Verdict, attempt: Attempt, terms: Terms) -> str:
    """Keep a verdict with all numbers; the same judgement is kept once. Returns its id."""
    mine = bench.candidate.facts
    sides = {name: _entry(side) for name, side in (("baseline", bench.baseline), ("anchor", bench.anchor))}
    rows = list(_comparisons(verdict))
    written = [[row[name] for name in sorted(row)] for row in rows]
    identity = [attempt.question, attempt.answers, attempt.number, sides, verdict.policy, verdict.outcome, written]
    gate_id = digest(["verdict", *identity, __version__])
    gate = {
        "gate_id": gate_id,
        "question": attempt.question,
        "answers": attempt.answers,
        "attempt": attempt.number,
        "suite": verdict.suite,
        "suite_hash": mine["suite_hash"],
        "candidate": verdict.candidate,
        "candidate_entry": mine["entry_id"],
        "baseline": bench.baseline.label if bench.baseline else "",
        "baseline_entry": sides["baseline"],
        "anchor": bench.anchor.label if bench.anchor else None,
        "anchor_entry": sides["anchor"],
        "policy": verdict.policy,
        "outcome": verdict.outcome,
        "code": int(verdict.code),
        "alpha": verdict.alpha,
        "seed": terms.seed,
        "resamples": terms.resamples,
        "reasons": list(verdict.reasons),
        "warnings": list(verdict.warnings),
        "version": __version__,
        "judged": datetime.now(UTC).isoformat(),
    }
    kept.put_gate(connection, gate, [{"gate_id": gate_id, **row} for row in rows])
    return gate_id


def _entry(side: Answers | None) -> str | None:
    if side is None:
        return None
    entry = str(side.facts["entry_id"])
    return digest(["file", entry, dict(side.facts)]) if isinstance(side, FileSide) else entry


def _comparisons(verdict: Verdict) -> Iterator[dict[str, Any]]:
    for place, one in enumerate(verdict.judged):
        numbers = (
            ("headline", one.measured.headline),
            ("dropped", one.measured.dropped),
            ("anchor", one.measured.anchor),
        )
        for basis, difference in numbers:
            if difference is not None or basis == "headline":
                yield {"place": place, "basis": basis, **_rule(one), **_numbers(difference)}


def _rule(one: Judged) -> dict[str, Any]:
    rule = one.rule
    return {
        "metric": rule.metric,
        "slice": rule.slice,
        "mode": rule.mode,
        "margin": rule.margin,
        "floor": rule.floor,
        "higher_is_better": rule.higher_is_better,
        "gated": rule.gated,
        "veto": rule.veto,
        "guardrail": rule.guardrail,
        "outcome": one.outcome,
        "reason": one.comparison.reason,
        "notes": list(one.comparison.notes),
        "p_adjusted": one.comparison.p_adjusted,
    }


def _numbers(difference: Difference | None) -> dict[str, Any]:
    return {} if difference is None else asdict(difference)
