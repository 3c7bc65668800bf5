"""Forecasters: the history of a series in, its future with quantiles out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="timeseries",
    title="Time series forecasting",
    input_fields={
        "series": "the numbers before the origin, in time order",
        "horizon": "how many steps are asked for",
        "season": "steps of one season, 1 for none",
        "frequency": "yearly, quarterly, monthly, weekly, daily...",
    },
    output='a list of numbers, or {"mean": [...], "quantiles": {"0.1": [...], ..., "0.9": [...]}}',
    scorers=("mase", "smape", "rmsse", "wql", "coverage", "latency", "cost"),
    baselines=("seasonal_naive", "ets", "theta", "arima"),
    cost_unit="requests",
    required=("series", "horizon"),
    target_types=(list,),
)


def make() -> Family:
    """The family."""
    return FAMILY
