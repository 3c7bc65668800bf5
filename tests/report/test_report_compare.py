"""The page of a comparison: what it says, what it marks, its charts, hostile text, a real browser."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.report.compare import ChangedSample, ComparePage, CompareRow, CompareSide, delta_charts, render_compare
from evalkit.report.diff import word_diff
from evalkit.report.model import Counts, Note, PromptDiff

sys.path.insert(0, str(Path(__file__).parent))
from browsing import context, inspect_page, opened

COUNTS = Counts(200, 198, 2, 1, 197, 20)
ROWS = (
    CompareRow("accuracy", "", 0.82, 0.865, 0.045, 0.011, 0.079, 0.0123, 0.0369, 15, 6, 179, 200, 200, "tango", "%",
               margin=0.02, outcome="pass", reason="the lower bound is above the margin", mde=0.031, exploratory=False),
    CompareRow("accuracy", "lang:de", 0.8, 0.71, -0.09, -0.16, -0.02, 0.01, 0.02, 2, 11, 40, 53, 50, "cluster-t", "%",
               margin=0.05, outcome="regression", exploratory=False),
    CompareRow("wer", "", 0.112, 0.104, -0.008, -0.02, 0.004, 0.2, 0.4, 40, 31, 129, 200, 200, "bootstrap-bca", "",
               higher_is_better=False, margin=0.01),
    CompareRow("cost", "", 0.0021, 0.0009, -0.0012, None, None, None, None, 0, 0, 200, 200, 200, "", "usd", higher_is_better=False),
    CompareRow("auc", "", 0.8, None),
)  # fmt: skip


def page(hostile: str = "", **more) -> ComparePage:
    changed = (
        ChangedSample("t-017", 1.0, 0.0, 'The queue is "access", urgently.', 'The queue is "billing", urgently.', "expected access",
                      ("lang:de",), {"ticket": "Niemand kommt ins Lager."}, "access", better=False),
        ChangedSample("t-044", 0.0, 1.0, {"queue": "billing"}, {"queue": "access"}, better=True, stable=False, quarantined=True),
        ChangedSample("t-050", None, 1.0, None, "yes", link="../runs/x.html#a"),
    )  # fmt: skip
    if hostile:
        changed += (ChangedSample(hostile, 0.0, 1.0, hostile, hostile + "x", hostile, (hostile,), hostile, hostile),)
    made = ComparePage(
        "haiku v2 against haiku v1", "ticket-triage",
        CompareSide("main", "haiku:v1", "20261122-1405-k3f9", "3f2c1ab", "2026-11-22", "ab12cd34", COUNTS),
        CompareSide("HEAD", "haiku:v2", "20261123-0905-aaaa", "77aa01b", "2026-11-23", "cd34ab12", COUNTS),
        ROWS, "pass: accuracy rises by 4.5 points", "good", changed, 21, "accuracy",
        (PromptDiff("triage", "v1", "v2", "Answer.\n", "Answer with JSON.\n"),), (Note("2 samples are only in main"),),
        "select 1", (("seed", "0"),), "as of 2026-11-23", "0.1.0",
    )  # fmt: skip
    return replace(made, **more)


def written(tmp_path, made: ComparePage) -> str:
    out = render_compare(made, tmp_path / "deep" / "compare.html")
    assert out == tmp_path / "deep" / "compare.html"
    return out.read_text("utf-8")


def test_numbers_margins_outcomes_and_evidence_stand_on_the_page(tmp_path):
    text = written(tmp_path, page())
    for told in (
        "pass: accuracy rises by 4.5 points",
        "+4.5 points",
        "[+1.1, +7.9]",
        "−0.008",
        "0.012",
        "0.037",
        "could see 3.1 %",
        "in 50 clusters",
        "exploratory",
        "3 of 21 samples",
        "quarantined",
        "differs between repeats",
        "2 samples are only in main",
        'href="../runs/x.html#a"',
        "no score → 1",
    ):
        assert told in text, told
    assert 'class="chip bad">regression' in text
    assert "<del>access</del>" in text
    assert "<ins>billing</ins>" in text


def test_the_same_page_gives_the_same_bytes_and_fetches_nothing(tmp_path):
    first = written(tmp_path, page())
    assert written(tmp_path, page()) == first
    assert not re.findall(r"(?:src|href)=\"https?:", first)


def test_an_empty_comparison_says_so(tmp_path):
    text = written(
        tmp_path, page(rows=(), changed=(), changed_total=0, verdict="", diffs=(), notes=(), sql="", facts=())
    )
    assert "share no metric" in text
    assert "No sample&#39;s score moved." in text
    assert "None is shown." in written(tmp_path, page(changed=()))
    assert "Derive" not in text


def test_charts_put_one_unit_and_one_direction_on_an_axis():
    charts = delta_charts(ROWS)
    assert [one.title for one in charts] == ["shares, higher is better", "wer", "cost"]
    assert [one.better for one in charts] == ["right", "left", "left"]
    assert [one.limited for one in charts] == [True, True, False]
    shares, wer, cost = (one.whiskers for one in charts)
    first, second = shares.rows
    assert (first.tone, second.tone) == ("good", "bad")
    assert first.limits[0] < shares.zero < first.low < first.at < first.high
    assert second.limits[0] < first.limits[0]
    assert wer.zero < wer.rows[0].limits[0], "lower is better: the margin is above zero"
    assert wer.rows[0].tone == ""
    assert cost.rows[0].low is None
    assert next(tick.text for tick in shares.axis) == "\u221220"


def test_a_difference_of_zero_is_drawn_at_zero():
    (one,) = delta_charts([CompareRow("accuracy", "", 0.5, 0.5, 0.0, 0.0, 0.0, unit="%")])
    assert one.whiskers.rows[0].at == one.whiskers.zero
    assert delta_charts([CompareRow("auc")]) == []


@pytest.mark.parametrize(
    ("before", "after", "left", "right"),
    [
        ("a b c", "a x c", [(False, "a "), (True, "b"), (False, " c")], [(False, "a "), (True, "x"), (False, " c")]),
        ("same", "same", [(False, "same")], [(False, "same")]),
        ("", "new", [], [(True, "new")]),
    ],
)
def test_words_that_differ_are_marked(before, after, left, right):
    found = word_diff(before, after)
    assert [[(span.changed, span.text) for span in side] for side in found] == [left, right]


def test_long_texts_are_shown_unmarked_and_bounded():
    left, right = word_diff("word " * 2000, "other " * 2000)
    assert [span.changed for span in left + right] == [False, False]
    assert len(left[0].text) < 9_000


def test_hostile_text_stays_text_in_a_real_browser(browser, tmp_path, hostile_text):
    made = page(
        hostile_text,
        title=hostile_text,
        suite=hostile_text,
        verdict=hostile_text,
        sql=hostile_text,
        facts=((hostile_text, hostile_text),),
        notes=(Note(hostile_text),),
        rows=(*ROWS, CompareRow(hostile_text, hostile_text, 0.1, 0.2, 0.1, 0.0, 0.2, reason=hostile_text, method=hostile_text)),
        base=CompareSide(hostile_text, hostile_text, hostile_text, hostile_text, hostile_text, hostile_text),
    )  # fmt: skip
    inspect_page(browser, render_compare(made, tmp_path / "hostile.html"))


def test_the_page_in_a_real_browser(browser, tmp_path):
    path = render_compare(page(), tmp_path / "compare.html")
    inspect_page(browser, path)
    made, trouble = context(browser)
    shown = opened(made, tmp_path, "compare.html")
    assert shown.get_by_role("img", name="Differences: shares, higher is better").is_visible()
    box = shown.get_by_role("searchbox")
    box.fill("worse lang:de")
    assert shown.locator("details.fail:visible").count() == 1
    shown.get_by_role("button", name="Difference").click()
    assert shown.locator("table.deltas tbody th bdi").first.text_content() == "accuracy"
    made.close()
    assert trouble == []


def test_a_line_diff_is_bounded_and_shows_gaps():
    from evalkit.report.diff import diff_lines

    same = "\n".join(f"line {i}" for i in range(40))
    found = diff_lines(PromptDiff("p", "a", "b", same, same.replace("line 20", "line twenty")))
    assert [line.kind for line in found][:2] == ["gap", "same"]
    assert {"removed", "added"} <= {line.kind for line in found}
    long = diff_lines(PromptDiff("p", "a", "b", "", "\n".join(map(str, range(900)))))
    assert len(long) == 401
    assert long[-1].text.endswith("more lines")
