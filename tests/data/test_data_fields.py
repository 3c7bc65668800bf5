"""The field mapping, case by case."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from evalkit.core.errors import ConfigError
from evalkit.data._fields import LONGEST_ID, Fields

CASES = json.loads((Path(__file__).parents[1] / "cases/data/fields.json").read_text("utf-8"))


def _named(outcome: str) -> list[object]:
    return [pytest.param(case, id=case["why"]) for case in CASES if outcome in case]


@pytest.mark.parametrize("case", _named("sample"))
def test_columns_become_a_sample(case: dict) -> None:
    sample, errors = Fields.parse(case.get("mapping")).sample(case["row"])
    assert not errors
    assert sample is not None
    assert json.loads(json.dumps(asdict(sample))) == case["sample"]


@pytest.mark.parametrize("case", _named("errors"))
def test_a_wrong_record_says_everything_that_is_wrong(case: dict) -> None:
    sample, errors = Fields.parse(case.get("mapping")).sample(case["row"])
    assert sample is None
    assert [str(error) for error in errors] == case["errors"]
    if "hint" in case:
        assert errors[0].hint == case["hint"]


@pytest.mark.parametrize("case", _named("refused"))
def test_a_wrong_mapping_is_refused_with_every_reason(case: dict) -> None:
    with pytest.raises(ConfigError) as caught:
        Fields.parse(case["mapping"])
    assert [str(problem) for problem in caught.value.problems] == case["refused"]


def test_the_longest_id_is_allowed_and_one_more_is_not() -> None:
    fields = Fields.parse(None)
    assert fields.sample({"id": "x" * LONGEST_ID, "input": "a"})[0] is not None
    sample, errors = fields.sample({"id": "x" * (LONGEST_ID + 1), "input": "a"})
    assert sample is None
    assert "257 characters" in str(errors[0])


def test_many_columns_are_shortened_in_the_hint() -> None:
    row = {f"column_{number:02}": 1 for number in range(20)}
    _, errors = Fields.parse({"input": {"text": "zzz"}}).sample(row)
    assert errors[0].hint is not None
    assert errors[0].hint.endswith("and 8 more")
