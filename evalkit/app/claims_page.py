"""The page of a claims file."""

from __future__ import annotations

from pathlib import Path

from evalkit import __version__
from evalkit.app.claim_tests import Tested
from evalkit.app.claims import Checked
from evalkit.app.sensitivity import Panel
from evalkit.gate.rules import is_share
from evalkit.report.claims import ClaimRow, ClaimsPage, PanelRow, PanelView, PointRow, render_claims
from evalkit.report.model import Cell, Column, Note


def write_page(checked: Checked, title: str, out: Path) -> Path:
    """Write the HTML page; returns its path. Raises OSError."""
    return render_claims(page_of(checked, title), out)


def page_of(checked: Checked, title: str) -> ClaimsPage:
    """What the page shows."""
    notes = tuple(Note(f"no panel of {metric} on {suite}: {why}", "info") for suite, metric, why in checked.unpanelled)
    return ClaimsPage(
        title=title,
        rows=tuple(_row(one) for one in checked.tested),
        panels=tuple(_panel(one) for one in checked.panels),
        notes=notes,
        generated=checked.generated,
        version=__version__,
    )


def title_of(one: Tested) -> str:
    """A claim in words."""
    claim = one.stated.claim
    where = f" on {claim.slice}" if claim.slice else ""
    if claim.beats is not None:
        by = f" by {claim.by:g}" if claim.by else ""
        return f"{claim.who} beats {claim.beats}{by}{where}"
    stated = claim.protocol
    how = [text for text in (stated.normaliser, stated.extraction) if text] if stated is not None else []
    return f"{claim.who}: {claim.metric} {claim.value:g}{where}" + (f" ({', '.join(how)})" if how else "")


def _row(one: Tested) -> ClaimRow:
    claim = one.stated.claim
    up = one.metric is None or one.metric.higher_is_better
    unit = "%" if one.share else one.metric.unit if one.metric is not None else ""
    ranks = claim.beats is not None
    limits: tuple[float, ...] = (-one.tolerance, one.tolerance) if one.tolerance else ()
    if ranks and limits:
        limits = limits[1:] if up else limits[:1]
    claimed = Cell(one.other if ranks else claim.value)
    if claim.interval is not None:
        claimed = Cell(claim.value, *claim.interval)
    return ClaimRow(
        title=title_of(one),
        suite=str(claim.suite),
        metric=str(claim.metric),
        verdict=one.verdict,
        reason=one.reason,
        ranks=ranks,
        column=Column(str(claim.metric), unit, up),
        own=Cell(one.own, one.low, one.high, None, one.method, one.n, one.groups),
        claimed=claimed,
        delta=Cell(one.delta, one.delta_low, one.delta_high),
        limits=limits,
        p=one.p_against_adjusted,
        p_confirm=one.p_for_adjusted,
        mde=one.mde,
        needed=one.needed,
        rescored=one.rescored,
        points=tuple(PointRow(p.name, p.claimed or "", p.own, p.state) for p in one.points),
        signals=tuple(f"{s.kind}: {s.name} gives {s.value:.4g}" for s in one.signals),
        source=claim.source or "",
        date=claim.date or "",
        description=claim.description,
    )


def _panel(panel: Panel) -> PanelView:
    names = tuple(panel.variants[0].values)
    rows = tuple(
        PanelRow(
            one.kind, one.name, one.own, tuple(one.values.get(name) for name in names),
            tuple(f"{flip.better} above {flip.worse}" for flip in panel.flips if flip.variant == one.name),
        )
        for one in panel.variants
    )  # fmt: skip
    metric = panel.metric
    column = Column(metric.name, "%" if is_share(metric) else metric.unit, metric.higher_is_better)
    return PanelView(panel.suite, column, names, rows, tuple(panel.spread(name) for name in names), panel.note)
