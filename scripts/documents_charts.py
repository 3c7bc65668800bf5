"""Bar, line and pie charts, and the answers to questions about them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from documents_canvas import COLOURS, Drawn, Page

Spec = dict[str, Any]
Facts = Mapping[str, Any]
YEARS = range(1850, 2151)
PLAIN = ("#3b6ea5", "#c46a2d", "#4f8a4f")


def values(spec: Spec, rng: random.Random) -> list[int]:
    """Different whole numbers whose largest and smallest stand out, and none that could be a year."""
    low, high, n = spec["low"], spec["high"], len(spec["names"])
    margin = (high - low) * 0.07
    while True:
        drawn = [rng.randint(low, high) for _ in range(n)]
        ranked = sorted(drawn)
        gaps = min(ranked[1] - ranked[0], ranked[-1] - ranked[-2])
        if len(set(drawn)) == n and gaps >= margin and not any(v in YEARS for v in (*drawn, sum(drawn))):
            return drawn


def shares(n: int, rng: random.Random) -> list[int]:
    """Percentages that sum to 100: none below 6, all different, the largest and the smallest by 3 at least."""
    while True:
        cuts = sorted(rng.sample(range(1, 100), n - 1))
        drawn = [b - a for a, b in zip([0, *cuts], [*cuts, 100], strict=True)]
        ranked = sorted(drawn)
        if ranked[0] >= 6 and len(set(drawn)) == n and min(ranked[1] - ranked[0], ranked[-1] - ranked[-2]) >= 3:
            return drawn


def palette(spec: Spec, rng: random.Random) -> list[str]:
    """A named colour per category where the questions speak of colours; one that is asked about is among them."""
    asked = [ask[2] for ask in spec["ask"] if ask[1] == "named"]
    rest = [name for name in COLOURS if name not in asked]
    chosen = [*asked, *rng.sample(rest, len(spec["names"]) - len(asked))]
    rng.shuffle(chosen)
    return chosen


def bars(spec: Spec, rng: random.Random) -> Drawn:
    """Upright or lying bars, with or without their values; `colours` gives each its own."""
    drawn, names = values(spec, rng), spec["names"]
    colours = palette(spec, rng) if spec.get("colours") else []
    inks = [COLOURS[c] for c in colours] or [rng.choice(PLAIN)] * len(names)
    page = framed(spec, rng)
    top = ceiling(max(drawn))
    if spec.get("flat"):
        lying(page, spec, drawn, (inks, top))
    else:
        upright(page, spec, drawn, (inks, top))
    return Drawn(page, facts={"values": dict(zip(names, drawn, strict=True)), "colours": named(names, colours)})


def named(names: list[str], colours: list[str]) -> dict[str, str]:
    """Category to colour, empty where all have the same."""
    return dict(zip(names, colours, strict=True)) if colours else {}


def framed(spec: Spec, rng: random.Random) -> Page:
    """An empty chart with its title."""
    page = Page.blank(620, 430, rng.choice(("sans", "grotesque", "serif", "narrow")))
    page.write((310, 16), spec["title"], 21, bold=True, anchor="ma")
    return page


def ceiling(largest: float) -> int:
    """The end of an axis: the next 1, 2 or 5 times a power of ten, in fifths."""
    step = 10 ** math.floor(math.log10(largest / 5))
    size = next(m * step for m in (1, 2, 2.5, 5, 10) if m * step * 5 >= largest * 1.06)
    return max(5, round(size * 5))


def upright(page: Page, spec: Spec, drawn: list[int], look: tuple[list[str], int]) -> None:
    """Bars over their names, the axis at the left."""
    inks, top = look
    axis(page, spec, top)
    width = 510 / len(drawn)
    for place, (name, value) in enumerate(zip(spec["names"], drawn, strict=True)):
        middle, height = 84 + width * (place + 0.5), 290 * value / top
        page.draw.rectangle((middle - width * 0.32, 370 - height, middle + width * 0.32, 370), fill=inks[place])
        page.write((middle, 378), name, 15, anchor="ma")
        if spec["show"]:
            page.write((middle, 366 - height), f"{value:,}", 15, anchor="md")


def axis(page: Page, spec: Spec, top: int) -> None:
    """Five steps at the left with light lines, and the unit."""
    page.write((20, 52), spec["unit"], 14, ink="#444444")
    for step in range(6):
        y = 370 - 290 * step / 5
        page.draw.line((84, y, 594, y), fill="#333333" if step == 0 else "#dddddd")
        page.write((76, y), f"{top * step / 5:,.10g}", 13, anchor="rm", ink="#444444")


def lying(page: Page, spec: Spec, drawn: list[int], look: tuple[list[str], int]) -> None:
    """Bars beside their names, the axis below."""
    inks, top = look
    width = 300 / len(drawn)
    for step in range(6):
        x = 130 + 400 * step / 5
        page.draw.line((x, 66, x, 372), fill="#333333" if step == 0 else "#dddddd")
        page.write((x, 380), f"{top * step / 5:,.10g}", 13, anchor="ma", ink="#444444")
    page.write((330, 402), spec["unit"], 14, anchor="ma", ink="#444444")
    for place, (name, value) in enumerate(zip(spec["names"], drawn, strict=True)):
        middle, length = 70 + width * (place + 0.5), 400 * value / top
        page.draw.rectangle((130, middle - width * 0.32, 130 + length, middle + width * 0.32), fill=inks[place])
        page.write((122, middle), name, 15, anchor="rm")
        if spec["show"]:
            page.write((136 + length, middle), f"{value:,}", 15, anchor="lm")


def lines(spec: Spec, rng: random.Random) -> Drawn:
    """One or two lines over the same points, values beside the first where they are shown."""
    names = spec["names"]
    series = [values(spec, rng)]
    while len(series) < len(spec["series"]):
        other = values(spec, rng)
        if all(abs(a - b) > 0.08 * spec["high"] for a, b in zip(series[0], other, strict=True)):
            series.append(other)
    page = framed(spec, rng)
    top = ceiling(max(map(max, series)))
    axis(page, spec, top)
    width = 510 / len(names)
    for which, drawn in enumerate(series):
        points = [(84 + width * (i + 0.5), 370 - 290 * v / top) for i, v in enumerate(drawn)]
        page.draw.line(points, fill=PLAIN[which], width=3)
        for (x, y), name, value in zip(points, names, drawn, strict=True):
            page.draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=PLAIN[which])
            if which == 0:
                page.write((x, 378), name, 15, anchor="ma")
            if spec["show"]:
                page.write((x, y - 8), f"{value:,}", 15, anchor="md")
    for which, label in enumerate(spec["series"] if len(series) > 1 else ()):
        x = 150 + 210 * which
        page.draw.line((x, 410, x + 30, 410), fill=PLAIN[which], width=3)
        page.write((x + 38, 410), label, 14, anchor="lm")
    facts = {"values": dict(zip(names, series[0], strict=True)), "colours": {}}
    if len(series) > 1:
        facts["series"] = {
            label: dict(zip(names, drawn, strict=True)) for label, drawn in zip(spec["series"], series, strict=True)
        }
    return Drawn(page, facts=facts)


def pies(spec: Spec, rng: random.Random) -> Drawn:
    """A pie whose slices carry name and percentage, or are named in a legend only."""
    names = spec["names"]
    drawn = shares(len(names), rng)
    colours = palette(spec, rng)
    page = framed(spec, rng)
    start = rng.uniform(0, 360)
    for place, (name, share) in enumerate(zip(names, drawn, strict=True)):
        end = start + 3.6 * share
        page.draw.pieslice((150, 76, 450, 376), start, end, fill=COLOURS[colours[place]], outline="#ffffff", width=2)
        if spec["show"]:
            angle = math.radians((start + end) / 2)
            x, y = 300 + 168 * math.cos(angle), 226 + 166 * math.sin(angle)
            page.write((x, y), f"{name} {share}%", 15, anchor="lm" if x > 300 else "rm")
        else:
            page.draw.rectangle((480, 90 + 30 * place, 496, 106 + 30 * place), fill=COLOURS[colours[place]])
            page.write((504, 98 + 30 * place), name, 15, anchor="lm")
        start = end
    return Drawn(page, facts={"values": dict(zip(names, drawn, strict=True)), "colours": named(names, colours)})


def ranked(facts: Facts) -> list[tuple[int, str]]:
    """Values with their names, smallest first."""
    return sorted((value, name) for name, value in facts["values"].items())


def gap(facts: Facts, one: str, other: str) -> int:
    """What lies between two values."""
    return abs(facts["values"][one] - facts["values"][other])


ANSWERS: dict[str, Callable[..., Any]] = {
    "value": lambda f, name: f["values"][name],
    "max": lambda f: ranked(f)[-1][1],
    "min": lambda f: ranked(f)[0][1],
    "maxvalue": lambda f: ranked(f)[-1][0],
    "spread": lambda f: ranked(f)[-1][0] - ranked(f)[0][0],
    "sum": lambda f: sum(f["values"].values()),
    "both": lambda f, one, other: f["values"][one] + f["values"][other],
    "diff": lambda f, one, other: f["values"][one] - f["values"][other],
    "gap": gap,
    "without": lambda f, name: sum(f["values"].values()) - f["values"][name],
    "count": lambda f: len(f["values"]),
    "above": lambda f, limit: sum(v > limit for v in f["values"].values()),
    "below": lambda f, limit: sum(v < limit for v in f["values"].values()),
    "colour": lambda f, name: f["colours"][name],
    "named": lambda f, colour: next(name for name, each in f["colours"].items() if each == colour),
    "leader": lambda f, name: max(f["series"], key=lambda label: f["series"][label][name]),
}
"""What a question's operation computes from a chart's facts and the question's arguments."""
