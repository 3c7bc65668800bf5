"""The order of asking and sampling: what moves when data grows, and what does not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import UsageError
from evalkit.core.keys import data_hash, order_hash
from evalkit.data import jsonl
from evalkit.data.schedule import first, order_hashes, proportional
from evalkit.data.snapshot import Recipe, Snapshot, build

NAMES = st.lists(st.text("abcdef", min_size=1, max_size=4), unique=True, max_size=30)


def _snapshot(folder: Path, rows: list[dict[str, Any]]) -> Snapshot:
    import json

    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return build(jsonl.make(path="a.jsonl", root=folder), Recipe(), cache=folder / "cache")


def _tickets(folder: Path, count: int = 60) -> Snapshot:
    rows = [
        {
            "id": f"t{n}", "input": {"text": str(n), "lang": "de" if n % 3 else "en"},
            "target": "rare" if n % 10 == 0 else "common", "group": f"g{n // 4}",
            "tags": ["topic:billing" if n % 2 else "topic:login", "topic", "x"][n % 3 :], "meta": {"level": n % 4},
        }
        for n in range(count)
    ]  # fmt: skip
    return _snapshot(folder, rows)


def _places(seed: int, ids: list[str]) -> list[str]:
    return [ids[place] for place in first(order_hashes(seed, ids, len(ids)), None)]


@settings(max_examples=50)
@given(NAMES, st.integers(0, 3))
def test_the_order_is_that_of_the_hashes(ids: list[str], seed: int) -> None:
    assert _places(seed, ids) == sorted(ids, key=lambda ident: order_hash(seed, ident))


@settings(max_examples=50)
@given(NAMES, st.data())
def test_more_samples_leave_the_old_ones_in_their_order(ids: list[str], data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []
    assert [ident for ident in _places(1, ids) if ident in kept] == _places(1, kept)


@settings(max_examples=50)
@given(NAMES, st.integers(0, 40))
def test_a_limit_is_a_prefix(ids: list[str], limit: int) -> None:
    hashes = order_hashes(1, ids, len(ids))
    assert first(hashes, limit).tolist() == first(hashes, None).tolist()[:limit]


STRATA = st.lists(st.integers(0, 4), min_size=1, max_size=80)


@settings(max_examples=50)
@given(STRATA, st.integers(0, 90), st.integers(0, 5))
def test_every_stratum_gets_its_share(strata: list[int], limit: int, seed: int) -> None:
    ids = [f"s{number}" for number in range(len(strata))]
    hashes = order_hashes(seed, ids, len(ids))
    codes = np.array(strata, dtype=np.uint64)
    chosen = proportional(hashes, codes, limit)
    assert len(chosen) == min(limit, len(strata))
    assert hashes[chosen].tolist() == sorted(hashes[chosen].tolist())
    taken = Counter(codes[chosen].tolist())
    for stratum, size in Counter(strata).items():
        exact = size * len(chosen) / len(strata)
        # Sainte-Lague may leave the exact share by a little more than one seat, never by two.
        assert abs(taken.get(stratum, 0) - exact) < 2
        own = [place for place in first(hashes, None) if strata[place] == stratum]
        assert sorted(p for p in chosen if strata[p] == stratum) == sorted(own[: taken.get(stratum, 0)])


@settings(max_examples=50)
@given(STRATA, st.integers(0, 40), st.integers(0, 40))
def test_a_larger_stratified_sample_holds_the_smaller(strata: list[int], one: int, two: int) -> None:
    hashes = order_hashes(0, [f"s{number}" for number in range(len(strata))], len(strata))
    codes = np.array(strata, dtype=np.uint64)
    small, large = sorted([one, two])
    assert set(proportional(hashes, codes, small)) <= set(proportional(hashes, codes, large))


def test_two_strata_of_9_to_1(tmp_path: Path) -> None:
    snapshot = _tickets(tmp_path)
    for limit in (10, 20, 30):
        schedule = snapshot.scheduled(5, limit=limit, stratify="target")
        assert Counter(s.target for s in snapshot.samples(schedule)) == {"common": limit * 9 // 10, "rare": limit // 10}


@pytest.mark.parametrize("by", ["target", "group", "input.lang", "meta.level", "topic", "topic:billing"])
def test_strata_of_every_kind(tmp_path: Path, by: str) -> None:
    snapshot = _tickets(tmp_path)
    labels = {
        "target": lambda s: s.target,
        "group": lambda s: s.group,
        "input.lang": lambda s: s.input["lang"],
        "meta.level": lambda s: s.meta["level"],
        "topic": lambda s: next((t for t in s.tags if t.startswith("topic")), None),
        "topic:billing": lambda s: "topic:billing" in s.tags,
    }[by]
    pairs = {(int(mark), labels(sample)) for mark, sample in zip(snapshot.strata(by), snapshot.samples(), strict=True)}
    assert len(pairs) == len({mark for mark, _ in pairs}) == len({label for _, label in pairs}) > 1


@pytest.mark.parametrize("by", ["topik", "meta.lvel", "input.x.y"])
def test_an_unknown_stratum_is_refused(tmp_path: Path, by: str) -> None:
    with pytest.raises(UsageError, match=f"no sample has '{by}'"):
        _tickets(tmp_path).scheduled(1, limit=3, stratify=by)


def test_ids_choose_and_the_hash_orders_them(tmp_path: Path) -> None:
    snapshot = _tickets(tmp_path)
    wanted = ["t9", "t3", "t50", "t3"]
    schedule = snapshot.scheduled(2, ids=wanted)
    whole = [snapshot.id_of(index) for index in snapshot.scheduled(2)]
    assert [snapshot.id_of(index) for index in schedule] == [ident for ident in whole if ident in wanted]
    assert not schedule.whole
    assert len(snapshot.scheduled(2, ids=wanted, limit=1)) == 1
    assert len(snapshot.scheduled(2, ids=[])) == 0
    mixed = snapshot.scheduled(2, ids=["t0", "t10", "t1", "t2"], limit=2, stratify="target")
    assert Counter(s.target for s in snapshot.samples(mixed)) == {"rare": 1, "common": 1}
    with pytest.raises(UsageError, match="no sample with id 'nope'"):
        snapshot.scheduled(2, ids=["nope"])


def test_limits(tmp_path: Path) -> None:
    snapshot = _tickets(tmp_path)
    assert len(snapshot.scheduled(1, limit=0)) == 0
    assert snapshot.scheduled(1, limit=60).whole
    assert snapshot.scheduled(1, limit=1000).whole
    assert not snapshot.scheduled(1, limit=59).whole
    with pytest.raises(UsageError, match="limit must be 0 or more, this is -1"):
        snapshot.scheduled(1, limit=-1)


def test_another_seed_is_another_order(tmp_path: Path) -> None:
    snapshot = _tickets(tmp_path)
    assert list(snapshot.scheduled(1)) != list(snapshot.scheduled(2))
    assert sorted(snapshot.scheduled(1)) == sorted(snapshot.scheduled(2))


def test_the_hash_of_a_subset(tmp_path: Path) -> None:
    snapshot = _tickets(tmp_path)
    part = snapshot.scheduled(1, limit=7)
    assert snapshot.subset_hash(part) == data_hash((snapshot.id_of(i), snapshot.hash_of(i)) for i in sorted(part))
    assert snapshot.subset_hash(snapshot.scheduled(9)) == snapshot.data_hash == snapshot.hash_at(range(60))


def test_values_at_a_path(tmp_path: Path) -> None:
    snapshot = _tickets(tmp_path, 2)
    assert list(snapshot.values("meta.level")) == [0, 1]
    assert list(snapshot.values("group")) == ["g0", "g0"]
    assert list(snapshot.values("meta.nope")) == [None, None]
    assert list(snapshot.values("level")) == [0, 1]
    assert list(snapshot.values("lang")) == ["en", "de"]
    assert list(snapshot.values("topic")) == ["login", ""]
