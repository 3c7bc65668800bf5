from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.core.errors import StoreError, UsageError
from evalkit.store import reader, writers
from evalkit.store.journals import load_run


@pytest.fixture
def opened(filled):
    with filled.open(read_only=True) as connection:
        yield connection


def only(table: reader.Table) -> dict[str, object]:
    [row] = table.dicts()
    return row


def test_known_calls_are_those_that_may_be_reused(opened):
    assert reader.known_calls(opened, ["key-0", "key-1", "key-2", "judge-key", "nowhere"]) == {
        "key-0": "c0", "key-1": "c1", "judge-key": "j1"
    }  # fmt: skip
    assert reader.known_calls(opened, ["key-0"], generation=1) == {}
    assert reader.known_calls(opened, []) == {}


def test_the_newest_of_several_known_calls_is_taken(store, hand, make):
    calls = [
        hand.call(name, 0, started=started, entry_id=None) for name, started in (("b", 5.0), ("c", 9.0), ("a", 7.0))
    ]
    load_run(store, make.journal(store.folder, *calls))
    with store.open() as connection:
        assert reader.known_calls(connection, ["key-0"]) == {"key-0": "c"}
        assert [row[1] for row in reader.known_responses(connection, ["key-0"]).rows] == ["c"]


def test_a_hundred_thousand_keys_are_looked_up_at_once(store):
    with store.open() as connection:
        connection.execute(
            "insert into call (call_id, call_key, generation, run_id, ordinal, usage, attempts, error_kind) "
            "select 'c' || i, md5(i::varchar), 0, 'r', 0, '{}', 1, case when i % 2 = 1 then 'timeout' end from range(100000) t(i)"
        )
        keys = [row[0] for row in connection.execute("select call_key from call").fetchall()]
        assert len(reader.known_calls(connection, keys)) == 50_000


def test_responses_have_all_that_a_scorer_needs(opened):
    known = reader.known_responses(opened, ["key-1", "key-2"])
    assert only(known) == only(reader.responses(opened, ["c1"]))
    row = only(known)
    assert (row["call_key"], row["output"], row["finish"], row["usage"]) == (
        "key-1",
        '"no"',
        "stop",
        '{"input_tokens":3}',
    )
    failed = only(reader.responses(opened, ["c2"]))
    assert (failed["output"], failed["error_kind"], failed["error_message"]) == (None, "timeout", "no answer in 5 s")


def test_known_scores_by_call_sample_and_signature(opened):
    found = reader.known_scores(opened, ["c0", "c0", "c2", "j1"], ["hash-0", "hash-1", "hash-2", "hash-1"], "sig1")
    assert found.tolist() == [True, False, True, False]
    assert reader.known_scores(opened, ["c0"], ["hash-0"], "sig2").tolist() == [False]
    assert reader.known_scores(opened, [], [], "sig1").tolist() == []


def test_observations_have_every_planned_cell(opened):
    seen = reader.observations(opened, "e1", "sig1", "exact_match")
    assert seen.position.tolist() == [0, 1, 2]
    assert list(seen.sample_id) == ["s0", "s1", "s2"]
    assert list(seen.cluster) == ["doc0", "doc0", "doc1"]
    assert [list(tags) for tags in seen.tags] == [["even"], [], ["even"]]
    assert seen.status.tolist() == ["scored", "scored", "errored"]
    assert seen.value[:2].tolist() == [1.0, 0.0]
    assert math.isnan(seen.value[2])
    assert seen.worst.tolist() == [0.0] * 3
    assert {name: column[:2].tolist() for name, column in seen.parts.items()} == {"right": [1.0, 0.0]}
    assert np.isnan(seen.parts["right"][2])
    assert seen.worst_parts["right"].tolist() == [0.0] * 3
    assert list(seen.answer) == ["yes", "no", None]
    assert seen.cached.tolist() == [False] * 3
    assert seen.seconds.tolist()[:2] == [0.5, 1.5]


def test_cells_without_a_score_say_why(filled, make):
    with filled.open() as connection:
        writers.put_entry(connection, make.entry("e2", planned=4))
        cells = [(n, f"s{n}", f"hash-{n}", n, "f", f"key-{n}") for n in range(4)]
        writers.put_cells(connection, "e2", cells)
        writers.put_answers(connection, "e2", [(0, "c0"), (1, "gone"), (2, "c2")])
        seen = reader.observations(connection, "e2", "other", "other")
        assert seen.status.tolist() == ["unscored", "missing", "errored", "missing"]
        assert list(seen.cluster) == ["doc0", "doc0", "doc1", "s3"]
        assert (seen.repeat.tolist(), list(seen.split), seen.cached.tolist()) == (
            [0, 1, 2, 3],
            ["f"] * 4,
            [True, True, True, False],
        )
        counts = reader.entry_counts(connection, ["e1", "e2", "e9"])
        assert counts.columns == ("entry_id", "planned", "answered", "errored", "missing", "cached")
        assert counts.rows == [("e1", 3, 2, 1, 0, 0), ("e2", 4, 1, 1, 2, 3)]


def test_observations_of_nothing_are_empty(opened):
    seen = reader.observations(opened, "e9", "sig1", "exact_match")
    assert (seen.position.size, seen.value.size, dict(seen.parts), len(seen.tags)) == (0, 0, {}, 0)


def test_parts_that_are_null_are_none(store, hand, make):
    make.plan(store, count=2)
    metric = ["f1", "scored", None, {"tp": None, "fp": 2}, None, None, None, None, None, None]
    other = ["f1", "scored", None, {"fn": 1}, None, None, None, None, None, None]
    lines = [hand.call("c0"), hand.scores("c0", 0, metric), hand.call("c1", 1), hand.scores("c1", 1, other)]
    load_run(store, make.journal(store.folder, *lines))
    with store.open() as connection:
        parts = reader.observations(connection, "e1", "sig1", "f1").parts
    assert {name: [None if math.isnan(v) else v for v in column] for name, column in parts.items()} == {
        "tp": [None, None], "fp": [2.0, None], "fn": [None, 1.0]
    }  # fmt: skip


def test_two_samples_with_one_id_do_not_multiply_cells(store, make):
    make.plan(store)
    with store.open() as connection:
        connection.execute(
            "insert into sample select data_hash, sample_id, 'other', 'elsewhere', [], '{}', null, '{}' from sample"
        )
        assert reader.query(connection, "select count(*) from cells").rows == [(3,)]


def test_metric_counts(opened):
    assert reader.metric_counts(opened, "e1").rows == [("sig1", "exact_match", 2, 0, 1)]


def test_failures_come_worst_first_with_what_was_asked_and_why(opened):
    named = {"scorer_sig": "sig1", "metric": "exact_match"}
    found = reader.failures(opened, "e1", **named, passing=(1.0, True))
    rows = list(found.dicts())
    assert [row["sample_id"] for row in rows] == ["s1", "s2"]
    assert rows[0]["reason"] == "not equal"
    assert (rows[0]["request"], rows[0]["output"], rows[0]["input"]) == (
        '{"messages":[]}',
        '"no"',
        '{"text":"ticket 1"}',
    )
    assert (rows[1]["cell_status"], rows[1]["error_message"]) == ("errored", "no answer in 5 s")
    assert len(reader.failures(opened, "e1", **named).rows) == 3
    page = reader.failures(opened, "e1", **named, page=reader.Page(limit=1, offset=1))
    assert [row["sample_id"] for row in page.dicts()] == ["s2"]
    lower = reader.failures(opened, "e1", **named, passing=(0.5, False))
    assert [row["sample_id"] for row in lower.dicts()] == ["s0", "s2"]


def test_one_sample_across_candidates(filled, make):
    with filled.open() as connection:
        writers.put_entry(connection, make.entry("e2", candidate="model-b", suite="zebra"))
        writers.put_cells(connection, "e2", [(0, "s0", "hash-0", 0, None, "key-0")])
        rows = list(reader.sample_record(connection, "s0").dicts())
        assert [(row["candidate"], row["status"]) for row in rows] == [("model-a", "answered"), ("model-b", "missing")]
        [score] = rows[0]["scores"]
        assert (score["scorer"], score["metric"], score["value"], score["status"]) == (
            "exact_match",
            "exact_match",
            1.0,
            "scored",
        )
        assert rows[1]["scores"] is None
        assert len(reader.sample_record(connection, "s0", run_id="r1", suite="tickets").rows) == 1
        assert reader.sample_record(connection, "s0", run_id="r9").rows == []


def test_leaderboard_runs_costs_and_usage(opened):
    row = only(reader.leaderboard(opened, "tickets"))
    assert (row["candidate"], row["value"], row["planned"], row["errored"]) == ("model-a", 0.33, 3, 1)
    assert reader.leaderboard(opened, "nowhere").rows == []
    assert len(reader.leaderboard(opened).rows) == 1
    run = only(reader.runs(opened))
    assert (run["started"], run["finished"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z")
    assert (run["entries"], run["cells"], run["calls"], run["errors"], run["usd"]) == (1, 3, 4, 1, 0.03)
    stages = {row["stage"]: row for row in reader.cost_by_stage(opened, "r1").dicts()}
    assert (stages["answer"]["calls"], stages["answer"]["usd"], stages["answer"]["calls_without_price"]) == (3, 0.01, 1)
    assert (stages["judge"]["usd"], stages["judge"]["input_tokens"]) == (0.02, 10.0)
    assert len(reader.cost_by_stage(opened).rows) == 2
    totals = {row["unit"]: row["total"] for row in reader.usage_totals(opened).dicts()}
    assert totals == {"input_tokens": 16.0, "output_tokens": 2.0}
    assert reader.usage_totals(opened, "r9").rows == []


def test_sql_of_a_person_is_read_only_and_stays_inside(filled, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    assert reader.read_sql(filled, "select 1 as a, 2 as a").columns == ("a", "a")
    assert reader.read_sql(filled, "from range(10)", limit=3).rows == [(0,), (1,), (2,)]
    assert reader.read_sql(filled, "describe run").rows[0][0] == "run_id"
    for sql in (
        f"from '{tmp_path}/secret.csv'",
        f"from read_csv('{tmp_path}/secret.csv')",
        f"select * from read_text('{tmp_path}/secret.csv')",
        f"copy run to '{tmp_path}/out.csv'",
        f"attach '{tmp_path}/other.duckdb'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "drop table run",
        "update run set status = 'x'",
        "create table mine (a integer)",
        "select * from tmp_path",
        "selec 1",
        "",
        "-- nothing",
    ):
        with pytest.raises(UsageError, match="SQL"):
            reader.read_sql(filled, sql)
    assert reader.read_sql(filled, "select status from run").rows == [("complete",)]
    assert not (tmp_path / "out.csv").exists()


def test_times_are_texts_wherever_they_stand(filled):
    table = reader.read_sql(filled, "select started, [started] as more, started::date as day, 1 as one from run")
    assert table.rows[0][0] == "2026-01-01T00:00:00Z"
    assert "2026-01-01" in table.rows[0][1]
    assert (str(table.rows[0][2]), table.rows[0][3]) == ("2026-01-01", 1)


def test_sql_needs_a_store(store):
    with pytest.raises(StoreError, match="there is no store"):
        reader.read_sql(store, "select 1")


def test_statements_without_a_result_give_an_empty_table(store):
    with store.open() as connection:
        assert reader.query(connection, "-- nothing").rows == []
        assert reader.query(connection, "select $a + 1 as b", {"a": 1}) == reader.Table(("b",), [(2,)])
