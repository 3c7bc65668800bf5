"""Why a leaderboard has no ranks, and whose metric is found: entries written by hand into a store."""

from __future__ import annotations

import json

import pytest

from evalkit.app import ranks
from evalkit.app.leaderboard import standings
from evalkit.app.workspace import open_workspace
from evalkit.core.errors import StoreError
from evalkit.core.types import Metric


@pytest.fixture
def ranked(project):
    """A run of three recordings, scored by each sample's own checks too."""
    rows = [{"id": f"s{n}", "input": {"text": f"{n}"}, "target": str(n), "checks": ["exact_match"]} for n in range(20)]
    root = project(rows, scorers=["exact_match"], candidates=["a", "b", "c"])
    for name, wrong in (("a", 0), ("b", 3), ("c", 15)):
        lines = [{"id": row["id"], "output": row["target"] if n >= wrong else "no"} for n, row in enumerate(rows)]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    listed = {name: {"provider": "replay", "file": f"{name}.jsonl"} for name in "abc"}
    (root / "evalkit.yaml").write_text(json.dumps({"candidates": listed}))
    import evalkit

    evalkit.run("s.yaml")
    return open_workspace(root, {})


def placed(workspace, spoil=None):
    """The placing and the ranks of suite `s`, after `spoil` of the connection and the standings."""
    with workspace.store.open() as connection:
        suites = standings(connection, spent=False)
        if spoil is not None:
            spoil(connection, suites["s"])
        found = ranks.place(connection, suites)["s"]
    return found, {one.candidate: one.rank for one in suites["s"]}


def test_stored_ranks_are_read_and_equal_to_computed_ones(ranked):
    found, stored = placed(ranked)
    assert (found.metric, found.among, found.excluded, found.why) == ("exact_match", 3, (), None)
    assert stored["c"] == (3, 3)
    _, computed = placed(ranked, lambda connection, _: connection.execute("delete from ranking"))
    assert computed == stored


def test_keeping_twice_stores_once(ranked):
    with ranked.store.open() as connection:
        run = connection.execute("select run_id from run").fetchall()[0][0]
        before = connection.execute("select * from ranking order by all").fetchall()
        ranks.keep(connection, run)
        assert connection.execute("select * from ranking order by all").fetchall() == before
        assert len(before) == 3


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("update entry_scorer set spec = 'no_such_scorer' where spec = 'exact_match'", "cannot be built here"),
        (
            "update entry_scorer set spec = 'contains' where spec = 'exact_match'",
            "no longer has the metric exact_match",
        ),
        ("update score set value = null, worst = null where metric = 'exact_match'", "missing"),
    ],
)
def test_what_stands_in_the_way_is_said(ranked, statement, why):
    def spoil(connection, _):
        connection.execute("delete from ranking")
        connection.execute(statement)

    found, given = placed(ranked, spoil)
    assert why in found.why
    assert set(given.values()) == {None}


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("value", None, "not defined"),
        ("signature", "another", "scored under another signature"),
        ("errored", 5, "errors: 25.0% of its cells failed, 2.0% may"),
    ],
)
def test_who_may_not_be_ranked_is_named_with_the_reason(ranked, column, value, why):
    def spoil(_, members):
        one = next(member for member in members if member.candidate == "b")
        one.primary[column] = value

    found, given = placed(ranked, spoil)
    assert given["b"] is None
    assert given["c"] == (2, 2)
    assert found.excluded == (("b", found.excluded[0][1]),)
    assert why in found.excluded[0][1]


def test_nobody_to_rank(ranked):
    def spoil(_, members):
        for one in members[1:]:
            one.entry["status"] = "incomplete"

    found, _ = placed(ranked, spoil)
    assert "fewer than two" in found.why
    assert {why for _, why in found.excluded} == {"incomplete: cells have no answer"}


def test_a_metric_comes_from_its_scorer(ranked):
    with ranked.store.open(read_only=True) as connection:
        rows = connection.execute("select entry_id, scorer_sig, spec from entry_scorer order by spec").fetchall()
        for entry, sig, spec in rows:
            if spec == "exact_match":
                assert ranks.metric_of(connection, entry, sig, "exact_match").kind == "mean01"
        assert isinstance(ranks.metric_of(connection, *rows[0][:2], rows[0][2]), Metric)
        with pytest.raises(StoreError, match="was not scored under"):
            ranks.metric_of(connection, rows[0][0], "nothing", "exact_match")
