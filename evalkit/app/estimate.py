"""Before a run: how many calls, tokens and dollars the open cells will need, and what that rests on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from evalkit.app.planning import Plan, PlannedEntry
from evalkit.app.watching import Estimate
from evalkit.app.workspace import Workspace
from evalkit.core.capabilities import sending

LOOKED_AT = 40
CHARACTERS_PER_TOKEN = 4
ASSUMED_ANSWER = 256


def estimate(workspace: Workspace, plan: Plan) -> Estimate:
    """The sum over entries; money is None when the price of any model that will be asked is unknown."""
    known = sum(entry.planned - len(entry.open) for entry in plan.entries)
    total_in = total_out = 0.0
    usd = 0.0
    unpriced: list[str] = []
    means = _mean_answers(workspace, plan.entries)
    resting = {"prompt length / 4"}
    for entry in plan.entries:
        if not len(entry.open) or sending(entry.built.candidate) is None:
            continue
        model = entry.built.model
        inputs, outputs = _tokens(entry, means.get(model))
        total_in, total_out = total_in + inputs, total_out + outputs
        cost = workspace.money(model, {"input_tokens": inputs, "output_tokens": outputs})
        if cost is None:
            unpriced.append(model)
        usd += cost or 0.0
        resting.add("answers as long as before" if model in means else "answers at their limit")
    whole = None if unpriced else usd
    return Estimate(
        plan.open_cells, known, total_in, total_out, whole, ", ".join(sorted(resting)), tuple(unpriced), usd
    )


def not_held(plan: Plan, usd: float | None, needs: Estimate) -> str | None:
    """A warning when a budget in US dollars (the run's `usd` or a suite's) meets a model without a price."""
    limited = usd is not None or any(entry.suite.file.model.limits.budget_usd is not None for entry in plan.entries)
    if not limited or not needs.unpriced:
        return None
    models = ", ".join(sorted(set(needs.unpriced)))
    return (
        f"a budget in US dollars cannot hold {models}: the price is unknown; add it under `prices` in evalkit.yaml, or "
        "limit tokens with --budget-tokens"
    )


def _tokens(entry: PlannedEntry, mean_answer: float | None) -> tuple[float, float]:
    candidate = sending(entry.built.candidate)
    assert candidate is not None
    step = max(1, len(entry.open) // LOOKED_AT)
    looked: list[Any] = [
        candidate.request(cell.sample, cell.repeat).body for cell in entry.opened(range(0, len(entry.open), step))
    ]
    characters = sum(len(json.dumps(body, ensure_ascii=False, default=str)) for body in looked) / len(looked)
    limit = entry.suite.file.model.task.generation.max_tokens
    answer = mean_answer if mean_answer is not None else float(limit or ASSUMED_ANSWER)
    return len(entry.open) * characters / CHARACTERS_PER_TOKEN, len(entry.open) * answer


def _mean_answers(workspace: Workspace, entries: Sequence[PlannedEntry]) -> dict[str, float]:
    """Mean answer tokens per model in the store."""
    if not any(len(entry.open) and sending(entry.built.candidate) for entry in entries):
        return {}
    with workspace.store.open(read_only=True) as connection:
        rows = connection.execute(
            "select model, avg(coalesce(cast(json_extract(usage, '$.output_tokens') as double), 0)"
            " + coalesce(cast(json_extract(usage, '$.reasoning_tokens') as double), 0)) from call"
            " where error_kind is null and json_extract(usage, '$.output_tokens') is not null group by model"
        ).fetchall()
    return {str(model): float(mean) for model, mean in rows}
