"""Tables, dialogs and dashboards, and the answers to questions about them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from documents_canvas import Drawn, Page

Spec = dict[str, Any]
LAMPS = {"green": "#2e9e4f", "amber": "#f0a818", "red": "#cf2b2b"}
UNITS = ("m/s", "°C", "bar", "MB", "kWh", "MW")
THEMES = (
    ("#ffffff", "#16181d", "#e4e8ee", "#2458b8"),
    ("#f4f1ea", "#22201c", "#ddd5c4", "#7a4b12"),
    ("#1d2229", "#e8ebf0", "#343c47", "#5b96e6"),
)
"""Paper, ink, header and accent; the last one is dark."""


def themed(width: int, height: int, rng: random.Random) -> tuple[Page, tuple[str, str]]:
    """An empty screen, and its header and accent colours."""
    paper, ink, header, accent = rng.choice(THEMES)
    page = Page.blank(width, height, rng.choice(("sans", "grotesque", "narrow")), paper=paper, ink=ink)
    return page, (header, accent)


def table(spec: Spec, rng: random.Random) -> Drawn:
    """A table with a head, with or without lines between its rows."""
    page, (header, accent) = themed(640, 500, rng)
    page.write((24, 20), spec["title"], 22, bold=True)
    wide = [max(len(str(row[i])) for row in (spec["head"], *spec["rows"])) + 3 for i in range(len(spec["head"]))]
    starts = [32 + 590 * sum(wide[:i]) / sum(wide) for i in range(len(wide))]
    page.draw.rectangle((24, 62, 616, 94), fill=header)
    lined = rng.random() < 0.5
    for x, word in zip(starts, spec["head"], strict=True):
        page.write((x, 69), word, 16, bold=True)
    for place, row in enumerate(spec["rows"], 1):
        y = 70 + 36 * place
        for x, cell in zip(starts, row, strict=True):
            page.write((x, y), cell, 16)
        if lined:
            page.draw.line((24, y + 27, 616, y + 27), fill=header)
    bottom = 70 + 36 * len(spec["rows"]) + 42
    page.draw.line((24, bottom - 10, 616, bottom - 10), fill=accent, width=2)
    page.cut(bottom + 44)
    return Drawn(page, facts={"head": spec["head"], "rows": spec["rows"]})


def dialog(spec: Spec, rng: random.Random) -> Drawn:
    """A window with text, filled fields, boxes and buttons."""
    page, (header, accent) = themed(520, 560, rng)
    page.draw.rectangle((0, 0, 520, 40), fill=header)
    page.write((16, 9), spec["title"], 18, bold=True)
    page.say(spec["title"])
    y = 60
    for line in spec["text"]:
        page.write((24, y), line, 17)
        page.say(line)
        y += 28
    for label, value in spec["fields"]:
        page.write((24, y + 9), label, 16)
        page.draw.rectangle((190, y + 3, 480, y + 33), outline=header, width=2)
        page.write((200, y + 8), value, 16)
        page.say(f"{label} {value}")
        y += 40
    for label, ticked in spec["boxes"]:
        page.draw.rectangle((26, y + 8, 44, y + 26), outline=page.ink, width=2)
        if ticked:
            page.draw.line(((29, y + 16), (34, y + 22), (42, y + 10)), fill=accent, width=4)
        page.write((56, y + 7), label, 16)
        page.say(label)
        y += 34
    buttons(page, spec["buttons"], y + 20, header)
    page.cut(y + 112)
    return Drawn(page, facts={"ticked": sum(ticked for _, ticked in spec["boxes"])})


def buttons(page: Page, names: list[str], y: float, fill: str) -> None:
    """A row of buttons."""
    for place, name in enumerate(names):
        x = 24 + 160 * place
        page.draw.rounded_rectangle((x, y, x + 146, y + 36), 6, fill=fill)
        page.write((x + 73, y + 18), name, 16, anchor="mm")
    page.say(" ".join(names))


def dashboard(spec: Spec, rng: random.Random) -> Drawn:
    """Tiles with large figures, and a row of numbered lamps in green, amber and red."""
    page, (header, _) = themed(660, 400, rng)
    page.write((24, 20), spec["title"], 22, bold=True)
    size = 612 / len(spec["tiles"])
    for place, (label, value) in enumerate(spec["tiles"]):
        x = 24 + size * place
        page.draw.rounded_rectangle((x, 64, x + size - 12, 164), 8, fill=header)
        page.write((x + 14, 76), label, 15)
        page.write((x + 14, 108), value, 27, bold=True)
    short, label, n = spec["lamps"]
    colours = [*LAMPS, *rng.choices(list(LAMPS), (5, 2, 3), k=n - 3)]
    rng.shuffle(colours)
    page.write((24, 186), label, 17, bold=True)
    for place, colour in enumerate(colours):
        x, y = 44 + 62 * (place % 10), 232 + 62 * (place // 10)
        page.draw.ellipse((x - 12, y - 12, x + 12, y + 12), fill=LAMPS[colour])
        page.write((x, y + 18), f"{short}{place + 1}", 12, anchor="ma")
    page.cut(300 + 62 * ((n - 1) // 10))
    return Drawn(page, facts={"lamps": {colour: colours.count(colour) for colour in LAMPS}})


def said(_: Any, text: str) -> str | list[str]:
    """What stands on the screen; a number with a unit of measurement is as right without it."""
    value, _, unit = str(text).partition(" ")
    return [str(text), value] if unit in UNITS else str(text)


def cell(facts: Any, key: str, column: str) -> str:
    """The cell of a table by its row's first cell and its column's head."""
    row = next(row for row in facts["rows"] if row[0] == key)
    return str(row[facts["head"].index(column)])


def matching(facts: Any, column: str, value: str) -> int:
    """How many rows hold a value in a column."""
    place = facts["head"].index(column)
    return sum(row[place] == value for row in facts["rows"])


ANSWERS: dict[str, Callable[..., Any]] = {
    "cell": cell,
    "matching": matching,
    "ticked": lambda f: f["ticked"],
    "lamps": lambda f, colour: f["lamps"][colour],
    "said": said,
    "number": lambda _, number: number,
}
"""What a question's operation computes from a screen's facts and the question's arguments."""
