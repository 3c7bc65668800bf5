from __future__ import annotations

import duckdb
import pytest

from evalkit.core.errors import StoreError
from evalkit.store import writers
from evalkit.store.export import export_run


def count(path, where: str = "true") -> int:
    return duckdb.connect().execute(f"select count(*) from '{path}' where {where}").fetchall()[0][0]


def test_a_run_is_exported_with_everything_that_its_numbers_stand_on(filled, tmp_path, make):
    folder = tmp_path / "out 'quoted'" / "r1"
    files = {path.stem: path for path in export_run(filled, "r1", folder)}
    with duckdb.connect() as reading:
        reading.execute("create table sizes (name varchar, rows bigint)")
        for name, path in files.items():
            target = str(path).replace("'", "''")
            reading.execute(f"insert into sizes select '{name}', count(*) from read_parquet('{target}')")
        sizes = dict(reading.execute("from sizes").fetchall())
    assert sizes == {
        "run": 1, "entry": 1, "suite": 1, "data_set": 1, "sample": 3, "prompt": 1, "cell": 3, "call": 4, "score": 3,
        "entry_scorer": 1, "signature": 1, "result": 1, "cost": 3, "problem": 1,
    }  # fmt: skip


def test_calls_of_another_run_that_answer_are_in_it_and_others_are_not(filled, tmp_path, make):
    with filled.open() as connection:
        writers.put_run(connection, make.run("r2"))
        writers.put_entry(connection, make.entry("e2", "r2", planned=1))
        make.cells(connection, "e2", [(0, "s0", "hash-0", 0, None, "key-0")])
        make.answers(connection, "e2", (0, "c0"))
    export_run(filled, "r2", tmp_path / "out")
    assert count(tmp_path / "out" / "call.parquet") == count(tmp_path / "out" / "call.parquet", "call_id = 'c0'") == 1
    assert count(tmp_path / "out" / "cell.parquet", "status = 'answered' and cached and sample_id = 's0'") == 1


def test_the_same_store_gives_the_same_files(filled, tmp_path):
    first, second = (export_run(filled, "r1", tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_run_that_is_not_there_and_a_folder_that_cannot_be(filled, tmp_path):
    with pytest.raises(StoreError, match=r"there is no run 'r9' .* `evalkit list runs`"):
        export_run(filled, "r9", tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        export_run(filled, "r1", tmp_path / "file" / "out")
