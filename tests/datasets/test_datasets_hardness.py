from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error, r2_score, roc_auc_score
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from evalkit import registry
from evalkit.core.types import Given, Sample

ROOT = Path(__file__).parents[2]


def text_samples(name):
    lines = (ROOT / "datasets" / name / "samples.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [Sample(row["id"], row["input"], row["target"], row.get("group"), tuple(row["tags"])) for row in rows]


def answers(candidate, samples):
    async def ask():
        return [await candidate.answer(sample, None) for sample in samples]

    responses = asyncio.run(ask())
    assert [response.error for response in responses] == [None] * len(samples)
    outputs = [response.output for response in responses]
    return [json.loads(output) if isinstance(output, str) else output for output in outputs]


def out_of_fold(spec, samples, folds):
    candidate = registry.make("baselines", spec)
    found = [None] * len(samples)
    for train, test in folds:
        given = Given(f"fold of {len(train)}", [samples[i] for i in train])
        fitted = candidate.fit(given, seed=0) if hasattr(candidate, "fit") else candidate
        for place, answer in zip(test, answers(fitted, [samples[i] for i in test]), strict=True):
            found[place] = answer
    return found


def pooled_f1(spec, samples, found):
    scorer = registry.make("scorers", spec)
    from evalkit.core.types import Response

    async def parts():
        scores = [
            await scorer.score(sample, (Response(output=json.dumps(answer)),), None)
            for sample, answer in zip(samples, found, strict=True)
        ]
        return [score["json_f1"].parts for score in scores]

    every = asyncio.run(parts())
    true, false, missed = (sum(part[key] for part in every) for key in ("tp", "fp", "fn"))
    return 2 * true / (2 * true + false + missed)


@pytest.mark.parametrize("spec", ["keyword", "tfidf_linear", "nearest_centroid", "majority"])
def test_tickets_are_hard_but_not_hopeless(spec):
    samples = text_samples("tickets")
    groups = [sample.group or sample.id for sample in samples]
    folds = GroupKFold(5, shuffle=True, random_state=0).split(samples, groups=groups)
    value = pooled_f1("json_fields", samples, out_of_fold(spec, samples, folds))
    assert 0.2 <= value <= 0.9


def test_reading_tickets_beats_not_reading_them():
    samples = text_samples("tickets")
    truth = [sample.target["category"] for sample in samples]
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(samples, truth))
    values = {}
    for spec in ("keyword", "tfidf_linear", "majority"):
        said = [answer["category"] for answer in out_of_fold(spec, samples, folds)]
        values[spec] = f1_score(truth, said, average="macro", zero_division=0)
    assert values["keyword"] > values["tfidf_linear"] > values["majority"]


@pytest.mark.parametrize("spec", ["rule_extractor", "rule_extractor(cues=False)"])
def test_extraction_is_hard_but_not_hopeless(spec):
    samples = text_samples("extraction")
    found = answers(registry.make("baselines", spec), samples)
    assert 0.2 <= pooled_f1("json_fields(normaliser='casefold', tolerance=0.005)", samples, found) <= 0.9


def test_cue_words_help_the_extractor():
    samples = text_samples("extraction")
    with_cues, without = (
        pooled_f1("json_fields", samples, answers(registry.make("baselines", spec), samples))
        for spec in ("rule_extractor", "rule_extractor(cues=False)")
    )
    assert with_cues > without


def table(name):
    rows = list(registry.make("data", f"sklearn(name={name!r})").records())
    skip = {"id", "target"}
    return [
        Sample(r.fields["id"], {"row": {k: v for k, v in r.fields.items() if k not in skip}}, r.fields["target"])
        for r in rows
    ]


def test_breast_cancer_reaches_its_ceiling():
    samples = table("breast_cancer")
    truth = [sample.target for sample in samples]
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(samples, truth))
    found = out_of_fold("linear", samples, folds)
    assert accuracy_score(truth, [answer["label"] for answer in found]) > 0.965
    chances = [answer["probabilities"]["malignant"] for answer in found]
    assert roc_auc_score([target == "malignant" for target in truth], chances) > 0.99


def test_diabetes_reaches_its_ceiling():
    samples = table("diabetes")
    truth = [sample.target for sample in samples]
    folds = list(KFold(5, shuffle=True, random_state=0).split(samples))
    found = out_of_fold("linear", samples, folds)
    assert 0.45 < r2_score(truth, found) < 0.53
    assert 53 < mean_squared_error(truth, found) ** 0.5 < 57
    dull = out_of_fold("mean", samples, folds)
    assert r2_score(truth, dull) < 0.01


def wine():
    import csv

    with (ROOT / "datasets/wine/samples.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_wine_is_the_data_of_scikit_learn():
    rows, original = wine(), load_wine()
    names = [str(name) for name in original.feature_names]
    assert list(rows[0]) == ["id", *names, "target", "split"]
    assert np.array_equal([[float(row[name]) for name in names] for row in rows], original.data)
    assert [row["target"] for row in rows] == [f"class_{target}" for target in original.target]


def test_wine_tests_every_third_of_a_class_and_reaches_its_ceiling():
    rows = wine()
    seen: dict[str, int] = {}
    for row in rows:
        place = seen.get(row["target"], 0)
        seen[row["target"]] = place + 1
        assert row["split"] == ("test" if place % 3 == 0 else "train"), row["id"]
    features = [name for name in rows[0] if name not in ("id", "target", "split")]
    samples = [Sample(row["id"], {"row": {n: float(row[n]) for n in features}}, row["target"]) for row in rows]
    train = [i for i, row in enumerate(rows) if row["split"] == "train"]
    test = [i for i, row in enumerate(rows) if row["split"] == "test"]
    assert (len(train), len(test)) == (118, 60)
    found = out_of_fold("linear", samples, [(train, test)])
    assert np.mean([found[i]["label"] == rows[i]["target"] for i in test]) > 0.93
