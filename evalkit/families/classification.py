"""Classifiers of texts: a text in, a label with probabilities or entities out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="classification",
    title="Text classification and entities",
    input_fields={"text": "what is classified; offsets of entities count its characters"},
    output='{"label": ..., "probabilities": {label: p}}, or {"entities": [{type, start, end}]}',
    scorers=("classification", "risk_coverage", "log_loss", "brier", "entity_f1", "latency", "cost"),
    baselines=("tfidf_linear", "nearest_centroid", "majority", "gazetteer"),
    cost_unit="requests",
    required=("text",),
    target_types=(str, int, bool, list, dict),
)


def make() -> Family:
    """The family."""
    return FAMILY
