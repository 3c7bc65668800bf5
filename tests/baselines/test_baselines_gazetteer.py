"""The gazetteer learns words and shapes; label learners give probabilities without new answers by default."""

from __future__ import annotations

import asyncio
import json
import math

import numpy as np
import pytest

from evalkit import registry
from evalkit.baselines import gazetteer
from evalkit.baselines.nearest_centroid import FACTORS, sharpness
from evalkit.core.types import Given, Sample


def marked(*texts):
    """Samples of texts in which `[words](type)` marks an entity."""
    samples = []
    for number, text in enumerate(texts):
        plain, spans = "", []
        for piece in text.replace(")", "[").replace("](", "[").split("["):
            place = text.find(f"[{piece}](")
            if place >= 0 and piece:
                spans.append({"start": len(plain), "end": len(plain) + len(piece)})
                plain += piece
            elif spans and "type" not in spans[-1]:
                spans[-1]["type"] = piece
            else:
                plain += piece
        samples.append(Sample(f"s{number}", {"text": plain}, spans))
    return samples


def found(samples, text, **options):
    fitted = gazetteer.make(**options).fit(Given("g", samples), 0)
    response = asyncio.run(fitted.answer(Sample("q", {"text": text}), None))
    assert response.error is None
    return [(e["type"], e["text"]) for e in json.loads(response.output)["entities"]]


TRIPS = marked(
    "To [Bath](place) on [14 June](date) at [9:15](time), code [QX7RT2](reference)",
    "From [New York](place) to [York](place) with [IC 204](service), [12 euros](money)",
    "[Bath](place) again, on [Friday](date)",
)


def test_helper_marks_what_it_says():
    sample = TRIPS[1]
    assert [sample.input["text"][e["start"] : e["end"]] for e in sample.target] == [
        "New York",
        "York",
        "IC 204",
        "12 euros",
    ]


def test_learns_words_and_the_longest_match_wins():
    assert found(TRIPS, "new york or York, BATH or Bathe?") == [
        ("place", "new york"),
        ("place", "York"),
        ("place", "BATH"),
    ]


def test_learns_shapes_of_numbers_and_codes():
    text = "Take IC 7 on 3 June at 17:45 for 900 euros, code AB12CD, not ABC12"
    shapes = [
        ("service", "IC 7"),
        ("date", "3 June"),
        ("time", "17:45"),
        ("money", "900 euros"),
        ("reference", "AB12CD"),
    ]
    assert found(TRIPS, text) == shapes
    assert found(TRIPS, text, patterns=False) == []


def test_words_that_mostly_mean_nothing_are_left_out():
    samples = marked("[Sunday](date)", "sunday clothes", "sunday mood", "[Bath](place)")
    assert found(samples, "Sunday in Bath") == [("place", "Bath")]
    assert found(samples, "Sunday in Bath", purity=0.3) == [("date", "Sunday"), ("place", "Bath")]


def test_the_most_frequent_type_wins_and_ties_go_by_the_alphabet():
    assert found(marked("[May](date)", "[May](person)", "[May](person)"), "May", purity=0.6) == [("person", "May")]
    assert found(marked("[May](date)", "[May](person)"), "May") == [("date", "May")]


def test_order_of_the_training_samples_does_not_matter():
    text = "Bath, York, 9:15"
    assert found(TRIPS, text) == found(TRIPS[::-1], text)


def test_entities_inside_words_are_not_learnt():
    assert found(marked("[Bath](place)room", "[York](place)"), "Bath and York") == [("place", "York")]


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([], "nothing to learn from"),
        ([Sample("s", {"text": "x"}, "place")], "the target must be a list of entities"),
        ([Sample("s", {"text": "x"}, [])], "no training text has an entity"),
        ([Sample("s", {}, [])], "has no text"),
    ],
)
def test_what_it_cannot_learn_from_is_said(samples, words):
    with pytest.raises(ValueError, match=words):
        gazetteer.make().fit(Given("g", samples), 0)
    with pytest.raises(ValueError, match="purity=0 must be above 0"):
        gazetteer.make(purity=0)


def test_unfitted_it_answers_with_a_failure():
    response = asyncio.run(gazetteer.make().answer(Sample("s", {"text": "x"}), None))
    assert "has learnt nothing" in response.error.message


LABELS = [
    Sample(f"s{i}", {"text": text}, label)
    for i, (text, label) in enumerate(
        [
            ("book a seat", "book"),
            ("book two tickets", "book"),
            ("cancel the seat", "cancel"),
            ("cancel it", "cancel"),
            ("is it late", "status"),
            ("how late is it", "status"),
        ]
    )
]


@pytest.mark.parametrize("name", ["tfidf_linear", "nearest_centroid"])
def test_probabilities_are_given_where_they_are_asked_for(name):
    plain = registry.make("baselines", name).fit(Given("g", LABELS), 0)
    fitted = registry.make("baselines", f"{name}(probabilities=True)").fit(Given("g", LABELS), 0)
    for text in ("cancel my seat", "late", "xyzzy"):
        sample = Sample("q", {"text": text})
        label = asyncio.run(plain.answer(sample, None)).output
        answer = json.loads(asyncio.run(fitted.answer(sample, None)).output)
        chances = answer["probabilities"]
        assert answer["label"] == label
        assert set(chances) == {"book", "cancel", "status"}
        assert math.isclose(sum(chances.values()), 1)
        assert chances[label] == pytest.approx(max(chances.values()))


@pytest.mark.parametrize("name", ["tfidf_linear", "nearest_centroid"])
def test_fields_have_no_one_distribution(name):
    samples = [Sample(s.id, s.input, {"category": s.target}) for s in LABELS]
    with pytest.raises(ValueError, match="needs a target that is one label"):
        registry.make("baselines", f"{name}(probabilities=True)").fit(Given("g", samples), 0)


@pytest.mark.parametrize("name", ["tfidf_linear", "nearest_centroid"])
def test_an_option_that_came_later_changes_no_fingerprint_by_being_there(name):
    plain, same, other = (
        registry.make("baselines", f"{name}{o}") for o in ("", "(probabilities=False)", "(probabilities=True)")
    )
    assert plain.fingerprint == same.fingerprint != other.fingerprint


def test_sharpness_is_the_factor_of_the_least_held_out_loss():
    from scipy.sparse import csr_matrix

    drawn = np.random.default_rng(0)
    rows = np.abs(drawn.normal(size=(30, 12)))
    labels = tuple("abc"[i % 3] for i in range(30))
    rows[np.arange(30), np.arange(30) % 3] += 1.5
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    losses = []
    for factor in FACTORS:
        total = 0.0
        for i in range(30):
            others = [j for j in range(30) if j != i]
            centroids = np.stack([rows[[j for j in others if labels[j] == name]].mean(axis=0) for name in "abc"])
            cosines = centroids @ rows[i] / np.linalg.norm(centroids, axis=1)
            chances = np.exp(factor * cosines) / np.exp(factor * cosines).sum()
            total -= np.log(chances["abc".index(labels[i])])
        losses.append(total)
    assert sharpness(csr_matrix(rows), labels) == FACTORS[int(np.argmin(losses))]
    assert sharpness(csr_matrix(np.eye(3)), ("a", "b", "c")) in FACTORS
