"""CSV: quoting, types and exact line numbers."""

from __future__ import annotations

import codecs
import csv as stdlib
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import ConfigError, Problem
from evalkit.data._records import Record
from evalkit.data.csv import make


def _read(tmp_path: Path, data: bytes | str, **options: object) -> list[Record | Problem]:
    (tmp_path / "a.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
    return list(make(path="a.csv", root=tmp_path, **options).records())


def _rows(tmp_path: Path, data: bytes | str, **options: object) -> list[dict]:
    return [dict(record.fields) for record in _read(tmp_path, data, **options)]


def test_quotes_newlines_and_blank_lines(tmp_path: Path) -> None:
    found = _read(tmp_path, 'id, text\n\n1,"two\nlines, and ""quotes"""\n\n2,plain\r\n')
    assert [(dict(record.fields), record.line) for record in found] == [
        ({"id": "1", "text": 'two\nlines, and "quotes"'}, 3),
        ({"id": "2", "text": "plain"}, 6),
    ]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    assert _rows(tmp_path, codecs.BOM_UTF8 + b"id,x\n1,2\n") == [{"id": "1", "x": "2"}]


def test_delimiter_and_quote(tmp_path: Path) -> None:
    assert _rows(tmp_path, "a;b\n'x;y';2\n", delimiter=";", quote="'") == [{"a": "x;y", "b": "2"}]


def test_tabs_in_tsv_files(tmp_path: Path) -> None:
    (tmp_path / "a.TSV").write_text("a\tb\n1,5\t2\n")
    (record,) = make(path="a.TSV", root=tmp_path).records()
    assert record.fields == {"a": "1,5", "b": "2"}


def test_an_empty_file_and_a_header_alone_have_no_records(tmp_path: Path) -> None:
    assert _read(tmp_path, "") == []
    assert _read(tmp_path, "a,b\n") == []


def test_every_fault_is_a_problem_with_its_line(tmp_path: Path) -> None:
    found = _read(tmp_path, b'a,b\n1\n1,2,3\n\xff,2\n3,4\n"5" x,6\n7,8\n9,"open\n')
    said = [(item.line, str(item).split(": ", 1)[1] if isinstance(item, Problem) else "") for item in found]
    assert said == [
        (2, "the row has 1 fields, the header has 2 (is a delimiter or a quote missing?)"),
        (3, "the row has 3 fields, the header has 2 (is a delimiter or a quote missing?)"),
        (4, "byte 1 of the line (0xff) is not UTF-8; save the file as UTF-8"),
        (5, ""),
        (6, "malformed CSV: ',' expected after '\"'"),
        (7, ""),
        (8, "malformed CSV: unexpected end of data"),
    ]


def test_bad_bytes_inside_a_quoted_field_name_their_own_line(tmp_path: Path) -> None:
    found = _read(tmp_path, b'a,b\n1,"x\n\xe4\ny"\n2,z\n')
    assert isinstance(found[0], Problem)
    assert found[0].line == 3
    assert isinstance(found[1], Record)
    assert found[1].line == 5


@pytest.mark.parametrize("data", [b"a\xff,b\n1,2\n", b'"a" x,b\n1,2\n'])
def test_a_header_that_does_not_read_stops_the_file(tmp_path: Path, data: bytes) -> None:
    (found,) = _read(tmp_path, data)
    assert isinstance(found, Problem)
    assert found.line == 1


def test_utf_16_is_named(tmp_path: Path) -> None:
    (found,) = _read(tmp_path, "a,b\n1,2\n".encode("utf-16"))
    assert "UTF-16" in str(found)


@pytest.mark.parametrize(("header", "said"), [("a,b,a", "column 'a' stands twice"), (",a", "has no name")])
def test_a_header_needs_names_of_its_own(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _read(tmp_path, f"{header}\n")


def test_types_of_columns(tmp_path: Path) -> None:
    types = {"n": "int", "f": "float", "b": "bool", "j": "json", "t": "text", "m": "auto"}
    rows = _rows(tmp_path, 'n,f,b,j,t,m\n1,2.5,Yes,"[1,2]",7,8\n , ,,,,\n-3,1e3,0,{},x,x1\n', types=types)
    assert rows == [
        {"n": 1, "f": 2.5, "b": True, "j": [1, 2], "t": "7", "m": 8},
        {"n": None, "f": None, "b": None, "j": None, "t": "", "m": None},
        {"n": -3, "f": 1000.0, "b": False, "j": {}, "t": "x", "m": "x1"},
    ]


def test_auto_reads_json_numbers_and_leaves_the_rest(tmp_path: Path) -> None:
    cells = "1,-2.5,1e3,007,+1,nan,0x1,1_000,"
    header = ",".join(f"c{number}" for number in range(9))
    (row,) = _rows(tmp_path, f"{header}\n{cells}\n", types="auto")
    assert list(row.values()) == [1, -2.5, 1000.0, "007", "+1", "nan", "0x1", "1_000", None]


def test_a_cell_of_the_wrong_type_is_a_problem(tmp_path: Path) -> None:
    types = {"n": "int", "b": "bool", "j": "json"}
    found = _read(tmp_path, "n,b,j\nx,1,1\n1,maybe,1\n1,1,{\n", types=types)
    assert [str(item).split(": ", 1)[1] for item in found] == [
        "column 'n': 'x' is not int",
        "column 'b': 'maybe' is not bool",
        "column 'j': '{' is not json",
    ]


def test_types_of_a_column_that_is_not_there(tmp_path: Path) -> None:
    found = _read(tmp_path, "age,b\n1,2\n", types={"agee": "int"})
    assert str(found[0]).endswith("which the header does not have (did you mean 'age'?)")
    assert isinstance(found[1], Record)


@pytest.mark.parametrize("types", ["int", "text", {"a": "number"}])
def test_unknown_types_are_refused(types: object) -> None:
    with pytest.raises(ValueError, match="is not known"):
        make(path="a.csv", types=types)


def test_a_delimiter_is_one_character() -> None:
    with pytest.raises(ValueError, match="one character each"):
        make(path="a.csv", delimiter=";;")


def test_a_field_of_a_megabyte_is_read_and_the_description_holds_the_options(tmp_path: Path) -> None:
    (row,) = _rows(tmp_path, f"a\n{'x' * (1 << 20)}\n")
    assert len(row["a"]) == 1 << 20
    source = make(path="d/a.csv", root=tmp_path, types="auto")
    assert source.describe()["types"] == "auto"
    assert source.folder == tmp_path / "d"
    assert make(path="a.csv", types={"a": "int"}).describe()["types"] == {"a": "int"}


def test_the_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    _read(tmp_path, "a\n1\n")
    before = make(path="a.csv", root=tmp_path).fingerprint()
    _read(tmp_path, "a\n2\n")
    assert make(path="a.csv", root=tmp_path).fingerprint() != before


_CELL = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00\r"), max_size=8)


@settings(max_examples=50)
@given(rows=st.lists(st.tuples(_CELL, _CELL), max_size=6))
def test_what_the_standard_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    text = io.StringIO()
    stdlib.writer(text, lineterminator="\n", quoting=stdlib.QUOTE_ALL).writerows([("a", "b"), *rows])
    found = _rows(tmp_path_factory.mktemp("csv"), text.getvalue())
    assert found == [{"a": first, "b": second} for first, second in rows]
