"""Entities against seqeval on random tags, the shapes that classifiers answer with, and selective classification."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from evalkit import registry
from evalkit.scorers._spans import Span, decode
from evalkit.scorers.risk_coverage import area

ROOT = Path(__file__).parents[2]
TAGS = st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), max_size=14)
TEXT = "Two to Lyon, then Lyon to Turin at 8:15"
LYON, AGAIN, TURIN = ({"type": "place", "start": s, "end": e} for s, e in ((7, 11), (18, 22), (26, 31)))
TIME = {"type": "time", "start": 35, "end": 39}


def judged(kit, output, target=(LYON, AGAIN, TURIN, TIME), spec="entity_f1"):
    return kit.score(
        registry.make("scorers", spec), {"input": {"text": TEXT}, "target": list(target), "output": output}
    )


@pytest.mark.parametrize(
    ("script", "names"),
    [("make_entity_cases.py", ["entity_f1"]), ("make_text_cases.py", ["bleu", "chrf", "rouge", "ter"])],
)
def test_library_cases_are_current(kit, tmp_path, script, names):
    subprocess.run(
        [sys.executable, "-W", "ignore", ROOT / "scripts" / script, tmp_path], check=True, capture_output=True
    )
    assert sorted(file.stem for file in tmp_path.glob("*.json")) == names
    for name in names:
        now, kept = json.loads((tmp_path / f"{name}.json").read_text("utf-8")), kit.load(name)
        assert now["made_by"]["version"] == version(kept["made_by"]["library"])
        assert now == kept, f"{name}: the library gives other numbers; rerun scripts/{script}"


@settings(max_examples=50)
@given(TAGS)
def test_strict_tags_are_decoded_as_seqeval_does(tags):
    (wanted,) = Entities([tags], IOB2).entities
    assert decode(tags, "strict") == [Span(e.tag, e.start, e.end) for e in wanted]


@settings(max_examples=50)
@given(TAGS)
def test_lenient_tags_are_decoded_as_seqeval_does(tags):
    assert decode(tags, "lenient") == [Span(of, start, end + 1) for of, start, end in get_entities(tags)]


@settings(max_examples=50)
@given(st.lists(st.tuples(TAGS, st.randoms(use_true_random=False)), min_size=1, max_size=6))
def test_corpus_scores_are_seqevals(kit, drawn):
    from seqeval.metrics import f1_score, precision_score, recall_score

    truth = [tags for tags, _ in drawn]
    guess = [[chance.choice([tag, tag, "O", "B-a"]) for tag in tags] for tags, chance in drawn]
    scorer = registry.make("scorers", "entity_f1")
    scores = [kit.score(scorer, {"target": t, "output": g}) for t, g in zip(truth, guess, strict=True)]
    for metric, reference in zip(scorer.metrics, (f1_score, precision_score, recall_score), strict=False):
        found = float(kit.fold(metric, [score[metric.name] for score in scores])[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = reference(truth, guess, mode="strict", scheme=IOB2)
        assert (0.0 if np.isnan(found) else found) == pytest.approx(wanted)


def test_rows_tell_the_types_apart(kit):
    score = judged(kit, {"entities": [LYON, TURIN, {"type": "date", "start": 35, "end": 39}]})["entity_f1"]
    assert {row.unit: dict(row.parts) for row in score.rows} == {
        "date": {"tp": 0, "fp": 1, "fn": 0},
        "place": {"tp": 2, "fp": 0, "fn": 1},
        "time": {"tp": 0, "fp": 0, "fn": 1},
    }
    assert score.answer == "place Lyon; place Turin; date 8:15"
    assert score.reason == "missed: place Lyon, time 8:15; wrong: date 8:15"
    assert score.value == pytest.approx(4 / 7)


WORDS = [{"type": "place", "text": "Lyon"}, {"type": "place", "text": "Lyon"}, {"type": "place", "text": "Turin"}]
AGGREGATED = [
    {"entity_group": "place", "score": 0.99, "word": "Lyon", "start": 7, "end": 11},
    {"entity_group": "place", "score": 0.98, "word": "Lyon", "start": 18, "end": 22},
    {"entity_group": "time", "score": 0.7, "word": "8:15", "start": 35, "end": 39},
]
PIECES = [
    {"entity": "B-place", "index": 3, "start": 7, "end": 9},
    {"entity": "I-place", "index": 4, "start": 9, "end": 11},
    {"entity": "B-time", "index": 11, "start": 35, "end": 36},
    {"entity": "I-time", "index": 12, "start": 36, "end": 39},
]


@pytest.mark.parametrize(
    ("output", "hits", "wrong"),
    [
        ({"entities": WORDS}, 3, 0),
        (json.dumps({"entities": WORDS}), 3, 0),
        (f"Here they are:\n```json\n{json.dumps(WORDS)}\n```", 3, 0),
        (AGGREGATED, 3, 0),
        ([AGGREGATED], 3, 0),
        (PIECES, 2, 0),
        ([*PIECES[:1], {**PIECES[1], "index": 9}], 0, 1),
        ([LYON, LYON, {**LYON, "type": "time"}], 1, 1),
        ([{"type": "place", "text": "Paris"}, {"type": "place"}, "x", {"start": 7, "end": 11}], 0, 4),
        ([{"type": "place", "start": 11, "end": 7}, {"type": "place", "start": 7.0, "end": 11}], 0, 2),
        ([{"type": "place", "text": "Lyon"}] * 3, 2, 1),
        ({"entities": []}, 0, 0),
    ],
)
def test_shapes_of_answers(kit, output, hits, wrong):
    parts = judged(kit, output)["entity_f1"].parts
    assert (parts["tp"], parts["fp"], parts["fn"]) == (hits, wrong, 4 - hits)


def test_what_is_no_list_is_not_scorable(kit):
    assert "the answer is a number" in judged(kit, 7)["entity_f1"].reason
    assert "not JSON" in judged(kit, "Lyon and Turin")["entity_f1"].reason
    assert "'B' is no IOB2 tag" in judged(kit, ["B", "O"])["entity_f1"].reason


def test_nothing_asked_and_nothing_found_is_right(kit):
    scores = judged(kit, [], target=())
    assert {score.value for score in scores.values()} == {1.0}
    assert judged(kit, [LYON], target=())["entity_precision"].value == 0
    assert judged(kit, [], target=[LYON])["entity_recall"].value == 0


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("place", "the target is text"),
        ([1], "an entity of the target is a number"),
        ([{"type": "place", "start": 7}], "has no type, start and end"),
        ([{"type": "place", "start": 30, "end": 90}], "ends behind the text"),
        ([{"type": "place", "start": 0, "end": 4, "text": "Lyon"}], "does not stand at 0-4"),
        (["B-place", "X"], "is no IOB2 tag"),
    ],
)
def test_targets_that_are_none_are_found_before_the_run(kit, target, words):
    scorer = registry.make("scorers", "entity_f1")
    assert words in scorer.problem(kit.sample({"input": {"text": TEXT}, "target": target}))
    assert scorer.worst(kit.sample({"input": {"text": TEXT}, "target": target}))["entity_f1"].parts["fn"] == 0


def test_a_failed_answer_misses_everything(kit):
    scorer = registry.make("scorers", "entity_f1")
    worst = scorer.worst(kit.sample({"input": {"text": TEXT}, "target": {"entities": [LYON, TIME]}}))
    assert worst["entity_f1"].parts["fn"] == 2
    assert worst["entity_macro_f1"].parts["fn:time"] == 1


def test_options_say_what_is_known():
    with pytest.raises(ValueError, match="tags='iob1' is unknown; known: strict, lenient"):
        registry.make("scorers", "entity_f1(tags='iob1')")
    with pytest.raises(ValueError, match=r"floor=1\.5 must be a number from 0 to 1"):
        registry.make("scorers", "risk_coverage(floor=1.5)")
    with pytest.raises(ValueError, match="not all different"):
        registry.make("scorers", "risk_coverage(labels=['a', 'a'])")


SEEN = st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=40)
@given(SEEN, st.integers(0, 2**32 - 1))
def test_area_is_the_mean_risk_over_random_orders_of_ties(pairs, seed):
    confidence, wrong = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    copies = 60
    drawn = np.random.default_rng(seed)
    sure, bad = np.repeat(confidence, copies), np.repeat(wrong, copies)
    risks = []
    for _ in range(40):
        order = np.lexsort((drawn.random(sure.size), -sure))
        risks.append((np.cumsum(bad[order]) / np.arange(1, sure.size + 1)).mean())
    found = area({"value": wrong, "confidence": confidence}, np.ones((1, wrong.size)))
    assert found[0] == pytest.approx(np.mean(risks), abs=0.03)
    assert min(wrong) - 1e-9 <= found[0] <= max(wrong) + 1e-9


def test_knowing_what_it_does_not_know_is_worth_something():
    wrong = np.array([1.0, 0.0, 0.0, 0.0])
    knows, does_not = np.array([0.1, 0.9, 0.8, 0.7]), np.array([0.9, 0.1, 0.2, 0.3])
    each = [
        area({"value": wrong, "confidence": sure}, np.ones((1, 4)))[0] for sure in (knows, np.full(4, 0.5), does_not)
    ]
    assert each[1] == pytest.approx(0.25)
    assert each[0] < each[1] < each[2]


def test_probabilities_of_common_services_reach_the_other_scorers(kit):
    answer = [[{"label": "book", "score": 0.75}, {"label": "fare", "score": 0.25}]]
    for spec, wanted in (("brier", 0.0625), ("log_loss", -np.log(0.75)), ("classification", 1.0)):
        assert kit.one(spec, answer, "book").value == pytest.approx(wanted)
    assert kit.one("classification", {"labels": ["fare", "book"], "scores": [0.1, 0.9]}, "book").answer == "book"
    assert kit.one("classification", '{"label": "book", "confidence": 0.2}', "book").value == 1
    for broken in (
        [{"label": "book"}],
        [{"label": "a", "score": 1}, {"label": "a", "score": 0}],
        {"labels": ["a"], "scores": []},
    ):
        assert kit.one("brier", broken, "book").value is None


def test_the_largest_probability_stands_in_where_the_labels_has_none(kit):
    score = kit.one("risk_coverage", {"label": "x", "probabilities": {"a": 0.6, "b": 0.4}}, "x")
    assert score.answer == "x (0.6)"
    assert "the confidence is missing" in kit.one("risk_coverage", {"label": "x", "probabilities": {}}, "x").reason
    assert "not JSON" in kit.one("risk_coverage", "book", "book").reason
