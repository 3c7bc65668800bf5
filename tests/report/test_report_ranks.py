"""Ranks on the pages: who may be first, badges of ties, exclusions, shrunken values, and what stands without ranks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from evalkit.report.model import Cell, Ranking
from evalkit.report.site import TONES, board, render_site
from evalkit.report.text import delta_interval, delta_text, p_text, rank_text


def page(site, tmp_path, change=lambda suite: suite) -> str:
    changed = replace(site, suites=(change(site.suites[0]),))
    render_site(changed, tmp_path)
    return (tmp_path / "suites" / "ticket-triage.html").read_text("utf-8")


def test_equal_ranks_share_a_badge_and_leaders_are_named(calm_site, tmp_path):
    text = page(calm_site, tmp_path)
    assert "Who may be first" in text
    assert "3 of 5 candidates" in text
    assert re.findall(r'<span class="rank (t\d)">([^<]+)<', text) == [("t0", "1–3")] * 3 + [("t1", "4"), ("t2", "5")]
    assert "All ranks hold at once with 95 %" in text
    assert "<bdi>mistral-large</bdi> (skipped: no key)." in text
    assert "pulled towards the others" in text
    assert "85.6 %" in text
    assert '<g class="t0">' in text
    overview = (tmp_path / "overview.html").read_text("utf-8")
    assert overview.count('class="rank t0"') == 3


def test_a_certain_first_is_named_first(calm_site, tmp_path):
    def certain(suite):
        first, *others = suite.rows
        rows = (replace(first, rank=(1, 1)), *(replace(r, rank=(2, 5)) if r.rank else r for r in others))
        return replace(suite, rows=rows)

    text = page(calm_site, tmp_path, certain)
    assert "Who is first" in text
    assert "better than the other 4, at 95 %" in text
    assert "Who may be first" not in text


def test_without_ranks_the_order_is_called_an_order(calm_site, tmp_path):
    def unranked(suite):
        rows = tuple(replace(row, rank=None, shrunken=None) for row in suite.rows)
        return replace(suite, rows=rows, ranking=Ranking(5, (), "the scorer cannot be built here"))

    text = page(calm_site, tmp_path, unranked)
    assert "not a tested rank" in text
    assert "No ranks: the scorer cannot be built here." in text
    assert "order is not rank" in text
    assert 'class="rank' not in text
    assert "shrunken values" not in text


def test_more_ties_than_colours_begin_again(calm_site):
    rows = tuple(replace(calm_site.suites[0].rows[0], candidate=f"c{i}", rank=(i + 1, i + 1)) for i in range(TONES + 2))
    made = board(replace(calm_site.suites[0], rows=rows))
    assert len(made.ties) == TONES + 2
    assert made.whiskers.rows[TONES].tone == made.whiskers.rows[0].tone == "t0"


@pytest.mark.parametrize(
    ("given", "told"), [(None, "–"), ((1, 1), "1"), ((2, 4), "2–4")]
)  # fmt: skip
def test_a_rank_is_written_as_an_interval(given, told):
    assert rank_text(given) == told


def test_differences_are_written_with_their_sign():
    cell = Cell(0.023, -0.004, 0.05)
    assert (delta_text(cell, "%"), delta_interval(cell, "%")) == ("+2.3 points", "[−0.4, +5.0]")
    assert delta_text(Cell(-0.5), "s") == "−0.500 s"
    assert delta_text(Cell(0.0), "%") == "0.0 points"
    assert delta_text(Cell(None), "") == "undefined"
    assert delta_interval(Cell(0.1), "%") == ""


@pytest.mark.parametrize(
    ("p", "told"), [(None, "–"), (0.00001, "< 0.0001"), (0.0123, "0.012"), (0.5, "0.50"), (1.0, "1.00")]
)
def test_a_p_value_is_written_short(p, told):
    assert p_text(p) == told
