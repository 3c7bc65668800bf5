from __future__ import annotations

import pytest

from evalkit.core.errors import StoreError
from evalkit.store import bulk, writers
from evalkit.store.database import transaction
from evalkit.store.journals import load_run
from evalkit.store.reader import query


def table(connection, sql: str) -> list[tuple[object, ...]]:
    return query(connection, sql).rows


def test_writing_everything_twice_changes_nothing(filled, make):
    tables = [
        "run",
        "data_set",
        "sample",
        "prompt",
        "suite",
        "entry",
        "cell",
        "signature",
        "entry_scorer",
        "result",
        "cost",
        "problem",
    ]
    with filled.open() as connection:
        before = {name: sorted(map(str, table(connection, f"from {name}"))) for name in tables}
    make.plan(filled)
    with filled.open() as connection:
        assert {name: sorted(map(str, table(connection, f"from {name}"))) for name in tables} == before
        assert all(before.values())


def test_a_run_is_begun_once(store, make):
    with store.open() as connection:
        writers.put_run(connection, make.run("r1", status="running", git_commit="abc", git_dirty=True))
        writers.put_run(connection, make.run("r1", finished="2026-01-02T03:04:05+02:00"))
        writers.put_run(connection, make.run("r2", finished="2026-01-02T03:04:05+02:00"))
        assert table(connection, "select status, finished, git_dirty, versions from run order by run_id") == [
            ("running", None, True, '{"evalkit":"0.1.0"}'),
            ("complete", "2026-01-02T01:04:05Z", None, '{"evalkit":"0.1.0"}'),
        ]


def test_samples_of_a_known_data_set_are_not_even_read(store, make):
    data_set = {"data_hash": "d", "name": "n", "source": {}, "samples": 1, "duplicate_ids": 1, "duplicate_contents": 1}

    def never():
        raise AssertionError
        yield

    twice = [*make.samples(2), *make.samples(2), {**make.samples(1)[0], "sample_hash": "other"}]
    with store.open() as connection:
        assert writers.put_data_set(connection, data_set, twice) is True
        assert writers.put_data_set(connection, data_set, never()) is False
        found = table(
            connection, "select sample_id, sample_hash, cluster, tags, input, target from sample order by all"
        )
    assert found == [
        ("s0", "hash-0", "doc0", ["even"], '{"text":"ticket 0"}', '"yes"'),
        ("s0", "other", "doc0", ["even"], '{"text":"ticket 0"}', '"yes"'),
        ("s1", "hash-1", "doc0", [], '{"text":"ticket 1"}', '"yes"'),
    ]


def test_half_a_data_set_is_not_kept(store, make):
    def broken():
        yield from make.samples(2)
        raise ZeroDivisionError

    data_set = {"data_hash": "d", "name": "n", "source": {}, "samples": 1, "duplicate_ids": 0, "duplicate_contents": 0}
    with store.open() as connection:
        with pytest.raises(ZeroDivisionError):
            writers.put_data_set(connection, data_set, broken())
        assert table(connection, "select count(*) from sample") == [(0,)]


def test_hostile_values_are_written(store, make):
    odd = {
        "sample_id": "\ud800",
        "sample_hash": "h",
        "cluster": "nul\0",
        "tags": ["\udfff", "😀"],
        "input": {"a\ud800": "b\ud83d\ude00", "big": 2**70, "nan": float("nan"), "list": [2, 1], "t": (1, None, True)},
        "target": False,
        "meta": {"inf": float("inf")},
    }
    data_set = {"data_hash": "d", "name": "n", "source": {}, "samples": 1, "duplicate_ids": 0, "duplicate_contents": 0}
    with store.open() as connection:
        writers.put_data_set(connection, {**data_set, "card": None}, [odd])
        assert table(connection, "select sample_id, cluster, tags, target, meta from sample") == [
            ("\ufffd", "nul\0", ["\ufffd", "😀"], "false", '{"inf":null}')
        ]
        assert table(connection, "select input from sample") == [
            ('{"a\ufffd": "b😀", "big": 1180591620717411303424, "nan": null, "list": [2, 1], "t": [1, null, true]}',)
        ]


def test_json_values_may_be_any_mapping_or_object(store):
    from pathlib import PurePosixPath
    from types import MappingProxyType

    spec = MappingProxyType({"path": PurePosixPath("/x"), "names": ("b", "a")})
    odd = {"big": 2**70, "path": PurePosixPath("/x"), "lone": "\ud800"}
    suite = {"suite_hash": "s", "data_hash": "d", "task_hash": "t", "name": "n", "family": "f"}
    with store.open() as connection:
        writers.put_suite(connection, {**suite, "spec": spec})
        writers.put_suite(connection, {**suite, "suite_hash": "s2", "spec": odd})
        assert table(connection, "select spec from suite order by suite_hash") == [
            ('{"path":"/x","names":["b","a"]}',),
            ('{"big": 1180591620717411303424, "path": "/x", "lone": "�"}',),
        ]


def test_a_column_that_is_not_there_is_named_with_a_suggestion(store, make):
    with store.open() as connection:
        with pytest.raises(ValueError, match="table run has no column 'comand'; did you mean 'command'"):
            writers.put_run(connection, {"run_id": "r", "comand": "x"})
        with pytest.raises(ValueError, match="table run has no column 'zzz'; known: run_id, identity"):
            writers.put_run(connection, {"run_id": "r", "zzz": "x"})


def test_a_column_that_is_needed_is_a_store_error(store):
    with pytest.raises(StoreError, match="NOT NULL constraint failed"), store.open() as connection:
        writers.put_run(connection, {"run_id": "r"})


def test_an_entry_says_how_it_stands(store, make):
    with store.open() as connection:
        writers.put_entry(connection, make.entry(status="running"))
        writers.update_entry_status(connection, "e1", "skipped", reason="no key for \ud800")
        assert table(connection, "select status, reason, planned from entry") == [("skipped", "no key for \ufffd", 3)]
        writers.update_entry_status(connection, "e1", "complete", planned=7)
        assert table(connection, "select status, reason, planned from entry") == [("complete", None, 7)]


def test_results_prices_and_costs_are_replaced(filled):
    price = {
        "price_id": "p",
        "model": "m",
        "unit": "input_tokens",
        "per": 1e6,
        "above_prompt_tokens": 0,
        "batch": False,
    }
    price |= {"source": "vendor", "dated": "2026-01-01"}
    with filled.open() as connection:
        row = next(query(connection, "select * from result").dicts())
        assert writers.put_results(connection, [{**row, "value": 0.5}, {**row, "value": 0.7}]) == 1
        assert table(connection, "select value from result") == [(0.7,)]
        with transaction(connection):
            writers.put_prices(connection, [{**price, "usd": 1.0}])
            writers.put_prices(connection, [{**price, "usd": 2.0}])
        assert table(connection, "select usd, dated::varchar from price") == [(2.0, "2026-01-01")]
        assert writers.put_costs(connection, [("c1", 0.5, "2026-02-01"), ("new", None, "x")]) == 2
        assert table(connection, "select call_id, usd from cost order by call_id") == [
            ("c0", 0.01), ("c1", 0.5), ("j1", 0.02), ("new", None)
        ]  # fmt: skip


def test_problems_are_kept_once(store, hand, make):
    said = [["p", "e1", "kind", "message"], ["p", "e1", "kind", "message"], ["p", None, "kind", "of all"]]
    run_dir = make.journal(store.folder, *map(hand.line, said))
    load_run(store, run_dir)
    make.journal(store.folder, hand.line(said[0]), name="w-00002.jsonl")
    load_run(store, run_dir)
    with store.open() as connection:
        assert table(connection, "select message from problem order by all") == [("message",), ("of all",)]


def test_what_all_rows_share_is_written_for_each_of_them(store, make):
    data_set = {"data_hash": "d", "name": "n", "source": {}, "samples": 3, "duplicate_ids": 0, "duplicate_contents": 0}
    same = {"cluster": "c", "tags": [], "input": {"text": "same"}, "target": None, "meta": {}}
    rows = [{"sample_id": f"s{number}", "sample_hash": "h", **same} for number in range(3)]
    with store.open() as connection:
        writers.put_data_set(connection, data_set, rows)
        found = table(connection, "select sample_id, cluster, tags, input, target, meta from sample order by sample_id")
    assert found == [(f"s{number}", "c", [], '{"text":"same"}', None, "{}") for number in range(3)]


def test_a_data_set_that_breaks_in_a_later_batch_leaves_nothing(store, make):
    def broken():
        yield from make.samples(bulk.BATCH_ROWS + 5)
        raise ZeroDivisionError

    data_set = {"data_hash": "d", "name": "n", "source": {}, "samples": 1, "duplicate_ids": 0, "duplicate_contents": 0}
    with store.open() as connection:
        with pytest.raises(ZeroDivisionError):
            writers.put_data_set(connection, data_set, broken())
        assert table(connection, "select count(*) from sample") == [(0,)]
        assert writers.put_data_set(connection, data_set, make.samples(bulk.BATCH_ROWS + 5)) is True
        assert table(connection, "select count(*) from sample") == [(bulk.BATCH_ROWS + 5,)]
