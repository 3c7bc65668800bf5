from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.baselines import _facts
from evalkit.baselines.rule_extractor import make

CASES = json.loads((Path(__file__).parents[1] / "cases/baselines/facts.json").read_text("utf-8"))


@pytest.mark.parametrize(("text", "expected"), CASES["dates"])
def test_dates(text, expected):
    assert [found.value for found in _facts.dates(text)] == expected


@pytest.mark.parametrize(("text", "expected"), CASES["times"])
def test_times(text, expected):
    assert [found.value for found in _facts.times(text)] == expected


@pytest.mark.parametrize(("text", "expected"), CASES["moneys"])
def test_moneys(text, expected):
    assert [[money.amount, money.currency] for money in _facts.moneys(text)] == expected


@given(st.integers(0, 10**9 - 1))
@settings(max_examples=50)
def test_amounts_are_read_back_in_either_notation(cents):
    amount = cents / 100
    english = f"{amount:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert _facts.number(english) == _facts.number(german) == amount


@given(st.dates())
@settings(max_examples=50)
def test_every_iso_date_is_found(day):
    assert [found.value for found in _facts.dates(f"on {day.isoformat()}.")] == [day.isoformat()]


@given(st.text(max_size=300))
@settings(max_examples=50)
def test_any_text_gives_the_nine_fields(text):
    found = make().extract(text)
    assert list(found) == ["kind", "organisation", "person", "reference", "amount", "currency", "date", "time", "place"]
    assert (found["amount"] is None) == (found["currency"] is None)


def test_cues_pick_the_date_and_the_amount_that_count():
    text = "Invoice R-2291 of 3 March 2025: net 1,000.00 EUR, total 1,190.00 EUR, due 2 April 2025."
    chosen, first = make().extract(text), make(cues=False).extract(text)
    assert (chosen["date"], chosen["amount"]) == ("2025-04-02", 1190)
    assert (first["date"], first["amount"]) == ("2025-03-03", 1000)
    assert chosen["kind"] == "invoice"
    assert chosen["currency"] == "EUR"
    assert chosen["reference"] == "R-2291"


def test_names_and_places_by_cues():
    found = make().extract("Oakline Ltd delivers in Hereford on 12 September 2025. Questions to Martin Pryce, please.")
    assert (found["organisation"], found["person"], found["place"]) == ("Oakline Ltd", "Martin Pryce", "Hereford")


def test_nothing_said_is_null():
    found = make().extract("hello there, how are you")
    assert {name for name, value in found.items() if value is not None} == {"kind"}
