from __future__ import annotations

import asyncio
import json
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from evalkit import registry
from evalkit.core.errors import MissingComponent
from evalkit.core.keys import digest_bytes
from evalkit.core.types import Candidate, Fits, Given, Response, Sample

OURS = sorted(registry.names("baselines"))
NEED_SKLEARN = ["tfidf_linear", "nearest_centroid", "linear", "forest", "boosting"]
GOLDEN = Path(__file__).parents[1] / "cases/baselines/fingerprints.json"
LABELLED = [
    Sample(f"s{i}", {"text": f"word{i % 2} and more", "row": {"a": float(i % 2)}}, f"class{i % 2}") for i in range(8)
]
NUMBERED = [Sample(s.id, s.input, float(i)) for i, s in enumerate(LABELLED)]


SAMPLES = Path(__file__).parents[1] / "cases/baselines/samples"
MEDIA = Path(__file__).parents[1] / "cases/media"


class Files:
    """Blobs in memory; {"$file": name} in a sample names a file of tests/cases/media."""

    def __init__(self):
        self.data = {}

    def put(self, data, media_type):
        name = digest_bytes(data)
        self.data[name] = data
        return {"$blob": name, "type": media_type}

    def get(self, ref):
        return self.data[ref if isinstance(ref, str) else ref["$blob"]]

    def attached(self, value):
        if isinstance(value, dict) and set(value) == {"$file"}:
            return self.put((MEDIA / value["$file"]).read_bytes(), "application/octet-stream")
        if isinstance(value, dict):
            return {key: self.attached(inner) for key, inner in value.items()}
        return [self.attached(inner) for inner in value] if isinstance(value, list) else value


def context():
    return SimpleNamespace(blobs=Files(), seed=0, repeat=0)


def samples_for(name, ctx):
    """What a baseline is asked and learns from: its own file, one {input, target} per sample, else texts and rows."""
    own = SAMPLES / f"{name}.json"
    if own.exists():
        told = json.loads(own.read_text("utf-8"))
        return [Sample(f"s{i}", ctx.blobs.attached(one["input"]), one.get("target")) for i, one in enumerate(told)]
    return NUMBERED if name == "mean" else LABELLED


def learnt(candidate, samples):
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
    ctx = context()
    samples = samples_for(name, ctx)
    response = asyncio.run(learnt(registry.make("baselines", name), samples).answer(samples[0], ctx))
    assert isinstance(response, Response)
    assert response.error is None
    assert response.output not in (None, "")
    assert json.loads(json.dumps(response.output)) == response.output
    assert response.usage["requests"] == 1.0
    assert response.seconds >= 0


@pytest.mark.parametrize("name", OURS)
def test_it_survives_pickling(name):
    ctx = context()
    samples = samples_for(name, ctx)
    candidate = learnt(registry.make("baselines", name), samples)
    again = pickle.loads(pickle.dumps(candidate))
    first, second = (asyncio.run(one.answer(samples[-1], ctx)).output for one in (candidate, again))
    # Noise that keeps a secret has no seed.
    assert first == second or not getattr(candidate, "seeded", True)
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
