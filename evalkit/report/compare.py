"""Two candidates beside each other: differences with their intervals, what changed, and where it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from evalkit.report import chart
from evalkit.report.model import Cell, Counts, Note, PromptDiff, Site
from evalkit.report.pages import environment, write
from evalkit.report.text import delta_interval, delta_text

CHANGED_SHOWN = 200


@dataclass(frozen=True, slots=True)
class CompareSide:
    """One of the two sides: who answered, in which run, from which commit, and what was counted."""

    label: str
    candidate: str
    run_id: str = ""
    commit: str = ""
    started: str = ""
    fingerprint: str = ""
    counts: Counts = Counts()


@dataclass(frozen=True, slots=True)
class CompareRow:
    """One metric on all samples (`slice` empty) or on a slice; `delta` = candidate - base, in the metric's own unit.

    `p` is two-sided for "no difference", `p_adjusted` within its family of tests. `better`, `worse`, `same` count
    samples by benefit. `margin` >= 0 is what still counts as equal; None = none is declared. `outcome` is the gate's
    word, empty where nothing was judged; then `exploratory` says that no gate stands on the row.
    """

    metric: str
    slice: str = ""
    base: float | None = None
    candidate: float | None = None
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    better: int = 0
    worse: int = 0
    same: int = 0
    n: int = 0
    groups: int = 0
    method: str = ""
    unit: str = ""
    higher_is_better: bool = True
    margin: float | None = None
    outcome: str = ""
    reason: str = ""
    mde: float | None = None
    exploratory: bool = True

    @property
    def name(self) -> str:
        """The metric, with its slice."""
        return f"{self.metric} · {self.slice}" if self.slice else self.metric

    @property
    def cell(self) -> Cell:
        """The difference with its interval."""
        return Cell(self.delta, self.low, self.high, None, self.method, self.n, self.groups)

    @property
    def tone(self) -> str:
        """good or bad where the whole interval lies on one side of 0, else nothing."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return ""
        return "good" if (self.low > 0) == self.higher_is_better else "bad"


@dataclass(frozen=True, slots=True)
class ChangedSample:
    """A sample whose score moved; outputs are text or JSON values. `link` leads to it from this page."""

    sample_id: str
    before: float | None
    after: float | None
    before_output: Any
    after_output: Any
    reason: str = ""
    tags: tuple[str, ...] = ()
    input: Any = None
    target: Any = None
    stable: bool = True
    quarantined: bool = False
    better: bool | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class ComparePage:
    """Everything that the page of a comparison shows, as plain values.

    `verdict` is one sentence with `tone` good, bad, warn or nothing. `changed` holds what is shown, worst first, of
    `changed_total`; their scores are of `changed_metric`. `sql` derives the numbers again.
    """

    title: str
    suite: str
    base: CompareSide
    candidate: CompareSide
    rows: tuple[CompareRow, ...] = ()
    verdict: str = ""
    tone: str = ""
    changed: tuple[ChangedSample, ...] = ()
    changed_total: int = 0
    changed_metric: str = ""
    diffs: tuple[PromptDiff, ...] = ()
    notes: tuple[Note, ...] = ()
    sql: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    generated: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class DeltaChart:
    """Differences that may share an axis: one unit, one direction, and outside shares one metric."""

    title: str
    better: str
    whiskers: chart.Whiskers
    limited: bool


def render_compare(page: ComparePage, out: Path) -> Path:
    """Write the page as the one file `out`, which opens from disk and fetches nothing; returns its path.

    At most 200 changed samples are shown. The same page gives the same bytes. Raises OSError.
    """
    env = environment()
    out.parent.mkdir(parents=True, exist_ok=True)
    site = Site(page.title, page.generated, page.version)
    variables = {
        "site": site,
        "page": page,
        "charts": delta_charts(page.rows),
        "changed": list(islice(page.changed, CHANGED_SHOWN)),
    }
    write(env, "compare.html", out, variables)
    return out


def delta_charts(rows: Sequence[CompareRow]) -> list[DeltaChart]:
    """The rows with a difference, in charts whose rows have one axis and one direction; in the order of the rows."""
    groups: dict[tuple[str, str, bool], list[CompareRow]] = {}
    for row in rows:
        named = "" if row.unit == "%" else row.metric
        groups.setdefault((row.unit, named, row.higher_is_better), []).append(row)
    found = []
    for (unit, named, up), members in groups.items():
        drawn = chart.differences([_reach(row) for row in members], unit)
        if drawn is not None:
            limited = any(row.margin for row in members)
            title = named or ("shares, higher is better" if up else "shares, lower is better")
            found.append(DeltaChart(title, "right" if up else "left", drawn, limited))
    return found


def _reach(row: CompareRow) -> chart.Reach:
    text = f"{delta_text(row.cell, row.unit)} {delta_interval(row.cell, row.unit)}".rstrip()
    limits = () if not row.margin else (-row.margin if row.higher_is_better else row.margin,)
    return chart.Reach(row.name, row.cell, text, limits, row.tone)
