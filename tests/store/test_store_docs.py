from __future__ import annotations

import re
from pathlib import Path

import pytest

from evalkit.store.reader import read_sql

TEXT = (Path(__file__).parents[2] / "docs" / "store.md").read_text("utf-8")
QUESTIONS = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)


def test_there_are_five_questions():
    assert len(QUESTIONS) == 5


@pytest.mark.parametrize("sql", QUESTIONS, ids=range(len(QUESTIONS)))
def test_a_documented_question_has_an_answer(filled, sql):
    assert read_sql(filled, sql).rows


def test_the_answers_are_right(filled):
    best, wrong, cost, slow, errors = (read_sql(filled, sql).rows for sql in QUESTIONS)
    assert best == [("tickets", "model-a", "exact_match", 0.33, 0.1, 0.7, 3, 2, 1)]
    assert wrong == [("s1", 1, 0.0), ("s2", 1, 0.0)]
    assert cost == [("tickets", "model-a", "judge", 1, 0.02, 0), ("tickets", "model-a", "answer", 3, 0.01, 1)]
    assert slow == [("m", 3, 0.5, pytest.approx(1.4))]
    assert errors == [("model-a", "timeout", "no answer in 5 s", 1)]


def _documented_tables() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    section = TEXT.partition("## Tables")[2].partition("## Locking")[0]
    for first, second in re.findall(r"^\| (`\w+`|) ?\| ([^|]*) \|", section, re.MULTILINE):
        name = first.strip("`") or name
        found.setdefault(name, []).extend(re.findall(r"`(\w+)`", second))
    return found


def test_every_table_and_column_is_documented_and_nothing_else(filled):
    sql = "select table_name, column_name from duckdb_columns() where schema_name = 'main' and not internal"
    views = dict.fromkeys(
        row[0] for row in read_sql(filled, "select view_name from duckdb_views() where not internal").rows
    )
    real: dict[str, set[str]] = {}
    for table, column in read_sql(filled, sql).rows:
        if table not in views:
            real.setdefault(table, set()).add(column)
    assert {name: set(columns) for name, columns in _documented_tables().items()} == real


def test_every_view_and_column_is_documented(filled):
    rows = dict(
        re.findall(r"^\| `(\w+)` \| (.*) \|$", TEXT.partition("## Views")[2].partition("## Five")[0], re.MULTILINE)
    )
    views = {row[0] for row in read_sql(filled, "select view_name from duckdb_views() where not internal").rows}
    assert set(rows) == views
    for view, told in rows.items():
        real = [row[0] for row in read_sql(filled, f"describe {view}").rows]
        listed = [name for part in re.findall(r"`([^`]*)`", told) for name in part.split()]
        if told.startswith("all columns of"):
            real = [listed[0], *[name for name in real if name in listed[1:]]]
        assert listed == real
