"""Synthesizers: a real table in, a synthetic one out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="synthetic",
    title="Synthetic tables",
    input_fields={
        "table": "the real rows to learn from, a CSV file",
        "columns": "what is publicly known: [{name, type: number|category, low, high, values}]",
        "rows": "how many rows are asked for",
    },
    output='a CSV file, {"table": CSV file, "epsilon": claimed}, or a list of rows',
    scorers=("table_fidelity", "table_detection", "table_utility", "table_privacy", "latency", "cost"),
    baselines=("independent_marginals", "gaussian_copula", "dp_marginals", "bootstrap_copy"),
    cost_unit="requests",
    required=("table", "columns"),
    target_types=(dict,),
)


def make() -> Family:
    """The family."""
    return FAMILY
