from __future__ import annotations

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


def test_cells_are_counted_by_what_became_of_them(filled, make):
    with filled.open() as connection:
        writers.put_entry(connection, make.entry("e2", planned=4))
        cells = [(n, f"s{n}", f"hash-{n}", n, "f", f"key-{n}") for n in range(4)]
        make.cells(connection, "e2", cells)
        make.answers(connection, "e2", (0, "c0"), (1, "gone"), (2, "c2"))
        counts = reader.entry_counts(connection, ["e1", "e2", "e9"])
        assert counts.columns == ("entry_id", "planned", "answered", "errored", "missing", "cached")
        assert counts.rows == [("e1", 3, 2, 1, 0, 0), ("e2", 4, 1, 1, 2, 3)]


def test_two_samples_with_one_id_do_not_multiply_cells(store, make):
    make.plan(store)
    with store.open() as connection:
        connection.execute(
            "insert into sample select data_hash, sample_id, 'other', 'elsewhere', [], '{}', null, '{}' from sample"
        )
        assert reader.query(connection, "select count(*) from cells").rows == [(3,)]


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


def test_evidence_of_some_samples_in_scheduled_order(filled, make):
    with filled.open() as connection:
        make.cells(connection, "e1", [(3, "s0", "hash-0", 1, None, "key-again")])
        rows = list(reader.evidence(connection, "e1", ["s2", "s0"]).dicts())
        assert [(row["sample_id"], row["repeat"], row["cell_status"]) for row in rows] == [
            ("s0", 0, "answered"), ("s2", 0, "errored")
        ]  # fmt: skip
        assert (rows[0]["input"], rows[0]["output"], rows[0]["usd"]) == ('{"text":"ticket 0"}', '"yes"', 0.01)
        assert (rows[1]["output"], rows[1]["error_message"]) == (None, "no answer in 5 s")
        assert reader.evidence(connection, "e1", []).rows == []


def test_outputs_of_steps_are_those_of_calls_inside_cells(store, hand, make):
    inner = [
        hand.call("j1", 0, ordinal=1, call_key="k", output="first", started=5.0),
        hand.call("j2", 1, ordinal=1, call_key="k", output=None, error_kind="timeout", started=9.0),
        hand.call("j3", 2, ordinal=1, call_key="other", output={"grade": 3}),
        hand.call("c0", 0, call_key="answer"),
    ]
    load_run(store, make.journal(store.folder, *inner))
    with store.open(read_only=True) as connection:
        found = reader.step_outputs(connection, ["k", "other", "answer", "nowhere"])
    assert found == {"k": '"first"', "other": '{"grade":3}'}


def test_one_sample_across_candidates(filled, make):
    with filled.open() as connection:
        writers.put_entry(connection, make.entry("e2", candidate="model-b", suite="zebra"))
        make.cells(connection, "e2", [(0, "s0", "hash-0", 0, None, "key-0")])
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


def test_leaderboard_runs_and_costs(opened):
    row = only(reader.query(opened, "from leaderboard where suite = 'tickets'"))
    assert (row["candidate"], row["value"], row["planned"], row["errored"]) == ("model-a", 0.33, 3, 1)
    run = only(reader.runs(opened))
    assert (run["started"], run["finished"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z")
    assert (run["entries"], run["cells"], run["calls"], run["errors"], run["usd"]) == (1, 3, 4, 1, 0.03)
    stages = {row["stage"]: row for row in reader.cost_by_stage(opened, "r1").dicts()}
    assert (stages["answer"]["calls"], stages["answer"]["usd"], stages["answer"]["calls_without_price"]) == (3, 0.01, 1)
    assert (stages["judge"]["usd"], stages["judge"]["input_tokens"]) == (0.02, 10.0)
    assert len(reader.cost_by_stage(opened).rows) == 2


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
