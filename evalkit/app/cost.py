"""What was spent, by suite, candidate and stage; and the same calls at the prices of today."""

from __future__ import annotations

from typing import Any

import msgspec

from evalkit.app.workspace import Workspace
from evalkit.store import reader, writers

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


def reprice(workspace: Workspace) -> int:
    """Cost every stored call again by the price table as it is now; returns how many calls."""
    workspace.load_journals()
    dated = max((row.dated for row in workspace.prices.rows()), default="")
    decode = msgspec.json.decode
    with workspace.store.open() as connection:
        calls = reader.query(connection, "select call_id, model, usage from call").rows
        writers.put_costs(
            connection,
            ((call, workspace.money(model, decode(usage) if usage else {}), dated) for call, model, usage in calls),
        )
    return len(calls)
