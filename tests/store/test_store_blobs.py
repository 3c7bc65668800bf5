from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import StoreError
from evalkit.store.blobs import BlobDir


def test_bytes_come_back_by_reference_and_by_hash(tmp_path):
    blobs = BlobDir(tmp_path / "blobs")
    ref = blobs.put(b"picture", "image/png")
    assert ref == {"$blob": hashlib.sha256(b"picture").hexdigest(), "type": "image/png"}
    assert blobs.get(ref) == blobs.get(ref["$blob"]) == b"picture"
    assert blobs.path(ref) == tmp_path / "blobs" / ref["$blob"][:2] / ref["$blob"][2:]


def test_equal_bytes_are_one_file_that_becomes_young_again(tmp_path):
    blobs = BlobDir(tmp_path)
    ref = blobs.put(b"same", "image/png")
    os.utime(blobs.path(ref), (1, 1))
    assert blobs.put(b"same", "text/plain") == {"$blob": ref["$blob"], "type": "text/plain"}
    assert list(blobs.all()) == [(ref["$blob"], blobs.path(ref))]
    assert blobs.path(ref).stat().st_mtime > 1


@pytest.mark.parametrize(
    "ref", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", {"$blob": 5}, {}, {"$blob": "/" * 64}]
)
def test_what_is_no_hash_is_refused(tmp_path, ref):
    with pytest.raises(ValueError, match="64 hex digits"):
        BlobDir(tmp_path).get(ref)


def test_a_missing_blob_is_a_key_error(tmp_path):
    with pytest.raises(KeyError, match="there is no blob aaaa"):
        BlobDir(tmp_path).get("a" * 64)


def test_nothing_half_written_is_ever_there(tmp_path, monkeypatch):
    blobs = BlobDir(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", full)
        with pytest.raises(StoreError, match="the disk is full"):
            blobs.put(b"data", "text/plain")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert blobs.get(blobs.put(b"data", "text/plain")) == b"data"


def test_other_files_are_not_blobs(tmp_path):
    blobs = BlobDir(tmp_path)
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / ".new-x").write_bytes(b"half")
    assert list(blobs.all()) == []


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=1000))
def test_any_bytes_survive(tmp_path_factory, data):
    blobs = BlobDir(tmp_path_factory.mktemp("blobs"))
    assert blobs.get(blobs.put(data, "x/y")) == data
