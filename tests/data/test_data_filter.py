"""The filter expression, case by case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.data._filter import compile_filter
from evalkit.data._lookup import FieldError

CASES = json.loads((Path(__file__).parents[1] / "cases/data/filter.json").read_text("utf-8"))


def _with(outcome: str) -> list[object]:
    return [pytest.param(case, id=f"{case['filter']} on {case.get('row')}") for case in CASES if outcome in case]


@pytest.mark.parametrize("case", _with("keeps"))
def test_a_filter_keeps_or_drops(case: dict) -> None:
    assert compile_filter(case["filter"])(case["row"]) is case["keeps"]


@pytest.mark.parametrize("case", _with("error"))
def test_a_record_that_cannot_be_judged_says_why(case: dict) -> None:
    keep = compile_filter(case["filter"])
    with pytest.raises(FieldError, match=case["error"]):
        keep(case["row"])


@pytest.mark.parametrize("case", _with("refused"))
def test_an_expression_that_is_not_a_filter_is_refused(case: dict) -> None:
    with pytest.raises(ValueError, match=case["refused"]):
        compile_filter(case["filter"])


def test_long_and_deep_filters_are_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        compile_filter("a == 1 or " * 2000 + "a == 2")
    with pytest.raises(ValueError, match=r"does not read|too deeply"):
        compile_filter("(" * 4000 + "a" + ")" * 4000)
    with pytest.raises(ValueError, match="too deeply"):
        compile_filter("not " * 2000 + "a")


@settings(max_examples=50)
@given(st.integers(-5, 5), st.integers(-5, 5), st.booleans())
def test_logic_agrees_with_python(a: int, b: int, c: bool) -> None:
    row = {"a": a, "b": b, "c": c}
    assert compile_filter("a < b and not c or a in [1, 2] and b != 0")(row) == (
        (a < b and not c) or (a in [1, 2] and b != 0)
    )
