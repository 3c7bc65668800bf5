"""What a report shows of single answers: failing samples of an entry, and samples with every candidate's answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from evalkit.app.leaderboard import Standing
from evalkit.report.model import Evidence, FailRow, ScoreLine, TraceStep
from evalkit.store import observing, reader
from evalkit.store.bulk import first_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN_FAILURES = 200
SHOWN_SAMPLES = 8
_decode = msgspec.json.decode

_PICKED = """
with each as (
  select c.sample_id, c.position, coalesce(s.value, s.worst) as value
  from cell c join answer a on a.entry_id = c.entry_id and a.position = c.position
  join entry_scorer es on es.entry_id = c.entry_id
  left join entry_basis b on b.entry_id = c.entry_id and b.position = c.position and b.scorer_sig = es.scorer_sig
  join score s on s.call_id = a.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = es.scorer_sig
    and s.metric = $metric and s.basis = coalesce(b.basis, '')
  where list_contains($entries, c.entry_id) and c.repeat = 0
),
seen as (
  select sample_id, min(position) as place, min(value) as least, max(value) as most, avg(value) as mean
  from each group by sample_id
),
ranked as (
  select *, row_number() over (order by most - least desc nulls last, place) as disputed,
         row_number() over (order by case when $higher then mean else -mean end nulls last, place) as hard,
         row_number() over (order by place) as first
  from seen
)
select sample_id, case when first <= 2 then 'one of the first in the order of asking'
  when disputed <= 4 and most > least then 'candidates differ most' else 'hard for all' end as why
from ranked where first <= 2 or disputed <= 4 or hard <= 2 order by first <= 2 desc, disputed limit $limit
"""


def evidence_of(connection: DuckDBPyConnection, members: Sequence[Standing]) -> Iterator[Evidence]:
    """A few samples of a suite with the answer of each candidate: the first, the most disputed and the hardest."""
    shown = [standing for standing in members if standing.primary is not None]
    if not shown or shown[0].primary is None:
        return
    main = shown[0].primary
    entries = [standing.entry["entry_id"] for standing in shown]
    asked = {"entries": entries, "metric": main["metric"], "higher": main["higher_is_better"], "limit": SHOWN_SAMPLES}
    picked = dict(connection.execute(_PICKED, asked).fetchall())
    answers: dict[str, list[tuple[str, FailRow]]] = {}
    for standing in shown:
        for row in _rows_of(connection, standing.entry["entry_id"], list(picked)):
            answers.setdefault(row.sample_id, []).append((standing.candidate, row))
    for sample_id, why in picked.items():
        rows = answers.get(sample_id, [])
        if rows:
            first = rows[0][1]
            yield Evidence(sample_id, why, first.tags, first.input, first.target, tuple(rows))


def _rows_of(connection: DuckDBPyConnection, entry_id: str, sample_ids: Sequence[str]) -> Iterator[FailRow]:
    rows = list(reader.evidence(connection, entry_id, sample_ids).dicts())
    scores = _all_scores(connection, entry_id, [row["position"] for row in rows])
    outputs = _outputs(connection, rows)
    return (_fail_row(row, scores.get(row["position"], ()), outputs) for row in rows)


def _outputs(connection: DuckDBPyConnection, rows: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    keys = [key for row in rows if row["trace"] for _, key, _ in _decode(row["trace"])]
    return reader.step_outputs(connection, keys) if keys else {}


def _steps(row: Mapping[str, Any], outputs: Mapping[str, str | None]) -> tuple[TraceStep, ...]:
    """The calls inside an answer; those of one key stand with the model and time of their stage."""
    trace = _decode(row["trace"]) if row["trace"] else ()
    meta = _decode(row["meta"]) if row["meta"] else {}
    stages = {name: (model, seconds) for name, model, _, seconds, *_ in meta.get("stages", ())}
    found = []
    for stage, key, cached in trace:
        model, seconds = stages.get(stage, ("", None))
        text = outputs.get(key)
        found.append(TraceStep(stage, model or "", key, seconds, cached, _decode(text) if text else None))
    return tuple(found)


def failing_of(connection: DuckDBPyConnection, entry_id: str, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Failing samples of an entry on its primary metric, worst first, and how many there are in all."""
    main = first_row(
        connection,
        "select metric, scorer_sig, higher_is_better from result where entry_id = ? and is_primary and slice = ''",
        [entry_id],
    )
    if main is None:
        return [], 0
    metric, sig, higher = main
    seen = observing.outcomes(connection, entry_id, (sig, metric))
    good = _good(seen["value"], higher=bool(higher))
    failed = seen["failed"]
    if good is not None:
        failed = failed | (seen["value"] < good if higher else seen["value"] > good)
    worst = _worst_first(seen, failed if good is not None else np.ones_like(failed), higher=bool(higher))
    page, passing = reader.Page(limit, positions=worst[:limit]), (good, bool(higher))
    rows = reader.failures(connection, entry_id, scorer_sig=sig, metric=metric, passing=passing, page=page)
    return list(rows.dicts()), int(failed.sum())


def _good(values: npt.NDArray[np.float64], *, higher: bool) -> float | None:
    """What passes: 1 where no value is higher, else the best value there is; None without any."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    best = float(values.max() if higher else values.min())
    return 1.0 if higher and best <= 1 else best


def _worst_first(seen: Mapping[str, Any], among: npt.NDArray[np.bool_], *, higher: bool) -> list[int]:
    """The positions of some cells, those without a value first, then the worst."""
    headline = seen["headline"][among] if higher else -seen["headline"][among]
    positions = seen["position"][among]
    order = np.lexsort((positions, np.where(np.isnan(headline), -np.inf, headline)))
    found: list[int] = positions[order].tolist()
    return found


def failing(connection: DuckDBPyConnection, entry_id: str) -> tuple[Iterator[FailRow], int]:
    rows, total = failing_of(connection, entry_id, SHOWN_FAILURES)
    scores = _all_scores(connection, entry_id, [row["position"] for row in rows])
    outputs = _outputs(connection, rows)
    return (_fail_row(row, scores.get(row["position"], ()), outputs) for row in rows), total


def _all_scores(
    connection: DuckDBPyConnection, entry_id: str, positions: Sequence[int]
) -> dict[int, tuple[ScoreLine, ...]]:
    rows = connection.execute(
        "select s.position, s.metric, s.status, s.value, s.headline_value, s.answer, s.reason, s.detail, s.blob"
        " from scores s join entry_scorer es using (entry_id, scorer_sig)"
        " where s.entry_id = ? and list_contains(?, s.position)"
        " order by s.position, es.place, s.metric",
        [entry_id, list(positions)],
    ).fetchall()
    found: dict[int, list[ScoreLine]] = {}
    for position, metric, status, value, worst, answer, reason, detail, blob in rows:
        units = tuple((unit, number) for unit, _, number, _ in _decode(detail)) if detail else ()
        found.setdefault(position, []).append(
            ScoreLine(metric, status, value, worst, answer, reason, units, {"$blob": blob} if blob else None)
        )
    return {position: tuple(lines) for position, lines in found.items()}


def _fail_row(row: Mapping[str, Any], scores: tuple[ScoreLine, ...], outputs: Mapping[str, str | None]) -> FailRow:
    request = _decode(row["request"]) if row["request"] else {}
    messages = request.get("messages", ()) if isinstance(request, dict) else ()
    return FailRow(
        sample_id=row["sample_id"],
        repeat=row["repeat"],
        tags=tuple(row["tags"] or ()),
        input=_decode(row["input"]) if row["input"] else None,
        messages=tuple((str(m.get("role", "")), m.get("content")) for m in messages if isinstance(m, dict)),
        output=_decode(row["output"]) if row["output"] else None,
        reasoning=row["reasoning"],
        target=_decode(row["target"]) if row["target"] else None,
        scores=scores,
        tool_calls=tuple(_decode(row["tool_calls"]) if row["tool_calls"] else ()),
        error_kind=row["error_kind"],
        error_message=row["error_message"],
        finish=row["finish"],
        seconds=row["seconds"],
        usd=row.get("usd"),
        usage=_decode(row["usage"]) if row["usage"] else {},
        cached=row["cached"],
        trace=_steps(row, outputs),
    )
