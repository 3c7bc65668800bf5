"""The page of claims: verdicts, charts, protocols, the panel of other ways of scoring, and a real browser."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from evalkit.report.claims import ClaimRow, ClaimsPage, PanelRow, PanelView, PointRow, claim_charts, render_claims
from evalkit.report.model import Cell, Column, Note

sys.path.insert(0, str(Path(__file__).parent))
from browsing import context, inspect_page, opened

SHARE = Column("accuracy", "%", primary=True)
POINTS = (
    PointRow("prompt", "", "triage (aa11bb22)", "unstated"),
    PointRow("shots", "5", "0", "differs"),
    PointRow("repeats", "1", "1", "same"),
)
ROWS = (
    ClaimRow("haiku: accuracy 0.91", "tickets", "accuracy", "contradicted", "excluded: the data show less than is claimed", column=SHARE,
             own=Cell(0.82, 0.76, 0.87, None, "wilson", 200, 200), claimed=Cell(0.91, 0.89, 0.93), delta=Cell(-0.09, -0.15, -0.04),
             limits=(-0.02, 0.02), p=0.0004, p_confirm=1.0, mde=0.08, needed=3120, points=POINTS, signals=("slice: lang:en gives 0.905",),
             source="https://example.com/card", date="2026-03-01", description="From the model card."),
    ClaimRow("haiku beats mini", "tickets", "accuracy", "confirmed", "better on the same samples", ranks=True, column=SHARE,
             own=Cell(0.82, None, None, None, "tango", 200, 200), claimed=Cell(0.71), delta=Cell(0.11, 0.05, 0.17), p=1.0, p_confirm=0.0001, rescored=True),
    ClaimRow("x: wer 0.05", "speech", "wer", "consistent", "inside the interval", column=Column("wer", "", higher_is_better=False),
             own=Cell(0.06, 0.04, 0.08, n=90, groups=20), claimed=Cell(0.05), delta=Cell(0.01, -0.01, 0.03), limits=(-0.001, 0.001), p=0.4, p_confirm=0.6),
    ClaimRow("y: accuracy 0.9", "tickets", "accuracy", "not testable", "no entry: 'y' was never asked", claimed=Cell(0.9)),
)  # fmt: skip
PANEL = PanelView(
    "tickets", SHARE, ("haiku", "mini"),
    (PanelRow("own", "as the suite scores", True, (0.82, 0.71)), PanelRow("extraction", "last_line", False, (0.6, 0.7), ("mini above haiku",)),
     PanelRow("extraction", "boxed", False, (None, 0.0))),
    ((0.6, 0.82), None), "2 candidates are left out",
)  # fmt: skip


def made(tmp_path, **more) -> Path:
    page = ClaimsPage("claims of a vendor", ROWS, (PANEL,), (Note("no panel of wer"),), "after run r", "0.1.0")
    return render_claims(replace(page, **more), tmp_path / "claims.html")


def test_verdicts_numbers_protocols_and_panels_stand_on_the_page(tmp_path):
    text = made(tmp_path).read_text("utf-8")
    for told in (
        "4 claims tested on own data",
        '<span class="chip bad">1 contradicted</span>',
        "−9.0 points",
        "0.0004",
        "slice: lang:en gives 0.905",
        "1 of 3 points differ, 1 are not stated",
        "about 3,120 samples",
        "no model was asked",
        "mini above haiku",
        "60.0 % to 82.0 %",
        "undefined",
        "no panel of wer",
        "no entry: &#39;y&#39; was never asked",
    ):
        assert told in text, told
    assert made(tmp_path).read_text("utf-8") == text


def test_charts_keep_claims_of_rank_and_units_apart(tmp_path):
    page = ClaimsPage("c", ROWS)
    charts = claim_charts(page)
    assert [title for title, _ in charts] == [
        "Own value minus claimed: shares",
        "Lead over the other: shares",
        "Own value minus claimed: wer",
    ]
    first = charts[0][1]
    low, high = first.rows[0].limits
    assert first.rows[0].high < low < first.zero < high
    assert first.rows[0].tone == "bad"
    assert page.tally == (
        ("confirmed", 1, "good"),
        ("contradicted", 1, "bad"),
        ("consistent", 1, ""),
        ("not testable", 1, "warn"),
    )


def test_without_a_test_there_is_no_chart(tmp_path):
    text = made(tmp_path, rows=ROWS[3:], panels=()).read_text("utf-8")
    assert "<svg" not in text
    assert "Other ways of scoring" not in text


def test_hostile_text_stays_text_in_a_real_browser(browser, tmp_path, hostile_text):
    bad = replace(
        ROWS[0], title=hostile_text, suite=hostile_text, metric=hostile_text, reason=hostile_text, signals=(hostile_text,),
        source=hostile_text, date=hostile_text, description=hostile_text, points=(PointRow(hostile_text, hostile_text, hostile_text, "differs"),),
    )  # fmt: skip
    panel = replace(
        PANEL,
        suite=hostile_text,
        note=hostile_text,
        candidates=(hostile_text, "b"),
        rows=(PanelRow(hostile_text, hostile_text, False, (0.1, 0.2), (hostile_text,)),),
    )
    inspect_page(
        browser, made(tmp_path, rows=(bad, *ROWS), panels=(panel,), title=hostile_text, notes=(Note(hostile_text),))
    )


def test_the_page_in_a_real_browser(browser, tmp_path):
    path = made(tmp_path)
    inspect_page(browser, path)
    page_context, trouble = context(browser)
    page = opened(page_context, tmp_path, "claims.html")
    page.get_by_role("link", name="haiku beats mini").click()
    assert page.url.endswith("#claim-2")
    assert page.locator("details[open]").count() == 1
    page_context.close()
    assert trouble == []
