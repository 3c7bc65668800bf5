"""JSON Lines, read by bytes: what is kept, what is refused, and where."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from evalkit.core.errors import ConfigError, Problem
from evalkit.data._records import Record
from evalkit.data.jsonl import make


def _read(tmp_path: Path, data: bytes, **options: object) -> list[Record | Problem]:
    (tmp_path / "a.jsonl").write_bytes(data)
    return list(make(path="a.jsonl", root=tmp_path, **options).records())


def test_records_carry_their_file_and_line(tmp_path: Path) -> None:
    found = _read(tmp_path, b'{"a": 1}\r\n\n  \n{"a": "\xc3\xa4"}')
    shown = str(tmp_path / "a.jsonl")
    assert found == [Record({"a": 1}, shown, 1), Record({"a": "ä"}, shown, 4)]


def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path: Path) -> None:
    assert _read(tmp_path, codecs.BOM_UTF8 + b'{"a": 1}\n') == _read(tmp_path, b'{"a": 1}\n')


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    assert _read(tmp_path, b"") == []
    assert _read(tmp_path, codecs.BOM_UTF8) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"a": "\xff"}', "byte 8 of the line (0xff) is not UTF-8"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e999}', "too large for a float"),
        (b'{"a": 1', "invalid JSON: Expecting ',' delimiter (column 8)"),
        (b'{"a": "\\ud800"}', "invalid JSON"),
        (b"[1]", "a JSON object is needed, this is a list"),
        (b'"x"', "this is a text"),
        (b"3", "this is a number"),
        (b"true", "this is true or false"),
        (b"null", "this is null"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff{", "byte 1 of the line (0xff) is not UTF-8"),
    ],
)
def test_a_bad_line_is_a_problem_and_the_next_is_read(tmp_path: Path, line: bytes, said: str) -> None:
    bad, good = _read(tmp_path, line + b'\n{"a": 1}\n')
    assert isinstance(bad, Problem)
    assert said in str(bad)
    assert (bad.file, bad.line) == (str(tmp_path / "a.jsonl"), 1)
    assert isinstance(good, Record)
    assert good.line == 2


def test_a_json_array_is_named_for_what_it_is(tmp_path: Path) -> None:
    assert "write one object per line" in str(_read(tmp_path, b'[{"a": 1},\n{"a": 2}]')[0])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    (found,) = _read(tmp_path, "\ufeff{}\n{}\n".encode(encoding))
    assert str(found).endswith(":1: the file is UTF-16 (save it as UTF-8)")


def test_a_line_of_50_megabytes_is_read(tmp_path: Path) -> None:
    (found,) = _read(tmp_path, b'{"a": "' + b"x" * (50 << 20) + b'"}\n')
    assert isinstance(found, Record)
    assert len(found.fields["a"]) == 50 << 20


def test_a_line_over_the_limit_is_refused_and_skipped(tmp_path: Path) -> None:
    long = b'{"a": "' + b"x" * (3 << 20) + b'"}\n'
    found = _read(tmp_path, b'{"a": 0}\n' + long + b'{"a": 1}\n' + long[:-1], max_line_bytes=1000)
    assert [type(item) for item in found] == [Record, Problem, Record, Problem]
    assert "longer than 1,000 bytes" in str(found[1])
    assert found[2].line == 3
    assert found[3].line == 4


def test_a_line_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    assert isinstance(_read(tmp_path, b'{"a": 1}\n', max_line_bytes=8)[0], Record)
    assert isinstance(_read(tmp_path, b'{"a": 1}', max_line_bytes=8)[0], Record)
    assert isinstance(_read(tmp_path, b'{"a": 12}', max_line_bytes=8)[0], Problem)


def test_a_pattern_reads_all_its_files_in_name_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.jsonl").write_text('{"n": 2}\n')
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n')
    (tmp_path / "sub" / "c.jsonl").write_text('{"n": 3}\n')
    source = make(path="**/*.jsonl", root=tmp_path)
    assert [record.fields["n"] for record in source.records()] == [1, 2, 3]
    assert source.folder == tmp_path


def test_a_missing_file_names_near_ones(tmp_path: Path) -> None:
    (tmp_path / "tickets.jsonl").write_text("{}")
    with pytest.raises(ConfigError, match=r"there is no file .*ticket.jsonl \(did you mean 'tickets.jsonl'"):
        list(make(path="ticket.jsonl", root=tmp_path).records())
    with pytest.raises(ConfigError, match="there is no folder"):
        make(path="nowhere/x.jsonl", root=tmp_path).fingerprint()
    with pytest.raises(ConfigError, match="no file matches"):
        make(path="*.json", root=tmp_path).fingerprint()
    with pytest.raises(ConfigError, match="is a folder"):
        make(path=".", root=tmp_path).fingerprint()


def test_the_fingerprint_follows_the_bytes_only(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    (tmp_path / "b.jsonl").write_text("{}")
    (tmp_path / "c.jsonl").write_text("{} ")
    prints = [make(path=f"{name}.jsonl", root=tmp_path).fingerprint() for name in "abc"]
    assert prints[0] == prints[1] != prints[2]


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown option 'pth'; did you mean 'path'"):
        make(pth="x")
    assert make(path="d/x.jsonl").describe() == {"source": "jsonl", "path": "d/x.jsonl", "max_line_bytes": 64 << 20}
