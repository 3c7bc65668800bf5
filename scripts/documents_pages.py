"""Receipts, invoices, forms and letters with their fields."""

from __future__ import annotations

import random
from typing import Any

from documents_canvas import Drawn, Page, amount, dated, wrapped

DAY = "date as YYYY-MM-DD"
SUM = "number without currency"
Spec = dict[str, Any]


def receipt(spec: Spec, rng: random.Random) -> Drawn:
    """A till receipt: articles, total, tax, and what was given and returned where cash was paid."""
    style, (total_word, tax_word, number_word) = spec["style"], spec["words"]
    page = Page.blank(400, 900, rng.choice(("mono", "typewriter", "narrow", "sans")))
    number = f"{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"
    page.write((200, 24), spec["shop"], 24, bold=True, anchor="ma")
    for place, line in enumerate(spec["lines"]):
        page.write((200, 60 + 22 * place), line, 16, anchor="ma")
    page.say(spec["shop"], *spec["lines"])
    y = 124
    page.row(y, f"{number_word} {number}", dated(spec["date"], style), size=15)
    y += 36
    total = 0
    for name, cents, times in spec["items"]:
        total += cents * times
        page.row(y, f"{times} {name}", amount(cents * times, style), size=17)
        y += 26
    tax = round(total * spec["rate"] / (100 + spec["rate"]))
    page.draw.line((28, y + 6, 372, y + 6), fill=page.ink)
    page.row(y + 14, f"{total_word} {spec['currency']}", amount(total, style), size=20, bold=True)
    y += 48
    if spec["rate"]:
        page.row(y, f"{tax_word} {spec['rate']}%", amount(tax, style), size=15)
        y += 24
    y = paid(page, spec, total, y, rng)
    fields = {
        "merchant": spec["shop"],
        "date": spec["date"].isoformat(),
        "number": number,
        "total": total / 100,
        "currency": spec["currency"],
        "tax": tax / 100 if spec["rate"] else None,
        "payment": spec["pay"],
    }
    wanted = {
        "merchant": "name of the shop",
        "date": DAY,
        "number": "number of the receipt as printed",
        "total": SUM,
        "currency": "ISO 4217 code",
        "tax": f"{SUM}, null where no tax is shown",
        "payment": "card or cash",
    }
    page.cut(y + 70)
    return Drawn(page, fields, wanted)


def paid(page: Page, spec: Spec, total: int, y: float, rng: random.Random) -> float:
    """How it was paid; the note that was handed over is larger than the total, which is a trap."""
    if spec["pay"] == "card":
        page.row(y, f"Card ****{rng.randint(1000, 9999)}", amount(total, spec["style"]), size=15)
        return y + 24
    step = 1000 if total < 5000 else 5000
    given = (total // step + 1) * step
    page.row(y, "Cash", amount(given, spec["style"]), size=15)
    page.row(y + 24, "Change", amount(given - total, spec["style"]), size=15)
    return y + 48


def invoice(spec: Spec, rng: random.Random) -> Drawn:
    """An invoice with positions, net sum, tax and total; number and dates at the right or at the left."""
    style = spec["style"]
    page = Page.blank(640, 900, rng.choice(("grotesque", "roman", "sans", "serif", "narrow")))
    number = f"{spec['prefix']}{rng.randint(1000, 9999)}"
    page.write((28, 28), spec["supplier"], 25, bold=True)
    page.write((28, 78), "Bill to", 14)
    page.write((28, 98), spec["customer"], 18)
    facts = (
        ("Invoice no.", number),
        ("Invoice date", dated(spec["date"], style)),
        ("Due date", dated(spec["due"], style)),
    )
    x = 340 if spec["layout"] == "right" else 28
    y = 78 if spec["layout"] == "right" else 138
    for place, (label, value) in enumerate(facts):
        page.write((x, y + 25 * place), label, 16)
        page.write((x + 130, y + 25 * place), value, 16, bold=True)
    net = positions(page, spec, 236)
    tax = round(net * spec["rate"] / 100)
    y = 284 + 30 * len(spec["rows"])
    sums = [("Net amount", net), (f"VAT {spec['rate']}%", tax), ("Total due", net + tax)]
    for label, cents in sums if spec["rate"] else sums[2:]:
        page.write((360, y), label, 17, bold=label == "Total due")
        text = f"{amount(cents, style)} {spec['currency']}"
        page.write((612, y), text, 17, bold=label == "Total due", anchor="ra")
        y += 28
    page.cut(y + 76)
    fields = {
        "supplier": spec["supplier"],
        "customer": spec["customer"],
        "number": number,
        "date": spec["date"].isoformat(),
        "due_date": spec["due"].isoformat(),
        "net": net / 100 if spec["rate"] else None,
        "tax": tax / 100 if spec["rate"] else None,
        "total": (net + tax) / 100,
        "currency": spec["currency"],
    }
    wanted = {
        "supplier": "who issues the invoice",
        "customer": "who has to pay",
        "number": "number of the invoice as printed",
        "date": DAY,
        "due_date": DAY,
        "net": f"{SUM}, null where it is not shown",
        "tax": f"{SUM}, null where it is not shown",
        "total": SUM,
        "currency": "ISO 4217 code",
    }
    return Drawn(page, fields, wanted)


def positions(page: Page, spec: Spec, y: int) -> int:
    """The table of positions; returns their sum in cents."""
    page.draw.rectangle((28, y, 612, y + 28), fill="#dfe4ea")
    for x, anchor, word in (
        (36, "la", "Description"),
        (360, "ra", "Qty"),
        (480, "ra", "Unit price"),
        (604, "ra", "Amount"),
    ):
        page.write((x, y + 5), word, 15, bold=True, anchor=anchor, ink="#111111")
    total = 0
    for place, (name, times, cents) in enumerate(spec["rows"], 1):
        at = y + 6 + 30 * place
        total += times * cents
        page.write((36, at), name, 16)
        for x, text in (
            (360, str(times)),
            (480, amount(cents, spec["style"])),
            (604, amount(times * cents, spec["style"])),
        ):
            page.write((x, at), text, 16, anchor="ra")
        page.draw.line((28, at + 24, 612, at + 24), fill="#c0c0c0")
    return total


def form(spec: Spec, rng: random.Random) -> Drawn:
    """A filled form: labels with values on lines, and boxes of which some are ticked."""
    page = Page.blank(600, 900, rng.choice(("sans", "grotesque", "roman", "serif")))
    page.write((28, 24), spec["title"], 25, bold=True)
    page.say(spec["title"])
    y = 84
    fields: dict[str, Any] = {}
    wanted: dict[str, str] = {}
    hand = rng.choice(("typewriter", "serif", "mono"))
    for key, label, value in spec["entries"]:
        text, gold, wish = entry(value, rng)
        page.write((28, y), label, 16)
        filled = Page(page.image, hand, "#16306e")
        filled.write((258, y - 1), text, 17)
        page.draw.line((250, y + 24, 572, y + 24), fill="#777777")
        page.say(f"{label} {text}")
        fields[key], wanted[key] = gold, f"{label.lower()}; {wish}"
        y += 40
    key, label, options, ticked = spec["choice"]
    y = boxes(page, y + 6, (label, options, ticked))
    fields[key] = ticked if len(ticked) > 1 else ticked[0]
    listed = ", ".join(options)
    wanted[key] = f"what is ticked among {listed}; a list where more than one is"
    for line in wrapped(spec["note"], 62):
        page.write((28, y), line, 14)
        page.say(line)
        y += 20
    page.cut(y + 64)
    return Drawn(page, fields, wanted, {"ticked": len(ticked)})


def entry(value: Any, rng: random.Random) -> tuple[str, Any, str]:
    """How an entry is written, its gold value, and in what form it is wanted."""
    if hasattr(value, "isoformat"):
        return dated(value, rng.choice(("long", "dmy_dot", "iso"))), value.isoformat(), DAY
    if isinstance(value, float):
        return f"{value:.2f}", value, "number"
    if isinstance(value, int):
        return str(value), value, "number"
    return str(value), str(value), "text as written"


def boxes(page: Page, y: float, choice: tuple[str, list[str], list[str]]) -> float:
    """A line of boxes with their labels; returns where the page goes on."""
    label, options, ticked = choice
    page.write((28, y), label, 16)
    page.say(label)
    for place, option in enumerate(options):
        x, at = 258 + 160 * (place % 2), y + 30 * (place // 2)
        page.draw.rectangle((x, at + 2, x + 16, at + 18), outline=page.ink, width=2)
        if option in ticked:
            page.draw.line((x + 3, at + 5, x + 13, at + 15), fill=page.ink, width=3)
            page.draw.line((x + 3, at + 15, x + 13, at + 5), fill=page.ink, width=3)
        page.write((x + 26, at), option, 16)
    page.lines[-1] = " ".join([label, *options[:2]])
    if len(options) > 2:
        page.say(" ".join(options[2:]))
    return y + 30 * ((len(options) + 1) // 2) + 18


def letter(spec: Spec, rng: random.Random) -> Drawn:
    """A letter of two paragraphs with sender, recipient, date, reference, subject and signature."""
    page = Page.blank(640, 900, rng.choice(("serif", "roman", "sans", "grotesque", "typewriter")))
    page.write((28, 26), spec["sender"], 23, bold=True)
    page.write((28, 60), spec["address"], 15)
    page.say(spec["sender"], spec["address"])
    page.row(108, spec["recipient"], dated(spec["date"], spec["style"]), size=17)
    page.row(134, f"Our reference: {spec['reference']}", size=16)
    page.row(182, spec["subject"], size=18, bold=True)
    y = 226.0
    for paragraph in spec["body"]:
        for line in wrapped(paragraph, 58):
            page.row(y, line, size=16)
            y += 25
        y += 14
    page.row(y + 8, spec["signed"], size=17, bold=True)
    page.row(y + 34, spec["role"], size=15)
    page.cut(y + 124)
    fields = {
        "sender": spec["sender"],
        "recipient": spec["recipient"],
        "date": spec["date"].isoformat(),
        "reference": str(spec["reference"]),
        "subject": spec["subject"],
        "signed_by": spec["signed"],
    }
    wanted = {
        "sender": "the organisation that writes",
        "recipient": "to whom it is written, with title",
        "date": DAY,
        "reference": "the sender's reference as printed",
        "subject": "the line above the text",
        "signed_by": "name below the text",
    }
    return Drawn(page, fields, wanted)
