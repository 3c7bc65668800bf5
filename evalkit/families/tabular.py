"""Models of tables: a row of columns in, a label with probabilities or a number out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="tabular",
    title="Tabular classification and regression",
    input_fields={"row": "column -> number, text, true/false or null"},
    output='{"label": ..., "probabilities": {label: p}} for a classification, a number for a regression',
    scorers=("classification", "auc", "log_loss", "brier", "regression", "latency", "cost"),
    baselines=("linear", "forest", "boosting", "majority", "mean"),
    cost_unit="requests",
    required=("row",),
    target_types=(str, int, float, bool),
)


def make() -> Family:
    """The family."""
    return FAMILY
