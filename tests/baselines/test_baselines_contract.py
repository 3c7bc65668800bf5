from __future__ import annotations

import asyncio
import json
import pickle
import sys
from pathlib import Path

import pytest

from evalkit import registry
from evalkit.core.errors import MissingComponent
from evalkit.core.types import Candidate, Fits, Given, Response, Sample

OURS = sorted(registry.names("baselines"))
NEED_SKLEARN = ["tfidf_linear", "nearest_centroid", "linear", "forest", "boosting"]
GOLDEN = Path(__file__).parents[1] / "cases/baselines/fingerprints.json"
LABELLED = [
    Sample(f"s{i}", {"text": f"word{i % 2} and more", "row": {"a": float(i % 2)}}, f"class{i % 2}") for i in range(8)
]
NUMBERED = [Sample(s.id, s.input, float(i)) for i, s in enumerate(LABELLED)]


def learnt(candidate):
    samples = NUMBERED if candidate.name == "mean" else LABELLED
    return candidate.fit(Given("g", samples), 0) if isinstance(candidate, Fits) else candidate


@pytest.mark.parametrize("name", OURS)
def test_every_baseline_is_a_candidate_with_a_version(name):
    module, candidate = registry.module("baselines", name), registry.make("baselines", name)
    assert isinstance(module.VERSION, int)
    assert module.VERSION >= 1
    assert isinstance(candidate, Candidate)
    assert candidate.name == name
    assert type(candidate).__doc__
    assert module.make.__doc__


@pytest.mark.parametrize("name", OURS)
def test_answers_are_responses_with_usage_and_time(name):
    response = asyncio.run(learnt(registry.make("baselines", name)).answer(LABELLED[0], None))
    assert isinstance(response, Response)
    assert response.error is None
    assert response.output not in (None, "")
    assert json.loads(json.dumps(response.output)) == response.output
    assert response.usage["requests"] == 1.0
    assert response.seconds >= 0


@pytest.mark.parametrize("name", OURS)
def test_it_survives_pickling(name):
    candidate = learnt(registry.make("baselines", name))
    again = pickle.loads(pickle.dumps(candidate))
    first, second = (asyncio.run(one.answer(LABELLED[1], None)).output for one in (candidate, again))
    assert first == second
    assert again.fingerprint == candidate.fingerprint


@pytest.mark.parametrize("name", OURS)
def test_an_unknown_option_names_the_known_ones(name):
    with pytest.raises(ValueError, match="unknown option 'colour'"):
        registry.make("baselines", f"{name}(colour=1)")


def test_fingerprints_are_frozen_until_a_version_rises():
    now = {name: registry.make("baselines", name).fingerprint for name in OURS}
    assert now == json.loads(GOLDEN.read_text("utf-8"))


def test_an_option_changes_the_fingerprint():
    assert registry.make("baselines", "linear").fingerprint != registry.make("baselines", "linear(c=2.0)").fingerprint


@pytest.mark.parametrize("name", NEED_SKLEARN)
def test_without_scikit_learn_the_extra_is_named(name, monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[tabular\]"):
        registry.make("baselines", name)
