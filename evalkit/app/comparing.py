"""Two entries beside each other: every metric both have, with intervals and p-values adjusted for looking at many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evalkit.app.changed_samples import Moved, moved
from evalkit.app.edits import edits
from evalkit.app.entries import Book, Choice, choices, opposite
from evalkit.app.guardrails import Emitted
from evalkit.app.measuring import Bench, Terms, measure
from evalkit.app.opening import book_of, side_of
from evalkit.app.sides import Answers, metric_names, scorer_of
from evalkit.app.verdict_evidence import noun_of
from evalkit.app.workspace import Workspace
from evalkit.core.errors import InvalidRun, UsageError, did_you_mean
from evalkit.gate.model import Edit, Measured, Rule, Side
from evalkit.gate.rules import advisory
from evalkit.stats.multiplicity import benjamini_hochberg

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RESAMPLES = 2_000
MOST_SLICES = 50
COLUMNS = (
    "suite", "baseline", "candidate", "metric", "slice", "before", "after", "delta", "low", "high", "p_value",
    "p_adjusted", "better", "worse", "same", "n", "groups", "mde", "method", "unit", "share", "higher_is_better",
    "problem", "notes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparing:
    """What to compare: two names, the metrics (none: all that both have), and slices by a tag prefix."""

    baseline: str
    candidate: str
    metrics: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """One suite of a comparison: its rows in the columns of `COLUMNS`, and the two sides that they are of."""

    suite: str
    baseline: Side
    candidate: Side
    primary: str
    higher: bool
    rows: tuple[dict[str, Any], ...]
    measured: tuple[Measured, ...]
    moved: Moved = Moved()
    edits: tuple[Edit, ...] = ()

    @property
    def problems(self) -> list[str]:
        """Why rows say nothing, each reason once."""
        return list(dict.fromkeys(row["problem"] for row in self.rows if row["problem"]))

    @property
    def valid(self) -> bool:
        """Whether any row says something."""
        return any(row["delta"] is not None for row in self.rows)


def compare(workspace: Workspace, wanted: Comparing) -> list[Compared]:
    """Compare two names on every suite that both answered.

    Raises UsageError for names and metrics that are not known, InvalidRun when nothing can be compared.
    """
    ready = []
    with workspace.loaded() as connection:
        book = book_of(connection, workspace)
        for pair in _pairs(book, wanted):
            bench, rules = _bench(connection, workspace, pair, wanted)
            seed = int(bench.candidate.facts["seed"])
            ready.append((_beside(bench, rules), measure(bench, rules, Terms(seed=seed, resamples=RESAMPLES))))
    return [_compared(plain, compute()) for plain, compute in ready]


def _beside(bench: Bench, rules: Sequence[Rule]) -> Compared:
    """What is read of the two sides beside their numbers: denominators, changed samples, edits."""
    assert bench.baseline is not None
    names = [rule.metric for rule in rules]
    declared = str((bench.candidate.facts.get("spec") or {}).get("primary") or "")
    primary = declared if declared in names else names[0]
    one = bench.known[primary]
    try:
        drawn = bench.drawn(primary, "", bench.baseline)
    except InvalidRun:
        # The metric's own row says why.
        drawn = None
    both = (bench.candidate, bench.baseline)
    return Compared(
        suite=str(bench.candidate.facts["suite"]),
        baseline=noun_of(bench.baseline, bench, primary, bench.candidate),
        candidate=noun_of(bench.candidate, bench, primary, None),
        primary=primary,
        higher=one.metric.higher_is_better,
        rows=(),
        measured=(),
        moved=moved(one, drawn, both, ()),
        edits=edits(bench.baseline, bench.candidate),
    )


def _pairs(book: Book, wanted: Comparing) -> Iterator[tuple[Choice, Choice]]:
    before, after = choices(book, wanted.baseline), choices(book, wanted.candidate)
    shared = sorted({one.suite for one in before} & {one.suite for one in after})
    if not shared:
        told = [", ".join(sorted({one.suite for one in side})) for side in (before, after)]
        raise InvalidRun(
            f"{wanted.baseline!r} answered {told[0]}, {wanted.candidate!r} answered {told[1]}: no suite in common, "
            "nothing can be compared"
        )
    for suite in shared:
        for one in (choice for choice in after if choice.suite == suite):
            alike = one.row.data_hash if one.row is not None else None
            here = choices(book, wanted.baseline, suite=suite, alike=alike)
            yield opposite(here, suite, one.candidate, wanted.baseline), one


def _bench(
    connection: DuckDBPyConnection, workspace: Workspace, pair: tuple[Choice, Choice], wanted: Comparing
) -> tuple[Bench, list[Rule]]:
    fields = tuple(prefix.partition(":")[0] for prefix in wanted.by)
    before, after = (side_of(connection, workspace, choice, fields) for choice in pair)
    known = _known(after)
    rate = (after.facts.get("spec") or {}).get("limits", {}).get("max_error_rate", 0.02)
    bench = Bench(after, before, known, max_error_rate=float(rate))
    return bench, list(_rules(bench, wanted))


def _known(side: Answers) -> dict[str, Emitted]:
    found: dict[str, Emitted] = {}
    for name in metric_names(side):
        one = scorer_of(side, name)
        metric = next((metric for metric in one.metrics if metric.name == name), None) if one is not None else None
        if metric is not None:
            found.setdefault(name, Emitted(metric, one))
    return found


def _rules(bench: Bench, wanted: Comparing) -> Iterator[Rule]:
    names = wanted.metrics or tuple(bench.known)
    for name in names:
        if name not in bench.known:
            hint = did_you_mean(name, bench.known) or f"known: {', '.join(bench.known)}"
            raise UsageError(f"{bench.candidate.label} has no metric {name!r}; {hint}")
        yield advisory(bench.known[name].metric, {})
    for name in (wanted.metrics or names[:1]) if wanted.by else ():
        for where in _slices(bench, wanted.by):
            yield advisory(bench.known[name].metric, {}, where)


def _slices(bench: Bench, prefixes: Sequence[str]) -> list[str]:
    tags = sorted({tag for own in bench.matching(bench.baseline).tags for tag in own})
    found = [tag for tag in tags if any(tag == prefix or tag.startswith(f"{prefix}:") for prefix in prefixes)]
    if not found:
        heads = sorted({tag.partition(":")[0] for tag in tags})
        raise UsageError(f"no sample is tagged {' or '.join(prefixes)}; tags begin with: {', '.join(heads) or 'none'}")
    return found[:MOST_SLICES]


def _compared(plain: Compared, measured: Sequence[Measured]) -> Compared:
    tested = [place for place, one in enumerate(measured) if one.headline and one.headline.p_value is not None]
    p_values = [one.headline.p_value or 0.0 for one in measured if one.headline and one.headline.p_value is not None]
    adjusted = dict(zip(tested, benjamini_hochberg(p_values), strict=True)) if tested else {}
    sides = (plain.baseline.label, plain.candidate.label)
    rows = tuple(_row(plain.suite, sides, one, adjusted.get(place)) for place, one in enumerate(measured))
    return replace(plain, rows=rows, measured=tuple(measured))


def _row(suite: str, sides: tuple[str, str], one: Measured, p_adjusted: float | None) -> dict[str, Any]:
    head = one.headline
    numbers = ("delta", "low", "high", "p_value", "better", "worse", "same", "n", "groups", "mde", "method")
    return {
        "suite": suite,
        "baseline": sides[0],
        "candidate": sides[1],
        "metric": one.rule.metric,
        "slice": one.rule.slice,
        "before": head.baseline if head else None,
        "after": head.candidate if head else None,
        **{name: getattr(head, name) if head else None for name in numbers},
        "p_adjusted": p_adjusted,
        "unit": one.rule.unit,
        "share": one.rule.share,
        "higher_is_better": one.rule.higher_is_better,
        "problem": "; ".join(one.problems) or (head.method if head and head.delta is None else None),
        "notes": list(one.notes),
    }
