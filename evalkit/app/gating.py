"""Judge entries by the gates of their suites: what is judged, against what, and the verdict that is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from evalkit.app.assembled import only, with_more
from evalkit.app.choosing import Against, Judging, LookAt, against_of, judged_of, suites_of
from evalkit.app.entries import Book, Choice, choices
from evalkit.app.gated_suite import GatedSuite
from evalkit.app.judges import Labels, no_labels
from evalkit.app.judges import refusals as unfit
from evalkit.app.measuring import Bench, Terms, fewer, measure, vanished
from evalkit.app.opening import book_of, side_of
from evalkit.app.sides import Answers
from evalkit.app.verdict_evidence import Gathered, evidence_of, gather
from evalkit.app.verdict_records import Attempt, attempt_at, record
from evalkit.app.workspace import Workspace
from evalkit.core.errors import ExitCode, InvalidRun
from evalkit.gate.model import Evidence, Measured, Rule, SampleResult, Verdict
from evalkit.gate.rules import advisory
from evalkit.gate.sampling import Quarantine, active, beside
from evalkit.gate.verdict import judge
from evalkit.stats.sequential import nominal_alphas
from evalkit.store import baselines as kept

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ALPHA = 0.05
MOST_SLICES = 40


@dataclass(frozen=True, slots=True)
class Gated:
    """A verdict with what stands beside it, and the candidate's samples for a test report."""

    verdict: Verdict
    evidence: Evidence
    samples: tuple[SampleResult, ...]


@dataclass(frozen=True)
class _Ready:
    """Everything that was read of one candidate; what is left is computing."""

    suite: GatedSuite
    bench: Bench
    compute: Callable[[], list[Measured]]
    without: Callable[[], list[Measured]] | None
    gathered: Gathered
    attempt: Attempt
    gone: tuple[Measured, ...]
    quarantined: tuple[str, ...]
    warnings: tuple[str, ...]


def gate(workspace: Workspace, wanted: Judging, labels: Labels | None = None) -> list[Gated]:
    """Judge, and keep the verdicts. Nobody is asked.

    Raises ConfigError with everything wrong in suites, gates and baseline files, InvalidRun where nothing is asserted
    or there is nothing to judge.
    """
    suites = suites_of(workspace, wanted.suites)
    if not workspace.store.exists:
        raise InvalidRun("nothing was run here yet: there is nothing to judge; `evalkit run` first")
    with workspace.loaded() as connection:
        book = book_of(connection, workspace)
        ready = [one for suite in suites for one in _ready(connection, workspace, (book, suite, wanted), labels)]
    if not ready:
        raise InvalidRun("nothing is judged: every entry is the baseline itself; name another with --baseline")
    found = [_judged(one, wanted) for one in ready]
    with workspace.store.open() as connection:
        for one, done in zip(ready, found, strict=True):
            record(connection, one.bench, done.verdict, one.attempt, Terms(one.attempt.alpha, one.suite.seed))
    return found


def code_of(found: Sequence[Gated]) -> ExitCode:
    """The one code that all verdicts together end with."""
    return ExitCode.worst(one.verdict.code for one in found)


def _ready(
    connection: DuckDBPyConnection,
    workspace: Workspace,
    about: tuple[Book, GatedSuite, Judging],
    labels: Labels | None,
) -> Iterator[_Ready]:
    book, suite, wanted = about
    before = against_of(book, suite.name, wanted)
    for choice in judged_of(book, suite.name, wanted, before):
        against = before.of(choice)
        if against.baseline is not None and _same(against.baseline, choice) and not wanted.candidates:
            continue
        candidate = side_of(connection, workspace, choice, suite.fields)
        sides = [
            None if one is None else side_of(connection, workspace, one, suite.fields)
            for one in (against.baseline, against.anchor)
        ]
        attempt = attempt_at(connection, candidate, ALPHA, wanted.attempt, wanted.rerun)
        if wanted.look is not None:
            more = _more(connection, workspace, (book, suite), (choice, wanted.look))
            candidate, sides, attempt = _at_look(wanted.look, candidate, more, (sides, attempt))
        yield _bench(connection, (suite, wanted), (candidate, sides[0], sides[1]), (against, attempt), labels)


def _more(
    connection: DuckDBPyConnection, workspace: Workspace, about: tuple[Book, GatedSuite], of: tuple[Choice, LookAt]
) -> Answers | None:
    """The same candidate's side in the run that asked some samples more often."""
    (book, suite), (choice, look) = about, of
    if look.more is None:
        return None
    (found,) = choices(book, f"{look.more}:{choice.candidate}", suite=suite.name)
    return side_of(connection, workspace, found, suite.fields)


def _at_look(
    look: LookAt, candidate: Answers, more: Answers | None, rest: tuple[list[Answers | None], Attempt]
) -> tuple[Answers, list[Answers | None], Attempt]:
    """Sides with the samples of this look alone, and an attempt with this look's share of the error."""
    others, attempt = rest
    share = nominal_alphas(look.shares, attempt.alpha)[look.place]
    sides: list[Answers | None] = [None if one is None else only(one, look.sample_ids) for one in others]
    return candidate if more is None else with_more(candidate, more), sides, replace(attempt, alpha=share)


def _same(one: Choice, other: Choice) -> bool:
    return one.row is not None and other.row is not None and one.row.entry_id == other.row.entry_id


def _bench(
    connection: DuckDBPyConnection,
    about: tuple[GatedSuite, Judging],
    sides: tuple[Answers, Answers | None, Answers | None],
    how: tuple[Against, Attempt],
    labels: Labels | None,
) -> _Ready:
    (suite, wanted), (candidate, baseline, anchor), (against, attempt) = about, sides, how
    bench = Bench(
        candidate,
        baseline,
        suite.known,
        anchor,
        max_error_rate=suite.max_error_rate,
        absent=against.absent,
        refused=unfit(candidate, suite.known, suite.gated),
        looked=wanted.look is not None,
    )
    rules = _rules(suite, bench)
    terms = Terms(attempt.alpha, suite.seed)
    held = [one.sample_id for one in _quarantined(connection, suite.name, candidate)]
    here = [ident for ident in held if ident in set(candidate.cells.sample_id.tolist())]
    without = measure(replace(bench, left_out=tuple(here)), rules, terms) if here else None
    primary = suite.primary
    return _Ready(
        suite,
        bench,
        measure(bench, rules, terms),
        without,
        gather(bench, suite, labels or no_labels(), primary),
        attempt,
        tuple(vanished(bench, rules)),
        tuple(here),
        tuple(_warnings(bench, against, wanted)),
    )


def _rules(suite: GatedSuite, bench: Bench) -> list[Rule]:
    """The suite's gates with their margins, then what is looked at beside them."""
    wanted = [(str(one["metric"]), str(one.get("slice") or "")) for one in suite.gates]
    values = bench.baseline_values(wanted)
    rules = list(suite.rules(values))
    named = {(rule.metric, rule.slice) for rule in rules}
    if bench.baseline is None:
        return rules
    beside_them = [(name, "") for name in suite.mains] + [(suite.primary, tag) for tag in _tags(suite, bench)]
    more = [one for one in dict.fromkeys(beside_them) if one not in named]
    values = bench.baseline_values(more)
    return rules + [advisory(suite.known[name].metric, values, where) for name, where in more]


def _tags(suite: GatedSuite, bench: Bench) -> list[str]:
    tags = {tag for own in bench.matching(bench.baseline).tags for tag in own}
    found = [tag for tag in sorted(tags) if any(tag.startswith(f"{one}:") or tag == one for one in suite.slices)]
    return found[:MOST_SLICES]


def _quarantined(connection: DuckDBPyConnection, suite: str, candidate: Answers) -> list[Quarantine]:
    """What is in quarantine on the day of the candidate's run, so that the same answers have the same verdict."""
    listed = [
        Quarantine(
            row["sample_id"], date.fromisoformat(row["added"][:10]), date.fromisoformat(row["until"]), row["reason"]
        )
        for row in kept.quarantine(connection, suite)
    ]
    started = str(candidate.facts["started"])[:10]
    return active(listed, date.fromisoformat(started))


def _warnings(bench: Bench, against: Against, wanted: Judging) -> Iterator[str]:
    if against.baseline is not None and against.baseline.note:
        yield f"baseline {against.baseline.label}: {against.baseline.note}"
    if bench.baseline is None:
        return
    gone = fewer(bench)
    if gone:
        yield f"the baseline also has {', '.join(gone)}, which this suite does not measure any more"
    age = age_of(bench.baseline, bench.candidate)
    if age is not None and wanted.max_age_s is not None and age > wanted.max_age_s:
        days = f"{age / 86_400:.1f} days"
        yield f"the baseline is {days} older than the candidate: what a vendor changed since then is in the difference"


def age_of(older: Answers, newer: Answers) -> float | None:
    """Seconds from one side's run to the other's; None where a time cannot be read."""
    try:
        first, second = (datetime.fromisoformat(str(side.facts["started"])) for side in (older, newer))
    except ValueError:
        return None
    aware = [one if one.tzinfo else one.replace(tzinfo=UTC) for one in (first, second)]
    return abs((aware[1] - aware[0]).total_seconds())


def _judged(one: _Ready, wanted: Judging) -> Gated:
    measured = [*one.compute(), *one.gone]
    sides = (_label(one.bench.baseline), str(one.bench.candidate.facts["candidate"]))
    terms: Mapping[str, Any] = {
        "policy": wanted.policy,
        "alpha": one.attempt.alpha,
        "attempt": one.attempt.number,
        "unaudited": one.gathered.unaudited,
        "final": wanted.look is None or wanted.look.last,
    }
    verdict = judge(one.suite.name, sides, measured, **terms)
    if one.without is not None:
        other = judge(one.suite.name, sides, [*one.without(), *one.gone], **terms)
        verdict = beside(verdict, other, one.quarantined)
    verdict = replace(verdict, warnings=(*verdict.warnings, *one.warnings))
    if wanted.record_only and one.bench.baseline is None and one.bench.absent:
        verdict = _recorded(verdict, one.bench.absent)
    evidence = evidence_of(one.bench, one.suite, one.gathered, verdict, (measured, one.quarantined))
    return Gated(verdict, evidence, one.gathered.samples)


def _label(side: Answers | None) -> str:
    return "none" if side is None else str(side.facts["candidate"])


def _recorded(verdict: Verdict, why: str) -> Verdict:
    """Where nothing can be compared and the user agreed: the answers are kept, nothing is judged, nothing is green."""
    told = f"recorded only, nothing was gated: {why}"
    return replace(verdict, outcome="inconclusive", code=ExitCode.PASS, reasons=(told,))
