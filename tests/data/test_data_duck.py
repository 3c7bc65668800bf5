"""Parquet and SQL through DuckDB: values, media, limits of access."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from evalkit.core.errors import ConfigError, Problem
from evalkit.data import parquet, sql
from evalkit.data._records import Media, Record

PNG = b"\x89PNG\r\n\x1a\n....."


def _parquet(path: Path, query: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{path}' (format parquet)")


def test_values_become_json(tmp_path: Path) -> None:
    query = """select 1 as i, 1.5 as d, 0.1::float as f, 'ä' as s, null as n, date '2024-02-29' as day,
      timestamptz '2024-01-01 10:00:00+02' as at, [1, null] as l, {'x': {'y': 'z'}} as o, map {'k': 1} as m,
      9223372036854775807 as big, true as b, 'a' as "odd ""name'", 'NULL' as txt"""
    _parquet(tmp_path / "a.parquet", query)
    (found,) = parquet.make(path="a.parquet", root=tmp_path).records()
    assert isinstance(found, Record)
    assert found.line == 1
    assert dict(found.fields) == {
        "i": 1, "d": 1.5, "f": pytest.approx(0.1), "s": "ä", "n": None, "day": "2024-02-29",
        "at": "2024-01-01 08:00:00+00", "l": [1, None], "o": {"x": {"y": "z"}}, "m": {"k": 1},
        "big": (1 << 63) - 1, "b": True, "odd \"name'": "a", "txt": "NULL",
    }  # fmt: skip


def test_bytes_become_media_with_their_type(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table t as select ?::blob as image, null::blob as none", [PNG])
        connection.execute(f"copy t to '{tmp_path}/a.parquet'")
        connection.execute(f"copy (select image from t) to '{tmp_path}/b.parquet'")
    (found,) = parquet.make(path="a.parquet", root=tmp_path).records()
    assert found.fields == {"image": Media(data=PNG, media_type="image/png"), "none": None}
    (alone,) = parquet.make(path="b.parquet", root=tmp_path).records()
    assert list(alone.fields) == ["image"]


def test_nan_is_a_problem_that_names_the_row(tmp_path: Path) -> None:
    _parquet(tmp_path / "a.parquet", "select unnest([1.0, 'nan'::double, 'inf'::double]) as v")
    good, nan, infinite = parquet.make(path="a.parquet", root=tmp_path).records()
    assert isinstance(good, Record)
    assert isinstance(nan, Problem)
    assert "row 2: NaN" in str(nan)
    assert "row 3: Infinity" in str(infinite)


def test_rows_stream_in_their_order_over_several_batches_and_files(tmp_path: Path) -> None:
    _parquet(tmp_path / "a.parquet", "select range as n from range(2500)")
    _parquet(tmp_path / "b[1].parquet", "select 9999 as n")
    found = [record.fields["n"] for record in parquet.make(path="*.parquet", root=tmp_path).records()]
    assert found == [*range(2500), 9999]


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(ConfigError, match=r"a\.parquet: "):
        list(parquet.make(path="a.parquet", root=tmp_path).records())


def test_parquet_fingerprint_and_description(tmp_path: Path) -> None:
    _parquet(tmp_path / "a.parquet", "select 1 as n")
    source = parquet.make(path="a.parquet", root=tmp_path)
    before = source.fingerprint()
    _parquet(tmp_path / "a.parquet", "select 2 as n")
    assert source.fingerprint() != before
    assert source.describe() == {"source": "parquet", "path": "a.parquet"}
    assert source.folder == tmp_path


def test_a_query_over_a_database_that_is_opened_read_only(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        connection.execute("create table q as select range as id, range * 2 as v from range(3)")
    (tmp_path / "x.duckdb").chmod(0o444)
    source = sql.make(query="select * from q order by id desc; -- newest", database="x.duckdb", root=tmp_path)
    assert [dict(record.fields) for record in source.records()] == [{"id": n, "v": 2 * n} for n in (2, 1, 0)]
    assert source.describe()["database"] == "x.duckdb"


def test_a_query_over_files_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,v\n1,x\n2,y\n")
    source = sql.make(query="from read_csv(file('a.csv')) where id > 1", path=tmp_path.name, root=tmp_path.parent)
    assert [dict(record.fields) for record in source.records()] == [{"id": 2, "v": "y"}]
    assert source.folder == tmp_path


def test_the_fingerprint_is_the_answer_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n2\n")
    (tmp_path / "b.csv").write_text("id\n2\n1\n")
    query = "from read_csv(file('a.csv'))"
    before = sql.make(query=query, root=tmp_path).fingerprint()
    assert sql.make(query=query, root=tmp_path).fingerprint() == before
    (tmp_path / "a.csv").write_text("id\n2\n1\n")
    assert sql.make(query=query, root=tmp_path).fingerprint() == before
    (tmp_path / "a.csv").write_text("id\n2\n1\n1\n1\n")
    assert sql.make(query=query, root=tmp_path).fingerprint() != before


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from read_csv('{outside}')", r"write file\('name'\)"),
        ("from read_csv(file('../outside.csv'))", r"write file\('name'\)"),
        ("from read_csv(file('link.csv'))", r"write file\('name'\)"),
        ("from read_csv(file('nope.csv'))", "nope.csv"),
        ("copy (select 1) to 'x.csv'", "one SELECT"),
        ("attach 'y.duckdb'", "one SELECT"),
        ("set threads = 4", "one SELECT"),
        ("install httpfs", "one SELECT"),
        ("select 1; select 2", "one SELECT"),
        ("select 1) q; drop table x; select (1", "syntax error"),
        ("", "one SELECT"),
        ("selec 1", "syntax error"),
        ("select * from nowhere", "nowhere does not exist"),
        ("select cast('x' as int) as v", "Could not convert"),
    ],
)
def test_what_a_query_may_not_do(tmp_path: Path, query: str, said: str) -> None:
    inner = tmp_path / "data"
    inner.mkdir()
    (tmp_path / "outside.csv").write_text("id\n1\n")
    (inner / "link.csv").symlink_to(tmp_path / "outside.csv")
    source = sql.make(query=query.format(outside=tmp_path / "outside.csv"), root=inner)
    for ask in (lambda: list(source.records()), source.fingerprint):
        with pytest.raises(ConfigError, match=said):
            ask()
    assert sorted(path.name for path in inner.iterdir()) == ["link.csv"]


def test_a_failure_in_the_middle_of_the_rows_is_named(tmp_path: Path) -> None:
    source = sql.make(query="select error('boom') as v from range(5000) where range > 3000", root=tmp_path)
    with pytest.raises(ConfigError, match="boom"):
        list(source.records())


def test_a_missing_and_a_foreign_database(tmp_path: Path) -> None:
    for name, said in (
        ("no.duckdb", "there is no file"),
        ("../x.duckdb", "leaves the folder"),
        ("/x", "absolute path"),
    ):
        with pytest.raises(ConfigError, match=f"database: .*{said}"):
            list(sql.make(query="select 1", database=name, root=tmp_path).records())
    with pytest.raises(ConfigError, match="there is no folder"):
        sql.make(query="select 1", path="nope", root=tmp_path).fingerprint()
    (tmp_path / "x.duckdb").write_text("this is no database, it is a text of some length")
    with pytest.raises(ConfigError, match="cannot be opened"):
        sql.make(query="select 1", database="x.duckdb", root=tmp_path).fingerprint()
