from __future__ import annotations

import asyncio
import json
import random

import pytest

from evalkit import registry
from evalkit.baselines import _tabular
from evalkit.core.errors import ErrorKind
from evalkit.core.types import Batches, Given, Sample

CLASSIFIERS = ["linear", "forest(trees=20)", "boosting(rounds=20)"]


def flowers(count=60, *, gaps=False):
    dice = random.Random(1)
    samples = []
    for number in range(count):
        kind = ("rose", "tulip", "daisy")[number % 3]
        width = {"rose": 5.0, "tulip": 9.0, "daisy": 1.0}[kind] + dice.random()
        row = {"width": None if gaps and number % 7 == 0 else width, "noise": dice.random(), "colour": kind[0]}
        samples.append(Sample(f"f{number:02d}", {"row": row}, kind))
    return samples


def line(count=60):
    dice = random.Random(2)
    xs = [dice.uniform(0, 10) for _ in range(count)]
    return [Sample(f"x{i:02d}", {"row": {"x": x}}, 3 * x + 0.5) for i, x in enumerate(xs)]


def fit(spec, samples, seed=0):
    return registry.make("baselines", spec).fit(Given("g", samples), seed)


def ask(candidate, value):
    return asyncio.run(candidate.answer(Sample("asked", value), None))


@pytest.mark.parametrize("spec", CLASSIFIERS)
@pytest.mark.parametrize("gaps", [False, True])
def test_classification_answers_label_and_probabilities(spec, gaps):
    fitted = fit(spec, flowers(gaps=gaps))
    answer = ask(fitted, {"row": {"width": 9.4, "noise": 0.5, "colour": "t"}}).output
    assert answer["label"] == "tulip"
    assert list(answer["probabilities"]) == ["daisy", "rose", "tulip"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert max(answer["probabilities"], key=answer["probabilities"].get) == "tulip"


@pytest.mark.parametrize("spec", CLASSIFIERS)
def test_gaps_and_unseen_values_are_answered(spec):
    fitted = fit(spec, flowers(gaps=True))
    response = ask(fitted, {"row": {"width": None, "colour": "violet", "unknown": 3}})
    assert response.output["label"] in ("rose", "tulip", "daisy")


@pytest.mark.parametrize(
    ("spec", "tolerance"), [("linear(c=100.0)", 0.1), ("forest(trees=20)", 2), ("boosting(rounds=50)", 5)]
)
def test_regression_answers_a_number(spec, tolerance):
    response = ask(fit(spec, line()), {"row": {"x": 5.0}})
    assert response.output == pytest.approx(15.5, abs=tolerance)


@pytest.mark.parametrize("spec", CLASSIFIERS)
def test_the_same_seed_and_data_answer_the_same(spec):
    samples = flowers()
    one, two = fit(spec, samples, seed=5), fit(spec, list(reversed(samples)), seed=5)
    assert one.fingerprint == two.fingerprint
    rows = [{"row": sample.input["row"]} for sample in flowers(12)]
    assert [ask(one, row).output for row in rows] == [ask(two, row).output for row in rows]


def test_another_seed_grows_another_forest():
    row = {"row": {"width": 5.0, "noise": 0.1, "colour": "d"}}
    outputs = {json.dumps(ask(fit("forest(trees=5)", flowers(), seed=seed), row).output) for seed in range(5)}
    assert len(outputs) > 1


@pytest.mark.parametrize("spec", CLASSIFIERS)
def test_a_batch_answers_as_one_by_one(spec):
    fitted = fit(spec, flowers())
    assert isinstance(fitted, Batches)
    asked = flowers(9)
    batch = asyncio.run(fitted.answer_batch(asked, None))
    single = [asyncio.run(fitted.answer(sample, None)) for sample in asked]
    assert [b.output["label"] for b in batch] == [s.output["label"] for s in single]
    for one, other in zip(batch, single, strict=True):
        assert one.output["probabilities"] == pytest.approx(other.output["probabilities"])
        assert one.usage == other.usage
        assert one.seconds >= 0
    assert asyncio.run(fitted.answer_batch([], None)) == []


def test_one_bad_row_spoils_only_its_own_answer():
    fitted = fit("linear", flowers())
    asked = [*flowers(2), Sample("bad", {"row": {"width": "wide"}}), Sample("none", {"text": "no row"})]
    good, fine, bad, none = asyncio.run(fitted.answer_batch(asked, None))
    assert good.error is None
    assert fine.error is None
    assert bad.error.kind is ErrorKind.CANDIDATE
    assert "'width' holds 'wide'" in bad.error.message
    assert "'none'" in none.error.message
    assert "row" in none.error.message


def test_labels_keep_their_type_and_one_label_is_enough():
    samples = [Sample(str(i), {"row": {"a": float(i)}}, i % 2) for i in range(20)]
    answer = ask(fit("linear", samples), {"row": {"a": 3.0}}).output
    assert answer["label"] in (0, 1)
    assert list(answer["probabilities"]) == ["0", "1"]
    same = [Sample(str(i), {"row": {"a": float(i)}}, "only") for i in range(4)]
    answer = ask(fit("boosting", same), {"row": {"a": 3.0}}).output
    assert answer == {"label": "only", "probabilities": {"only": 1.0}}


@pytest.mark.parametrize(
    ("task", "targets", "classification"),
    [
        ("auto", ["a", "b"], True),
        ("auto", [True, False], True),
        ("auto", [0, 1, 2], True),
        ("auto", [0.0, 1.0], True),
        ("auto", [0.5, 1.0], False),
        ("auto", list(range(21)), False),
        ("auto", list(range(20)), True),
        ("regression", [0, 1], False),
        ("classification", list(range(40)), True),
    ],
)
def test_what_counts_as_classification(task, targets, classification):
    assert _tabular.is_classification(task, targets) is classification


def test_majority_and_mean_of_tables():
    samples = [*flowers(6), Sample("f9", {"row": {}}, "tulip")]
    answer = ask(fit("majority", samples), {"row": {}}).output
    assert answer["label"] == "tulip"
    assert answer["probabilities"] == pytest.approx({"daisy": 2 / 7, "rose": 2 / 7, "tulip": 3 / 7})
    assert ask(fit("mean", [Sample(str(t), {"row": {}}, t) for t in (1, 2.5, 4)]), {"row": {}}).output == 2.5


@pytest.mark.parametrize("spec", ["linear", "mean"])
def test_nothing_to_learn_is_said(spec):
    with pytest.raises(ValueError, match="training part of the split is empty"):
        fit(spec, [])
    failure = ask(registry.make("baselines", spec), {"row": {"a": 1}}).error
    assert failure.kind is ErrorKind.CANDIDATE
    assert "dataset.split" in failure.message


@pytest.mark.parametrize("target", [None, "3", True, float("nan"), float("inf")])
def test_regression_needs_finite_numbers(target):
    samples = [Sample("a", {"row": {"x": 1.0}}, 0.5), Sample("b", {"row": {"x": 1.0}}, target)]
    with pytest.raises(ValueError, match="'b'"):
        fit("mean", samples)
    with pytest.raises(ValueError, match="'b'"):
        fit("linear(task='regression')", samples)


def test_rows_without_columns_and_samples_without_rows():
    with pytest.raises(ValueError, match="no columns"):
        fit("linear", [Sample("a", {"row": {}}, "x"), Sample("b", {"row": {}}, "y")])
    with pytest.raises(ValueError, match="'a' has no `row`"):
        fit("forest", [Sample("a", {"text": "x"}, "x")])


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("linear(c=-1)", "above 0"),
        ("linear(task='ranking')", "known: auto, classification, regression"),
        ("forest(trees=0)", "1 to 10,000"),
        ("forest(leaf=0)", "at least 1"),
        ("boosting(rounds=10001)", "1 to 10,000"),
        ("boosting(learning_rate=0)", "above 0"),
    ],
)
def test_wrong_options_are_named(spec, said):
    with pytest.raises(ValueError, match=said):
        registry.make("baselines", spec)
