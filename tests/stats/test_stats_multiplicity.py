"""Adjusted p-values against statsmodels, and what they promise."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from honesty import REPLICATIONS, at_most, source

from evalkit.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm

CASES = json.loads((Path(__file__).parent.parent / "cases" / "stats" / "multiplicity.json").read_text())["cases"]
P_VALUES = st.lists(st.floats(0, 1), max_size=20)
ALL = [holm, benjamini_hochberg, benjamini_yekutieli]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case['p'])} tests")
def test_all_match_statsmodels(case):
    for method, name in zip(ALL, ("holm", "fdr_bh", "fdr_by"), strict=True):
        assert method(case["p"]) == pytest.approx(case[name], rel=1e-12)


@pytest.mark.parametrize("method", ALL)
def test_no_tests_have_no_p_values(method):
    assert method([]) == ()


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(method, wrong):
    with pytest.raises(ValueError, match="is no p-value: it must lie in 0"):
        method([0.5, wrong])


@settings(max_examples=50)
@given(P_VALUES, st.randoms())
def test_adjusting_keeps_order_and_never_makes_smaller(p, random):
    for method in ALL:
        adjusted = method(p)
        assert all(given <= found <= 1 for given, found in zip(p, adjusted, strict=True))
        by_p = [found for _, found in sorted(zip(p, adjusted, strict=True))]
        assert by_p == sorted(by_p)
        order = random.sample(range(len(p)), len(p))
        assert method([p[i] for i in order]) == tuple(adjusted[i] for i in order)
    assert all(a <= b for a, b in zip(benjamini_hochberg(p), holm(p), strict=True))


@pytest.mark.parametrize("n", REPLICATIONS)
def test_holm_keeps_the_family_wise_error_and_unadjusted_tests_do_not(n, request):
    p = source(request.node.name).random((n, 12)) ** np.linspace(1, 1, 12)
    p[:, :2] *= 1e-4
    false = sum(min(holm(row)[2:]) <= 0.05 for row in p.tolist())
    naive = (p[:, 2:].min(axis=1) <= 0.05).sum()
    assert at_most(false, n, 0.05)
    assert not at_most(naive, n, 0.05)
