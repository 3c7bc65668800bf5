"""Options and targets that are wrong are said in words; unusual answers are read or refused with a reason."""

from __future__ import annotations

import pytest

from evalkit import registry


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("exact_match(normaliser='fold')", "normaliser='fold' is unknown; known: none, strip"),
        ("exact_match(normalizer='strip')", "did you mean 'normaliser'"),
        ("regex", "option 'pattern' is needed"),
        ("regex(pattern='(')", "does not compile"),
        ("multiple_choice(letters='abc')", "must be capital letters"),
        ("multiple_choice(letters='')", "must be capital letters"),
        ("numeric(tolerance=-1)", "must not be negative"),
        ("numeric(unit='parsec')", "'parsec' is not a known unit"),
        ("numeric(percent='x')", "known: fraction, ignore"),
        ("numeric(decimal=';')", "known: ., ,"),
        ("numeric(markers=[1])", "must be text or a list of texts"),
        ("json_valid(schema={'type': 'objekt'})", "the JSON Schema is wrong at"),
        ("json_fields(tolerance=-0.1)", "must not be negative"),
        ("json_fields(normaliser='x')", "is unknown"),
        ("json_fields(fields=3)", "must be text or a list of texts"),
        ("classification(labels='ab')", "must be a list"),
        ("classification(labels=['A', 'a'], normaliser='casefold')", "are not all different"),
        ("classification(labels=[['a']])", "a label is a list"),
        ("classification(field='a[')", "is not a path"),
        ("regression(field='a[x]')", "is not a path"),
        ("exact_matsch", "did you mean 'exact_match'"),
    ],
)
def test_wrong_options(spec, told):
    with pytest.raises(ValueError, match=r".+") as caught:
        registry.make("scorers", spec)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "target", "told"),
    [
        ("exact_match", None, "the target is missing"),
        ("exact_match", {"a": 1}, "the target is an object"),
        ("exact_match", [], "the target is an empty list"),
        ("exact_match", [["a"]], "the target is a list"),
        ("contains", " ", "empty text, which every answer contains"),
        ("squad", {"a": 1}, "the target is an object"),
        ("multiple_choice", "E", "the target 'E' is no choice"),
        ("multiple_choice", 4, "the target 4 is no choice"),
        ("multiple_choice", True, "the target True is no choice"),
        ("numeric", "none", "holds no numbers"),
        ("numeric", "2019-01-01", "holds 3 numbers"),
        ("numeric", float("nan"), "holds no numbers"),
        ("numeric", True, "the target is true/false"),
        ("numeric", [], "the target is a list"),
        ("json_fields", "x", "the target is text"),
        ("classification(labels=['a', 'b'])", "c", "the target 'c' is not one of the labels a, b"),
        ("classification", None, "the target is missing"),
        ("classification", "x" * 65, "is no label: empty, longer than 64 characters"),
        ("classification(field='kind')", {"sort": "a"}, "the target has no field 'kind'; it has sort"),
        ("auc", [1], "the target is a list"),
        ("auc", "maybe", None),
        ("regression", "many", "the target 'many' is not a number"),
        ("regression", float("inf"), "the target is inf"),
        ("regression", True, "the target is true/false"),
        ("regression", 1e200, "too large to be squared"),
        ("regression", 10**400, "is not a number"),
        ("regression(percentage=True)", 0, "has no percentage error"),
    ],
)
def test_wrong_targets(kit, spec, target, told):
    scorer = registry.make("scorers", spec)
    found = scorer.problem(kit.sample({"target": target}))
    if told is None:
        assert found is None
        return
    assert told in found
    with pytest.raises(ValueError, match=r".+"):
        kit.score(scorer, {"target": target, "output": "1"})
    assert all(
        score.value in (None, metric.on_error)
        for metric, score in zip(scorer.metrics, scorer.worst(kit.sample({"target": target})).values(), strict=True)
    )


def test_wrong_choices(kit):
    scorer = registry.make("scorers", "multiple_choice")
    for choices, told in [
        ("ab", "input.choices is text"),
        ([], "input.choices is a list"),
        (["x"] * 27, "1 to 26"),
        ({"first": "x"}, "letters are needed"),
    ]:
        assert told in scorer.problem(kit.sample({"target": "A", "input": {"choices": choices}}))


def test_two_equal_choices_have_no_letter(kit):
    item = {"input": {"choices": ["x", "x"]}, "target": "A", "output": "x"}
    assert kit.one("multiple_choice", **item).value is None
    assert "is no choice" in registry.make("scorers", "multiple_choice").problem(kit.sample({**item, "target": "x"}))


@pytest.mark.parametrize(
    ("spec", "target", "output", "answer", "reason"),
    [
        ("classification(labels=['Bug', 'Other'], normaliser='casefold')", "bug", " BUG ", "Bug", None),
        ("classification(labels=['Bug'])", "Bug", "bug", None, "'bug' is not one of the labels Bug"),
        ("classification", "a", "x" * 65, None, "is no label: empty, longer than 64"),
        ("classification", "a", "b\nc", None, "or more than one line"),
        ("classification", "a", " ", None, "is no label: empty"),
        ("classification(labels=[0, 1])", 1, 1.0, "1", None),
        ("classification", True, True, "true", None),
        ("classification(field='kind')", {"kind": "a"}, '{"kind": "b"}', "b", "b instead of a"),
        ("classification(field='$.x.kind')", "a", {"x": {"kind": "a"}}, "a", None),
        ("classification(field='kind')", "a", "a", None, "not JSON"),
        ("classification(field='kind')", "a", {"kind": None}, None, "the answer has no kind"),
        ("classification(field='kind')", "a", {"kind": ["a"]}, None, "kind is a list; a label is needed"),
        ("classification", "a", {"label": "a", "probabilities": {"b": 1}}, "a", None),
        ("classification", "a", {"probabilities": {"b": 0.5, "a": 0.5}}, "a", None),
        ("classification", "a", {"probabilities": {"b": 0.6, "a": 0.4}}, "b", "b instead of a"),
        ("classification", "a", {"probabilities": {}}, None, "the answer has no label"),
        ("classification", "a", {"probabilities": {"a": "high"}}, None, "the answer has no label"),
        ("classification", "a", ["a"], '["a"]', "instead of a"),
        ("auc", 1, "0.25", "0.25", None),
        ("auc", "TRUE", 0.25, "0.25", None),
        ("auc(positive='x')", "y", {"probabilities": {"x": 0.25, "y": 0.75}}, "0.25", None),
        ("auc(positive='x')", "y", {"probabilities": {"z": 0.25, "y": 0.75}}, None, "the probabilities have no x"),
        ("auc(positive=1)", 1, 0.25, "0.25", None),
        ("brier", 1, 1.5, None, "the probability 1.5 is not in 0..1"),
        ("brier", 1, float("nan"), None, "the probability nan is not in 0..1"),
        ("brier", 1, True, None, "the probability is true/false, not a number"),
        ("brier", 1, "high", None, "not JSON"),
        ("brier", 1, {"p": 0.5}, None, "neither probability nor probabilities"),
        ("brier", "a", {"probabilities": {"a": 1}}, None, "at least two labels"),
        ("brier", "a", {"probabilities": [1, 0]}, None, "at least two labels"),
        ("brier", "a", {"probabilities": {"a": 0.5, "b": 0.4}}, None, "the probabilities sum to 0.9, not 1"),
        ("brier", "a", {"probabilities": {"a": 2, "b": -1}}, None, "a: the probability 2 is not in 0..1"),
        ("log_loss", "c", {"probabilities": {"a": 0.5, "b": 0.5}}, "0", None),
        ("regression", 1, "about 3", None, "not JSON"),
        ("regression", 1, '"3"', "3.0", None),
        ("regression", 1, [3], None, "the answer is a list; a number is needed"),
        ("regression", 1, float("nan"), None, "the answer is nan; a finite number is needed"),
        ("regression", 1, "1e400", None, "the answer is inf"),
        ("regression", 1, 1e200, None, "too large to be squared"),
        ("regression(field='y')", {"y": 1}, {"y": 3}, "3.0", None),
        ("regression(field='y')", 1, {"x": 3}, None, "the answer has no y"),
        ("regex(pattern='a')", None, "a" * 100_001, None, "the answer has 100001 characters"),
    ],
)
def test_answers(kit, spec, target, output, answer, reason):
    found = kit.one(spec, output, target)
    assert found.answer == answer
    assert found.reason is None if reason is None else reason in found.reason
    assert (found.value is None) == (answer is None)


def test_a_number_for_no_class_is_the_suites_mistake(kit):
    with pytest.raises(ValueError, match="say which class the number is for"):
        kit.one("auc", 0.5, "maybe")


def test_log_loss_is_clipped_and_brier_counts_an_unlisted_truth(kit):
    assert kit.one("log_loss", 0.0, 1).value == pytest.approx(36.04, abs=0.01)
    assert kit.one("brier", {"probabilities": {"a": 0.5, "b": 0.5}}, "c").value == pytest.approx(0.75)


def test_probabilities_are_divided_by_their_sum(kit):
    chances = {"probabilities": {"a": 0.495, "b": 0.495}}
    assert kit.one("brier", chances, "a").value == pytest.approx(0.25)
    assert kit.one("auc", chances, "a").parts["s:b"] == pytest.approx(0.5)


def test_worst_parts(kit):
    worst = registry.make("scorers", "classification").worst(kit.sample({"target": "a"}))
    assert worst["accuracy"].parts == {}
    assert worst["macro_f1"].parts == {"n": 1.0, "t:a": 1.0}
    worst = registry.make("scorers", "json_fields(ignore='b')").worst(kit.sample({"target": {"a": [1, 2], "b": 3}}))
    assert worst["json_f1"].parts == {"tp": 0.0, "fp": 0.0, "fn": 2.0}


def test_json_valid_says_where(kit):
    schema = {"properties": {"a": {"type": "array", "items": {"type": "integer"}}}, "required": ["b"]}
    scorer = registry.make("scorers", "json_valid")
    item = {"output": '{"a": [1, "x"]}', "meta": {"schema": schema}}
    assert kit.score(scorer, item)["json_valid"].reason == "$: 'b' is a required property"
    assert (
        kit.score(scorer, {**item, "output": '{"b": 1, "a": ["x"]}'})["json_valid"].reason
        == "$.a[0]: 'x' is not of type 'integer'"
    )
    assert kit.score(scorer, {"output": "{"})["json_valid"].value == 0.0
    assert kit.score(scorer, {"output": "<think>x</think>[1]"})["json_valid"].value == 1.0
    assert "the JSON Schema is wrong" in scorer.problem(kit.sample({"meta": {"schema": {"type": 3}}}))
    fenced = {"output": "```\n{}\n```"}
    assert kit.score(scorer, fenced)["json_valid"].value == 1.0
    assert kit.score(registry.make("scorers", "json_valid(strict=True)"), fenced)["json_valid"].value == 0.0


def test_a_runaway_pattern_is_an_error_not_a_hang(kit):
    with pytest.raises(ValueError, match="searched longer than 1 s; write it simpler"):
        kit.one("regex(pattern='(a|aa)+$')", "a" * 60 + "c")


def test_json_valid_never_fetches_a_schema(kit):
    scorer = registry.make("scorers", "json_valid(schema={'$ref': 'http://127.0.0.1:9/schema.json'})")
    with pytest.raises(ValueError, match="none is fetched"):
        kit.score(scorer, {"output": "{}"})


def test_rows_of_fields(kit):
    rows = {
        r.unit: r for r in kit.one("json_fields", {"a": 1, "l": ["x", "z"]}, {"a": 1, "b": 2, "l": ["x", "y"]}).rows
    }
    assert {unit: row.value for unit, row in rows.items()} == {"a": 1.0, "b": 0.0, "l[]": 0.5}
    assert rows["b"].parts == {"tp": 0.0, "fp": 0.0, "fn": 1.0}
    assert kit.one("json_fields(tolerance=0.1)", {"n": [1, 5, 9]}, {"n": [5.05, 7, 9.2]}).value == pytest.approx(1 / 3)
    huge = 10**400
    assert kit.one("json_fields", {"a": huge, "b": 2**60}, {"a": 1.5, "b": 2**60 + 1}).value == 0.0
    assert kit.one(
        "json_fields(tolerance=0.5)", {"a": huge, "b": [True, 2]}, {"a": 1.5, "b": [2.5, True]}
    ).value == pytest.approx(2 / 3)
    many = kit.one("json_fields", {}, {str(i): i for i in range(9)})
    assert many.reason == "differs: 0, 1, 2, 3, 4 and 4 more"


def test_latency_without_measurements(kit):
    scorer = registry.make("scorers", "latency")
    scores = kit.score(scorer, {"output": "x", "usage": {"output_tokens": 3}})
    assert scores["latency_p50"].reason == "the time was not measured"
    assert scores["first_token_p50"].reason == "not streamed"
    assert scores["tokens_per_s"].reason == "the time was not measured"
    assert kit.score(scorer, {"output": "x", "seconds": 2.0})["tokens_per_s"].reason == "the tokens were not counted"
    both = {"output_tokens": 3, "reasoning_tokens": 5, "input_tokens": 100}
    assert kit.score(scorer, {"output": "x", "seconds": 2.0, "usage": both})["tokens_per_s"].value == 4.0
    assert kit.score(scorer, {"finish": "refusal", "seconds": 2.0})["latency_p95"].value == 2.0


def test_alnum_keeps_vowel_signs(kit):
    assert kit.one("exact_match(normaliser='alnum')", "कि", "क").value == 0.0


def test_json_scorers_name_the_missing_library(monkeypatch):
    import sys

    from evalkit.core.errors import MissingComponent

    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(MissingComponent, match="pip install jsonschema"):
        registry.make("scorers", "json_valid(schema={'type': 'object', 'title': 'not seen before'})")
