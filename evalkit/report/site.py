"""Renders a site of plain rows into HTML files that open from disk, stand alone and fetch nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from evalkit.report import chart, text
from evalkit.report.media import MediaFolder
from evalkit.report.model import Cell, Column, EntryLine, FailRow, LeaderRow, Note, Site, SuitePage
from evalkit.report.pages import environment, write

FAILING_CAP = 200
FAILING_LEAST = 20
TONES = 6


def render_site(site: Site, out: Path, *, failing_cap: int = FAILING_CAP) -> Path:
    """Write index.html, overview.html, suites/, evidence/ and runs/ under `out`; returns the path of the index.

    Every page carries its own style and script, allowed by hash; pictures and recordings lie beside, under media/. Of
    the failing samples of a run about `failing_cap` are shown, spread evenly over its entries (at least 20 each). The
    same rows give the same bytes. Raises OSError when `out` cannot be written.
    """
    env = environment()
    env.globals |= {"first": _first, "anchor": entry_anchor}
    links = _Links(
        {page.name for page in site.suites},
        {run.id: {entry_anchor(e.suite, e.candidate) for e in run.entries} for run in site.runs},
    )
    shared = {"site": site, "links": links}
    env.globals["media_of"] = MediaFolder(out, site.media).of
    for folder in ("suites", "evidence", "runs"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    boards = [board(page) for page in site.suites]
    for one in boards:
        write(env, "suite.html", out / suite_path(one.page.name), {**shared, "board": one, "root": "../"})
        write(env, "evidence.html", out / evidence_path(one.page.name), {**shared, "board": one, "root": "../"})
    for run in site.runs:
        cap = max(FAILING_LEAST, failing_cap // max(1, len(run.entries)))
        write(env, "run.html", out / run_path(run.id), {**shared, "run": run, "cap": cap, "root": "../"})
    across = {"families": _families(boards), "shared": _shared(boards)}
    write(env, "overview.html", out / "overview.html", {**shared, **across, "boards": boards, "root": ""})
    write(env, "index.html", out / "index.html", {**shared, "boards": boards, "root": ""})
    return out / "index.html"


@dataclass(frozen=True, slots=True)
class _Links:
    """Paths of pages from the root of the site; a link to a page that is not there is None."""

    suites: set[str]
    runs: dict[str, set[str]]

    def suite(self, name: str) -> str | None:
        return suite_path(name) if name in self.suites else None

    def evidence(self, name: str) -> str | None:
        return evidence_path(name) if name in self.suites else None

    def run(self, name: str) -> str | None:
        return run_path(name) if name in self.runs else None

    def entry(self, run: str, suite: str, candidate: str) -> str | None:
        anchor = entry_anchor(suite, candidate)
        return f"{run_path(run)}#{anchor}" if anchor in self.runs.get(run, ()) else self.run(run)


def entry_anchor(suite: str, candidate: str) -> str:
    """The id of an entry's failing samples on the page of its run."""
    return text.slug(f"{suite}/{candidate}")


def suite_path(name: str) -> str:
    """Where the page of a suite is, from the root of the site."""
    return f"suites/{text.slug(name)}.html"


def evidence_path(name: str) -> str:
    """Where the samples of a suite are shown side by side, from the root of the site."""
    return f"evidence/{text.slug(name)}.html"


def run_path(name: str) -> str:
    """Where the page of a run is, from the root of the site."""
    return f"runs/{text.slug(name)}.html"


def _first(entry: EntryLine, cap: int) -> Iterator[FailRow]:
    return islice(iter(entry.failing), cap)


@dataclass(frozen=True, slots=True)
class Board:
    """A suite made ready: rows sorted by the primary metric, those below the line, the charts."""

    page: SuitePage
    primary: Column | None
    columns: tuple[Column, ...]
    unmeasured: tuple[str, ...]
    ranked: tuple[LeaderRow, ...]
    below: tuple[tuple[LeaderRow, str], ...]
    notes: tuple[Note, ...]
    whiskers: chart.Whiskers | None
    scatter: chart.Scatter | None
    slices: tuple[tuple[str, tuple[tuple[Cell | None, chart.Spark | None], ...]], ...]
    slice_names: tuple[str, ...]
    ties: dict[tuple[int, int], int]

    @property
    def top(self) -> LeaderRow | None:
        """The row with the best value, if any row has one."""
        row = self.ranked[0] if self.ranked else None
        return row if row is not None and self.cell(row) is not None else None

    @property
    def leaders(self) -> tuple[LeaderRow, ...]:
        """Everybody who may be first; empty without ranks."""
        return tuple(row for row in self.ranked if row.rank is not None and row.rank[0] == 1)

    @property
    def shrunken(self) -> tuple[LeaderRow, ...]:
        """The rows with a shrunken value, best first."""
        return tuple(row for row in self.ranked if row.shrunken is not None)

    def cell(self, row: LeaderRow) -> Cell | None:
        """The primary metric of a row; None when it has no value."""
        cell = row.metrics.get(self.primary.name) if self.primary is not None else None
        return cell if cell is not None and cell.value is not None else None

    def values(self) -> dict[str, Cell]:
        """Candidate -> its value on the primary metric, for those that have one."""
        found = {row.candidate: self.cell(row) for row in self.ranked}
        return {name: cell for name, cell in found.items() if cell is not None}

    def direction(self) -> str:
        """Which way the primary metric is better, in words."""
        return "higher is better" if self.primary is None or self.primary.higher_is_better else "lower is better"


def _families(boards: Sequence[Board]) -> list[tuple[str, list[Board]]]:
    names = sorted({one.page.family for one in boards})
    return [(name, [one for one in boards if one.page.family == name]) for name in names]


def _shared(boards: Sequence[Board]) -> list[str]:
    """Candidates with a value on at least two suites, those on most suites first."""
    found = Counter(name for one in boards for name in one.values())
    return sorted((name for name, count in found.items() if count > 1), key=lambda name: (-found[name], name))


def board(page: SuitePage) -> Board:
    """Sort a suite's rows and lay out its charts; rows with another signature than most are below the line."""
    primary = next((c for c in page.columns if c.primary), page.columns[0] if page.columns else None)
    measured = {name for row in page.rows for name, cell in row.metrics.items() if cell.value is not None}
    columns = tuple(
        sorted(
            (c for c in page.columns if c is primary or c.name in measured), key=lambda column: column is not primary
        )
    )
    odd = _odd_signatures(page, primary)
    ranked = sorted((r for r in page.rows if r.status == "complete" and r.candidate not in odd), key=_by(primary))
    below = sorted((r for r in page.rows if r not in ranked), key=lambda row: (row.status, row.candidate))
    unit, bounds = (primary.unit, primary.bounds) if primary else ("", (None, None))
    cells = [(r.candidate, r.metrics[primary.name]) for r in ranked if primary and primary.name in r.metrics]
    ties = {rank: place for place, rank in enumerate(sorted({r.rank for r in ranked if r.rank is not None}))}
    tones = {r.candidate: f"t{ties[r.rank] % TONES}" for r in ranked if r.rank is not None}
    costs = {row.candidate: row.usd_per_1000 for row in ranked}
    names = tuple(row.candidate for row in ranked if any(row.candidate in s.cells for s in page.slices))
    table = [[s.cells.get(name) for name in names] for s in page.slices]
    lined = zip(page.slices, table, chart.sparks(table, unit, bounds), strict=True)
    return Board(
        page=page,
        primary=primary,
        columns=columns,
        unmeasured=tuple(column.name for column in page.columns if column not in columns),
        ranked=tuple(ranked),
        below=tuple((row, _why(row)) for row in below),
        notes=page.notes,
        whiskers=chart.whiskers(cells, unit, bounds, tones),
        scatter=chart.scatter([(name, cell, costs[name]) for name, cell in cells], unit, bounds),
        slices=tuple((s.name, tuple(zip(row, drawn, strict=True))) for s, row, drawn in lined),
        slice_names=names,
        ties=ties,
    )


def _by(primary: Column | None) -> Any:
    def key(row: LeaderRow) -> tuple[bool, float, str]:
        cell = row.metrics.get(primary.name) if primary is not None else None
        if primary is None or cell is None or cell.value is None:
            return True, 0.0, row.candidate
        return False, -cell.value if primary.higher_is_better else cell.value, row.candidate

    return key


def _odd_signatures(page: SuitePage, primary: Column | None) -> set[str]:
    if primary is None:
        return set()
    complete = [row for row in page.rows if row.status == "complete" and primary.name in row.metrics]
    found = Counter(row.metrics[primary.name].signature for row in complete)
    usual = min(found, key=lambda signature: (-found[signature], signature), default="")
    return {row.candidate for row in complete if row.metrics[primary.name].signature != usual}


def _why(row: LeaderRow) -> str:
    missing = row.counts.planned - row.counts.answered - row.counts.errored
    if row.status == "skipped":
        return f"skipped: {row.reason or 'no reason given'}"
    if row.status == "incomplete":
        return row.reason or f"{text.counted(missing, 'cell')} of {row.counts.planned:,} missing"
    return "scored under another signature: not comparable until it is scored again"
