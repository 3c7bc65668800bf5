from __future__ import annotations

import asyncio
import json

import pytest

from evalkit import registry
from evalkit.baselines import _text
from evalkit.core.errors import ErrorKind
from evalkit.core.types import Given, Sample

CATS = ["the cat purrs softly", "a cat sleeps and purrs", "cats purr at night", "my cat purrs"]
DOGS = ["the dog barks loudly", "a dog runs and barks", "dogs bark at night", "my dog barks"]
LEARNERS = [
    "tfidf_linear",
    "tfidf_linear(analyzer='char_wb',ngrams=3)",
    "tfidf_linear(balanced=False)",
    "nearest_centroid",
]


def pets(**extra):
    texts = [(text, "cat") for text in CATS] + [(text, "dog") for text in DOGS]
    return [Sample(f"p{i}", {"text": text}, {"pet": pet, **extra}) for i, (text, pet) in enumerate(texts)]


def ask(candidate, value):
    return asyncio.run(candidate.answer(Sample("asked", value), None))


@pytest.mark.parametrize("spec", LEARNERS)
def test_it_learns_what_words_tell(spec):
    fitted = registry.make("baselines", spec).fit(Given("g", pets()), seed=0)
    assert json.loads(ask(fitted, {"text": "one purring cat"}).output) == {"pet": "cat"}
    assert json.loads(ask(fitted, {"text": "it barks, the dog"}).output) == {"pet": "dog"}


@pytest.mark.parametrize("spec", LEARNERS)
def test_fitting_changes_nothing_and_is_repeatable(spec):
    candidate = registry.make("baselines", spec)
    before = candidate.fingerprint
    one, two = (candidate.fit(Given("g", samples), seed=3) for samples in (pets(), list(reversed(pets()))))
    assert candidate.fingerprint == before != one.fingerprint
    assert one.fingerprint == two.fingerprint
    for text in (*CATS, *DOGS, "night", ""):
        assert ask(one, {"text": text}).output == ask(two, {"text": text}).output
    others = {candidate.fit(Given("other", pets()), 3).fingerprint, candidate.fit(Given("g", pets()), 4).fingerprint}
    assert len({one.fingerprint, *others}) == 3


@pytest.mark.parametrize("spec", ["tfidf_linear", "nearest_centroid"])
def test_only_fields_that_hold_labels_are_learnt(spec):
    samples = pets(house="yes", legs=4)
    named = [Sample(s.id, s.input, {**s.target, "name": s.id, "odd": i % 2 == 1}) for i, s in enumerate(samples)]
    fitted = registry.make("baselines", spec).fit(Given("g", named), seed=0)
    answer = json.loads(ask(fitted, {"text": "cat"}).output)
    assert set(answer) == {"pet", "house", "odd"}
    assert answer["house"] == "yes"
    assert isinstance(answer["odd"], bool)


@pytest.mark.parametrize("spec", ["tfidf_linear", "nearest_centroid", "majority"])
def test_a_target_that_is_one_label_is_answered_as_text(spec):
    samples = [Sample(s.id, s.input, s.target["pet"]) for s in pets()[:7]]
    fitted = registry.make("baselines", spec).fit(Given("g", samples), seed=0)
    assert ask(fitted, {"text": "cat purrs"}).output == "cat"


def test_an_unknown_text_gets_the_most_frequent_label_of_the_centroids():
    samples = [*pets(), Sample("p9", {"text": "dog again"}, {"pet": "dog"})]
    fitted = registry.make("baselines", "nearest_centroid").fit(Given("g", samples), seed=0)
    assert json.loads(ask(fitted, {"text": "zzz"}).output) == {"pet": "dog"}


def test_majority_takes_the_first_of_equals():
    fitted = registry.make("baselines", "majority").fit(Given("g", pets()), seed=0)
    response = ask(fitted, {"text": "dog"})
    assert json.loads(response.output) == {"pet": "cat"}
    assert response.usage == {"requests": 1.0, "characters": 0.0}


@pytest.mark.parametrize("spec", ["tfidf_linear", "nearest_centroid"])
def test_a_text_that_is_not_there_is_a_failure(spec):
    fitted = registry.make("baselines", spec).fit(Given("g", pets()), seed=0)
    failure = ask(fitted, {"row": {}}).error
    assert failure.kind is ErrorKind.CANDIDATE
    assert "'asked'" in failure.message
    with pytest.raises(ValueError, match="'p0'"):
        registry.make("baselines", spec).fit(Given("g", [Sample("p0", {}, {"pet": "cat"})]), seed=0)


@pytest.mark.parametrize("spec", ["tfidf_linear", "nearest_centroid", "majority"])
def test_nothing_to_learn_is_said(spec):
    candidate = registry.make("baselines", spec)
    with pytest.raises(ValueError, match="training part of the split is empty"):
        candidate.fit(Given("g", []), seed=0)
    numbers = [Sample(f"n{i}", {"text": "a b"}, {"value": i}) for i in range(4)]
    with pytest.raises(ValueError, match="no target field holds labels"):
        candidate.fit(Given("g", numbers), seed=0)
    failure = ask(candidate, {"text": "cat"}).error
    assert failure.kind is ErrorKind.CANDIDATE
    assert "dataset.split" in failure.message


def test_labels_may_be_null_and_absent():
    samples = [Sample(str(i), {"text": "x"}, {"a": "yes" if i % 2 else None} if i else {}) for i in range(6)]
    assert _text.label_fields(samples) == {"a": ("null", '"yes"', "null", '"yes"', "null", '"yes"')}
    assert _text.unlabel({"a": "null"}) == {"a": None}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("tfidf_linear(analyzer='words')", "known: word, char_wb"),
        ("tfidf_linear(ngrams=0)", "1 to 8"),
        ("nearest_centroid(ngrams=9)", "1 to 8"),
        ("nearest_centroid(ngrams=1.5)", "1 to 8"),
        ("tfidf_linear(c=0)", "above 0"),
    ],
)
def test_wrong_options_are_named(spec, said):
    with pytest.raises(ValueError, match=said):
        registry.make("baselines", spec)
