"""What was spent, by suite, candidate and stage; and the same calls at the prices of today or of another day."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from evalkit.app.workspace import Workspace
from evalkit.core.errors import UsageError
from evalkit.store import observing, reader, writers

COLUMNS = (
    "run_id",
    "suite",
    "candidate",
    "stage",
    "calls",
    "usd",
    "calls_without_price",
    "input_tokens",
    "output_tokens",
)


def spent(workspace: Workspace, run_id: str | None = None) -> list[dict[str, Any]]:
    """Rows of the view `cost_by_stage`; `usd` None = a price is unknown."""
    with workspace.loaded() as connection:
        return list(reader.cost_by_stage(connection, run_id).dicts())


def reprice(workspace: Workspace, as_of: str | None = None) -> int:
    """Cost every stored call again by the price table as it is now, or as it was on a day (ISO); returns how many.

    Batch calls are priced by the rows of batch calls. Raises UsageError for a day that is none.
    """
    day = None if as_of is None else _day(as_of)
    workspace.load_journals()
    dated = max((row.dated for row in workspace.prices.rows() if day is None or row.dated <= day), default=day or "")
    decode = msgspec.json.decode
    with workspace.store.open() as connection:
        calls = observing.usages(connection)
        writers.put_costs(
            connection,
            (
                (call, workspace.money(model, decode(usage) if usage else {}, batch=batch, on=day), dated)
                for call, model, usage, batch in calls
            ),
        )
    return len(calls)


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"--as-of {text!r} is no day; write one such as 2026-01-31") from None
