"""Splits: complete, disjoint, balanced, grouped, and the same in any file order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import UsageError
from evalkit.core.keys import data_hash
from evalkit.core.types import Split
from evalkit.data import jsonl
from evalkit.data.snapshot import Recipe, Snapshot, build
from evalkit.data.splits import given as given_to
from evalkit.data.splits import given_split, holdout, kfold, time_split


def _snapshot(folder: Path, rows: list[dict[str, Any]]) -> Snapshot:
    (folder / "a.jsonl").write_text("".join(json.dumps({"input": "x", **row}) + "\n" for row in rows))
    return build(jsonl.make(path="a.jsonl", root=folder), Recipe(), cache=folder / "cache")


def _labelled(labels: list[str], groups: list[int] | None = None) -> list[dict[str, Any]]:
    return [
        {"id": f"s{n:03}", "target": label, "group": None if groups is None else f"g{groups[n]}"}
        for n, label in enumerate(labels)
    ]


def _check(splits: list[Split], ids: list[str]) -> None:
    for split in splits:
        assert sorted(split.train_ids + split.test_ids) == ids
        assert list(split.train_ids) == sorted(split.train_ids)
        assert list(split.test_ids) == sorted(split.test_ids)
        assert split.train_ids
        assert split.test_ids


LABELS = st.lists(st.sampled_from("abc"), min_size=6, max_size=40)


@settings(max_examples=40, deadline=None)
@given(LABELS, st.integers(2, 6), st.integers(0, 3))
def test_folds_cover_everything_once_and_every_label_evenly(
    tmp_path_factory: pytest.TempPathFactory, labels: list[str], k: int, seed: int
) -> None:
    rows = _labelled(labels)
    splits = kfold(_snapshot(tmp_path_factory.mktemp("x"), rows), k, seed)
    ids = [row["id"] for row in rows]
    _check(splits, ids)
    assert sorted(ident for split in splits for ident in split.test_ids) == ids
    sizes = [len(split.test_ids) for split in splits]
    assert max(sizes) - min(sizes) <= 1
    label_of = dict(zip(ids, labels, strict=True))
    for label in set(labels):
        counts = [sum(label_of[ident] == label for ident in split.test_ids) for split in splits]
        assert max(counts) - min(counts) <= 1
    turned = kfold(_snapshot(tmp_path_factory.mktemp("x"), rows[::-1]), k, seed)
    assert turned == splits


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(2, 4), st.booleans())
def test_groups_stay_together(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, k: int, fold: bool
) -> None:
    labels = data.draw(st.lists(st.sampled_from("ab"), min_size=12, max_size=40))
    groups = [n % 6 if n < 12 else data.draw(st.integers(0, 5)) for n in range(len(labels))]
    rows = _labelled(labels, groups)
    snapshot = _snapshot(tmp_path_factory.mktemp("x"), rows)
    splits = kfold(snapshot, k, 1) if fold else holdout(snapshot, 1 / k, 1)
    _check(splits, [row["id"] for row in rows])
    group_of = {row["id"]: row["group"] for row in rows}
    for split in splits:
        assert not {group_of[ident] for ident in split.train_ids} & {group_of[ident] for ident in split.test_ids}
    again = _snapshot(tmp_path_factory.mktemp("x"), rows[::-1])
    assert (kfold(again, k, 1) if fold else holdout(again, 1 / k, 1)) == splits


def test_grouped_folds_are_balanced_in_size_and_label(tmp_path: Path) -> None:
    labels = ["a" if n % 4 else "b" for n in range(400)]
    snapshot = _snapshot(tmp_path, _labelled(labels, [n // 8 for n in range(400)]))
    for split in kfold(snapshot, 5, 3):
        assert len(split.test_ids) == 80
        targets = Counter(snapshot.sample(index).target for index in snapshot.index_of(split.test_ids))
        assert targets == {"a": 60, "b": 20}


def test_groups_can_be_ignored_and_labels_too(tmp_path: Path) -> None:
    snapshot = _snapshot(tmp_path, _labelled(["a"] * 6 + ["b"] * 6, [0] * 12))
    with pytest.raises(UsageError, match="between 2 and the 1 groups"):
        kfold(snapshot, 2, 1)
    _check(kfold(snapshot, 3, 1, grouped=False, stratify=None), list(snapshot.ids()))
    assert len(holdout(snapshot, 0.5, 1, grouped=False, stratify=None)[0].test_ids) == 6


def test_another_seed_is_another_split_with_another_id(tmp_path: Path) -> None:
    snapshot = _snapshot(tmp_path, _labelled(list("ab") * 20))
    ids = {split.id for seed in range(3) for split in kfold(snapshot, 4, seed)}
    assert len(ids) == 12
    assert kfold(snapshot, 4, 0) == kfold(snapshot, 4, 0)


@pytest.mark.parametrize("k", [-1, 0, 1, 7])
def test_k_out_of_range_is_refused(tmp_path: Path, k: int) -> None:
    with pytest.raises(UsageError, match=f"k must be between 2 and the 6 groups of the data set, this is {k}"):
        kfold(_snapshot(tmp_path, _labelled(["a"] * 6)), k, 1)


def test_a_holdout_is_in_proportion(tmp_path: Path) -> None:
    snapshot = _snapshot(tmp_path, _labelled(["a"] * 80 + ["b"] * 20))
    (split,) = holdout(snapshot, 0.25, 1)
    assert Counter(snapshot.sample(index).target for index in snapshot.index_of(split.test_ids)) == {"a": 20, "b": 5}
    (larger,) = holdout(snapshot, 0.5, 1)
    assert set(split.test_ids) < set(larger.test_ids)


def test_a_grouped_holdout_is_near_its_size(tmp_path: Path) -> None:
    snapshot = _snapshot(tmp_path, _labelled(["a", "b"] * 100, [n // 5 for n in range(200)]))
    (split,) = holdout(snapshot, 0.3, 2)
    assert 50 <= len(split.test_ids) <= 70


@pytest.mark.parametrize("fraction", [-0.5, 0.0, 0.01, 0.99, 1.0, 2.0])
@pytest.mark.parametrize("grouped", [True, False])
def test_a_holdout_with_an_empty_side_is_refused(tmp_path: Path, fraction: float, grouped: bool) -> None:
    snapshot = _snapshot(tmp_path, _labelled(["a"] * 10, [n // 2 for n in range(10)]))
    with pytest.raises(UsageError, match="leaves one side of 10 samples empty"):
        holdout(snapshot, fraction, 1, grouped=grouped)


def test_the_split_that_the_data_names(tmp_path: Path) -> None:
    rows = [
        {"id": f"s{n}", "meta": {"split": name}, "tags": ["x", f"split:{name}"]}
        for n, name in enumerate(["train", "test", "train", "validation", "test"])
    ]
    snapshot = _snapshot(tmp_path, rows)
    (split,) = given_split(snapshot, "meta.split")
    assert (split.train_ids, split.test_ids) == (("s0", "s2"), ("s1", "s4"))
    assert given_split(snapshot, "split") == [split]
    (other,) = given_split(snapshot, "meta.split", test="validation")
    assert other.test_ids == ("s3",)
    with pytest.raises(UsageError, match=r"meta.split: no sample says 'dev'"):
        given_split(snapshot, "meta.split", test="dev")
    assert given_split(_snapshot(tmp_path, [{**row, "tags": []} for row in rows]), "split")[0].test_ids == ("s1", "s4")
    with pytest.raises(UsageError, match=r"splt: no sample says 'train'"):
        given_split(snapshot, "splt")


def test_the_last_ones_in_time_are_tested(tmp_path: Path) -> None:
    days = ["2024-01-03", "2024-01-01", "2024-01-02T00:00:00+00:00", "2024-01-04T10:00:00Z", "2024-01-03"]
    snapshot = _snapshot(tmp_path, [{"id": f"s{n}", "meta": {"at": day, "n": n}} for n, day in enumerate(days)])
    (split,) = time_split(snapshot, "meta.at", 0.4)
    assert split.test_ids == ("s0", "s3", "s4")
    assert split.train_ids == ("s1", "s2")
    assert time_split(snapshot, "meta.n", 0.4)[0].test_ids == ("s3", "s4")


def test_times_that_do_not_divide_are_refused(tmp_path: Path) -> None:
    snapshot = _snapshot(tmp_path, [{"id": f"s{n}", "meta": {"at": 1, "day": "soon", "yes": True}} for n in range(4)])
    with pytest.raises(UsageError, match=r"time split at meta\.at leaves one side of 4 samples empty"):
        time_split(snapshot, "meta.at", 0.5)
    with pytest.raises(UsageError, match=r"a test fraction of 0\.01 leaves one side"):
        time_split(snapshot, "meta.at", 0.01)
    for field, shown in (("meta.day", "'soon'"), ("meta.nope", "None"), ("meta.yes", "True")):
        with pytest.raises(UsageError, match=f"sample 's0': {field} is {shown}, not a number or an ISO date"):
            time_split(snapshot, field, 0.5)


def test_what_is_given_is_lazy_ordered_by_id_and_hashed_by_content(tmp_path: Path) -> None:
    rows = _labelled(list("abab"))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    snapshot, turned = _snapshot(tmp_path / "one", rows), _snapshot(tmp_path / "two", rows[::-1])
    split = Split("x", ("s000", "s002", "s003"), ("s001",))
    found = given_to(snapshot, split)
    assert [sample.id for sample in found.train] == [sample.id for sample in found.train] == list(split.train_ids)
    assert len(found.train) == 3
    assert found.corpus is None
    assert found.id == data_hash((snapshot.id_of(i), snapshot.hash_of(i)) for i in (0, 2, 3))
    other = given_to(turned, split)
    assert other.id == found.id
    assert list(other.train) == list(found.train)
    assert given_to(snapshot, Split("y", ("s000",), ("s001",))).id != found.id
