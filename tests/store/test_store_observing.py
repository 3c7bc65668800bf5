"""The scores of an entry as columns: in the order of samples and repeats, clustered, with gaps left out."""

from __future__ import annotations

import numpy as np

from evalkit.store import observing
from evalkit.store.journals import load_run
from evalkit.store.observing import Wanted

OF = ("sig1", "exact_match")


def _scored(hand, position: int, value: float, at: int | None = None) -> bytes:
    metric = ["exact_match", "scored", value, {"right": value}, 0.0, {"right": 0}, f"a{position}", None, None, None]
    return hand.call(f"c{position}", position) + hand.scores(f"c{position}", at if at is not None else position, metric)


def _read(store, wanted: Wanted | None = None, entry: str = "e1") -> dict[str, np.ndarray]:
    with store.open(read_only=True) as connection:
        return observing.scores(connection, entry, OF, wanted or Wanted())


def test_rows_stand_by_sample_and_cells_without_a_score_are_left_out(store, make, hand):
    make.plan(store, count=5)
    failed = ["exact_match", "unscorable", None, None, 0.0, {"right": 0}, None, "no answer", None, None]
    lines = [_scored(hand, 4, 1.0), _scored(hand, 0, 0.5), hand.call("c2", 2) + hand.scores("c2", 2, failed)]
    load_run(store, make.journal(store.folder, *lines))
    found = _read(store, Wanted(parts=True, answers=True, tags=True, fields=("text",)))
    assert found["sample"].tolist() == [0, 1, 2]
    assert found["repeat"].tolist() == [0, 0, 0]
    assert found["cluster"].tolist() == [0, 1, 2]
    assert found["scored"].tolist() == [True, False, True]
    assert found["unscorable"].tolist() == [False, True, False]
    assert np.array_equal(found["value"], [0.5, np.nan, 1.0], equal_nan=True)
    assert found["worst"].tolist() == [0.0, 0.0, 0.0]
    assert found["cached"].tolist() == [False, False, False]
    assert found["answer"].tolist() == ["a0", None, "a4"]
    assert found["parts"].tolist() == ['{"right":0.5}', None, '{"right":1.0}']
    assert [list(tags) for tags in found["tags"]] == [["even", f"text:ticket {n}"] for n in (0, 2, 4)]


def test_cells_are_read_in_parts_that_do_not_show(store, make, hand, monkeypatch):
    make.plan(store, count=5)
    load_run(store, make.journal(store.folder, *(_scored(hand, n, float(n)) for n in (0, 1, 3, 4))))
    whole = _read(store, Wanted(parts=True, answers=True, tags=True))
    monkeypatch.setattr(observing, "CELLS_AT_ONCE", 2)
    parts = _read(store, Wanted(parts=True, answers=True, tags=True))
    assert whole.keys() == parts.keys()
    assert whole["value"].tolist() == parts["value"].tolist() == [0.0, 1.0, 3.0, 4.0]
    assert all(list(map(str, whole[name])) == list(map(str, parts[name])) for name in whole)


def test_outcomes_say_of_every_cell_whether_it_failed(store, make, hand):
    make.plan(store, count=4)
    failed = ["exact_match", "unscorable", None, None, 0.0, {"right": 0}, None, "no answer", None, None]
    lines = [_scored(hand, 0, 0.5), hand.call("c1", 1) + hand.scores("c1", 1, failed), hand.call("c2", 2)]
    load_run(store, make.journal(store.folder, *lines))
    with store.open(read_only=True) as connection:
        found = observing.outcomes(connection, "e1", OF)
    order = np.argsort(found["position"])
    assert found["position"][order].tolist() == [0, 1, 2, 3]
    assert found["failed"][order].tolist() == [False, True, True, True]
    assert np.array_equal(found["value"][order], [0.5, np.nan, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(found["headline"][order], [0.5, 0.0, np.nan, np.nan], equal_nan=True)


def test_samples_of_one_cluster_share_a_code(store, make, hand):
    make.plan(store, count=4)
    load_run(store, make.journal(store.folder, *(_scored(hand, n, float(n)) for n in range(4))))
    assert _read(store)["cluster"].tolist() == [0, 0, 1, 1]


def test_repeats_of_a_sample_stand_together_in_their_order(store, make, hand):
    make.plan(store, count=2)
    with store.open() as connection:
        cells = [
            (2, "s0", "hash-0", 1, None, "k2"),
            (3, "s1", "hash-1", 1, None, "k3"),
            (4, "s0", "hash-0", 2, None, "k4"),
        ]
        make.cells(connection, "e1", cells)
    at = {0: 0, 1: 1, 2: 0, 3: 1, 4: 0}
    lines = [_scored(hand, n, float(n), at[n]) for n in (4, 3, 0, 2, 1)]
    load_run(store, make.journal(store.folder, *lines))
    found = _read(store)
    assert list(zip(found["sample"], found["repeat"], found["value"], strict=True)) == [
        (0, 0, 0.0), (0, 1, 2.0), (0, 2, 4.0), (1, 0, 1.0), (1, 1, 3.0),
    ]  # fmt: skip


def test_samples_without_groups_are_their_own_clusters(store, make, hand):
    make.plan(store, count=3)
    with store.open() as connection:
        connection.execute("update sample set cluster = sample_id")
    load_run(store, make.journal(store.folder, *(_scored(hand, n, 1.0) for n in range(3))))
    found = _read(store)
    assert found["cluster"].tolist() == found["sample"].tolist() == [0, 1, 2]


def test_an_entry_without_scores_has_empty_columns(store, make):
    make.plan(store)
    for entry in ("e1", "nobody"):
        found = _read(store, entry=entry)
        assert [len(values) for values in found.values()] == [0] * len(found)


def test_batch_calls_are_priced_apart(store, make, hand):
    make.plan(store, count=3)
    metas = [None, {"batch": "b1"}, {"batch": ""}]
    load_run(store, make.journal(store.folder, *(hand.call(f"c{n}", n, meta=meta) for n, meta in enumerate(metas))))
    usage = '{"input_tokens":3}'
    with store.open() as connection:
        assert sorted(observing.unpriced_usages(connection)) == [("m", usage, False), ("m", usage, True)]
        assert sorted(observing.usages(connection)) == [
            ("c0", "m", usage, False), ("c1", "m", usage, True), ("c2", "m", usage, False)
        ]  # fmt: skip
        observing.price_usages(connection, [("m", usage, False, 2.0), ("m", usage, True, None)], "2026-01-01")
        observing.price_usages(connection, [], "2026-01-01")
        assert observing.unpriced_usages(connection) == []
        assert connection.execute("select call_id, usd from cost order by call_id").fetchall() == [
            ("c0", 2.0), ("c1", None), ("c2", 2.0)
        ]  # fmt: skip
