"""Claims against own data as a page: verdicts, intervals around what is claimed, protocols, other ways of scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evalkit.report import chart
from evalkit.report.model import Cell, Column, Note, Site
from evalkit.report.pages import environment, write
from evalkit.report.text import delta_interval, delta_text

TONES: Mapping[str, str] = {"confirmed": "good", "contradicted": "bad", "consistent": "", "not testable": "warn"}


@dataclass(frozen=True, slots=True)
class PointRow:
    """One point of a protocol; `state` is same, differs or unstated."""

    name: str
    claimed: str
    own: str
    state: str


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One claim: `title` says it in words; `own` and `claimed` values, `delta` = own - claimed.

    `ranks` = it says that one beats another; then `claimed` is the other's value and `delta` the lead over it.
    `p` speaks against the claim, `p_confirm` for it, both adjusted over the table. `signals` are other ways to the
    claimed number, in words.
    """

    title: str
    suite: str
    metric: str
    verdict: str
    reason: str
    ranks: bool = False
    column: Column = Column("")
    own: Cell = Cell(None)
    claimed: Cell = Cell(None)
    delta: Cell = Cell(None)
    limits: tuple[float, ...] = ()
    p: float | None = None
    p_confirm: float | None = None
    mde: float | None = None
    needed: int | None = None
    rescored: bool = False
    points: tuple[PointRow, ...] = ()
    signals: tuple[str, ...] = ()
    source: str = ""
    date: str = ""
    description: str = ""

    @property
    def tone(self) -> str:
        """How the verdict is coloured."""
        return TONES.get(self.verdict, "")


@dataclass(frozen=True, slots=True)
class PanelRow:
    """One way of scoring with each candidate's value by it, None = undefined; `turned` names the ranks that turn."""

    kind: str
    name: str
    own: bool
    values: tuple[float | None, ...]
    turned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PanelView:
    """A metric of a suite under several ways of scoring; `spreads` = least and greatest value per candidate."""

    suite: str
    column: Column
    candidates: tuple[str, ...]
    rows: tuple[PanelRow, ...]
    spreads: tuple[tuple[float, float] | None, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class ClaimsPage:
    """A claims file with its verdicts."""

    title: str
    rows: tuple[ClaimRow, ...]
    panels: tuple[PanelView, ...] = ()
    notes: tuple[Note, ...] = ()
    generated: str = ""
    version: str = ""

    @property
    def tally(self) -> tuple[tuple[str, int, str], ...]:
        """Each verdict with its count and tone."""
        found = [(verdict, sum(row.verdict == verdict for row in self.rows), tone) for verdict, tone in TONES.items()]
        return tuple(one for one in found if one[1])


def render_claims(page: ClaimsPage, out: Path) -> Path:
    """Write the page as the one file `out`, which opens from disk and fetches nothing. Raises OSError."""
    env = environment()
    out.parent.mkdir(parents=True, exist_ok=True)
    site = Site(page.title, page.generated, page.version)
    write(env, "claims.html", out, {"site": site, "page": page, "charts": claim_charts(page)})
    return out


def claim_charts(page: ClaimsPage) -> list[tuple[str, chart.Whiskers]]:
    """Own minus claimed for every tested claim, and leads; a chart has one unit (outside shares: one metric)."""
    groups: dict[tuple[bool, str, str], list[ClaimRow]] = {}
    for row in page.rows:
        named = "" if row.column.unit == "%" else row.metric
        groups.setdefault((row.ranks, row.column.unit, named), []).append(row)
    found = []
    for (ranks, unit, metric), members in groups.items():
        reaches = [
            chart.Reach(
                row.title,
                row.delta,
                f"{delta_text(row.delta, unit)} {delta_interval(row.delta, unit)}".rstrip(),
                row.limits,
                row.tone if row.tone in ("good", "bad") else "",
            )
            for row in members
        ]
        drawn = chart.differences(reaches, unit)
        if drawn is not None:
            told = "Lead over the other" if ranks else "Own value minus claimed"
            found.append((f"{told}: {metric or 'shares'}", drawn))
    return found
