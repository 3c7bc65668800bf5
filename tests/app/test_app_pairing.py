"""Pairing: by id and content, never by order; what is left out is counted; errors both ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.app.pairing import alone, draw, has_slice, match, part
from evalkit.core.fold import Fold, PassAt
from evalkit.core.types import Metric
from evalkit.stats import fold
from evalkit.store.sides import Cells, Scores

METRIC = Metric("m", "mean01", bounds=(0.0, 1.0))


def objects(values):
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def cells(ids, *, content="", repeats=1, tags=None, cached=None, output=None):
    rows = [ident for ident in ids for _ in range(repeats)]
    size = len(rows)
    return Cells(
        position=np.arange(size),
        sample_id=objects(rows),
        sample_hash=objects([f"{content}{ident}" for ident in rows]),
        repeat=np.array([n % repeats for n in range(size)], dtype=np.int64),
        cluster=objects(rows),
        tags=objects([(tags or {}).get(ident, ()) for ident in rows]),
        call_id=objects(rows),
        cached=np.array(cached or [False] * size, dtype=np.bool_),
        error_kind=objects([None] * size),
        output=objects(output or rows),
        seconds=np.full(size, np.nan),
    )


def scores(values, *, worst=0.0, status=None):
    """None is an answer that failed; a status of its own says how."""
    found = Scores.empty(len(values))
    for place, value in enumerate(values):
        found.status[place] = (status or {}).get(place, "errored" if value is None else "scored")
        found.value[place] = np.nan if value is None else value
        found.worst[place] = worst
    return found


def drawn(mine, theirs, left, right, *, metric=METRIC, where="", sparse=False):
    matching = match(mine, theirs)
    sides = (
        part(metric, left, mine, matching.candidate, matching, sparse=sparse),
        part(metric, right, theirs, matching.baseline, matching, sparse=sparse),
    )
    return draw(metric, sides, matching, where)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)))
def test_the_order_of_rows_changes_nothing(order, left_out, changed):
    ids = [f"s{n:02}" for n in order]
    plain = [f"s{n:02}" for n in range(12)]
    kept = [ident for n, ident in enumerate(plain) if n not in left_out]
    other = cells(kept)
    other.sample_hash[[place for place, ident in enumerate(kept) if int(ident[1:]) in changed]] = "other"
    one, two = match(cells(ids), other), match(cells(plain), other)
    assert (one.sample_ids, one.changed, one.overlap) == (two.sample_ids, two.changed, two.overlap)
    assert one.only_candidate == len(left_out)
    assert [ids[place] for place in one.candidate.places] == list(one.sample_ids)
    paired = len(one.sample_ids)
    assert paired == 12 - len(left_out | changed)
    assert one.overlap == pytest.approx(paired / 12)
    assert (one.trouble is None) == (paired >= 0.95 * 12)


def test_overlap_is_of_the_larger_side_either_way():
    ids = [f"s{n:03}" for n in range(100)]
    assert match(cells(ids[:96]), cells(ids)).trouble is None
    assert match(cells(ids), cells(ids[:94])).trouble.startswith("overlap: 94 samples are paired (94%)")
    assert "40 only in the baseline" in match(cells(ids[:60]), cells(ids)).trouble
    assert match(cells([]), cells([])).trouble.startswith("overlap: no samples at all")


def test_what_is_quarantined_is_on_no_side():
    matching = match(cells(["a", "b", "c"]), cells(["a", "b", "d"]), ["b", "d", "z"])
    assert (matching.sample_ids, matching.quarantined, matching.only_baseline) == (("a",), ("b", "d"), 0)
    assert alone(cells(["a", "b"]), ["a"]).sample_ids == ("b",)


def test_errors_count_as_the_worst_and_are_left_out_of_the_other_value():
    ids = ["a", "b", "c", "d"]
    found = drawn(cells(ids), cells(ids), scores([1, None, 1, 0]), scores([1, 1, 1, 1]))
    assert fold.value(METRIC, found.headline.candidate) == 0.5
    assert fold.value(METRIC, found.dropped.candidate) == pytest.approx(2 / 3)
    assert found.dropped.candidate.samples == found.dropped.baseline.samples == 3
    assert (found.undefined, found.unknown, found.lost) == (0, 0, 0)


def test_a_failure_of_the_candidate_stays_in_both_values():
    ids = ["a", "b"]
    found = drawn(cells(ids), cells(ids), scores([1, None], status={1: "unscorable"}), scores([1, 1]))
    assert found.dropped is found.headline
    assert fold.value(METRIC, found.headline.candidate) == 0.5


@pytest.mark.parametrize(("status", "undefined", "unknown"), [("errored", 1, 0), ("unscorable", 0, 1), ("", 1, 0)])
def test_what_has_no_worst_value_is_counted(status, undefined, unknown):
    ids = ["a", "b"]
    left = scores([1, None], worst=np.nan, status={1: status})
    found = drawn(cells(ids), cells(ids), left, scores([1, 1]))
    assert (found.undefined, found.unknown) == (undefined, unknown)
    assert fold.value(METRIC, found.headline.candidate) is None


def test_one_score_for_all_repeats_is_not_missing_in_the_others():
    one = cells(["a", "b"], repeats=2)
    sparse = scores([1, None, 0, None], worst=np.nan, status={1: "", 3: ""})
    found = drawn(one, one, sparse, sparse, sparse=True)
    assert (found.headline.candidate.sample.tolist(), found.undefined, found.lost) == ([0, 1], 0, 0)
    nothing = scores([1, None, None, None], worst=np.nan, status={1: "", 2: "", 3: ""})
    assert drawn(one, one, nothing, sparse, sparse=True).lost == 1


def test_a_slice_has_its_samples_only():
    tags = {"a": ("k:x",), "b": ("k:y",)}
    one = cells(["a", "b"], tags=tags)
    found = drawn(one, one, scores([1, 0]), scores([1, 1]), where="k:y")
    assert (found.sample_ids, fold.value(METRIC, found.headline.candidate)) == (("b",), 0.0)
    matching = match(cells(["b"], tags=tags), one)
    assert (has_slice(matching, "k:y"), has_slice(matching, "k:x")) == (True, False)
    assert matching.missing_tags == {"k:x"}
    assert drawn(one, one, scores([1, 0]), scores([1, 1]), where="k:z").headline is None


def test_cached_calls_are_left_out_where_the_metric_says_so():
    fresh = Metric("m", fresh_only=True)
    ids = ["a", "b", "c"]
    mine, theirs = cells(ids, cached=[True, False, False]), cells(ids, cached=[False, False, True])
    found = drawn(mine, theirs, scores([1, 2, 3]), scores([1, 2, 3]), metric=fresh)
    assert (found.sample_ids, found.stale) == (("b",), 2)
    every = cells(ids, cached=[True] * 3)
    assert drawn(every, every, scores([1, 2, 3]), scores([1, 2, 3]), metric=fresh).headline is None


def test_identical_means_the_same_answers_with_the_same_scores():
    ids = ["a", "b"]
    same = drawn(cells(ids), cells(ids), scores([1, 0]), scores([1, 0]))
    assert same.identical
    assert not drawn(cells(ids), cells(ids), scores([1, 0]), scores([1, 1])).identical
    assert not drawn(cells(ids, output=["x", "b"]), cells(ids), scores([1, 0]), scores([1, 0])).identical
    assert not drawn(
        cells(ids, output=[None, "b"]), cells(ids, output=[None, "b"]), scores([1, 0]), scores([1, 0])
    ).identical
    assert not drawn(cells(ids, repeats=2), cells(ids), scores([1, 1, 0, 0]), scores([1, 0])).identical


def test_without_its_errors_a_sample_may_have_too_few_repeats():
    metric = Metric("pass@2", fold=Fold(within=PassAt(2)))
    one = cells(["a", "b"], repeats=2)
    found = drawn(one, one, scores([1, 1, None, 1]), scores([1, 1, 1, 1]), metric=metric)
    assert (found.headline.candidate.samples, found.dropped.candidate.samples) == (2, 1)
