"""scikit-learn's own tables as records."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evalkit.core.errors import MissingComponent
from evalkit.data.sklearn import TABLES, make
from evalkit.data.snapshot import Recipe, build


@pytest.mark.parametrize(
    ("name", "count", "features", "target"),
    [
        ("iris", 150, 4, "setosa"),
        ("wine", 178, 13, "class_0"),
        ("breast_cancer", 569, 30, "malignant"),
        ("digits", 1797, 64, "0"),
        ("diabetes", 442, 10, 151.0),
    ],
)
def test_a_table_becomes_rows_with_named_features(
    tmp_path: Path, name: str, count: int, features: int, target: object
) -> None:
    snapshot = build(make(name=name), Recipe(), cache=tmp_path)
    assert not snapshot.problems
    assert snapshot.count == count
    first = snapshot.sample(0)
    assert len(first.input["row"]) == features
    assert first.target == target
    assert first.id == f"{name}-{0:0{len(str(count - 1))}d}"
    assert not first.meta


def test_every_table_has_numbers_only_as_features() -> None:
    for name in TABLES:
        (record, *_) = make(name=name).records()
        assert all(type(value) is float for key, value in record.fields.items() if key not in ("id", "target"))


def test_the_numbers_are_the_published_ones() -> None:
    record = next(iter(make(name="iris").records()))
    assert record.fields["sepal length (cm)"] == 5.1
    assert record.fields["petal width (cm)"] == 0.2
    age = next(iter(make(name="diabetes").records())).fields["age"]
    assert age == 59.0


def test_the_fingerprint_is_of_the_numbers() -> None:
    assert make(name="iris").fingerprint() == make(name="iris").fingerprint() != make(name="wine").fingerprint()


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'iris'"):
        make(name="irs")
    with pytest.raises(ValueError, match="known: breast_cancer, diabetes"):
        make(name="zzz")


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[tabular\]"):
        make(name="iris").fingerprint()
