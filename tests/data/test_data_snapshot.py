"""The spool: what it holds, what it refuses, when it is built again."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import ConfigError, Problem, StoreError, UsageError
from evalkit.core.keys import data_hash, order_hash, sample_hash
from evalkit.core.types import Family, Sample
from evalkit.data import _spool, csv, folder, jsonl
from evalkit.data._media import Seen
from evalkit.data._records import Media, Record
from evalkit.data.snapshot import Recipe, Snapshot, build

GOLDEN = json.loads((Path(__file__).parents[1] / "cases/data/snapshot.json").read_text("utf-8"))


@dataclass
class Lines:
    """A source of ready records that counts how often it is read."""

    rows: list[Any]
    reads: int = 0
    prints: list[str] = field(default_factory=lambda: ["same"])

    def records(self) -> Iterator[Record | Problem]:
        self.reads += 1
        for number, row in enumerate(self.rows, start=1):
            yield row if isinstance(row, Problem) else Record(row, "rows", number)

    def fingerprint(self) -> str:
        return self.prints.pop(0) if len(self.prints) > 1 else self.prints[0]

    def describe(self) -> Mapping[str, Any]:
        return {"source": "lines"}


class Disk:
    """Blobs in a dictionary, with the hashing of the real ones."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.puts = 0

    def put(self, data: bytes, media_type: str) -> Mapping[str, str]:
        self.puts += 1
        name = hashlib.sha256(data).hexdigest()
        self.held[name] = data
        return {"$blob": name, "type": media_type}

    def get(self, ref: Any) -> bytes:
        return self.held[ref["$blob"]]


def _build(tmp_path: Path, rows: list[Any], recipe: Recipe | None = None, **options: Any) -> Snapshot:
    return build(Lines(rows), recipe or Recipe(), cache=tmp_path / "cache", **options)


def _said(snapshot: Snapshot) -> list[str]:
    return [str(problem) for problem in snapshot.problems]


def _row(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"s{number}", "input": {"text": f"text {number}"}, "target": number % 3, **more}


def test_the_frozen_data_hash_and_order(tmp_path: Path) -> None:
    snapshot = _build(tmp_path, GOLDEN["rows"])
    assert snapshot.data_hash == GOLDEN["data_hash"]
    assert [snapshot.hash_of(index) for index in range(snapshot.count)] == GOLDEN["sample_hashes"]
    for case in GOLDEN["schedules"]:
        schedule = snapshot.scheduled(case["seed"], limit=case["limit"], stratify=case["stratify"])
        assert [snapshot.id_of(index) for index in schedule] == case["ids"]
        assert snapshot.subset_hash(schedule) == case["subset_hash"]


def test_samples_come_back_as_they_went_in(tmp_path: Path) -> None:
    rows = [_row(1, group="g", tags=["a:b"], meta={"x": [1, None, "ä\n"]}, checks=["exact_match"]), _row(2)]
    snapshot = _build(tmp_path, rows)
    assert (snapshot.count, len(snapshot)) == (2, 2)
    assert not snapshot.problems
    assert not snapshot.warnings
    first, second = snapshot.samples()
    assert first == snapshot.sample(0)
    assert list(snapshot.samples([1, 0])) == [second, first]
    assert first.group == "g"
    assert first.tags == ("a:b",)
    assert first.checks == ("exact_match",)
    assert [snapshot.id_of(0), snapshot.id_of(1)] == list(snapshot.ids()) == ["s1", "s2"]
    assert snapshot.where(1) == ("rows", 2)
    for index in (-1, 2):
        with pytest.raises(IndexError):
            snapshot.sample(index)


def test_samples_are_picked_with_their_hashes_in_the_order_asked_for(tmp_path: Path) -> None:
    snapshot = _build(tmp_path, [_row(number) for number in range(2_100)])
    indices = np.array([2_099, 5, 5, 0, *range(1_500)])
    picked = list(snapshot.picked(indices))
    assert picked == [(snapshot.sample(int(index)), snapshot.hash_of(int(index))) for index in indices]
    assert list(snapshot.picked(indices[:0])) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=("Cs",)), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab$.", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(st.dictionaries(st.text("abc", min_size=1), JSON, max_size=3), JSON), max_size=6))
def test_hashes_are_of_what_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    given_rows = [{"id": f"s{n}", "input": fields, "target": target} for n, (fields, target) in enumerate(rows)]
    snapshot = _build(tmp_path_factory.mktemp("x"), given_rows)
    read = list(snapshot.samples())
    assert [sample.input for sample in read] == [fields for fields, _ in rows]
    assert [snapshot.hash_of(index) for index in range(snapshot.count)] == [sample_hash(sample) for sample in read]
    assert snapshot.data_hash == data_hash((sample.id, sample_hash(sample)) for sample in read)


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(8)))
def test_the_data_hash_and_the_order_of_asking_know_no_file_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    straight = _build(tmp_path_factory.mktemp("x"), [_row(n) for n in range(8)])
    turned = _build(tmp_path_factory.mktemp("x"), [_row(n) for n in order])
    assert straight.data_hash == turned.data_hash
    first = [straight.id_of(index) for index in straight.scheduled(3)]
    assert first == [turned.id_of(index) for index in turned.scheduled(3)]
    assert first == sorted((f"s{n}" for n in range(8)), key=lambda ident: order_hash(3, ident))


def test_one_changed_letter_changes_the_data_hash(tmp_path: Path) -> None:
    hashes = {_build(tmp_path / str(n), [_row(1, meta={"x": n})]).data_hash for n in range(3)}
    hashes.add(_build(tmp_path / "id", [_row(1, meta={"x": 0}) | {"id": "other"}]).data_hash)
    assert len(hashes) == 4


def test_an_empty_data_set_is_said(tmp_path: Path) -> None:
    snapshot = _build(tmp_path, [])
    assert snapshot.count == 0
    assert "the data set is empty" in str(snapshot.warnings[0])
    assert list(snapshot.scheduled(1)) == list(snapshot.samples()) == list(snapshot.rows()) == []
    assert snapshot.data_hash == data_hash([])
    assert len(snapshot.scheduled(1, limit=5, stratify="target")) == 0


def test_a_filter_keeps_some_or_none(tmp_path: Path) -> None:
    rows = [_row(n) for n in range(6)]
    kept = _build(tmp_path, rows, Recipe(filter="target == 1"))
    assert list(kept.ids()) == ["s1", "s4"]
    none = _build(tmp_path, rows, Recipe(filter="target == '1'"))
    assert none.count == 0
    assert [str(warning) for warning in none.warnings] == ["the filter keeps none of 6 records"]
    wrong = _build(tmp_path, rows, Recipe(filter="targt == 1"))
    assert _said(wrong)[0] == "rows:1: filter: there is no column 'targt' (did you mean 'target'?)"


def test_a_wrong_recipe_is_refused_with_every_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _build(tmp_path, [], Recipe(fields={"inptu": {"a": "b"}}, filter="a ="))
    assert len(caught.value.problems) == 2


def test_duplicate_ids_name_both_places(tmp_path: Path) -> None:
    snapshot = _build(tmp_path, [_row(1), _row(2), _row(1, meta={"n": 1}), _row(1, meta={"n": 2})])
    assert snapshot.duplicate_ids == 2
    assert _said(snapshot) == [
        "rows:3: id 's1' stands already at rows:1 (every sample needs an id of its own)",
        "rows:4: id 's1' stands already at rows:1 (every sample needs an id of its own)",
    ]


def test_ids_whose_hashes_meet_are_not_duplicates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spool, "hash64", lambda kind, _: {"id": 1}.get(kind, 2))
    snapshot = _build(tmp_path, [_row(1), _row(2)])
    assert snapshot.duplicate_ids == 0
    monkeypatch.setattr("evalkit.data.snapshot.hash64", lambda *_: 1)
    assert snapshot.index_of(["s2", "s1"]) == [1, 0]


def test_duplicate_contents_are_reported_and_kept(tmp_path: Path) -> None:
    snapshot = _build(tmp_path, [{"id": str(n), "input": "same"} for n in range(30)])
    assert not snapshot.problems
    assert snapshot.duplicate_contents == 29
    said = [str(warning) for warning in snapshot.warnings]
    assert said[0] == "rows:2: same content as rows:1"
    assert len(said) == 21
    assert said[-1] == "and 9 more"


def test_made_ids_are_content_hashes_and_do_not_depend_on_order(tmp_path: Path) -> None:
    rows = [{"input": "a"}, {"input": "b"}, {"input": "a"}]
    snapshot = _build(tmp_path / "1", rows)
    assert not snapshot.problems
    assert list(snapshot.ids()) == [snapshot.hash_of(0)[:12], snapshot.hash_of(1)[:12], snapshot.hash_of(0)[:12] + "-2"]
    assert _build(tmp_path / "2", rows[::-1]).data_hash == snapshot.data_hash


def test_a_hundred_problems_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    snapshot = _build(tmp_path, [Problem(f"bad {n}", "rows", n) for n in range(250)] + [_row(1)])
    assert len(snapshot.problems) == 101
    assert str(snapshot.problems[-1]) == "and 150 more"
    assert snapshot.count == 1
    assert snapshot.meta.read == 251


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"input": {"a": [1, float("nan")]}}, "input.a.1 is NaN, which is not a number that can be stored (write null"),
        ({"input": {"a": 1}, "target": float("inf")}, "target is infinite"),
        ({"input": {"a": 1}, "meta": {"b": {"c": float("-inf")}}}, "meta.b.c is infinite"),
        ({"input": {"a": "\ud800"}}, "input.a holds half a surrogate pair"),
        ({"input": {"a": 1j}}, "input.a is of type complex"),
        ({"input": {"a": 1}, "meta": {"m": Media(data=b"x")}}, "only input and target may hold files"),
        ({"input": {"a": 1}, "tags": ["\udc00"]}, "surrogates not allowed"),
        ({"id": "a\ud800", "input": {"a": 1}}, "control character"),
    ],
)
def test_what_cannot_be_stored_is_a_problem(tmp_path: Path, row: dict, said: str) -> None:
    snapshot = _build(tmp_path, [_row(1), {"id": "x", **row}, _row(3)])
    (found,) = _said(snapshot)
    assert found.startswith("rows:2: ")
    assert said in found
    assert list(snapshot.ids()) == ["s1", "s3"]


def test_nesting_too_deep_is_a_problem(tmp_path: Path) -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    (found,) = _said(_build(tmp_path, [{"id": "x", "input": {"a": deep}}]))
    assert "nested too deeply" in found


FAMILY = Family("tabular", "Tabular", {"row": "object"}, "number", (), (), "row", ("row",), (float,))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"input": {"rows": {"a": 1}}, "target": 1},
            "input field 'row' is missing; tabular needs it (did you mean 'rows'",
        ),
        ({"input": {"zzz": 1}, "target": 1}, "(input has: zzz)"),
        ({"input": {}, "target": 1}, "(input has: nothing)"),
        ({"input": {"row": None}, "target": 1}, "input field 'row' is missing"),
        ({"input": {"row": {}}, "target": "high"}, "the target 'high' is str; tabular needs float"),
        ({"input": {"row": {}}, "target": True}, "the target True is bool; tabular needs float"),
    ],
)
def test_what_a_family_needs(tmp_path: Path, row: dict, said: str) -> None:
    (found,) = _said(_build(tmp_path, [{"id": "x", **row}], Recipe(family=FAMILY)))
    assert found.startswith("rows:1: sample 'x': ")
    assert said in found


@pytest.mark.parametrize("target", [None, 1, 1.5])
def test_targets_that_fit_a_family(tmp_path: Path, target: object) -> None:
    row = {"id": "x", "input": {"row": {}}, "target": target}
    assert not _build(tmp_path, [row], Recipe(family=FAMILY)).problems


def test_a_family_of_true_and_false_takes_them(tmp_path: Path) -> None:
    family = Family("yesno", "Yes or no", {}, "text", (), (), "request", target_types=(bool,))
    assert not _build(tmp_path, [_row(1) | {"target": True}], Recipe(family=family)).problems


def test_a_second_build_does_not_read_the_source(tmp_path: Path) -> None:
    source = Lines([_row(1)])
    first = build(source, Recipe(), cache=tmp_path)
    again = build(source, Recipe(), cache=tmp_path)
    assert source.reads == 1
    assert again.path == first.path
    assert again.data_hash == first.data_hash
    assert sorted(path.name for path in first.path.parent.iterdir()) == [first.path.name]


def test_another_recipe_or_fingerprint_reads_again(tmp_path: Path) -> None:
    source = Lines([_row(1)])
    recipes = [
        Recipe(),
        Recipe(filter="target == 1"),
        Recipe(fields={"input": "input"}),
        Recipe(media=()),
        Recipe(family=FAMILY),
    ]
    paths = {build(source, recipe, cache=tmp_path).path for recipe in recipes}
    source.prints = ["other"]
    paths.add(build(source, Recipe(), cache=tmp_path).path)
    assert len(paths) == source.reads == 6


def test_a_snapshot_with_problems_is_built_again(tmp_path: Path) -> None:
    source = Lines([_row(1), {"id": "x"}])
    assert build(source, Recipe(), cache=tmp_path).problems
    source.rows.pop()
    mended = build(source, Recipe(), cache=tmp_path)
    assert not mended.problems
    assert list(mended.ids()) == ["s1"]
    assert len(list(mended.path.iterdir())) == 5


@pytest.mark.parametrize("damage", ["cut", "missing", "garbage", "schema"])
def test_a_damaged_snapshot_is_built_again(tmp_path: Path, damage: str) -> None:
    source = Lines([_row(1), _row(2)])
    path = build(source, Recipe(), cache=tmp_path).path
    meta = path / "meta.json"
    if damage == "cut":
        (path / "samples.jsonl").write_bytes((path / "samples.jsonl").read_bytes()[:-5])
    elif damage == "missing":
        (path / "ids.txt").unlink()
    elif damage == "garbage":
        meta.write_bytes(b"\xff{")
    else:
        meta.write_text(meta.read_text().replace('"schema":1', '"schema":0'))
    again = build(source, Recipe(), cache=tmp_path)
    assert source.reads == 2
    assert [sample.id for sample in again.samples()] == ["s1", "s2"]


def test_data_that_changes_while_it_is_read_is_a_problem(tmp_path: Path) -> None:
    source = Lines([_row(1)], prints=["before", "after"])
    assert _said(build(source, Recipe(), cache=tmp_path)) == [
        "the data changed while it was read (run the command again)"
    ]


def test_another_process_may_be_first(tmp_path: Path) -> None:
    class Racing(Lines):
        def records(self) -> Iterator[Record | Problem]:
            yield from super().records()
            if self.reads == 1:
                build(self, Recipe(), cache=tmp_path)

    source = Racing([_row(1)])
    snapshot = build(source, Recipe(), cache=tmp_path)
    assert source.reads == 2
    assert snapshot.sample(0).id == "s1"
    assert [path.name for path in snapshot.path.parent.iterdir()] == [snapshot.path.name]


def test_a_snapshot_that_stands_is_not_replaced(tmp_path: Path) -> None:
    snapshot = _build(tmp_path, [_row(1)])
    with _spool.Writer(snapshot.path) as late:
        shutil.rmtree(late.aside)
        with pytest.raises(StoreError, match="No such file"):
            late.publish(snapshot.meta.__class__(**{**_fields(snapshot), "data_hash": "other"}))
        late.publish(snapshot.meta)
    assert snapshot.sample(0).id == "s1"
    with _spool.Writer(tmp_path / "gone/x") as late:
        shutil.rmtree(tmp_path / "gone")
        with pytest.raises(StoreError, match="No such file"):
            late.publish(snapshot.meta)


def _fields(snapshot: Snapshot) -> dict[str, Any]:
    return {name: getattr(snapshot.meta, name) for name in snapshot.meta.__struct_fields__}


@pytest.mark.parametrize("method", ["add", "add_media", "flush"])
def test_a_disk_that_refuses_is_named_wherever_it_does(tmp_path: Path, method: str) -> None:
    with _spool.Writer(tmp_path / "x") as writer:
        # /dev/full refuses every write, as a full disk does.
        writer._handles = [Path("/dev/full").open("wb", buffering=0) for _ in range(4)]  # noqa: SIM115
        sample = Sample("a", {})
        calls = {
            "add": lambda: writer.add(sample, sample_hash(sample), "f", 1),
            "add_media": lambda: writer.add_media([Seen("a", 1, 1, "x", "y")]),
            "flush": writer.flush,
        }
        # A device has no disk to sync with, which flush is told in its own way.
        with pytest.raises(StoreError, match=r"No space left|Invalid argument"):
            calls[method]()
        for handle in writer._handles:
            handle.close()
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        build(jsonl.make(path="no.jsonl", root=tmp_path), Recipe(), cache=tmp_path / "cache")

    class Broken(Lines):
        def records(self) -> Iterator[Record | Problem]:
            yield Record(_row(1), "rows", 1)
            raise ConfigError([Problem("gone")])

    with pytest.raises(ConfigError, match="gone"):
        build(Broken([]), Recipe(), cache=tmp_path / "cache")
    assert list((tmp_path / "cache/snapshots").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot write the snapshot .*cache"):
        _build(tmp_path, [_row(1)])


_FULL = """
import resource, signal, sys
from pathlib import Path
from evalkit.core.errors import StoreError
from evalkit.data import jsonl, snapshot
root = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    snapshot.build(jsonl.make(path="a.jsonl", root=root), snapshot.Recipe(), cache=root / "cache")
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(list((root / "cache/snapshots").iterdir()))
"""


@pytest.mark.parametrize("limit", [100, 100_000])
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, limit: int) -> None:
    (tmp_path / "a.jsonl").write_text("".join(f'{{"id": {n}, "input": "{"x" * 500}"}}\n' for n in range(1000)))
    done = subprocess.run(
        [sys.executable, "-c", _FULL, tmp_path, str(limit)], capture_output=True, text=True, check=True
    )
    said, left = done.stdout.splitlines()
    assert "cannot write the snapshot" in said
    assert "File too large" in said
    assert left == "[]"


def test_a_snapshot_that_vanishes_or_shrinks_is_named(tmp_path: Path) -> None:
    snapshot = _build(tmp_path, [_row(1)])
    kept = _build(tmp_path, [_row(1)])
    assert kept.sample(0).id == "s1"
    with (snapshot.path / "samples.jsonl").open("r+b") as handle:
        handle.truncate(5)
    with pytest.raises(StoreError, match="cut short"):
        kept.sample(0)
    shutil.rmtree(snapshot.path)
    with pytest.raises(StoreError, match="is gone"):
        _ = snapshot._samples


def test_a_snapshot_pickles_and_closes_its_file(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    snapshot = _build(tmp_path, [_row(1)])
    assert snapshot.sample(0).id == "s1"
    copy = pickle.loads(pickle.dumps(snapshot))
    assert copy.sample(0) == snapshot.sample(0)
    del copy, snapshot
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_rows_for_the_store(tmp_path: Path) -> None:
    snapshot = _build(tmp_path, [_row(1, group="g", tags=["t"]), _row(2)])
    first, second = snapshot.rows()
    assert first == {
        "data_hash": snapshot.data_hash, "sample_id": "s1", "sample_hash": snapshot.hash_of(0), "cluster": "g",
        "tags": ["t"], "input": {"text": "text 1"}, "target": 1, "meta": {},
    }  # fmt: skip
    assert second["cluster"] == "s2"


def test_ids_that_are_not_there_are_named(tmp_path: Path) -> None:
    snapshot = _build(tmp_path, [_row(n) for n in range(20)])
    assert snapshot.index_of(["s3", "s0", "s3"]) == [3, 0, 3]
    with pytest.raises(UsageError, match=r"no sample with id 's99x', 'a', 'b', 'c', 'd' and 1 more; did you mean"):
        snapshot.index_of(["s99x", "s1", *"abcde"])
    with pytest.raises(UsageError, match=r"no sample with id 'zzzzz'$"):
        snapshot.index_of(["zzzzz"])


# Media -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "img").mkdir(parents=True)
    for name in "ab":
        (folder / f"img/{name}.png").write_bytes(f"picture {name}".encode())
    (tmp_path / "secret.png").write_bytes(b"secret")
    return folder


def _write(folder: Path, rows: list[Any]) -> jsonl.Jsonl:
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return jsonl.make(path="a.jsonl", root=folder)


def _ref(data: bytes, kind: str = "image/png") -> dict[str, str]:
    return {"$blob": hashlib.sha256(data).hexdigest(), "type": kind}


def test_files_become_references_wherever_they_stand(tmp_path: Path, pictures: Path) -> None:
    messages = [
        {"role": "user", "content": [{"type": "image", "image": "img/b.png"}, {"type": "text", "text": "image"}]}
    ]
    row = {
        "id": "x",
        "input": {"image": "img/a.png", "audio": ["img/b.png", {"$file": "img/a.png"}], "messages": messages, "n": [1]},
        "target": {"mask": {"$file": "img/b.png"}},
    }
    blobs = Disk()
    snapshot = build(_write(pictures, [row]), Recipe(), cache=tmp_path / "c", blobs=blobs)
    assert not snapshot.problems
    sample = snapshot.sample(0)
    first, second = _ref(b"picture a"), _ref(b"picture b")
    assert sample.input["image"] == first
    assert sample.input["audio"] == [second, first]
    assert sample.input["messages"][0]["content"][0] == {"type": "image", "image": second}
    assert sample.input["messages"][0]["content"][1] == {"type": "text", "text": "image"}
    assert sample.target == {"mask": second}
    assert blobs.get(first) == b"picture a"
    assert blobs.puts == 2


def test_without_blobs_the_same_references_are_made(tmp_path: Path, pictures: Path) -> None:
    source = _write(pictures, [{"id": "x", "input": {"image": "img/a.png"}}])
    bare = build(source, Recipe(), cache=tmp_path / "1")
    assert bare.data_hash == build(source, Recipe(), cache=tmp_path / "2", blobs=Disk()).data_hash


def test_fields_that_are_not_media_stay_text(tmp_path: Path, pictures: Path) -> None:
    source = _write(pictures, [{"id": "x", "input": {"image": "img/a.png", "photo": "img/b.png"}}])
    sample = build(source, Recipe(media=("photo",)), cache=tmp_path / "c").sample(0)
    assert sample.input == {"image": "img/a.png", "photo": _ref(b"picture b")}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../secret.png", "leaves the folder"),
        ("../../etc/passwd", "leaves the folder"),
        ("/etc/passwd", "absolute path"),
        ("link.png", "a link that leaves the folder"),
        ("img/c.png", "there is no file"),
        ("img", "not a regular file"),
        ("https://example.org/a.png", "is a URL"),
        ("data:image/png;base64,AAAA", "is a URL"),
        ("", "is not a path"),
    ],
)
@pytest.mark.parametrize("form", ["field", "list", "file", "part", "target"])
def test_no_media_path_leaves_the_folder(tmp_path: Path, pictures: Path, path: str, said: str, form: str) -> None:
    (pictures / "link.png").symlink_to(tmp_path / "secret.png")
    row: dict[str, Any] = {
        "field": {"input": {"image": path}},
        "list": {"input": {"image": [path]}},
        "file": {"input": {"x": {"$file": path}}},
        "part": {"input": {"messages": [{"content": [{"type": "image", "image": path}]}]}},
        "target": {"input": "x", "target": [{"$file": path}]},
    }[form]
    blobs = Disk()
    snapshot = build(_write(pictures, [{"id": "x", **row}]), Recipe(), cache=tmp_path / "c", blobs=blobs)
    (found,) = _said(snapshot)
    assert found.startswith(f"{pictures / 'a.jsonl'}:1: sample 'x': ")
    assert said in found
    assert not blobs.held


def test_a_file_reference_that_is_no_text(tmp_path: Path, pictures: Path) -> None:
    (found,) = _said(
        build(_write(pictures, [{"id": "x", "input": {"x": {"$file": 3}}}]), Recipe(), cache=tmp_path / "c")
    )
    assert "there is no file '3'" in found


def test_media_start_at_the_root_that_is_given(tmp_path: Path, pictures: Path) -> None:
    source = _write(pictures, [{"id": "x", "input": {"image": "a.png"}}])
    snapshot = build(source, Recipe(), cache=tmp_path / "c", root=pictures / "img")
    assert snapshot.sample(0).input["image"] == _ref(b"picture a")


def test_a_changed_picture_is_read_again_and_a_touched_one_is_not(tmp_path: Path, pictures: Path) -> None:
    source = _write(pictures, [{"id": "x", "input": {"image": "img/a.png"}}])
    blobs = Disk()
    options: dict[str, Any] = {"cache": tmp_path / "c", "blobs": blobs}
    first = build(source, Recipe(), **options)
    (pictures / "img/a.png").write_bytes(b"picture a")
    again = build(source, Recipe(), **options)
    assert blobs.puts == 1
    assert again.data_hash == first.data_hash
    (pictures / "img/a.png").write_bytes(b"picture A")
    changed = build(source, Recipe(), **options)
    assert changed.sample(0).input["image"] == _ref(b"picture A")
    (pictures / "img/a.png").write_bytes(b"picture longer")
    longer = build(source, Recipe(), **options)
    assert len({first.data_hash, changed.data_hash, longer.data_hash}) == 3
    (pictures / "img/a.png").unlink()
    assert "there is no file" in _said(build(source, Recipe(), **options))[0]


def test_lost_blobs_come_back(tmp_path: Path, pictures: Path) -> None:
    source = _write(pictures, [{"id": "x", "input": {"image": "img/a.png"}}])
    build(source, Recipe(), cache=tmp_path / "c")
    blobs = Disk()
    build(source, Recipe(), cache=tmp_path / "c", blobs=blobs)
    assert blobs.get(_ref(b"picture a")) == b"picture a"
    build(source, Recipe(), cache=tmp_path / "c", blobs=blobs)
    assert blobs.puts == 1


def test_bytes_inside_a_record_become_blobs_and_come_back(tmp_path: Path) -> None:
    rows = [{"id": "x", "input": {"image": Media(data=b"\xff\xd8\xff!"), "empty": Media(media_type="text/plain")}}]
    source, blobs = Lines(rows), Disk()
    snapshot = build(source, Recipe(), cache=tmp_path, blobs=blobs)
    assert snapshot.sample(0).input["image"] == _ref(b"\xff\xd8\xff!", "image/jpeg")
    build(source, Recipe(), cache=tmp_path, blobs=blobs)
    assert source.reads == 1
    blobs.held.clear()
    build(source, Recipe(), cache=tmp_path, blobs=blobs)
    assert source.reads == 2
    assert blobs.get(_ref(b"\xff\xd8\xff!")) == b"\xff\xd8\xff!"


def test_many_pictures_are_each_read_once(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalkit.data._media._REMEMBERED", 1)
    rows = [{"id": str(n), "input": {"image": f"img/{name}.png"}} for n, name in enumerate("aabb")]
    blobs = Disk()
    build(_write(pictures, rows), Recipe(), cache=tmp_path / "c", blobs=blobs)
    assert blobs.puts == 2


def test_a_folder_with_an_index_end_to_end(tmp_path: Path, pictures: Path) -> None:
    (pictures / "index.csv").write_text("id,file,label\n1,img/a.png,cat\n2,../secret.png,dog\n3,img/b.png,dog\n")
    source = folder.make(path="data", root=tmp_path, index="index.csv")
    snapshot = build(source, Recipe(fields={"input": {"image": "image"}, "target": "label"}), cache=tmp_path / "c")
    assert [sample.target for sample in snapshot.samples()] == ["cat", "dog"]
    assert _said(snapshot) == [
        f"{pictures / 'index.csv'}:3: '../secret.png' leaves the folder of the data set",
    ]


def test_a_csv_end_to_end(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("key,size,price\n1,10,2.5\n2,x,3\n")
    source = csv.make(path="a.csv", root=tmp_path, types={"size": "int", "price": "float"})
    snapshot = build(
        source, Recipe(fields={"id": "key", "input": {"row": "*"}, "target": "price"}), cache=tmp_path / "c"
    )
    assert snapshot.sample(0).input == {"row": {"size": 10}}
    assert _said(snapshot) == [f"{tmp_path / 'a.csv'}:3: column 'size': 'x' is not int"]


# Memory ------------------------------------------------------------------------------------------------------------

_PEAK = """
import resource, sys
from pathlib import Path
from evalkit.data import jsonl, snapshot
root = Path(sys.argv[1])
source = jsonl.make(path=sys.argv[2], root=root)
made = snapshot.build(source, snapshot.Recipe(), cache=root / "cache")
for sample in made.samples(made.scheduled(1)):
    pass
print(made.count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_samples(tmp_path: Path) -> None:
    peaks = {}
    for count in (2_000, 12_000):
        with (tmp_path / f"{count}.jsonl").open("w") as handle:
            handle.writelines(f'{{"id": {n}, "input": "{n} {"x" * 8000}"}}\n' for n in range(count))
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, tmp_path, f"{count}.jsonl"], capture_output=True, text=True, check=True
        )
        made, peaks[count] = map(int, done.stdout.split())
        assert made == count
    grown = (peaks[12_000] - peaks[2_000]) * (1 if sys.platform == "darwin" else 1024)
    # The files differ by 80 MB; index and order need some 150 bytes per sample, the allocator some slack.
    assert grown < 12_000_000
