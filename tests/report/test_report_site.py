"""The files of a rendered site: content, order, inertness, determinism, bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from evalkit.report.diff import diff_lines
from evalkit.report.model import (
    Cell,
    Column,
    Counts,
    EntryLine,
    FailRow,
    LeaderRow,
    PromptDiff,
    RunPage,
    ScoreLine,
    Site,
    SuitePage,
)
from evalkit.report.site import board, render_site


def files(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.html"))}


def read(folder, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def page(*rows: LeaderRow, higher: bool = True, **more) -> SuitePage:
    return SuitePage("s", "f", (Column("m", "", higher_is_better=higher, primary=True),), rows, **more)


def row(name: str, value: float | None, **more) -> LeaderRow:
    return LeaderRow(
        name, counts=Counts(4, 4, 0, 0, 4, 0), metrics={"m": Cell(value, signature=more.pop("signature", "x"))}, **more
    )


def test_the_same_rows_give_the_same_bytes(site, tmp_path):
    assert render_site(site, tmp_path / "a") == tmp_path / "a" / "index.html"
    render_site(site, tmp_path / "b")
    first, second = files(tmp_path / "a"), files(tmp_path / "b")
    assert first == second
    assert len(first) == 10
    assert {"index.html", "suites/ticket-triage.html", "suites/diabetes.html", "runs/20261122-1405-k3f9.html"} <= set(
        first
    )


def test_rendering_again_over_an_old_report_replaces_it(calm_site, tmp_path):
    render_site(calm_site, tmp_path)
    once = files(tmp_path)
    render_site(calm_site, tmp_path)
    assert files(tmp_path) == once


def test_every_link_leads_to_a_file_and_an_anchor(site, tmp_path):
    render_site(site, tmp_path)
    links = 0
    for path in tmp_path.rglob("*.html"):
        for target in re.findall(r'href="([^"]*)"', path.read_text(encoding="utf-8")):
            file, _, anchor = target.partition("#")
            linked = (path.parent / file).resolve() if file else path
            assert linked.is_file(), target
            assert not anchor or f'id="{anchor}"' in linked.read_text(encoding="utf-8"), target
            links += 1
    assert links > 20


def test_the_suite_page_answers_the_questions_of_a_reviewer(calm_site, tmp_path):
    render_site(calm_site, tmp_path)
    text = read(tmp_path, "suites/ticket-triage.html")
    for expected in (
        "87.3 %", "[82.0, 92.7]", "n=150 · 3 errored · 2 unscorable", "89.1 % with errors dropped", "$1.24", "p95 1.97 s",
        "unknown", "13 % cached", "89 cells of 150 missing", "skipped: no key: set MISTRAL_API_KEY in .env", "gates: not judged",
        "lang:de", "wilson, n=150", "from leaderboard", "CC0-1.0", "<ins>Use only the queues listed.</ins>",
    ):  # fmt: skip
        assert expected in text, expected


def test_the_run_page_shows_what_failed_and_why(calm_site, tmp_path):
    render_site(calm_site, tmp_path)
    text = read(tmp_path, "runs/20261122-1405-k3f9.html")
    for expected in (
        "Lager-System", "expected &#39;access&#39;, got &#39;billing&#39;", "timeout", "no answer within 60 s", "Reasoning", "Prompt, 2 messages",
        "Trace, 2 steps", "cut: 8,000 of 1,000,000 characters shown", "50 of 2,345 failing samples shown", "3f2c1ab (main)", "input_tokens 412",
        "errored, counts as 0", "No failing sample.",
    ):  # fmt: skip
        assert expected in text, expected


def test_hostile_text_is_inert_everywhere(site, tmp_path):
    render_site(site, tmp_path)
    for name, content in files(tmp_path).items():
        text = content.decode("utf-8")
        assert text.count("<script") == 1, name
        assert text.count("<style") == 1, name
        assert not re.search(r"<img (?!src=.\.\./media/[0-9a-f]{64}\.png)", text), name
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text), name
        assert not re.search(r'(?:href|src)="(?!\.\./|#|index|overview|evidence|suites|runs|media)', text), name
        assert not re.search(r"<[^>]*\son\w+\s*=", re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)), name
        assert "49" not in re.findall(r"\{\{ (\d+) \}\}", text)
    assert "⟦ESC⟧[31mred" in read(tmp_path, "index.html")
    assert "{{ 7*7 }}" in read(tmp_path, "index.html")


def test_every_page_forbids_what_it_does_not_carry(calm_site, tmp_path):
    render_site(calm_site, tmp_path)
    for content in files(tmp_path).values():
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', content.decode("utf-8"))[1]
        assert policy.startswith(
            "default-src &#39;none&#39;" if "&#39;" in policy.split(";")[0] else "default-src 'none'"
        )
        assert "unsafe" not in policy
        assert b"http://" not in content.replace(b"http://www.w3.org", b"")


def test_rows_are_sorted_by_the_primary_metric_in_its_direction():
    rows = (row("b", 0.5), row("a", 0.5), row("best", 0.9), row("none", None), row("worst", 0.1))
    assert [r.candidate for r in board(page(*rows)).ranked] == ["best", "a", "b", "worst", "none"]
    assert [r.candidate for r in board(page(*rows, higher=False)).ranked] == ["worst", "a", "b", "best", "none"]
    assert board(page(*rows, higher=False)).direction() == "lower is better"


def test_missing_cells_skips_and_other_signatures_are_below_the_line():
    rows = (
        row("fine", 0.5), row("fine too", 0.4), row("other", 0.9, signature="y"),
        LeaderRow("short", status="incomplete", counts=Counts(4, 3, 0, 0, 3, 0), metrics={"m": Cell(0.9)}),
        LeaderRow("told", status="incomplete", reason="stopped by its budget"), LeaderRow("gone", status="skipped"),
    )  # fmt: skip
    made = board(page(*rows))
    assert [r.candidate for r in made.ranked] == ["fine", "fine too"]
    assert {r.candidate: why for r, why in made.below} == {
        "other": "scored under another signature: not comparable until it is scored again",
        "short": "1 cell of 4 missing",
        "told": "stopped by its budget",
        "gone": "skipped: no reason given",
    }


def test_a_suite_without_metrics_rows_or_values_still_has_a_page(tmp_path):
    bare = SuitePage("bare", "generalist", (), (LeaderRow("x", counts=Counts(1, 1, 0, 0, 1, 0)),))
    undefined = replace(page(row("u", None)), name="undefined")
    empty = replace(page(), name="empty")
    render_site(Site("t", "now", "0", (bare, undefined, empty)), tmp_path)
    assert "No candidate has all its cells." in read(tmp_path, "suites/empty.html")
    assert "undefined" in read(tmp_path, "suites/undefined.html")
    assert board(bare).top is None
    assert board(undefined).top is None
    assert "No candidate has a value to show." in read(tmp_path, "index.html")


def test_an_empty_site_says_what_to_do(tmp_path):
    render_site(Site("t", "now", "0"), tmp_path)
    assert "evalkit run" in read(tmp_path, "index.html")


def test_failing_samples_are_read_only_as_far_as_they_are_shown(tmp_path):
    taken = []

    def endless() -> Iterator[FailRow]:
        while True:
            taken.append(len(taken))
            yield FailRow(f"s{len(taken)}", output="x")

    entries = tuple(EntryLine("s", f"c{i}", failing=endless(), failing_total=100_000) for i in range(2))
    render_site(Site("t", "now", "0", runs=(RunPage("r", entries=entries),)), tmp_path, failing_cap=60)
    assert len(taken) == 60
    assert read(tmp_path, "runs/r.html").count('class="fail"') == 60
    assert "30 of 100,000 failing samples shown" in read(tmp_path, "runs/r.html")


def test_failing_samples_that_cannot_be_shown_are_still_counted(tmp_path):
    entries = (EntryLine("s", "c", failing_total=3),)
    render_site(Site("t", "now", "0", runs=(RunPage("r", entries=entries),)), tmp_path)
    assert "Shown: none of 3 failing samples." in read(tmp_path, "runs/r.html")


def test_diffs_show_context_and_are_cut():
    lines = diff_lines(PromptDiff("d", "a", "b", "\n".join("0123456789"), "\n".join("01234x6789")))
    assert [(line.kind, line.text) for line in lines] == [
        ("gap", "⋯"), ("same", "2"), ("same", "3"), ("same", "4"), ("removed", "5"), ("added", "x"), ("same", "6"), ("same", "7"), ("same", "8"),
    ]  # fmt: skip
    assert diff_lines(PromptDiff("d", "a", "b", "same", "same")) == []
    long = diff_lines(PromptDiff("d", "a", "b", "\n".join(f"a{i}" for i in range(600)), "x"))
    assert len(long) == 401
    assert long[-1].text == "… 201 more lines"
    parted = diff_lines(
        PromptDiff(
            "d", "a", "b", "\n".join(map(str, range(40))), "\n".join("x" if i in (1, 30) else str(i) for i in range(40))
        )
    )
    assert [line.kind for line in parted].count("gap") == 1


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        render_site(Site("t", "now", "0"), tmp_path / "file")


def test_ids_are_unique_on_every_page(site, tmp_path):
    render_site(site, tmp_path)
    for name, content in files(tmp_path).items():
        ids = re.findall(rb'\sid="([^"]*)"', content)
        assert len(ids) == len(set(ids)), name


def test_a_score_of_parts_only_shows_a_dash_and_why(tmp_path):
    told = (ScoreLine("wer", "scored", None, None), ScoreLine("auc", "unscorable", None, 0.0, reason="no number"))
    entry = EntryLine("s", "c", failing=[FailRow("s1", output="x", scores=told)], failing_total=1)
    render_site(Site("t", "now", "0", runs=(RunPage("r", entries=(entry,)),)), tmp_path)
    shown = read(tmp_path, "runs/r.html")
    assert "wer –</span>" in shown
    assert '<td class="num">–</td>' in shown
    assert "no value of its own: it counts in the sum over all samples" in shown
    assert "unscorable, counts as 0" in shown
    assert "no number" in shown
    assert not re.search(r">\s*(wer )?scored<", shown)
