"""The report in a real browser, opened from disk: quiet, offline, narrow, dark, by keyboard, with hostile text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evalkit.report.site import render_site

sys.path.insert(0, str(Path(__file__).parent))
from browsing import CONTRAST, context, opened, serious

PAGES = ("index.html", "suites/ticket-triage.html", "suites/diabetes.html", "runs/20261122-1405-k3f9.html")


@pytest.fixture
def folder(site, tmp_path):
    render_site(site, tmp_path)
    return tmp_path


def test_every_page_is_quiet_offline_and_runs_nothing_hostile(browser, folder):
    made, trouble = context(browser)
    for path in sorted(folder.rglob("*.html")):
        page = opened(made, folder, path.relative_to(folder).as_posix())
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert page.evaluate("window.hacked") is None, path.name
        assert page.locator("body").is_visible()
        assert page.locator("img:not([src^='../media/']), iframe, object, embed, base").count() == 0
        page.close()
    made.close()
    assert trouble == []


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_no_page_scrolls_sideways(browser, folder, width):
    made, _ = context(browser, viewport={"width": width, "height": 844})
    for path in sorted(folder.rglob("*.html")):
        page = opened(made, folder, path.relative_to(folder).as_posix())
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
        page.close()
    made.close()


def test_the_keyboard_reaches_toggle_tables_and_details(browser, folder):
    made, _ = context(browser)
    page = opened(made, folder, "suites/ticket-triage.html")
    reached = []
    for _ in range(45):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
    assert reached[0] == "skip"
    assert "theme" in reached
    assert "scroll" in reached
    assert "SUMMARY" in reached
    page.locator("summary", has_text="Derive the headline").focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("from leaderboard").is_visible()
    made.close()


def test_the_toggle_switches_and_is_remembered_on_the_next_page(browser, folder):
    made, _ = context(browser, color_scheme="light")
    page = opened(made, folder, "index.html")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    assert page.locator("#theme").get_attribute("aria-label") == "Switch to light colours"
    page.locator(".panel h2 a").first.click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after
    made.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_text_has_contrast_in_both_schemes(browser, folder, name, scheme):
    made, _ = context(browser, color_scheme=scheme)
    page = opened(made, folder, name)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    *worst, (checked, _) = page.evaluate(CONTRAST)
    made.close()
    assert checked > 20
    assert worst[0][0] >= 4.5, worst


def test_columns_sort_by_value_and_empty_cells_stay_last(browser, folder):
    made, _ = context(browser)
    page = opened(made, folder, "suites/ticket-triage.html")
    names = page.locator("table.board tbody th bdi")
    assert names.first.text_content() == "claude-haiku · v2 prompt"
    button = page.get_by_role("button", name="Cost per 1,000")
    button.click()
    assert names.first.text_content() == "claude-haiku · v2 prompt"
    assert names.last.text_content() == "smollm2-135m (local)"
    button.click()
    assert names.first.text_content() == "tfidf + logistic regression"
    assert names.last.text_content() == "smollm2-135m (local)"
    assert page.locator("th[aria-sort=ascending]").count() == 1
    made.close()


def test_failing_samples_are_filtered_by_words(browser, folder):
    made, _ = context(browser)
    page = opened(made, folder, "runs/20261122-1405-k3f9.html")
    shown = page.locator("details.fail:visible")
    whole = shown.count()
    page.get_by_role("searchbox").fill("lang:de lager")
    assert shown.count() == 1
    assert page.locator("form.filter output").text_content() == f"1 of {whole}"
    page.get_by_role("searchbox").fill("")
    assert shown.count() == whole
    made.close()


def test_without_scripts_the_page_is_complete(browser, folder):
    made, trouble = context(browser, java_script_enabled=False)
    page = opened(made, folder, "suites/ticket-triage.html")
    assert page.locator("#theme").is_hidden()
    assert page.get_by_role("cell", name="87.3 % [82.0, 92.7]").is_visible()
    page.locator("summary", has_text="Data card").click()
    assert page.get_by_text("CC0-1.0").is_visible()
    made.close()
    assert trouble == []


def test_charts_have_titles_and_descriptions(browser, folder):
    made, _ = context(browser)
    page = opened(made, folder, "suites/ticket-triage.html")
    assert page.get_by_role("img", name="accuracy on ticket-triage").count() == 2
    chart = page.locator("figure.chart svg").first
    assert "gpt-mini: 82.0 % [75.9, 88.1]." in chart.locator("desc").text_content()
    boxes = chart.locator("text:visible").evaluate_all("all => all.map(t => t.getBoundingClientRect().toJSON())")
    frame = chart.bounding_box()
    assert all(frame["x"] - 2 <= box["left"] and box["right"] <= frame["x"] + frame["width"] + 2 for box in boxes)
    made.close()


def test_pictures_and_recordings_are_there(browser, folder):
    made, trouble = context(browser)
    page = opened(made, folder, "evidence/ticket-triage.html")
    picture = page.locator("img").first
    picture.scroll_into_view_if_needed()
    page.wait_for_function("document.images[0].complete")
    assert picture.evaluate("image => image.naturalWidth") == 640
    assert "Input: image/png aaaaaaaa, 640 by 20 pixels" in picture.get_attribute("alt")
    assert page.locator("audio").first.evaluate("a => new Promise(r => { a.onloadedmetadata = () => r(a.duration); a.load(); a.preload = 'auto' })") == pytest.approx(0.1, abs=0.02)  # fmt: skip
    assert page.locator("details.fail[open]").count() == 1
    made.close()
    assert trouble == []


def test_the_overview_leads_to_the_evidence(browser, folder):
    made, _ = context(browser)
    page = opened(made, folder, "index.html")
    page.get_by_role("link", name="All candidates of all suites").click()
    assert page.get_by_role("cell", name="87.3 % [82.0, 92.7]").first.is_visible()
    page.locator("a[href='evidence/ticket-triage.html']").first.click()
    assert "Evidence" in page.title()
    made.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(browser, folder, scheme, width):
    made, _ = context(browser, color_scheme=scheme, viewport={"width": width, "height": 844}, bypass_csp=True)
    found = {}
    for path in sorted(folder.rglob("*.html")):
        page = opened(made, folder, path.relative_to(folder).as_posix())
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        if trouble := serious(page):
            found[path.name] = trouble
        page.close()
    made.close()
    assert found == {}
