"""Paired comparisons against scipy, statsmodels, scikit-learn, sacrebleu, printed examples and counting by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evalkit.core.types import Metric
from evalkit.scorers.auc import make as make_auc
from evalkit.scorers.bleu import make as make_bleu
from evalkit.stats import auc, binary, ratios
from evalkit.stats.fold import Observations
from evalkit.stats.paired import Pair, Question, compare, unpaired
from evalkit.stats.summary import estimate

ROOT = Path(__file__).parents[2]
NAMES = ("tango", "mcnemar", "paired_t", "newcombe", "sign_flips", "delong", "fieller", "paired_bleu")
TOKENS = Metric("tokens")
ACCURACY = Metric("accuracy", "mean01", bounds=(0.0, 1.0))


def cases(name):
    return json.loads((ROOT / f"tests/cases/stats/{name}.json").read_text("utf-8"))["cases"]


def entry(values, parts=None):
    places = np.arange(len(values))
    return Observations(places, np.zeros_like(places), places, np.asarray(values, dtype=float), parts or {})


def asked(metric, candidate, baseline, **more):
    return compare(Question(metric, Pair(candidate, baseline), **more), seed=3, resamples=10_000)


def test_golden_tables_are_current(tmp_path):
    command = [sys.executable, "-W", "ignore", ROOT / "scripts/make_pair_cases.py", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    assert sorted(file.stem for file in tmp_path.iterdir()) == sorted(NAMES)
    for name in NAMES:
        now, kept = ((folder / f"{name}.json").read_text("utf-8") for folder in (tmp_path, ROOT / "tests/cases/stats"))
        assert alike(json.loads(now), json.loads(kept)), f"{name}: other numbers; run scripts/make_pair_cases.py"


def alike(one, other) -> bool:
    """Equal but for the last digits, in which machines differ."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(alike(a, b) for a, b in zip(one, other, strict=True))
    return one == pytest.approx(other, rel=1e-9, abs=1e-12) if isinstance(one, float) else one == other


@pytest.mark.parametrize("case", cases("tango"), ids=lambda case: case["source"][:20] + str(case["n"]))
def test_tango_as_printed(case):
    pairs = binary.Discordant(case["gained"], case["lost"], case["n"])
    low, high = binary.tango(pairs, (1 - case["level"]) / 2)
    assert (round(low, case["places"]), round(high, case["places"])) == (case["low"], case["high"])
    wide = abs(binary.tango_score(pairs, low))
    assert wide == pytest.approx(abs(binary.tango_score(pairs, high)), rel=1e-6)


@pytest.mark.parametrize("case", cases("mcnemar"), ids=lambda case: f"{case['gained']}-{case['lost']}")
def test_mcnemar_as_statsmodels_and_scipy(case):
    gained, lost = case["gained"], case["lost"]
    assert binary.mcnemar(gained, lost) == pytest.approx(case["exact"], rel=1e-9)
    assert binary.mcnemar(lost, gained) == pytest.approx(case["binomtest"], rel=1e-9)
    assert binary.mcnemar(gained, lost, mid=True) == pytest.approx(case["mid"], rel=1e-9)
    ours, theirs = np.zeros(100), np.zeros(100)
    ours[:gained], theirs[gained : gained + lost] = 1, 1
    wanted = "exact" if gained + lost < 25 else "asymptotic"
    assert asked(ACCURACY, entry(ours), entry(theirs)).p_value == pytest.approx(case[wanted], rel=1e-9)


@pytest.mark.parametrize("case", cases("paired_t"), ids=lambda case: str(len(case["candidate"])))
def test_means_as_scipy(case):
    candidate, baseline = entry(case["candidate"]), entry(case["baseline"])
    found = asked(TOKENS, candidate, baseline)
    assert found.method == "t"
    assert (found.low, found.high) == pytest.approx(case["interval"], rel=1e-9)
    assert (found.lower, found.upper) == pytest.approx(case["inner"], rel=1e-9)
    assert (found.p_value, found.p_fail, found.df) == pytest.approx((case["p"], case["p_less"], case["df"]), rel=1e-9)
    alone = unpaired(TOKENS, candidate, baseline, seed=1)
    assert (alone.low, alone.high) == pytest.approx(case["welch_interval"], rel=1e-9)
    assert (alone.p_value, alone.df) == pytest.approx((case["welch_p"], case["welch_df"]), rel=1e-9)


@pytest.mark.parametrize("case", cases("newcombe"), ids=lambda case: str(case["won"]))
def test_independent_rates_as_statsmodels(case):
    found = binary.newcombe((case["won"], case["n"]), (case["lost"], case["m"]), 0.95)
    assert found == pytest.approx((case["low"], case["high"]), rel=1e-9)
    ours, theirs = (np.arange(n) < won for won, n in ((case["won"], case["n"]), (case["lost"], case["m"])))
    told = unpaired(ACCURACY, entry(ours), entry(theirs), seed=1)
    assert (told.low, told.high) == pytest.approx(found)


@pytest.mark.parametrize("case", cases("sign_flips"), ids=lambda case: str(len(case["values"])))
def test_few_clusters_as_all_signs(case):
    values = np.array(case["values"])
    found = asked(TOKENS, entry(values), entry(np.zeros(values.size)))
    assert found.method == f"exact sign-flip (G={values.size})"
    assert (found.p_value, found.p_fail) == (case["p"], case["p_less"])
    for ours, counted in ((found.lower, case["lower"]), (found.upper, case["upper"])):
        assert ours is None if counted is None else ours == pytest.approx(counted, abs=0.0011)


@pytest.mark.parametrize("case", cases("delong"), ids=lambda case: str(len(case["positive"])))
def test_areas_as_counted_pairs(case):
    metric = make_auc().metrics[0]
    positive = np.array(case["positive"], dtype=float)
    sides = [entry(score, {"positive": positive}) for score in case["scores"]]
    found = asked(metric, *sides)
    assert found.method == "delong"
    assert (found.candidate, found.baseline) == pytest.approx(case["area"], rel=1e-12)
    assert found.se == pytest.approx(case["se_difference"], rel=1e-9)
    assert found.se_unpaired == pytest.approx(np.hypot(*case["se"]), rel=1e-9)
    for side, area, se in zip(sides, case["area"], case["se"], strict=True):
        alone = estimate(metric, side, seed=1)
        assert alone.se == pytest.approx(se, rel=1e-9)
        assert alone.method == ("delong-logit" if area > auc.FAR else "delong")


@pytest.mark.parametrize("case", cases("fieller"), ids=lambda case: str(len(case["above"])))
def test_fieller_as_a_root_search(case):
    parts = ratios.Parts(np.array(case["above"]), np.array(case["below"]))
    found = ratios.fieller(parts, 0.95)
    assert (found.low, found.high) == pytest.approx((case["low"], case["high"]), rel=1e-9)


def test_bleu_as_sacrebleu_tests_it():
    (case,) = cases("paired_bleu")
    metric = make_bleu().metrics[0]
    rows = {name: np.array(values) for name, values in case["statistics"].items()}
    sides = [
        entry(np.full(len(table), np.nan), {f"s{place}": table[:, place] for place in range(table.shape[1])})
        for table in (rows["candidate"], rows["baseline"])
    ]
    found = asked(metric, *sides)
    assert (found.baseline, found.candidate) == pytest.approx(case["scores"], rel=1e-9)
    assert found.p_value == pytest.approx(case["p"], abs=4 * np.sqrt(2 * case["p"] / 10_000) + 1e-4)
