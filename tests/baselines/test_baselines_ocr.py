"""Baselines that read pictures: layout, rules, what they do with bad pictures and without their programs."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from evalkit import registry
from evalkit.baselines import _asking, _pictures, _reading
from evalkit.baselines._layout import Cell, Sheet, sheet
from evalkit.core.errors import ErrorKind, MissingComponent
from evalkit.core.types import Sample

ROOT = Path(__file__).parents[2]
DIALOG = (ROOT / "tests/cases/media/dialog.png").read_bytes()
NAMES = ["tesseract_rules", "rapidocr_rules"]


class Blobs:
    def __init__(self, **files):
        self.files = files

    def get(self, ref):
        return self.files[ref["$blob"]]


def ask(candidate, data, **asked):
    ctx = SimpleNamespace(blobs=Blobs(a=data))
    sample = Sample("s1", {"image": {"$blob": "a", "type": "image/png"}, **asked})
    return asyncio.run(candidate.answer(sample, ctx))


def words(*rows, size=20):
    """A page of rows; each cell is (x, text)."""
    return [
        Cell(text, x, 40 * y, x + 11 * len(text), 40 * y + size) for y, row in enumerate(rows) for x, text in row
    ]  # fmt: skip


def page(*rows):
    return sheet(words(*rows))


def bomb():
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def test_words_become_rows_and_near_words_become_cells():
    found = sheet([*words([(0, "Total"), (60, "due")], [(0, "12"), (300, "EUR")])][::-1])
    assert [[cell.text for cell in row] for row in found.rows] == [["Total due"], ["12", "EUR"]]
    assert found.text == "Total due\n12 EUR"
    assert sheet([]) == Sheet(()) == sheet([Cell(" ", 0, 0, 5, 5)])


def test_a_falling_line_is_one_row():
    falling = [Cell(text, x, 0.08 * x, x + 60, 0.08 * x + 20) for x, text in ((0, "Net"), (200, "amount"), (500, "9"))]
    assert len(sheet(falling).rows) > 1
    assert [len(row) for row in sheet(falling, 0.08).rows] == [3]


RECEIPT = page(
    [(0, "Kettle & Crumb")],
    [(0, "Receipt no. 29-2583"), (400, "09/03/2024")],
    [(0, "2 Flat white"), (400, "6.80")],
    [(0, "TOTAL GBP"), (400, "1.234,50")],
    [(0, "VAT 20%"), (400, "2.46")],
    [(0, "Card ****2476"), (400, "14.75")],
)


@pytest.mark.parametrize(
    ("name", "wish", "value"),
    [
        ("merchant", "name of the shop", "Kettle & Crumb"),
        ("date", "date as YYYY-MM-DD", "2024-03-09"),
        ("number", "number of the receipt as printed", "29-2583"),
        ("total", "number without currency", 1234.5),
        ("tax", "number without currency, null where no tax is shown", 2.46),
        ("currency", "ISO 4217 code", "GBP"),
        ("payment", "card or cash", "card"),
        ("net", "number without currency", None),
        ("colour", "colour; text as written", None),
    ],
)
def test_fields_by_cue_words(name, wish, value):
    assert _reading.field(RECEIPT, name, wish) == value


def test_fields_of_letters_forms_and_empty_pages():
    letter = page(
        [(0, "Museum of Tides")],
        [(0, "Dr Amara Nwosu"), (400, "9 January 2025")],
        [(0, "Our reference: MT 25-017")],
        [(0, "Loan of the brass gauge")],
        [(0, "Our trustees have agreed to lend it, and more besides.")],
        [(0, "Piet Hollander")],
    )
    found = {name: _reading.field(letter, name, "") for name in ("sender", "recipient", "subject", "signed_by")}
    assert found == {
        "sender": "Museum of Tides",
        "recipient": "Dr Amara Nwosu",
        "subject": "Loan of the brass gauge",
        "signed_by": "Piet Hollander",
    }
    form = page([(0, "Lock"), (200, "x Chain"), (400, "U-lock")], [(0, "Town")], [(0, "Penhallow")], [(0, "Age 7")])
    assert _reading.field(form, "lock", "lock; what is ticked among Chain, U-lock; a list") == "Chain"
    assert _reading.field(form, "lock", "lock; what is ticked among U-lock, None; a list") == "U-lock"
    assert _reading.field(form, "town", "town; text as written") == "Penhallow"
    assert _reading.field(form, "age", "age; number") == 7
    both = page([(0, "x Keys"), (200, "& Documents")])
    assert _reading.field(both, "what", "what is ticked among Keys, Documents") == ["Keys", "Documents"]
    assert _reading.field(Sheet(()), "total", "number") is None
    assert _reading.field(form, "date", "date as YYYY-MM-DD") is None
    assert _reading.field(form, "currency", "ISO 4217 code") is None
    assert _reading.field(form, "recipient", "to whom") is None
    assert _reading.field(page([(0, "x, 1 January 2024")]), "recipient", "to whom") is None
    assert _reading.field(page([(0, "short")]), "signed_by", "name") is None
    assert _reading.field(page([(0, "€ 12")]), "currency", "ISO 4217 code") == "EUR"
    assert _reading.field(page([(0, "see invoice no. none")]), "number", "number as printed") is None


CHART = page(
    [(100, "Calls to the help desk")],
    [(300, "126")],
    [(0, "100"), (100, "86")],
    [(200, "28")],
    [(100, "Mon"), (200, "Tue"), (300, "Thu")],
)
TABLE = page(
    [(0, "Departures")],
    [(0, "Train"), (200, "To"), (400, "Platform"), (600, "Status")],
    [(0, "RE 14"), (200, "Mainz"), (400, "3"), (600, "delayed")],
    [(0, "ICE 71"), (200, "Basel"), (400, "8"), (600, "delayed")],
)
TILES = sheet(
    [*words([(0, "Guests"), (300, "Chlorine")]), Cell("148", 0, 40, 60, 80), Cell("0.6 mg/l", 300, 40, 400, 80)]
)
SPEECH = page(
    [(0, "Delete project")], [(0, "Heron contains 37 drawings and 4 models.")], [(0, "Owner"), (300, "L. Vasquez")]
)


@pytest.mark.parametrize(
    ("seen", "question", "said"),
    [
        (CHART, "On which weekday did the phone ring most often?", "Thu"),
        (CHART, "Which day had the fewest calls?", "Tue"),
        (CHART, "What was the highest value?", "126"),
        (CHART, "What is the number of calls on Thursday?", "126"),
        (CHART, "How many calls came on Monday and Tuesday together?", "114"),
        (CHART, "On how many days were there more than 50 calls?", "2"),
        (CHART, "On how many days were there fewer than 50 calls?", "1"),
        (TABLE, "From which platform does the train to Basel leave?", "8"),
        (TABLE, "How many trains are delayed?", "2"),
        (TABLE, "What goes to Mainz?", "RE 14"),
        (TILES, "How many guests are there?", "148"),
        (TILES, "What is the chlorine?", "0.6 mg/l"),
        (TILES, "How many lamps are red?", "3"),
        (SPEECH, "How many drawings does the project contain?", "37"),
        (SPEECH, "Who is the owner of it?", "L. Vasquez"),
        (page([(0, "Votes")], [(0, "Anchor"), (200, "Bell"), (400, "Comet")]), "Which logo won?", "Anchor"),
        (page([(0, "Votes")], [(0, "Anchor"), (200, "Bell"), (400, "Comet")]), "How many logos are there?", "3"),
        (page([(0, "Spring")], [(0, "the gate opens at nine")]), "When does the gate open?", "at nine"),
        (Sheet(()), "Who is it?", "3"),
        (Sheet(()), "How much do all cost together?", "3"),
    ],
)  # fmt: skip
def test_answers_by_rule(seen, question, said):
    assert _asking.answer(seen, question) == said


def test_without_question_and_fields_the_text_is_the_answer():
    assert _reading.reply(TABLE, {"image": {}}) == TABLE.text


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_read_for_each_kind_of_task(name):
    candidate = registry.make("baselines", name)
    text = ask(candidate, DIALOG)
    assert text.output.splitlines()[:2] == ["Time zone", "Detected: Europe/Lisbon"]
    assert text.usage == {"requests": 1.0, "images": 1.0}
    assert ask(candidate, DIALOG).output == text.output
    assert ask(candidate, DIALOG, question="Which city is set?").output == "Porto"
    fields = ask(candidate, DIALOG, fields={"city": "city; text as written", "total": "number without currency"})
    assert json.loads(fields.output) == {"city": "Porto", "total": None}


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_picture_has_no_text(name):
    white = io.BytesIO()
    Image.new("RGB", (200, 100), "white").save(white, "PNG")
    response = ask(registry.make("baselines", name), white.getvalue())
    assert (response.error, response.output) == (None, "")
    assert (
        ask(registry.make("baselines", name), white.getvalue(), fields={"total": "number"}).output == '{"total": null}'
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"fLaC\0\0\0\x22", "no PNG, JPEG, GIF or WebP"),
        (DIALOG[: len(DIALOG) // 2], "cannot be decoded"),
        (DIALOG[:20], "ends inside its header"),
        (bomb(), "3,600,000,000 pixels; more than 50,000,000 are not decoded"),
    ],
    ids=["empty", "sound", "cut", "header", "bomb"],
)
def test_a_bad_picture_is_a_failed_answer(name, data, said):
    response = ask(registry.make("baselines", name), data)
    assert response.error.kind is ErrorKind.CANDIDATE
    assert "sample 's1'" in response.error.message
    assert said in response.error.message


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_without_a_picture_is_a_failed_answer(name):
    candidate = registry.make("baselines", name)
    ctx = SimpleNamespace(blobs=Blobs())
    none = asyncio.run(candidate.answer(Sample("s2", {"text": "x"}), ctx))
    gone = asyncio.run(candidate.answer(Sample("s3", {"image": {"$blob": "zz", "type": "image/png"}}), ctx))
    assert "no picture in input field 'image' (its input has: text)" in none.error.message
    assert "is not stored" in gone.error.message


def test_what_is_transparent_is_white():
    out = io.BytesIO()
    Image.new("RGBA", (3, 2), (0, 0, 0, 0)).save(out, "PNG")
    assert _pictures.decoded(out.getvalue()).getcolors() == [(6, (255, 255, 255))]


def test_tesseract_that_fails_or_hangs_is_a_failed_answer():
    lost = ask(registry.make("baselines", "tesseract_rules(lang='xxx')"), DIALOG)
    assert "tesseract ended with code" in lost.error.message
    assert "xxx" in lost.error.message
    slow = ask(registry.make("baselines", "tesseract_rules(timeout=0.001)"), DIALOG)
    assert "did not finish within 0.001 s" in slow.error.message


@pytest.mark.parametrize("options", ["scale=0.0", "scale=9.0", "timeout=0.0"])
def test_options_out_of_range_are_named(options):
    with pytest.raises(ValueError, match="must be above 0"):
        registry.make("baselines", f"tesseract_rules({options})")


def test_without_the_program_the_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingComponent, match=r"tesseract is not installed \(Debian: apt-get install tesseract-ocr\)"):
        registry.make("baselines", "tesseract_rules")


@pytest.mark.parametrize(("name", "package"), [("tesseract_rules", "PIL"), ("rapidocr_rules", "PIL"), ("rapidocr_rules", "rapidocr"), ("rapidocr_rules", "onnxruntime")])  # fmt: skip
def test_without_the_library_the_extra_is_named(name, package, monkeypatch):
    for module in [module for module in sys.modules if module.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingComponent, match=r"evalkit\[ocr\]"):
        registry.make("baselines", name)


def test_a_release_without_networks_is_refused_before_it_fetches_them(monkeypatch, tmp_path):
    package = tmp_path / "rapidocr"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for module in [module for module in sys.modules if module.split(".")[0] == "rapidocr"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingComponent, match=r"no networks inside: pip install 'rapidocr>=3\.10'"):
        registry.make("baselines", "rapidocr_rules")
