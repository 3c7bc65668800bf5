"""How values and hostile texts are written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.report import text
from evalkit.report.model import Cell, Column, Counts


@pytest.mark.parametrize(
    ("cell", "unit", "expected"),
    [
        (Cell(0.82, 0.771, 0.86), "%", "82.0 % [77.1, 86.0]"),
        (Cell(1.0, 0.9637, 1.0), "%", "100.0 % [96.4, 100.0]"),
        (Cell(0.4151, 0.38, 0.45), "", "0.415 [0.380, 0.450]"),
        (Cell(1.24, 1.1, 1.4), "s", "1.24 s [1.10, 1.40]"),
        (Cell(54.61, 51.7, 57.5), "", "54.6 [51.7, 57.5]"),
        (Cell(12345.6, 12000, 12700), "tokens", "12,346 tokens [12,000, 12,700]"),
        (Cell(12.3456, 12.3441, 12.3470), "", "12.346 [12.344, 12.347]"),
        (Cell(0.0, 0.0, 0.0), "", "0 [0, 0]"),
        (Cell(-0.25, -0.5, 0.1), "", "−0.250 [−0.500, 0.100]"),
        (Cell(-0.00001, None, None), "%", "0.0 %"),
        (Cell(0.5, None, None), "%", "50.0 %"),
        (Cell(0.5, 0.4, None), "%", "50.0 %"),
        (Cell(None, None, None), "%", "undefined"),
    ],
)
def test_cells(cell, unit, expected):
    assert text.cell_text(cell, unit) == expected


def test_numbers_write_nothing_as_a_dash():
    assert text.numbers([None, 0.5], "%") == ["–", "50.0"]
    assert text.numbers([None], "") == ["–"]


def test_the_value_without_errors_is_told_only_when_it_differs():
    column = Column("accuracy", "%")
    assert text.dropped_text(Cell(0.8, value_dropped=0.9), column) == "90.0 % with errors dropped"
    assert text.dropped_text(Cell(None, value_dropped=0.9), column) == "90.0 % with errors dropped"
    assert text.dropped_text(Cell(0.8, value_dropped=0.8), column) == ""
    assert text.dropped_text(Cell(0.8), column) == ""


@pytest.mark.parametrize(
    ("usd", "expected"),
    [
        (None, "unknown"),
        (0.0, "$0"),
        (1.236, "$1.24"),
        (1234.5, "$1,234.50"),
        (0.0031, "$0.0031"),
        (0.41, "$0.41"),
        (3e-12, "$0.00000000"),
    ],
)
def test_money(usd, expected):
    assert text.money(usd) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "–"), (0.0048, "4.8 ms"), (0.312, "312 ms"), (4.2, "4.20 s"), (200.0, "3 min 20 s")],
)
def test_duration(seconds, expected):
    assert text.duration(seconds) == expected


def test_shares_and_counts():
    assert text.share(None) == "–"
    assert text.share(0.133) == "13 %"
    assert text.counts_text(Counts(150, 147, 3, 2, 145, 20)) == "n=150 · 3 errored · 2 unscorable"
    assert text.counts_text(Counts(1500, 61, 0, 0, 61, 0)) == "n=1,500 · 1,439 missing"
    assert text.counts_text(Counts()) == "–"
    assert text.counted(1, "entry", "entries") == "1 entry"
    assert text.counted(2, "entry", "entries") == "2 entries"
    assert text.counted(3, "sample") == "3 samples"


def test_hidden_characters_are_shown():
    assert text.visible("a\x00b\x1b[31m\u202egnp.exe\x7f\x85") == "a⟦NUL⟧b⟦ESC⟧[31m⟦U+202E⟧gnp.exe⟦DEL⟧⟦U+0085⟧"
    assert text.visible("a\r\nb\rc\td") == "a\nb⟦CR⟧c\td"
    assert text.visible("\ud800") == "⟦U+D800⟧"


def test_letters_of_all_scripts_and_joined_emoji_stay():
    kept = "Grüße, नमस्ते, مرحبا, 👩‍💻, می‌خواهم"
    assert text.visible(kept) == kept


def test_long_texts_are_cut_with_their_size():
    assert text.visible("x" * 1_048_576) == "x" * 8_000 + "\n[… cut: 8,000 of 1,048,576 characters shown]"
    assert text.visible("x" * 100, 60) == "x" * 60 + "…"


def test_json_is_indented_and_texts_stay_as_they_are():
    assert text.pretty({"a": [1, "ü"]}) == '{"a": [1, "ü"]}'
    long = ["x" * 40, {"b": "y" * 40}]
    assert text.pretty({"a": long}) == f'{{\n  "a": [\n    "{"x" * 40}",\n    {{"b": "{"y" * 40}"}}\n  ]\n}}'
    assert text.pretty("{not json}") == "{not json}"
    assert text.pretty({"odd": {1}}) == '{"odd": "{1}"}'


def test_files_are_named_and_a_value_that_is_only_files_says_nothing():
    ref = {"$blob": "ab" * 32, "type": "image/png"}
    assert text.pretty({"image": ref, "n": [ref]}) == '{"image": "image/png abababab", "n": ["image/png abababab"]}'
    assert text.pretty(ref) == text.pretty({"image": ref}) == ""
    assert "abababab" * 8 in text.pretty({"$blob": "ab" * 32, "more": 1})
    assert text.peek(ref) == '"image/png abababab"'


def test_peek_is_one_short_line():
    assert text.peek("a\n  b") == "a b"
    assert text.peek({"a": 1}) == '{"a": 1}'
    assert len(text.peek("word " * 1000)) == text.PEEK + 1


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/abs", "C:\\x", "a/b", "", "..", "Ä", "con\x00", "<script>", "x" * 300, "\ud800"]
)
def test_slugs_are_safe_and_carry_a_hash(name):
    made = text.slug(name)
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 1 <= len(made) <= 70
    assert made != name


def test_plain_names_keep_their_slug():
    assert text.slug("ticket-triage") == "ticket-triage"


@given(st.lists(st.text(max_size=30), min_size=2, max_size=6, unique=True))
@settings(max_examples=50, deadline=None)
def test_different_names_never_share_a_file(names):
    assert len({text.slug(name) for name in names}) == len(names)


@given(st.text())
@settings(max_examples=50, deadline=None)
def test_visible_leaves_nothing_hidden_and_can_be_written(value):
    shown = text.visible(value)
    shown.encode("utf-8")
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
