"""A folder of files, by index or by pattern, and the walls around it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evalkit.core.errors import ConfigError, Problem
from evalkit.data._files import inside, media_type
from evalkit.data._records import Media, Record
from evalkit.data.folder import make


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for name in ("cats/1.png", "dogs/2.jpg", "notes.txt", ".hidden", ".git/x.png", "a.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (tmp_path / "secret.png").write_bytes(b"secret")
    return folder


def test_a_pattern_finds_files_and_names_their_fields(pictures: Path) -> None:
    found = list(make(path="pictures", root=pictures.parent).records())
    assert [dict(record.fields) for record in found] == [
        {"id": "a.wav", "file": "a.wav", "name": "a", "folder": "", "input": {"audio": Media("a.wav", None, "audio/wav")}},
        {"id": "cats/1.png", "file": "cats/1.png", "name": "1", "folder": "cats",
         "input": {"image": Media("cats/1.png", None, "image/png")}},
        {"id": "dogs/2.jpg", "file": "dogs/2.jpg", "name": "2", "folder": "dogs",
         "input": {"image": Media("dogs/2.jpg", None, "image/jpeg")}},
        {"id": "notes.txt", "file": "notes.txt", "name": "notes", "folder": "",
         "input": {"file": Media("notes.txt", None, "text/plain")}},
    ]  # fmt: skip


def test_a_narrower_pattern_and_a_field_of_ones_own(pictures: Path) -> None:
    (found,) = make(path="pictures", root=pictures.parent, glob="cats/*.png", field="photo").records()
    assert list(found.fields["input"]) == ["photo"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("index.csv", "file,label\ncats/1.png,cat\n"),
        ("index.jsonl", '{"file": "cats/1.png", "label": "cat", "input": {"question": "what?"}}\n'),
    ],
)
def test_an_index_names_the_files(pictures: Path, name: str, text: str) -> None:
    (pictures / name).write_text(text)
    (found,) = make(path=str(pictures), index=name).records()
    assert isinstance(found, Record)
    assert found.fields["input"]["image"] == found.fields["image"] == Media("cats/1.png", None, "image/png")
    assert found.fields["label"] == "cat"
    assert found.fields["input"].get("question") == ("what?" if name.endswith("jsonl") else None)
    assert found.file == str(pictures / name)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../secret.png", "leaves the folder"),
        ("cats/../../secret.png", "leaves the folder"),
        ("../../..", "leaves the folder"),
        ("/etc/passwd", "absolute path"),
        ("C:\\Windows\\win.ini", "absolute path"),
        ("\\\\server\\share", "absolute path"),
        ("link.png", "a link that leaves the folder"),
        ("linked/secret.png", "a link that leaves the folder"),
        ("loop.png", "cannot be followed"),
        ("nope.png", "there is no file"),
        ("cats", "not a regular file"),
        ("cats/1.png/x", "cannot be followed"),
        ("a\\u0000b", "is not a path"),
        ("x" * 5000, "cannot be followed"),
    ],
)
def test_no_path_leaves_the_folder(pictures: Path, path: str, said: str) -> None:
    (pictures / "link.png").symlink_to(pictures.parent / "secret.png")
    (pictures / "linked").symlink_to(pictures.parent)
    (pictures / "loop.png").symlink_to("loop.png")
    escaped = path.replace("\\", "\\\\").replace("\\\\u0000", "\\u0000")
    (pictures / "index.jsonl").write_text(f'{{"file": "{escaped}"}}\n{{"file": "cats/1.png"}}\n')
    bad, good = make(path=str(pictures), index="index.jsonl").records()
    assert isinstance(bad, Problem)
    assert said in str(bad)
    assert bad.line == 1
    assert isinstance(good, Record)


def test_a_link_inside_the_folder_is_followed(pictures: Path) -> None:
    (pictures / "again.png").symlink_to("cats/1.png")
    assert inside(pictures.resolve(), "again.png") == (pictures / "cats/1.png").resolve()
    assert inside(pictures.resolve(), "dogs/../cats/1.png") == (pictures / "cats/1.png").resolve()


def test_a_pipe_is_not_opened(pictures: Path) -> None:
    os.mkfifo(pictures / "pipe.png")
    with pytest.raises(ValueError, match="not a regular file"):
        inside(pictures.resolve(), "pipe.png")


def test_a_row_without_a_path(pictures: Path) -> None:
    (pictures / "index.csv").write_text("path,label\ncats/1.png,cat\n")
    (found,) = make(path=str(pictures), index="index.csv", column="pth").records()
    assert str(found).endswith("there is no path in column 'pth' (did you mean 'path'?)")
    (found,) = make(path=str(pictures), index="index.csv").records()
    assert str(found).endswith("(columns: path, label)")
    (pictures / "index.csv").write_text("file,label\n,cat\n")
    (found,) = make(path=str(pictures), index="index.csv").records()
    assert str(found).endswith("there is no path in column 'file'")


def test_problems_of_the_index_pass_through(pictures: Path) -> None:
    (pictures / "index.jsonl").write_text("{\n")
    (found,) = make(path=str(pictures), index="index.jsonl").records()
    assert isinstance(found, Problem)


def test_the_index_itself_stays_inside(pictures: Path) -> None:
    (pictures.parent / "index.csv").write_text("file\n")
    with pytest.raises(ConfigError, match=r"index: .* leaves the folder"):
        list(make(path=str(pictures), index="../index.csv").records())


def test_a_missing_folder_and_wrong_options(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        list(make(path="nope", root=tmp_path).records())
    with pytest.raises(ValueError, match="must stay inside"):
        make(path="x", glob="../*")
    with pytest.raises(ValueError, match="must stay inside"):
        make(path="x", glob="/etc/*")
    with pytest.raises(ValueError, match=r"must end in \.csv or \.jsonl"):
        make(path="x", index="index.xlsx")


def test_fingerprints_follow_names_or_index(pictures: Path) -> None:
    source = make(path=str(pictures))
    before = source.fingerprint()
    (pictures / "new.png").write_bytes(b"")
    assert source.fingerprint() != before
    (pictures / "index.csv").write_text("file\n")
    indexed = make(path=str(pictures), index="index.csv")
    before = indexed.fingerprint()
    (pictures / "index.csv").write_text("file\ncats/1.png\n")
    assert indexed.fingerprint() != before
    assert indexed.describe()["index"] == "index.csv"
    assert source.describe()["glob"] == "**/*"


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.PNG", b"", "image/png"),
        ("a.zzz", b"", "application/octet-stream"),
        (None, b"RIFF....WAVE", "audio/wav"),
        (None, b"RIFF....WEBP", "image/webp"),
        (None, b"RIFF....AVI ", "application/octet-stream"),
        (None, b"fLaC", "audio/flac"),
        ("x", b"\xff\xd8\xff", "image/jpeg"),
    ],
)
def test_media_types_are_the_same_everywhere(name: str | None, data: bytes, kind: str) -> None:
    assert media_type(name, data) == kind
