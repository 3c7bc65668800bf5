"""The nouns are frozen values; what may be reused is decided in one place."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from evalkit.core import options, types, units
from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Failure, Metric, Response, Sample

NOUNS = [obj for obj in vars(types).values() if dataclasses.is_dataclass(obj)]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda n: n.__name__)
def test_nouns_are_frozen_slotted_and_explained(noun):
    assert noun.__dataclass_params__.frozen
    assert "__slots__" in vars(noun)
    assert noun.__doc__
    assert not noun.__doc__.startswith(noun.__name__ + "(")


@pytest.mark.parametrize("finish", list(Finish))
def test_every_answer_is_known_however_it_ended(finish):
    assert Response(output="x", finish=finish).known


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_no_error_is_ever_known(kind):
    assert not Response(error=Failure(kind, "x")).known


def test_nouns_pickle():
    for value in (Sample("a", {"text": "x"}), Response(output="x"), Metric("m")):
        assert pickle.loads(pickle.dumps(value)) == value


def test_usage_adds_by_unit():
    assert units.add_usage([{"input_tokens": 1}, {"input_tokens": 2, "images": 1}]) == {"input_tokens": 3, "images": 1}
    assert units.tokens({"input_tokens": 3, "reasoning_tokens": 2, "images": 9}) == 5
    assert set(units.PROMPT_UNITS + units.ANSWER_UNITS) < set(units.UNITS)


@dataclasses.dataclass(frozen=True)
class Part:
    k: int
    names: tuple[str, ...] = ()


def test_parts_are_built_from_options():
    assert options.build(Part, {"k": 3, "names": ["a"]}) == Part(3, ("a",))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"k": 1, "name": 2}, "unknown option 'name'; did you mean 'names'"),
        ({}, "option 'k' is needed"),
        ({"zzz": 1, "k": 1}, "known: k, names"),
    ],
)
def test_a_wrong_option_is_named(given, says):
    with pytest.raises(ValueError, match=says):
        options.build(Part, given)
