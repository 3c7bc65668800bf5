from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from evalkit import registry
from evalkit.scorers._inner import scorer
from evalkit.stats.fold import Row, observations
from evalkit.stats.summary import estimate


def folded(spec, kit, tries):
    """The metric of samples given as lists of answers to the target 4."""
    made = registry.make("scorers", spec)
    (metric,) = made.metrics
    rows = []
    for n, outputs in enumerate(tries):
        for repeat, output in enumerate(outputs):
            score = kit.score(made, {"target": 4, "output": output})[metric.name]
            rows.append(Row(f"s{n}", repeat=repeat, value=score.value, worst=0.0, answer=score.answer))
    return estimate(metric, observations(rows), seed=1, resamples=50)


def test_pass_all_is_the_chance_that_all_k_tries_pass(kit):
    tries = [["4", "4", "4", "4"], ["4", "4", "5", "5"], ["5", "5", "5", "5"]]
    assert folded("pass_all@1(of='numeric')", kit, tries).value == pytest.approx((1 + 0.5 + 0) / 3)
    assert folded("pass_all@2(of='numeric')", kit, tries).value == pytest.approx((1 + 1 / 6 + 0) / 3)
    assert folded("pass_all@4(of='numeric')", kit, tries).value == pytest.approx(1 / 3)


def test_tries_of_one_sample_are_one_observation(kit):
    tries = [["4", "4", "4", "5"], ["5", "5", "5", "5"], ["4", "4", "4", "4"]]
    assert folded("pass_all@2(of='numeric')", kit, tries).n == 3


def test_too_few_repeats_are_refused(kit):
    with pytest.raises(ValueError, match="k=4 needs at least 4 repeats"):
        folded("pass_all@4(of='numeric')", kit, [["4", "4", "4"]])
    assert registry.make("scorers", "pass_all@4(of='numeric')").min_repeats == 4


def test_majority_asks_the_most_frequent_answer(kit):
    assert folded("majority(of='numeric')", kit, [["4", "4.0", "5"]]).value == 1
    assert folded("majority(of='numeric')", kit, [["4", "5", "5"]]).value == 0


def test_a_tie_counts_its_right_share_whatever_comes_first(kit):
    for tries in (["4", "5", "5", "4"], ["5", "4", "4", "5"]):
        assert folded("majority(of='numeric')", kit, [tries, ["4"] * 4]).value == pytest.approx(0.75)


def test_an_unread_answer_wins_only_alone(kit):
    made = registry.make("scorers", "majority(of='numeric')")
    assert kit.score(made, {"target": 4, "output": "none"})["majority"].answer is None
    assert kit.score(made, {"target": 4, "output": "Answer: 4.00"})["majority"].answer == "4"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pass_all@0(of='numeric')", "k=0"),
        ("pass_all@2", "option 'of' is needed"),
        ("pass_all(of='numeric')", "option 'k' is needed"),
        ("pass_all@2(of='numerik')", "did you mean 'numeric'"),
        ("pass_all@2(of='qqqqqq')", "there is no scorer 'qqqqqq'"),
        ("pass_all@2(of='regression')", "no share from 0 to 1"),
        ("majority(of='majority(of=\"numeric\")')", "does not judge one answer by itself"),
        ("majority(of='numeric(x=1)')", "unknown option 'x'"),
        ("majority(of='numeric@3')", "unknown option 'k'"),
        ("cost_per_solved(by='cost')", "no share from 0 to 1"),
        ("solved_within@0(by='numeric')", "k=0"),
        ("solved_within(by='numeric')", "option 'k' is needed"),
    ],
)
def test_what_it_rests_on_is_checked(spec, message):
    with pytest.raises(ValueError, match=message):
        registry.make("scorers", spec)


def test_a_scorer_of_a_shared_file_is_found():
    assert scorer("end_state").metrics[0].name == "end_state"
    assert scorer("contains(ignore_case=True)") == registry.make("scorers", "contains(ignore_case=True)")


def test_the_other_scorers_targets_version_and_libraries_are_its_own(kit):
    resting = registry.make("scorers", "cost_per_solved")
    assert resting.libraries == ("math-verify", "sympy")
    assert resting.version == 101
    assert resting.heavy is False
    assert resting.needs == ()
    assert "an object" in resting.problem(kit.sample({"target": {"a": 1}}))
    assert resting.problem(kit.sample({"target": 4})) is None


def test_without_a_price_table_a_price_is_unknown(kit):
    made = registry.make("scorers", "cost_per_solved(by='numeric')")
    sample, response = kit.sample({"target": 4}), kit.response({"output": "4", "usage": {"output_tokens": 3}})
    score = asyncio.run(made.score(sample, (response,), SimpleNamespace()))["cost_per_solved"]
    assert (score.value, score.reason) == (None, "unknown price")


def test_a_refusal_costs_and_solves_nothing(kit):
    made = registry.make("scorers", "cost_per_solved(by='numeric')")
    item = {"target": 4, "output": None, "finish": "refusal", "usage": {"output_tokens": 20}}
    assert kit.score(made, item)["cost_per_solved"].parts == {"usd": 0.02, "solved": 0.0}


def test_reasoning_in_the_text_is_not_zero_tokens(kit):
    for text in ("<think>2+2</think>4", "<think>2+2"):
        assert kit.one("reasoning_tokens", text, usage={"output_tokens": 5}).value is None
