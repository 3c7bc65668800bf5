"""What every scorer must do, run over all that the registry finds."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from evalkit import registry
from evalkit.core.fold import Sums, Whole
from evalkit.core.spec import Spec
from evalkit.core.types import Score
from evalkit.stats.fold import Row, observations
from evalkit.stats.summary import estimate, headline_and_dropped

ROOT = Path(__file__).parents[2]
SCORERS = sorted(registry.names("scorers"))
CASES = ROOT / "tests" / "cases" / "scorers"


def scores_refusals(name):
    # A scorer without a case file fails its own golden test, not the collection of all.
    file = CASES / f"{name}.json"
    return file.exists() and '"scores_refusals": true' in file.read_text("utf-8")


OF_ANSWERS = [name for name in SCORERS if not scores_refusals(name)]


def made(kit, name):
    """The scorer of the first case, with the scores of its items."""
    case = kit.load(name)["cases"][0]
    scorer = registry.make("scorers", case["spec"])
    return scorer, case, [kit.score(scorer, item) for item in case["items"]]


def close(a, b):
    return np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)


def test_registry_finds_scorers():
    assert {"exact_match", "contains", "starts_with", "auc", "classification"} <= set(SCORERS)


@pytest.mark.parametrize("name", SCORERS)
def test_golden_cases(kit, name):
    found = kit.load(name)
    assert set(found["made_by"]) == {"library", "version", "command"}
    assert found["cases"]
    for case in found["cases"]:
        scorer = registry.make("scorers", case["spec"])
        assert Spec.parse(case["spec"]).name == name
        scores = [kit.score(scorer, item) for item in case["items"]]
        for item, got, wanted in zip(case["items"], scores, case.get("scores", scores), strict=True):
            for metric, value in wanted.items():
                expected = value.value if isinstance(value, Score) else value
                where = f"{case['name']}: {metric} of {item}: {got[metric]}"
                assert got[metric].value == (None if expected is None else pytest.approx(expected, abs=1e-12)), where
        for item, got in zip(case["items"], scores, strict=True):
            if "reason" in item:
                assert item["reason"] in (got[scorer.metrics[0].name].reason or ""), item
            if "answer" in item:
                assert got[scorer.metrics[0].name].answer == item["answer"], item
        assert "value" in case or "scores" in case
        for metric in scorer.metrics:
            if metric.name in case.get("value", {}):
                wanted = case["value"][metric.name]
                value = float(kit.fold(metric, [s[metric.name] for s in scores])[0])
                assert close(value, np.nan if wanted is None else wanted), f"{case['name']}: {metric.name} = {value}"


def test_library_cases_are_current(kit, tmp_path):
    subprocess.run(
        [sys.executable, "-W", "ignore", ROOT / "scripts/make_scorer_cases.py", tmp_path],
        check=True,
        capture_output=True,
    )
    written = sorted(tmp_path.glob("*.json"))
    assert written
    for file in written:
        now, kept = json.loads(file.read_text("utf-8")), kit.load(file.stem)
        library = kept["made_by"]["library"]
        assert now["made_by"]["version"] == version(library)
        assert now["cases"] == kept["cases"], f"{file.name}: {library} gives other numbers; rerun the script"


@pytest.mark.parametrize("name", SCORERS)
def test_spec_round_trip(kit, name):
    for case in kit.load(name)["cases"]:
        spec = Spec.parse(case["spec"])
        again = Spec.parse(str(spec))
        assert str(again) == str(spec)
        assert registry.make("scorers", again) == registry.make("scorers", case["spec"])


@pytest.mark.parametrize("name", SCORERS)
def test_declares_itself(kit, name):
    scorer, _, scores = made(kit, name)
    names = [metric.name for metric in scorer.metrics]
    assert len(names) == len(set(names)) >= 1
    assert scorer.takes in ("one", "pair", "repeats")
    assert scorer.version >= 1
    assert isinstance(scorer.heavy, bool)
    for library in scorer.libraries:
        assert version(library)
    assert all(set(each) == set(names) for each in scores)
    for metric in scorer.metrics:
        low, high = metric.bounds
        for each in scores:
            value = each[metric.name].value
            assert value is None or np.isfinite(value)
            assert value is None or isinstance(metric.fold.across, Sums | Whole) or (low is None or value >= low)
            assert value is None or isinstance(metric.fold.across, Sums | Whole) or (high is None or value <= high)
            assert (value is None) <= bool(each[metric.name].reason), "no value needs a reason"


def test_metric_names_are_unique_over_scorers(kit):
    owners = {}
    for name in SCORERS:
        for metric in made(kit, name)[0].metrics:
            assert owners.setdefault(metric.name, name) == name


@pytest.mark.parametrize("name", SCORERS)
def test_documented(kit, name):
    scorer, _, _ = made(kit, name)
    text = type(scorer).__doc__ or ""
    assert len(text.split(". ")[0]) > 20
    assert sys.modules[type(scorer).__module__].__doc__
    for option in dataclasses.fields(scorer):
        assert re.search(rf"`{option.name}\b", text), f"{name}: option {option.name} is not documented"
    table = (ROOT / "docs" / "scorers.md").read_text("utf-8")
    row = next(
        (line for line in table.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1]), None
    )
    assert row, f"docs/scorers.md has no row for {name}"
    for word in [*(m.name for m in scorer.metrics if m.name != "mape"), *(f.name for f in dataclasses.fields(scorer))]:
        assert word == "name" or f"`{word}`" in row, f"docs/scorers.md: {name} lacks {word}"


@pytest.mark.parametrize("name", SCORERS)
def test_frozen_and_pickles(kit, name):
    scorer, case, scores = made(kit, name)
    assert not hasattr(scorer, "__dict__")
    for option in dataclasses.fields(scorer):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(scorer, option.name, None)
    again = pickle.loads(pickle.dumps(scorer))
    assert again == scorer
    assert kit.score(again, case["items"][0]) == scores[0]
    assert pickle.loads(pickle.dumps(scores)) == scores
    assert [m.name for m in pickle.loads(pickle.dumps(scorer.metrics))] == [m.name for m in scorer.metrics]


@pytest.mark.parametrize("name", SCORERS)
def test_unknown_option_names_the_known_ones(kit, name):
    options = Spec.parse(kit.load(name)["cases"][0]["spec"]).options
    with pytest.raises(ValueError, match="unknown option 'nonsense'"):
        registry.make("scorers", Spec(name, options={**options, "nonsense": 1}))


@pytest.mark.parametrize("name", SCORERS)
def test_fold_of_nothing_is_undefined(kit, name):
    scorer, _, scores = made(kit, name)
    for metric in scorer.metrics:
        assert np.isnan(kit.fold(metric, [])).all()
        none = np.zeros((3, len(scores)))
        found = kit.fold(metric, [s[metric.name] for s in scores], none)
        assert found.shape == (3,)
        assert np.isnan(found).all()


@pytest.mark.parametrize("name", SCORERS)
def test_order_and_doubling_change_nothing(kit, name):
    scorer, _, scores = made(kit, name)
    for metric in scorer.metrics:
        mine = [s[metric.name] for s in scores]
        value = kit.fold(metric, mine)
        assert close(kit.fold(metric, mine[::-1]), value)
        assert close(kit.fold(metric, mine * 2), value)
        assert close(kit.fold(metric, mine, np.full((1, len(mine)), 2.0)), value)


@pytest.mark.parametrize("name", SCORERS)
def test_statistics_estimate_every_metric(kit, name):
    scorer, case, scores = made(kit, name)
    failed = kit.sample(case["items"][0])
    for metric in scorer.metrics:
        rows = [Row(str(i), value=s[metric.name].value, parts=s[metric.name].parts) for i, s in enumerate(scores)]
        kept = [row for row in rows if row.scored]
        found = estimate(metric, observations(kept), seed=1, resamples=50)
        value = float(kit.fold(metric, [s[metric.name] for s in scores])[0])
        assert close(np.nan if found.value is None else found.value, value)
        worst = scorer.worst(failed)[metric.name]
        error = Row("failed", worst=worst.value, worst_parts=worst.parts)
        headline, dropped = headline_and_dropped(metric, [*kept, error], seed=1, resamples=50)
        assert dropped == found.value
        assert (headline.value is None) == (metric.on_error == "undefined" or found.value is None)


@pytest.mark.parametrize("name", SCORERS)
def test_weights_are_repetitions_and_broadcast(kit, name):
    scorer, _, scores = made(kit, name)
    drawn = np.random.default_rng(0).integers(0, 3, size=(4, len(scores)))
    for metric in scorer.metrics:
        mine = [s[metric.name] for s in scores]
        together = kit.fold(metric, mine, drawn)
        assert together.shape == (4,)
        for row, found in zip(drawn, together, strict=True):
            repeated = [s for s, times in zip(mine, row, strict=True) for _ in range(times)]
            alone = kit.fold(metric, repeated)
            # Classes that a resample lacks still are columns of the whole: one row at a time must agree all the same.
            assert close(kit.fold(metric, mine, row[None, :]), found)
            assert close(alone, found), metric.name


FAILED = {
    "refusal": ({"finish": "refusal"}, "refusal"),
    "content filter": ({"finish": "content_filter"}, "content filter"),
    "nothing": ({"output": None}, "no answer"),
    "unclosed": ({"output": "<think>it must be 4"}, "unclosed think block"),
    "cut off": ({"output": "<think>it must", "finish": "length"}, "unclosed think block (the answer was cut off"),
}


def unscored(kit, name, told, words):
    scorer, case, _ = made(kit, name)
    scores = kit.score(scorer, {**case["items"][0], **told})
    assert {m.name for m in scorer.metrics} == set(scores)
    for score in scores.values():
        assert score.value is None
        assert score.parts == {}
        assert words in score.reason


@pytest.mark.parametrize("name", SCORERS)
def test_an_error_has_no_value(kit, name):
    unscored(kit, name, {"error": "timeout"}, "timeout: said the test")
    unscored(kit, name, {"error": "timeout", "finish": "refusal", "output": None}, "timeout: said the test")


@pytest.mark.parametrize("name", OF_ANSWERS)
@pytest.mark.parametrize("failed", FAILED)
def test_no_answer_has_no_value(kit, name, failed):
    unscored(kit, name, *FAILED[failed])


@pytest.mark.parametrize("name", SCORERS)
def test_worst_is_declared_and_no_better_than_any_answer(kit, name):
    scorer, case, scores = made(kit, name)
    items = list(zip(case["items"], scores, strict=True))
    for metric in scorer.metrics:
        worsts = [scorer.worst(kit.sample(item))[metric.name] for item, _ in items]
        assert scorer.worst(kit.sample({}))[metric.name].value == worsts[0].value, "a sample without target has one too"
        if metric.on_error == "undefined":
            assert all(w.value is None and not w.parts for w in worsts)
            continue
        assert all(w.value == metric.on_error for w in worsts)
        if isinstance(metric.fold.across, Sums):
            assert all(w.parts for w in worsts)
        mine = [s[metric.name] for _, s in items]
        best = metric.bounds[1] if metric.higher_is_better else metric.bounds[0]
        before = float(kit.fold(metric, mine)[0])
        for i, score in enumerate(mine):
            if score.value == best:
                failed = float(kit.fold(metric, [*mine[:i], worsts[i], *mine[i + 1 :]])[0])
                assert (failed - before) * (1 if metric.higher_is_better else -1) <= 1e-12


@pytest.mark.parametrize("name", SCORERS)
def test_problem_is_none_for_good_samples_and_never_raises(kit, name):
    scorer, case, _ = made(kit, name)
    assert all(scorer.problem(kit.sample(item)) is None for item in case["items"])
    for target in (None, {}, [], [[1]], float("nan"), True, "", {"a": object()}):
        found = scorer.problem(kit.sample({**case["items"][0], "target": target}))
        assert found is None or len(found) > 10


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize(
    "hostile",
    ["\x00", "\x1b[31mred", "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "[" * 100_000, "1" * 50_000, "\ud800", "ü" * 1000,
     "<think " * 20_000, "```a\n" * 20_000, "answer" + " " * 100_000, "\n" * 100_000, "1,111" * 20_000, "<think></think>" * 60_000, "A " * 100_000, "\\boxed{A" * 50_000, {"a": [None]}, [], True, 1e308],
    ids=range(20),
)  # fmt: skip
def test_hostile_answers_are_scored_or_refused_with_a_reason(kit, name, hostile):
    scorer, case, _ = made(kit, name)
    for score in kit.score(scorer, {**case["items"][0], "output": hostile}).values():
        assert score.reason or score.value is not None
        assert score.value is None or np.isfinite(score.value)
        assert len(score.answer or "") <= 300
        assert len(score.reason or "") <= 600
