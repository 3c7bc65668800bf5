"""Synthetic tables: equal to sdmetrics and scikit-learn, a copy is caught, and every bad table has its reason."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sdmetrics.column_pairs import CorrelationSimilarity
from sdmetrics.single_column import KSComplement, TVComplement

from evalkit import registry
from evalkit.core.keys import digest_bytes
from evalkit.core.types import Response, Sample

ROOT = Path(__file__).parents[2]
COLUMNS = [
    {"name": "a", "type": "number", "low": -4, "high": 4},
    {"name": "b", "type": "number", "low": -6, "high": 6},
    {"name": "c", "type": "category", "values": ["x", "y"]},
]
VIEWS = ("table_fidelity", "table_detection", "table_utility", "table_privacy")


class Files:
    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    def put(self, data: bytes, media_type: str) -> dict[str, str]:
        self.data[digest_bytes(data)] = data
        return {"$blob": digest_bytes(data), "type": media_type}

    def get(self, ref) -> bytes:
        return self.data[ref["$blob"]]


class Lent:
    repeat = seed = 0

    def __init__(self) -> None:
        self.blobs = Files()


def frame(seed: int, rows: int = 120) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    a = random.normal(0, 1, rows).round(4)
    return pd.DataFrame({"a": a, "b": (a + random.normal(0, 0.5, rows)).round(4), "c": np.where(a > 0, "x", "y")})


def csv_of(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


@pytest.fixture
def ctx():
    return Lent()


@pytest.fixture
def sample(ctx):
    train, held = (ctx.blobs.put(csv_of(frame(seed)), "text/csv") for seed in (1, 2))
    return Sample("t", {"table": train, "columns": COLUMNS, "rows": 120}, {"held_out": held, "column": "c"})


def scored(name, sample, output, ctx):
    scorer = registry.make("scorers", name)
    return asyncio.run(scorer.score(sample, [Response(output=output)], ctx))


def test_fidelity_is_that_of_sdmetrics(sample, ctx):
    real, made = frame(1), frame(5)
    found = scored("table_fidelity", sample, ctx.blobs.put(csv_of(made), "text/csv"), ctx)
    columns = [KSComplement.compute(real[n], made[n]) for n in "ab"] + [TVComplement.compute(real["c"], made["c"])]
    assert version("sdmetrics")
    assert found["fidelity_columns"].value == pytest.approx(np.mean(columns), abs=1e-12)
    pair = CorrelationSimilarity.compute(real[["a", "b"]], made[["a", "b"]])
    assert found["fidelity_pairs"].value == pytest.approx(pair, abs=1e-12)
    assert "least alike: " in found["fidelity_columns"].reason


def test_a_copy_is_caught_and_fresh_rows_are_not(sample, ctx):
    copy = frame(1).sample(120, replace=True, random_state=0)
    caught = scored("table_privacy", sample, ctx.blobs.put(csv_of(copy), "text/csv"), ctx)
    assert caught["copies"].value == 1.0
    assert caught["copies"].reason == "120 of 120 rows are training rows"
    assert caught["dcr_ratio"].value == 0.0
    assert caught["closer_to_train"].value > 0.9
    fresh = scored("table_privacy", sample, ctx.blobs.put(csv_of(frame(9)), "text/csv"), ctx)
    assert fresh["copies"].value == 0.0
    assert 0.3 < fresh["closer_to_train"].value < 0.7
    assert fresh["dcr_ratio"].value == pytest.approx(1.0, abs=0.35)


def test_rows_that_lost_their_relations_are_told_apart_and_are_of_no_use(sample, ctx):
    random = np.random.default_rng(0)
    broken = frame(5)
    broken["b"], broken["c"] = random.permutation(broken["b"]), random.permutation(broken["c"])
    ref = ctx.blobs.put(csv_of(broken), "text/csv")
    good = ctx.blobs.put(csv_of(frame(7)), "text/csv")
    told = [scored("table_detection", sample, one, ctx)["detection_auc"].value for one in (ref, good)]
    assert told[0] > 0.7 > told[1] >= 0.5
    gaps = [scored("table_utility", sample, one, ctx)["utility_gap"].value for one in (ref, good)]
    assert gaps[0] > 0.2 > gaps[1]


def test_a_claimed_epsilon_is_shown_and_none_is_not_zero(sample, ctx, kit):
    metric = registry.make("scorers", "table_privacy").metrics[3]
    ref = ctx.blobs.put(csv_of(frame(9)), "text/csv")
    claimed = scored("table_privacy", sample, {"table": ref, "epsilon": 0.5}, ctx)["epsilon_claimed"]
    silent = scored("table_privacy", sample, ref, ctx)["epsilon_claimed"]
    assert (claimed.value, claimed.reason) == (0.5, "claimed, not verified")
    assert kit.fold(metric, [claimed, silent])[0] == 0.5
    assert np.isnan(kit.fold(metric, [silent])[0])


def test_rows_come_as_lists_or_objects_too(sample, ctx):
    made = frame(5)
    as_csv = scored("table_fidelity", sample, ctx.blobs.put(csv_of(made), "text/csv"), ctx)
    for output in (made.to_numpy().tolist(), made.to_dict("records"), {"rows": made.to_numpy().tolist()}):
        assert scored("table_fidelity", sample, output, ctx) == as_csv


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("a table", "JSON"),
        ([], "no table"),
        ([[1, 2]], "each row must be a list of 3 values"),
        ([{"a": 1, "b": 2}], "no column 'c'"),
        ([[1, "many", "x"]], "'many', which is no number"),
        ([[1, float("inf"), "x"]], "not finite"),
        ({"$blob": "0" * 64, "type": "text/csv"}, "not among the blobs"),
    ],
)
@pytest.mark.parametrize("view", VIEWS)
def test_an_answer_that_is_no_table_is_not_scorable(sample, ctx, view, output, told):
    for score in scored(view, sample, output, ctx).values():
        assert score.value is None
        assert told in score.reason


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"", "header must name"), (b"a,b\n1,2\n", "header must name"), (b"a,b,c\n", "no rows"), (b"a,b,c\n1,2\n", "different lengths"), (b"\xff\xfe", "no CSV")],
)  # fmt: skip
def test_a_file_that_is_no_such_table_is_not_scorable(sample, ctx, data, told):
    found = scored("table_fidelity", sample, ctx.blobs.put(data, "text/csv"), ctx)
    assert told in found["fidelity_columns"].reason


def test_edges_have_their_reason(sample, ctx):
    one_class = frame(5).assign(c="x")
    ref = ctx.blobs.put(csv_of(one_class), "text/csv")
    assert "one class, 'x'" in scored("table_utility", sample, ref, ctx)["tstr"].reason
    few = ctx.blobs.put(csv_of(frame(5, 2)), "text/csv")
    assert "2 rows are too few" in scored("table_detection", sample, few, ctx)["detection_auc"].reason
    constant = ctx.blobs.put(csv_of(frame(5).assign(a=1.0)), "text/csv")
    assert scored("table_fidelity", sample, constant, ctx)["fidelity_pairs"].value is None


def test_wrong_samples_are_found_at_validation(sample):
    scorer = registry.make("scorers", "table_fidelity")
    assert scorer.problem(sample) is None
    assert "input.columns" in scorer.problem(Sample("a", {}, sample.target))
    assert "held_out" in scorer.problem(Sample("a", sample.input, {}))
    wrong = {**sample.target, "column": "z"}
    assert "'z' is none of the columns" in scorer.problem(Sample("a", sample.input, wrong))


@pytest.mark.parametrize(
    "spec", ["independent_marginals", "gaussian_copula", "bootstrap_copy", "dp_marginals(epsilon=1.0)"]
)
def test_every_synthesizer_makes_a_table_of_the_right_shape(sample, ctx, spec):
    candidate = registry.make("baselines", spec)
    response = asyncio.run(candidate.answer(sample, ctx))
    assert response.error is None
    assert (response.output.get("epsilon") == 1.0) is spec.startswith("dp")
    found = scored("table_fidelity", sample, response.output, ctx)
    assert found["fidelity_columns"].value > 0.5
    copies = scored("table_privacy", sample, response.output, ctx)["copies"].value
    assert (copies == 1.0) is (spec == "bootstrap_copy")
    if not spec.startswith("dp"):
        assert asyncio.run(candidate.answer(sample, ctx)).output == response.output


def test_the_copula_keeps_relations_that_marginals_lose(sample, ctx):
    pairs = {}
    for spec in ("independent_marginals", "gaussian_copula"):
        output = asyncio.run(registry.make("baselines", spec).answer(sample, ctx)).output
        pairs[spec] = scored("table_fidelity", sample, output, ctx)["fidelity_pairs"].value
    assert pairs["gaussian_copula"] > 0.9 > pairs["independent_marginals"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"table": "x"}, "needs a CSV file"),
        ({"table": {"$blob": "0" * 64}}, "gone from the store"),
        ({"columns": COLUMNS[:2]}, "the header of its table is not"),
        ({"rows": 0}, "rows must be a whole number above 0"),
        ({"columns": [*COLUMNS[:2], {"name": "c", "type": "number"}]}, "column 'c'"),
    ],
)
def test_a_table_that_cannot_be_learnt_is_a_failed_answer(sample, ctx, changed, told):
    broken = Sample("t9", {**sample.input, **changed}, sample.target)
    response = asyncio.run(registry.make("baselines", "bootstrap_copy").answer(broken, ctx))
    assert "t9" in response.error.message
    assert told in response.error.message


@pytest.mark.parametrize("spec", ["dp_marginals(epsilon=0)", "dp_marginals(bins=1)", "gaussian_copula(shrink=2)"])
def test_options_are_checked(spec):
    with pytest.raises(ValueError, match="must"):
        registry.make("baselines", spec)
