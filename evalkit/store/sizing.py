"""What an answer of an entry costs and takes, on average: the ground on which a larger run is priced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.core.units import ANSWER_UNITS, PROMPT_UNITS
from evalkit.store.bulk import first_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COST = """
select case when count(*) = count(usd) and count(*) > 0 then avg(usd) end from cell_cost where entry_id = $1
"""
_CALLS = """
select avg(k.seconds) filter (where not a.cached),
       avg(list_sum(list_transform($2, lambda u: coalesce(cast(json_extract(k.usage, '$.' || u) as double), 0))))
         filter (where len(list_filter($2, lambda u: json_extract(k.usage, '$.' || u) is not null)) > 0)
from answer a join call k using (call_id) where a.entry_id = $1 and k.error_kind is null
"""


@dataclass(frozen=True, slots=True)
class PerAnswer:
    """Means per answer: US dollars (with every call made for it), tokens, seconds of fresh calls; None = unknown."""

    usd: float | None = None
    tokens: float | None = None
    seconds: float | None = None


def per_answer(connection: DuckDBPyConnection, entry_id: str) -> PerAnswer:
    """What one answer of an entry took. The price is unknown when that of any cell is."""
    units: Sequence[str] = PROMPT_UNITS + ANSWER_UNITS
    cost = first_row(connection, _COST, [entry_id])
    calls = first_row(connection, _CALLS, [entry_id, list(units)])
    seconds, tokens = calls if calls is not None else (None, None)
    return PerAnswer(cost[0] if cost is not None else None, tokens, seconds)
