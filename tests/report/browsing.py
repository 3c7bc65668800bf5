"""Pages in a real browser: what they complain of, what they ask for, contrast, what axe finds."""

from __future__ import annotations

import re
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

OPEN_ALL = "document.querySelectorAll('details').forEach(d => { d.open = true })"
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const behind = (node) => { for (; node; node = node.parentElement) { const c = rgb(getComputedStyle(node).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255, 255]; };
  const found = [];
  for (const node of document.querySelectorAll('h1, h2, p, a, td, th, dt, dd, small, summary, .chip, .counts, .interval, .dropped, .muted, text')) {
    if (!node.textContent.trim() || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const front = light(rgb(node instanceof SVGElement ? style.fill : style.color));
    const back = light(behind(node instanceof SVGElement ? node.closest('figure') || node.parentElement : node));
    const ratio = (Math.max(front, back) + .05) / (Math.min(front, back) + .05);
    found.push([ratio, node.tagName + '.' + (node.getAttribute('class') || '') + ' ' + node.textContent.trim().slice(0, 30)]);
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, 3).concat([[found.length, 'checked']]);
}"""


def context(browser: Browser, **options) -> tuple[BrowserContext, list[str]]:
    """A fresh context and everything it complained about or asked for besides the pages themselves."""
    made, trouble = browser.new_context(**options), []
    made.on("console", lambda message: trouble.append(f"console: {message.text}"))
    made.on("weberror", lambda error: trouble.append(f"error: {error.error}"))
    made.on("request", lambda request: _of_the_report(request) or trouble.append(f"request: {request.url[:200]}"))
    made.on("dialog", lambda dialog: (trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    return made, trouble


def _of_the_report(request) -> bool:
    return (
        request.is_navigation_request() or re.fullmatch(r"file:///.*/media/[0-9a-f]{64}\.\w+", request.url) is not None
    )


def opened(made: BrowserContext, folder, name: str) -> Page:
    page = made.new_page()
    page.goto((folder / name).as_uri())
    return page


def serious(page: Page) -> list[tuple[str, str]]:
    """What axe calls serious or critical: rule and the beginning of the element."""
    found = Axe().run(page).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:160]) for v in found if v["impact"] in ("serious", "critical")]


def inspect_page(browser: Browser, path: Path) -> None:
    """A single page at two widths, light and dark: quiet, offline, inert, nothing sideways, contrast, axe."""
    for width, scheme in ((390, "light"), (390, "dark"), (1280, "light")):
        made, trouble = context(browser, color_scheme=scheme, viewport={"width": width, "height": 844}, bypass_csp=True)
        page = opened(made, path.parent, path.name)
        page.evaluate(OPEN_ALL)
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, scheme)
        *worst, (checked, _) = page.evaluate(CONTRAST)
        assert checked > 20
        assert worst[0][0] >= 4.5, (scheme, worst)
        assert serious(page) == [], (width, scheme)
        made.close()
        assert trouble == []
